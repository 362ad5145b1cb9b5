//! Fault `pods-refused`: quota, PodSecurity, a webhook or a missing ServiceAccount keeps the
//! controller from creating pods at all.

use super::{Diagnosis, Examination, Remedy};
use crate::{
    observe::{Sign, Symptom},
    plan::Advice,
};

pub(super) fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
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
            .diagnosis("pods-refused", symptom, says, 95, Remedy::Person(advice))
            .with_evidence([symptom.message.clone()]),
    )
}
