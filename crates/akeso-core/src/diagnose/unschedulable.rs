//! Fault `unschedulable`: no node takes the pod.

use super::{Diagnosis, Examination, Remedy};
use crate::{
    observe::{Sign, Symptom},
    plan::Advice,
};

pub(super) fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
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
            .diagnosis("unschedulable", symptom, says, 90, Remedy::Person(advice))
            .with_evidence([symptom.message.clone()]),
    )
}
