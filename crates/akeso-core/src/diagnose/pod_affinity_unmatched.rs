//! Fault `pod-affinity-unmatched`: the pod wants to stand beside pods that are not there.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{PodAffinityTerm, PodSpec};

use super::{
    Diagnosis, Examination, Family, Fault,
    placement::{Placement, label, listed, node_of, only_close, selector_text},
};
use crate::{cluster::in_namespace, observe::Symptom};

pub(super) const FAULT: Fault = Fault {
    name: "pod-affinity-unmatched",
    family: Family::Scheduling,
    signs: "no node takes the pod, and no pod stands on a node that its required `podAffinity` is for",
    does: "names the selector, and the label that was likely meant if exactly one is close; or the nodes of those pods; after a rollout that changed it and has passed its progress deadline, puts the last good revision back, where one is proven",
    never: "changes an affinity, or starts what is missing",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let place = Placement::of(examination, symptom)?;
    if !place.message.contains("didn't match pod affinity rules") {
        return None;
    }
    let mut unmet = required(place.spec)?
        .iter()
        .filter_map(|term| unmet(examination, &place, term));
    let says = format!("fits on no node: {}", unmet.next()?);
    let why = "podAffinity must name pods that run, or they must be started first";
    let diagnosis = examination.refused(&FAULT, symptom, &says, why);
    Some(diagnosis.undone_if_changed(examination, |spec| required(spec).cloned()))
}

fn required(spec: &PodSpec) -> Option<&Vec<PodAffinityTerm>> {
    let affinity = spec.affinity.as_ref()?.pod_affinity.as_ref()?;
    affinity
        .required_during_scheduling_ignored_during_execution
        .as_ref()
}

fn unmet(
    examination: &Examination<'_>,
    place: &Placement<'_>,
    term: &PodAffinityTerm,
) -> Option<String> {
    let namespace = &examination.workload.reference.namespace;
    let named = term.namespaces.as_ref();
    let is_elsewhere = term.namespace_selector.is_some()
        || named.is_some_and(|named| named.iter().any(|it| !examination.settings.watches(it)));
    if is_elsewhere || term.match_label_keys.is_some() || term.mismatch_label_keys.is_some() {
        return None; // pods that are not seen here may be meant
    }
    let key = &term.topology_key;
    if !place.nodes.iter().any(|node| label(node, key).is_some()) {
        return Some(format!(
            "no node has the label {key}, which podAffinity's topologyKey names"
        ));
    }
    let selector = term.label_selector.as_ref();
    let placed = place.placed(named, selector);
    let text = selector_text(selector);
    if placed.is_empty() {
        let mut pairs = selector?.match_labels.iter().flatten();
        let meant = pairs.find_map(|(key, value)| {
            let pods = in_namespace(&examination.workload.cluster().pods, namespace);
            let labels = pods.filter_map(|(_, pod)| pod.metadata.labels.as_ref()?.get(key));
            let values: BTreeSet<String> = labels.cloned().collect();
            let is_there = values.contains(value);
            let close = only_close(value, values).filter(|_| !is_there)?;
            Some(format!(" (likely meant: {key}={close})"))
        });
        let within = named
            .filter(|named| !named.is_empty())
            .map_or_else(|| namespace.clone(), |named| named.join(", "));
        return Some(format!(
            "no pod that stands on a node in namespace {within} has {text}, which podAffinity wants beside it{}",
            meant.unwrap_or_default()
        ));
    }
    let nodes: BTreeSet<_> = placed.iter().filter_map(|pod| node_of(pod)).collect();
    Some(format!(
        "podAffinity wants it beside the pods with {text} (topologyKey {key}), which stand on {}, and those take it not",
        listed(nodes)
    ))
}
