//! Fault `pull-refused`: the registry does not let the pod pull its image. That is about
//! credentials, which only a person can have.

use std::collections::BTreeSet;

use super::{Diagnosis, Examination, Family, Fault, Remedy, image_unavailable};
use crate::{
    evidence::{Keys, Question},
    image_reference::ImageReference,
    observe::{Sign, Symptom},
    plan::Advice,
};

pub(super) const FAULT: Fault = Fault {
    name: "pull-refused",
    family: Family::Image,
    signs: "the registry refuses the pull (unauthorized, forbidden, denied)",
    does: "names the registry, the pod's imagePullSecrets, and the docker-registry Secrets that the namespace has",
    never: "touches credentials, or guesses another image",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::ImagePull { image } = &symptom.sign else {
        return None;
    };
    let is_hidden = image_unavailable::is_hidden(symptom);
    let is_missing = image_unavailable::is_missing(symptom) && !is_hidden;
    if is_missing || !image_unavailable::is_refused(&symptom.message) {
        return None;
    }
    let known = examination.ask(Question::Keys)?.keys();
    let host = ImageReference::parse(image)
        .and_then(|reference| reference.host)
        .unwrap_or_else(|| "docker.io".to_owned());
    let pods = &examination.workload.pods;
    let pod = pods.iter().find(|pod| pod.metadata.name == symptom.pod)?;
    // the pod's own: its ServiceAccount may have added some to those of the template
    let used: BTreeSet<_> = pod
        .spec
        .iter()
        .flat_map(|spec| spec.image_pull_secrets.iter().flatten())
        .map(|secret| secret.name.clone())
        .filter(|name| !name.is_empty())
        .collect();
    let refuses = if is_hidden {
        "refuses, or has no such repository: it does not tell which"
    } else {
        "refuses"
    };
    let says = format!(
        "may not pull the image {image}: the registry {host} {refuses}; {}",
        told(&used, known)
    );
    let why = if used.is_empty() {
        format!("imagePullSecrets must name a docker-registry Secret with credentials for {host}")
    } else {
        format!("one of imagePullSecrets must hold credentials for {host} that may pull {image}")
    };
    let namespace = &examination.workload.reference.namespace;
    let command = format!(
        "kubectl -n {namespace} get secrets --field-selector type=kubernetes.io/dockerconfigjson"
    );
    let remedy = Remedy::Person(Advice { why, command });
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 85, remedy)
            .with_evidence([symptom.message.clone()]),
    )
}

/// Which pull secrets the pod uses, and which there are, by name.
fn told(used: &BTreeSet<String>, known: Option<&Keys>) -> String {
    let listed = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    let mut text = if used.is_empty() {
        "the pod has no imagePullSecrets".to_owned()
    } else {
        format!("the pod's imagePullSecrets are {}", listed(used))
    };
    let Some(keys) = known else {
        return text;
    };
    let namespace_has = &keys.pull_secrets;
    let unfit: BTreeSet<_> = used.difference(namespace_has).cloned().collect();
    if !unfit.is_empty() {
        text = format!(
            "{text}, of which {} is no docker-registry Secret of the namespace",
            listed(&unfit)
        );
    }
    let others: BTreeSet<_> = namespace_has.difference(used).cloned().collect();
    match (others.is_empty(), namespace_has.is_empty()) {
        (_, true) => format!("{text}; the namespace has no docker-registry Secret"),
        (false, false) => format!("{text}; the namespace has {}", listed(&others)),
        (true, false) => text,
    }
}
