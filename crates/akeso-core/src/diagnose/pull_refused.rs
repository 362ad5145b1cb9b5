//! Fault `pull-refused`: the registry does not let the pod pull its image. That is about
//! credentials: those of a Secret are used only if the registry itself says that they, and none of
//! the others, open it.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{PodSpec, ServiceAccount};

use super::{Diagnosis, Examination, Family, Fault, Remedy, image_unavailable};
use crate::{
    act::{Action, AddPullSecret},
    evidence::{Answer, ImageAnswer, Keys, Question},
    image_reference::ImageReference,
    observe::{Sign, Symptom},
    plan::Advice,
    similar::{is_misspelt, only},
};

/// With no more Secrets is a registry asked: who fails too often may be locked out.
const MOST_SECRETS: usize = 5;

pub(super) const FAULT: Fault = Fault {
    name: "pull-refused",
    family: Family::Image,
    signs: "the registry refuses the pull (unauthorized, forbidden, denied)",
    does: "names the pull secret in the template where the registry shows the image to exactly one docker-registry Secret of the namespace, and neither to strangers nor to the pod's own; asks first under `standard`. Names the registry, the pod's imagePullSecrets, and the Secrets that there are",
    never: "makes, changes or copies credentials, takes those of another namespace, or guesses another image",
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
    let mut remedy = Remedy::Person(Advice { why, command });
    if let Some(action) = known.and_then(|keys| opening(examination, image, &used, keys)) {
        let reasoning = format!(
            "the registry shows {image} to the credentials of Secret {}, and to no others",
            action.secret
        );
        remedy = remedy.with_fix(Action::AddPullSecret(action), reasoning);
    }
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 85, remedy)
            .with_evidence([symptom.message.clone()]),
    )
}

/// What names the one Secret of the namespace that opens the registry.
fn opening(
    examination: &Examination<'_>,
    image: &str,
    used: &BTreeSet<String>,
    keys: &Keys,
) -> Option<AddPullSecret> {
    let spec = examination.workload.pod_spec()?;
    let named = spec.image_pull_secrets.as_deref().unwrap_or_default();
    let named: BTreeSet<_> = named.iter().map(|it| &it.name).collect();
    let others: Vec<_> = keys.pull_secrets.difference(used).collect();
    let is_given = used.iter().any(|it| !named.contains(it));
    if is_given || others.is_empty() || others.len() > MOST_SECRETS {
        return None;
    }
    if named.is_empty() && accounts_own(examination, spec)? {
        return None;
    }
    let ask = |secrets: &[&String]| {
        examination.ask(Question::Image {
            reference: image.to_owned(),
            pull_secrets: secrets.iter().map(|it| (*it).clone()).collect(),
        })
    };
    let to_strangers = ask(&[]);
    let to_the_pod = ask(&used.iter().collect::<Vec<_>>());
    let to_others: Vec<_> = others.iter().map(|it| ask(&[it])).collect();
    // the kubelet has told of the pod's own already: to wrong ones a registry may give no answer
    if is_shown(to_strangers?)? || is_shown(to_the_pod?) == Some(true) {
        return None;
    }
    // where one gets no answer, it may open the registry as well
    let to_others: Option<Vec<_>> = to_others.into_iter().map(|it| is_shown(it?)).collect();
    let opens = others.into_iter().zip(to_others?);
    let (secret, _) = only(opens.filter(|(_, is_shown)| *is_shown))?;
    let is_there = |name: &str| keys.pull_secrets.contains(name) || keys.secrets.contains_key(name);
    let misspelt = used
        .iter()
        .find(|name| !is_there(name) && is_misspelt(name, secret));
    Some(AddPullSecret {
        secret: secret.clone(),
        in_place_of: misspelt.cloned(),
    })
}

/// Whether the `ServiceAccount` has pull secrets. It gives them to new pods that name none: to name
/// one would take those away
/// (<https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/>).
fn accounts_own(examination: &Examination<'_>, spec: &PodSpec) -> Option<bool> {
    let namespace = &examination.workload.reference.namespace;
    let accounts = examination.list::<ServiceAccount>(namespace)?.ok()?;
    let name = spec.service_account_name.as_deref().unwrap_or("default");
    let mut accounts = accounts.iter();
    let account = accounts.find(|it| it.metadata.name.as_deref() == Some(name));
    let secrets = account.and_then(|it| it.image_pull_secrets.as_ref());
    Some(secrets.is_some_and(|it| !it.is_empty()))
}

/// Whether the registry shows the image; nothing if there is no telling.
const fn is_shown(answer: &Answer) -> Option<bool> {
    match answer {
        Answer::Image(ImageAnswer::Exists) => Some(true),
        Answer::Image(ImageAnswer::NoSuchTag { .. } | ImageAnswer::NoSuchRepository) => Some(false),
        Answer::Unknown { .. }
        | Answer::Logs(_)
        | Answer::Keys(_)
        | Answer::Bounds(_)
        | Answer::Objects(_)
        | Answer::Certificate(_)
        | Answer::Usage(_) => None,
    }
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
