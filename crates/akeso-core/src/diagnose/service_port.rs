//! Fault `service-port-unmatched`: a Service sends to a port that its pods do not declare.

use super::{Diagnosis, Examination, Family, Fault};
use crate::{
    act::{Action, FixService},
    observe::{Flaw, Sign, Symptom, services::right_port},
};

pub(super) const FAULT: Fault = Fault {
    name: "service-port-unmatched",
    family: Family::Service,
    signs: "a Service sends to a port that its pods do not declare",
    does: "names the port and what the pods declare; corrects a name that is misspelt where the ready pods declare exactly one like it",
    never: "changes a port by its number: what a pod declares is no proof of where it listens",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Support {
        flaw: Flaw::PortUnmatched,
    } = &symptom.sign
    else {
        return None;
    };
    let why = "the targetPort of the Service and the port of the container must agree";
    let mut diagnosis = examination.for_a_person(&FAULT, symptom, 75, why);
    if let Some((port, from, to)) = right_port(examination.workload) {
        let reasoning = format!("it is the only name like {from} that the ready pods declare");
        diagnosis.remedy = diagnosis.remedy.with_fix(
            Action::FixService(FixService {
                port: Some(port),
                from: from.into(),
                to: to.into(),
            }),
            reasoning,
        );
    }
    Some(diagnosis)
}
