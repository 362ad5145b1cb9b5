//! Fault `injected-container`: the container that is broken stands in the pods but not in the pod
//! template. A webhook or an operator put it there; no change to the workload can mend it.

use super::{Diagnosis, Examination, Remedy};
use crate::{observe::Symptom, plan::Advice};

pub(super) fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let container = symptom.container.as_ref()?;
    if examination.workload.container(container).is_some() {
        return None;
    }
    let says = format!(
        "is broken ({}), but it was injected into the pods: the workload does not have it",
        symptom.reason
    );
    let why = "whatever injects the container must be mended".to_owned();
    let advice = Advice {
        why,
        command: examination.describe(symptom),
    };
    Some(examination.diagnosis(
        "injected-container",
        symptom,
        says,
        80,
        Remedy::Person(advice),
    ))
}
