//! Fault `node-selector-unmatched`: the pod wants a node with a label that no node has.

use super::{
    Diagnosis, Examination, Family, Fault,
    placement::{Placement, label, only_close},
};
use crate::{
    act::{Action, FixNodeSelector},
    observe::{NOWHERE, Symptom, selector_slip},
    similar::is_misspelt,
};

pub(super) const FAULT: Fault = Fault {
    name: "node-selector-unmatched",
    family: Family::Scheduling,
    signs: "no node takes the pod, and none has a label of its `nodeSelector`; a DaemonSet runs nowhere for a slip in it",
    does: "names the label, and the one that was likely meant if exactly one is close; corrects the value where it differs from that of the nodes by a slip of the finger; after a rollout that changed it and has passed its progress deadline, puts the last good revision back, where one is proven",
    never: "labels a node, takes a label out of the selector, or changes a value that may be meant: an autoscaler may yet bring the node",
    diagnose,
};

const WHY: &str = "the nodeSelector must name labels that a node has, or such a node must be added";

/// A DaemonSet, which makes no pod where no node has the labels.
fn daemons(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let fix = selector_slip(examination.workload).filter(|_| symptom.reason == NOWHERE)?;
    let says = format!("runs nowhere: {}", symptom.message);
    let mut diagnosis = examination.refused(&FAULT, symptom, &says, WHY);
    let reasoning = format!(
        "nodes have {}={}, and nothing else is close",
        fix.label, fix.to
    );
    diagnosis.remedy = diagnosis
        .remedy
        .with_fix(Action::FixNodeSelector(fix), reasoning);
    Some(diagnosis)
}

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    if let Some(found) = daemons(examination, symptom) {
        return Some(found);
    }
    let place = Placement::of(examination, symptom)?;
    if !place.message.contains("didn't match Pod's node affinity") {
        return None;
    }
    let lacking: Vec<_> = place
        .selector()
        .filter(|(key, value)| {
            let mut nodes = place.nodes.iter();
            !nodes.any(|node| label(node, key) == Some(value))
        })
        .map(|(key, value)| (key, value, meant(&place, key, value)))
        .collect();
    if lacking.is_empty() {
        return None;
    }
    let shown = |(key, value, meant): &(&str, &str, Option<(String, String)>)| match meant {
        Some((label, right)) => format!("{key}={value} (likely meant: {label}={right})"),
        None => format!("{key}={value}"),
    };
    let says = format!(
        "fits on no node: none of {} node(s) has the label that nodeSelector asks for: {}",
        place.nodes.len(),
        lacking.iter().map(shown).collect::<Vec<_>>().join(", ")
    );
    let mut diagnosis = examination.refused(&FAULT, symptom, &says, WHY);
    if let [(key, value, Some((label, right)))] = lacking.as_slice()
        && key == label
        && is_misspelt(value, right)
    {
        let fix = FixNodeSelector {
            label: label.clone(),
            from: (*value).to_owned(),
            to: right.clone(),
        };
        let reasoning = format!("nodes have {label}={right}, and nothing else is close");
        diagnosis.remedy = diagnosis
            .remedy
            .with_fix(Action::FixNodeSelector(fix), reasoning);
    }
    Some(diagnosis.undone_if_changed(examination, |spec| spec.node_selector.clone()))
}

/// The one close value of the label, or else the one close label of that value.
fn meant(place: &Placement<'_>, key: &str, value: &str) -> Option<(String, String)> {
    let labels = || {
        let nodes = place.nodes.iter();
        nodes.flat_map(|node| node.metadata.labels.iter().flatten())
    };
    let values = labels().filter(|(name, _)| *name == key);
    if let Some(close) = only_close(value, values.map(|(_, value)| value.clone()).collect()) {
        return Some((key.to_owned(), close));
    }
    let keys = labels().filter(|(_, known)| *known == value);
    let close = only_close(key, keys.map(|(key, _)| key.clone()).collect())?;
    Some((close, value.to_owned()))
}
