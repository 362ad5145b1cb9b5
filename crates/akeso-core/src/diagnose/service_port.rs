//! Fault `service-port-unmatched`: a Service sends to a port that its pods do not declare.

use super::{Diagnosis, Examination, Family, Fault};
use crate::observe::{Flaw, Sign, Symptom};

pub(super) const FAULT: Fault = Fault {
    name: "service-port-unmatched",
    family: Family::Service,
    signs: "a Service sends to a port that its pods do not declare",
    does: "names the port and what the pods declare",
    never: "changes a port: what a pod declares is no proof of where it listens",
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
    Some(examination.for_a_person(&FAULT, symptom, 75, why))
}
