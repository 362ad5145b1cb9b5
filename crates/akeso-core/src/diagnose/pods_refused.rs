//! Fault `pods-refused`: quota, PodSecurity, a webhook or a missing ServiceAccount keeps the
//! controller from creating pods at all.

use super::{Diagnosis, Examination, Family, Fault};
use crate::observe::{Sign, Symptom};

pub(super) const FAULT: Fault = Fault {
    name: "pods-refused",
    family: Family::Scheduling,
    signs: "no pod comes to be: the controller's creations are refused (`FailedCreate`, `ReplicaFailure`)",
    does: "says who refuses them and why",
    never: "weakens the rule that refuses",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let message = message(symptom)?;
    let says = format!("gets no pods: {message}");
    let why = if message.contains("PriorityClass") {
        "either the PriorityClass must be made, or the priorityClassName of the pod template name one that exists (kubectl get priorityclasses)"
    } else {
        "what refuses the pods is a rule that somebody set: the rule or the workload must give way"
    };
    Some(examination.refused(&FAULT, symptom, &says, why))
}

/// The API server's words for why it refuses the pods.
pub(super) fn message(symptom: &Symptom) -> Option<&str> {
    matches!(symptom.sign, Sign::PodsRefused).then_some(symptom.message.as_str())
}
