//! Fault `pod-anti-affinity`: pods that refuse to stand beside each other, and too few nodes for
//! that.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Node, Pod, PodAffinityTerm, PodSpec};

use super::{
    Diagnosis, Examination, Family, Fault,
    placement::{Placement, label, listed, name, node_of, selector_text},
};
use crate::{
    cluster::{Kind, ObjectRef, Workload, label_selector_matches},
    observe::Symptom,
    workload::WorkloadRef,
};

pub(super) const FAULT: Fault = Fault {
    name: "pod-anti-affinity",
    family: Family::Scheduling,
    signs: "no node takes the pod, for pods that its required `podAntiAffinity`, or theirs, keeps apart stand on each",
    does: "names the rule, how many places there are for it, which pods hold them, and how many replicas are wanted; after a rollout that changed it and has passed its progress deadline, puts the last good revision back, where one is proven",
    never: "relaxes a rule, or moves pods",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let place = Placement::of(examination, symptom)?;
    let open = place.open();
    let says = if place
        .message
        .contains("didn't match pod anti-affinity rules")
    {
        let mut terms = anti_affinity(place.spec)?.iter();
        let (term, held) = terms.find_map(|term| Some((term, full(&place, &open, term)?)))?;
        own_rule(examination, term, &held)
    } else if place.message.contains("existing pods anti-affinity rules") {
        let refusing = refusing(examination, &place);
        if refusing.is_empty() {
            return None;
        }
        let names: Vec<_> = refusing.iter().map(ToString::to_string).collect();
        format!(
            "fits on no node: the podAntiAffinity of {}, whose pods stand there, keeps it away",
            listed(names.iter().map(String::as_str))
        )
    } else {
        return None;
    };
    let why = "fewer replicas, more nodes, or preferredDuringSchedulingIgnoredDuringExecution in place of the required rule";
    let diagnosis = examination.refused(&FAULT, symptom, &says, why);
    Some(diagnosis.undone_if_changed(examination, |spec| anti_affinity(spec).cloned()))
}

fn anti_affinity(spec: &PodSpec) -> Option<&Vec<PodAffinityTerm>> {
    let affinity = spec.affinity.as_ref()?.pod_anti_affinity.as_ref()?;
    affinity
        .required_during_scheduling_ignored_during_execution
        .as_ref()
}

/// Which pods hold each of the places that a rule leaves; nothing if one is free, or is not known
/// to be held.
fn full<'a>(
    place: &Placement<'a>,
    open: &[&'a Node],
    term: &'a PodAffinityTerm,
) -> Option<BTreeMap<&'a str, Vec<&'a Pod>>> {
    let mut held: BTreeMap<&str, Vec<&Pod>> = BTreeMap::new();
    for node in open {
        held.entry(label(node, &term.topology_key)?).or_default();
    }
    for pod in place.placed(term.namespaces.as_ref(), term.label_selector.as_ref()) {
        let mut nodes = place.nodes.iter();
        let node = nodes.find(|node| Some(name(node)) == node_of(pod));
        let domain = node.and_then(|node| label(node, &term.topology_key));
        if let Some(pods) = domain.and_then(|domain| held.get_mut(domain)) {
            pods.push(pod);
        }
    }
    (!held.is_empty() && held.values().all(|pods| !pods.is_empty())).then_some(held)
}

fn own_rule(
    examination: &Examination<'_>,
    term: &PodAffinityTerm,
    held: &BTreeMap<&str, Vec<&Pod>>,
) -> String {
    let key = &term.topology_key;
    let holders = held.iter().map(|(domain, pods)| {
        let pods = pods.iter().filter_map(|pod| pod.metadata.name.as_deref());
        format!("{domain} has {}", listed(pods))
    });
    let holders: Vec<_> = holders.collect();
    let workload = examination.workload;
    let is_old = |pod: &Pod| {
        let mut old = workload.old_pods.iter();
        old.any(|old| old.metadata.uid == pod.metadata.uid)
    };
    let waits_for_old = held.values().flatten().any(|pod| is_old(pod));
    let roll = if waits_for_old {
        "; a rolling update starts a new pod before it ends an old one unless maxUnavailable is 1 or more"
    } else {
        ""
    };
    format!(
        "fits on no node: its podAntiAffinity keeps it from pods with {} (topologyKey {key}), of which each of {} place(s) has one ({}); {} replica(s) are wanted{roll}",
        selector_text(term.label_selector.as_ref()),
        held.len(),
        listed(holders.iter().map(String::as_str)),
        workload.desired()
    )
}

/// The workloads with pods on nodes whose own rule keeps this pod away.
fn refusing(examination: &Examination<'_>, place: &Placement<'_>) -> BTreeSet<WorkloadRef> {
    let cluster = examination.workload.cluster();
    let labels = place.pod.metadata.labels.as_ref();
    let namespace = &examination.workload.reference.namespace;
    let on_nodes = place.nodes.iter().flat_map(|node| place.pods_on(node));
    let roots: BTreeSet<_> = on_nodes
        .filter_map(|pod| {
            cluster.root_of(&ObjectRef {
                kind: Kind::Pod,
                namespace: pod.metadata.namespace.clone()?,
                name: pod.metadata.name.clone()?,
            })
        })
        .collect();
    let keeps_away = |root: &WorkloadRef| {
        let workload = cluster.workload(root);
        let spec = workload.as_ref().and_then(Workload::pod_spec);
        let mut terms = spec.and_then(anti_affinity).into_iter().flatten();
        terms.any(|term| {
            let is_for = match &term.namespaces {
                Some(named) if !named.is_empty() => named.contains(namespace),
                _ => root.namespace == *namespace,
            };
            is_for && label_selector_matches(term.label_selector.as_ref(), labels)
        })
    };
    roots.into_iter().filter(keeps_away).collect()
}
