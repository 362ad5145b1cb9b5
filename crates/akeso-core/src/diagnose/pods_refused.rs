//! Fault `pods-refused`: quota, PodSecurity, a webhook or a missing ServiceAccount keeps the
//! controller from creating pods at all.

use super::{Diagnosis, Examination, Family, Fault, Remedy};
use crate::{
    observe::{Sign, Symptom},
    plan::Advice,
};

pub(super) const FAULT: Fault = Fault {
    name: "pods-refused",
    family: Family::Scheduling,
    signs: "no pod comes to be: the controller's creations are refused (`FailedCreate`, `ReplicaFailure`)",
    does: "says who refuses them and why",
    never: "weakens the rule that refuses",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::PodsRefused = &symptom.sign else {
        return None;
    };
    let says = format!("gets no pods: {}", symptom.message);
    let why =
        "what refuses the pods is a rule that somebody set: the rule or the workload must give way"
            .to_owned();
    let advice = Advice {
        why,
        command: examination.describe(symptom),
    };
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 95, Remedy::Person(advice))
            .with_evidence([symptom.message.clone()]),
    )
}
