//! Fault `node-selector-unmatched`: the pod wants a node with a label that no node has.

use super::{
    Diagnosis, Examination, Family, Fault,
    placement::{self, Placement, label, only_close},
};
use crate::observe::Symptom;

pub(super) const FAULT: Fault = Fault {
    name: "node-selector-unmatched",
    family: Family::Scheduling,
    signs: "no node takes the pod, and none has a label of its `nodeSelector`",
    does: "names the label, and the one that was likely meant if exactly one is close",
    never: "labels a node, or changes a selector: an autoscaler may yet bring the node",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
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
        .map(|(key, value)| {
            let meant = meant(&place, key, value)
                .map(|meant| format!(" (likely meant: {meant})"))
                .unwrap_or_default();
            format!("{key}={value}{meant}")
        })
        .collect();
    if lacking.is_empty() {
        return None;
    }
    let says = format!(
        "fits on no node: none of {} node(s) has the label that nodeSelector asks for: {}",
        place.nodes.len(),
        lacking.join(", ")
    );
    let why = "the nodeSelector must name labels that a node has, or such a node must be added";
    Some(placement::told(examination, &FAULT, symptom, &says, why))
}

/// The one close value of the label, or else the one close label of that value.
fn meant(place: &Placement<'_>, key: &str, value: &str) -> Option<String> {
    let labels = || {
        let nodes = place.nodes.iter();
        nodes.flat_map(|node| node.metadata.labels.iter().flatten())
    };
    let values = labels().filter(|(name, _)| *name == key);
    if let Some(close) = only_close(value, values.map(|(_, value)| value.clone()).collect()) {
        return Some(format!("{key}={close}"));
    }
    let keys = labels().filter(|(_, known)| *known == value);
    let close = only_close(key, keys.map(|(key, _)| key.clone()).collect())?;
    Some(format!("{close}={value}"))
}
