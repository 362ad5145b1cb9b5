//! Faults `ephemeral-storage-exceeded` and `evicted-under-pressure`: the kubelet ends the pods, for
//! what they write or for what their node lacks.

use std::sync::LazyLock;

use regex::Regex;

use super::{Diagnosis, Examination, Family, Fault, Remedy, undo};
use crate::{
    observe::{Sign, Symptom},
    plan::Advice,
};

pub(super) const LIMIT: Fault = Fault {
    name: "ephemeral-storage-exceeded",
    family: Family::Storage,
    signs: "pods are evicted (`Evicted`) again and again: they write more than their limit for ephemeral storage, or than an emptyDir's `sizeLimit`",
    does: "puts the last good revision back, where one is proven; else names the limit, its field and its value",
    never: "raises the limit: what is written may grow without end and fill the node",
    diagnose: limit,
};

pub(super) const PRESSURE: Fault = Fault {
    name: "evicted-under-pressure",
    family: Family::Cluster,
    signs: "pods are evicted (`Evicted`) again and again, since their node is low on memory, disk or process ids",
    does: "names the node, the resource, and what the kubelet says of the pod's share",
    never: "drains or cordons a node",
    diagnose: pressure,
};

/// The kubelet's words (`pkg/kubelet/eviction/helpers.go`).
static OF_CONTAINER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"Container (\S+) exceeded its local ephemeral storage limit "([^"]+)""#).ok()
});
static OF_POD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"Pod ephemeral local storage usage exceeds the total limit of containers ([^\s.]+)")
        .ok()
});
static OF_VOLUME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"Usage of EmptyDir volume "([^"]+)" exceeds the limit "([^"]+)""#).ok()
});
static LOW: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"The node was low on resource: (\S+)\.").ok());

fn limit(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let message = message(symptom)?;
    let found = |pattern: &'static LazyLock<Option<Regex>>| pattern.as_ref()?.captures(message);
    let says = if let Some(found) = found(&OF_CONTAINER) {
        format!(
            "is evicted again and again: container {} writes more than its resources.limits.ephemeral-storage of {}",
            &found[1], &found[2]
        )
    } else if let Some(found) = found(&OF_VOLUME) {
        format!(
            "is evicted again and again: more is written to volume {} than its emptyDir.sizeLimit of {}",
            &found[1], &found[2]
        )
    } else {
        let found = found(&OF_POD)?;
        let spec = examination.workload.pod_spec();
        let containers = spec.iter().flat_map(|spec| &spec.containers);
        let limits = containers.filter_map(|container| {
            let limits = container.resources.as_ref()?.limits.as_ref()?;
            let limit = limits.get("ephemeral-storage")?;
            Some(format!("container {} {}", container.name, limit.0))
        });
        let limits: Vec<_> = limits.collect();
        format!(
            "is evicted again and again: its containers write more than their resources.limits.ephemeral-storage together, {} ({})",
            &found[1],
            limits.join(", ")
        )
    };
    let advice = Advice {
        why: "the program must write less or elsewhere (a volume), or the limit must fit what it writes".to_owned(),
        command: examination.describe(symptom),
    };
    let remedy = undo::or_person(examination, advice);
    Some(
        examination
            .diagnosis(&LIMIT, symptom, says, 90, remedy)
            .with_evidence([symptom.message.clone()]),
    )
}

fn pressure(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let message = message(symptom)?;
    let found = LOW.as_ref()?.captures(message)?;
    let pods = &examination.workload.pods;
    let mut pods = pods.iter().filter(|pod| pod.metadata.name == symptom.pod);
    let node = pods
        .next()
        .and_then(|pod| pod.spec.as_ref()?.node_name.as_deref());
    let node = node.unwrap_or_default();
    let says = format!(
        "is evicted again and again: node {node} is low on {}",
        &found[1]
    );
    let advice = Advice {
        why: "the node must get room: who uses most of it must request what it uses, or the node must be larger".to_owned(),
        command: format!("kubectl describe node {node}"),
    };
    let mut diagnosis = examination
        .diagnosis(&PRESSURE, symptom, says, 90, Remedy::Person(advice))
        .with_evidence([symptom.message.clone()]);
    diagnosis.dependency = Some(format!("node {node}"));
    Some(diagnosis)
}

fn message(symptom: &Symptom) -> Option<&str> {
    matches!(symptom.sign, Sign::Evicted).then_some(symptom.message.as_str())
}
