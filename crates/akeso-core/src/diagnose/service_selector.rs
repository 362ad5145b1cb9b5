//! Fault `service-selector-matches-nothing`: a Service selects no pod, and one workload has its labels but for a slip in one.

use super::{Diagnosis, Examination, Family, Fault};
use crate::observe::{Flaw, Sign, Symptom};

pub(super) const FAULT: Fault = Fault {
    name: "service-selector-matches-nothing",
    family: Family::Service,
    signs: "a Service selects no pod, and one workload has its labels but for a slip in one",
    does: "names the selector and the workload that is meant",
    never: "changes a selector or a label, or says anything where no workload resembles the selector",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Support {
        flaw: Flaw::SelectsNothing,
    } = &symptom.sign
    else {
        return None;
    };
    let why = "either the selector of the Service or the labels of the pods must change";
    Some(examination.for_a_person(&FAULT, symptom, 85, why))
}
