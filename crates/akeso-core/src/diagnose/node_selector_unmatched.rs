//! Fault `node-selector-unmatched`: the pod wants a node with a label that no node has.

use super::{
    Diagnosis, Examination, Family, Fault,
    placement::{self, Placement, label, only_close},
};
use crate::{
    act::{Action, FixNodeSelector},
    observe::Symptom,
    plan::{Origin, Proof, Step},
    similar::is_misspelt,
};

pub(super) const FAULT: Fault = Fault {
    name: "node-selector-unmatched",
    family: Family::Scheduling,
    signs: "no node takes the pod, and none has a label of its `nodeSelector`",
    does: "names the label, and the one that was likely meant if exactly one is close; corrects the value where it differs from that of the nodes by a slip of the finger",
    never: "labels a node, takes a label out of the selector, or changes a value that may be meant: an autoscaler may yet bring the node",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let place = Placement::of(examination, symptom)?;
    if !place.message.contains("didn't match Pod's node affinity") {
        return None;
    }
    let lacking: Vec<_> = lacking_values(&place)
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
    let mut diagnosis = placement::told(examination, &FAULT, symptom, &says, why);
    let slips: Vec<_> = lacking_values(&place)
        .filter_map(|(key, value)| slip(&place, key, value))
        .collect();
    if let ([fix], [_]) = (slips.as_slice(), lacking.as_slice()) {
        let reasoning = format!(
            "nodes have {}={}, and nothing else is close",
            fix.label, fix.to
        );
        diagnosis.remedy = diagnosis.remedy.with_step(Step {
            action: Action::FixNodeSelector(fix.clone()),
            reasoning,
            origin: Origin::Playbook,
            proof: Proof::Confirmed,
        });
    }
    Some(diagnosis)
}

/// The labels of the selector that no node has.
fn lacking_values<'a>(place: &Placement<'a>) -> impl Iterator<Item = (&'a str, &'a str)> {
    place.selector().filter(|(key, value)| {
        let mut nodes = place.nodes.iter();
        !nodes.any(|node| label(node, key) == Some(value))
    })
}

/// The correction of a value that is misspelt.
fn slip(place: &Placement<'_>, key: &str, value: &str) -> Option<FixNodeSelector> {
    let to = meant(place, key, value)?
        .strip_prefix(&format!("{key}="))?
        .to_owned();
    is_misspelt(value, &to).then(|| FixNodeSelector {
        label: key.to_owned(),
        from: value.to_owned(),
        to,
    })
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
