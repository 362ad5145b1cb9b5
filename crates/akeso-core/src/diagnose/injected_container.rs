//! Fault `injected-container`: the container that is broken stands in the pods but not in the pod
//! template. A webhook or an operator put it there; no change to the workload can mend it.

use super::{Diagnosis, Examination, Family, Fault, Remedy};
use crate::{observe::Symptom, plan::Advice};

pub(super) const FAULT: Fault = Fault {
    name: "injected-container",
    family: Family::Cluster,
    signs: "a container is broken that the pods have and the pod template has not",
    does: "names it; whatever injects it must be mended",
    never: "changes the workload",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
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
    Some(examination.diagnosis(&FAULT, symptom, says, 80, Remedy::Person(advice)))
}
