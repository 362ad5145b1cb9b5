//! Fault `container-config`: the kubelet cannot configure the container, for another cause than a
//! reference that leads nowhere.

use super::{Diagnosis, Examination, Family, Fault, undo};
use crate::{
    observe::{Sign, Symptom},
    plan::Advice,
};

pub(super) const FAULT: Fault = Fault {
    name: "container-config",
    family: Family::Configuration,
    signs: "the kubelet cannot configure the container (`CreateContainerConfigError`)",
    does: "puts the last good revision back, where one is proven; else shows the kubelet's words",
    never: "changes a security context or a reference by guessing",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Config = &symptom.sign else {
        return None;
    };
    let says = format!("cannot be configured: {}", symptom.message);
    let why = "what the kubelet names must be mended in the pod template, or made".to_owned();
    let remedy = undo::or_person(
        examination,
        Advice {
            why,
            command: examination.describe(symptom),
        },
    );
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 95, remedy)
            .with_evidence([symptom.message.clone()]),
    )
}
