//! Fault `ingress-backend-missing`: an Ingress leads to a Service, or to a port of it, that does not exist.

use super::{Diagnosis, Examination, Family, Fault};
use crate::observe::{Flaw, Sign, Symptom};

pub(super) const FAULT: Fault = Fault {
    name: "ingress-backend-missing",
    family: Family::Service,
    signs: "an Ingress leads to a Service, or to a port of it, that does not exist",
    does: "names host, path, Service and port, and the one Service of a close name",
    never: "changes where traffic goes",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Support {
        flaw: Flaw::BackendMissing,
    } = &symptom.sign
    else {
        return None;
    };
    let why = "the backend of the Ingress must name a Service and a port that exist";
    Some(examination.for_a_person(&FAULT, symptom, 90, why))
}
