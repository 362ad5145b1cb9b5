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
    let says = format!("gets no pods: {}", message(symptom)?);
    let why =
        "what refuses the pods is a rule that somebody set: the rule or the workload must give way";
    Some(told(examination, &FAULT, symptom, &says, why))
}

/// The API server's words for why it refuses the pods.
pub(super) fn message(symptom: &Symptom) -> Option<&str> {
    matches!(symptom.sign, Sign::PodsRefused).then_some(symptom.message.as_str())
}

/// Who refuses the pods is known: a person must say which gives way.
pub(super) fn told(
    examination: &Examination<'_>,
    fault: &Fault,
    symptom: &Symptom,
    says: &str,
    why: &str,
) -> Diagnosis {
    let advice = Advice {
        why: why.to_owned(),
        command: examination.describe(symptom),
    };
    examination
        .diagnosis(fault, symptom, says, 95, Remedy::Person(advice))
        .with_evidence([symptom.message.clone()])
}
