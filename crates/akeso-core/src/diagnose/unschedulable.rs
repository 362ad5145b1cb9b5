//! Fault `unschedulable`: no node takes the pod.

use super::{Diagnosis, Examination, Family, Fault, Remedy};
use crate::{
    observe::{Sign, Symptom},
    plan::Advice,
};

pub(super) const FAULT: Fault = Fault {
    name: "unschedulable",
    family: Family::Scheduling,
    signs: "no node takes the pod (`Unschedulable`)",
    does: "names what no node has",
    never: "moves or evicts other pods",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Unschedulable = &symptom.sign else {
        return None;
    };
    let says = format!("fits on no node: {}", symptom.message);
    let why = "its requests, selectors or tolerations must fit a node, or a node must be added"
        .to_owned();
    let advice = Advice {
        why,
        command: examination.describe(symptom),
    };
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 90, Remedy::Person(advice))
            .with_evidence([symptom.message.clone()]),
    )
}
