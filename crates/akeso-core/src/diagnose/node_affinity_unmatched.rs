//! Fault `node-affinity-unmatched`: the pod's required node affinity is met by no node.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{NodeSelectorRequirement, NodeSelectorTerm};

use super::{
    Diagnosis, Examination, Family, Fault,
    placement::{Placement, label, listed, only_close, requirement_text},
};
use crate::{
    cluster::{node_meets, required_terms, term_matches},
    observe::Symptom,
};

pub(super) const FAULT: Fault = Fault {
    name: "node-affinity-unmatched",
    family: Family::Scheduling,
    signs: "no node takes the pod, and none meets its required `nodeAffinity`, or all of its `nodeSelector` and affinity together",
    does: "names the requirement, what the nodes have, and the value that was likely meant if exactly one is close; after a rollout that changed it and has passed its progress deadline, puts the last good revision back, where one is proven",
    never: "labels a node, or changes an affinity: an autoscaler may yet bring the node",
    diagnose,
};

const FIELD: &str = "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution";

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let place = Placement::of(examination, symptom)?;
    let is_said = place.message.contains("didn't match Pod's node affinity");
    if !is_said || place.allowed().next().is_some() {
        return None;
    }
    let terms = required_terms(place.spec).unwrap_or_default();
    let is_met = |term: &NodeSelectorTerm| place.nodes.iter().any(|node| term_matches(term, node));
    let count = place.nodes.len();
    let says = if !terms.is_empty() && !terms.iter().any(is_met) {
        let unmet: Vec<_> = terms.iter().map(|term| unmet(&place, term)).collect();
        format!(
            "fits on no node: none of {count} node(s) meets {FIELD}: {}",
            unmet.join("; or ")
        )
    } else {
        let selector = place
            .selector()
            .map(|(key, value)| format!("{key}={value}"));
        let selector: Vec<_> = selector.collect();
        let and = if terms.is_empty() {
            ""
        } else {
            " together with its required node affinity"
        };
        format!(
            "fits on no node: none of {count} node(s) has all of nodeSelector {}{and}, though each is met by some",
            selector.join(",")
        )
    };
    let why = "the affinity must name what a node has, or such a node must be added";
    let diagnosis = examination.refused(&FAULT, symptom, &says, why);
    Some(diagnosis.undone_if_changed(examination, |spec| {
        let terms = required_terms(spec).map(<[_]>::to_vec);
        (spec.node_selector.clone(), terms)
    }))
}

/// What of a term no node meets; all of it where each part is met by some.
fn unmet(place: &Placement<'_>, term: &NodeSelectorTerm) -> String {
    let requirements = term.match_expressions.iter().flatten();
    let text =
        |it: &NodeSelectorRequirement| requirement_text(&it.key, &it.operator, it.values.as_ref());
    let never = |it: &&NodeSelectorRequirement| {
        let mut nodes = place.nodes.iter();
        !nodes.any(|node| node_meets(it, node.metadata.labels.as_ref()))
    };
    let missing: Vec<_> = requirements
        .clone()
        .filter(never)
        .map(|it| format!("{}{}", text(it), what_there_is(place, it)))
        .collect();
    if !missing.is_empty() {
        return missing.join(" and ");
    }
    let fields = term.match_fields.iter().flatten();
    let all: Vec<_> = requirements.chain(fields).map(text).collect();
    format!("all of {}", all.join(" and "))
}

/// The values of the label that the nodes have, or the one that was likely meant.
fn what_there_is(place: &Placement<'_>, requirement: &NodeSelectorRequirement) -> String {
    let key = &requirement.key;
    let labels = place.nodes.iter().filter_map(|node| label(node, key));
    let values: BTreeSet<String> = labels.map(str::to_owned).collect();
    if values.is_empty() {
        let labels = place.nodes.iter();
        let labels = labels.flat_map(|node| node.metadata.labels.iter().flatten());
        let keys = labels.map(|(key, _)| key.clone()).collect();
        return match only_close(key, keys) {
            Some(close) => format!(" (no node has the label {key}; likely meant: {close})"),
            None => format!(" (no node has the label {key})"),
        };
    }
    let wanted = requirement.values.as_deref().unwrap_or_default();
    let close: BTreeSet<_> = wanted
        .iter()
        .filter_map(|wanted| only_close(wanted, values.clone()))
        .collect();
    match close.first() {
        Some(close) if requirement.operator == "In" => format!(" (likely meant: {key}={close})"),
        _ => format!(
            " (the nodes have {key}={})",
            listed(values.iter().map(String::as_str))
        ),
    }
}
