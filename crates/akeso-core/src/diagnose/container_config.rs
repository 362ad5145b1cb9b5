//! Fault `container-config`: a ConfigMap, Secret or key that the container refers to is missing.

use super::{Diagnosis, Examination, Family, Fault, undo};
use crate::{
    observe::{Sign, Symptom},
    plan::Advice,
};

pub(super) const FAULT: Fault = Fault {
    name: "container-config",
    family: Family::Configuration,
    signs: "the kubelet cannot configure the container (`CreateContainerConfigError`)",
    does: "puts the last good revision back, where its pods are ready; else names what is missing",
    never: "makes up a ConfigMap, a Secret or a key",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Config = &symptom.sign else {
        return None;
    };
    // the kubelet names it: `configmap "app-config" not found`, `couldn't find key X in Secret ns/name`
    let says = format!("cannot be configured: {}", symptom.message);
    let why = "what the pod template refers to does not exist; create it, or refer to what does"
        .to_owned();
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
