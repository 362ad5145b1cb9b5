//! Fault `ingress-backend-missing`: an Ingress leads to a Service, or to a port of it, that does not exist.

use super::{Diagnosis, Examination, Family, Fault};
use crate::{
    act::Action,
    observe::{Flaw, Sign, Symptom, ingresses::right_backend},
};

pub(super) const FAULT: Fault = Fault {
    name: "ingress-backend-missing",
    family: Family::Service,
    signs: "an Ingress leads to a Service, or to a port of it, that does not exist",
    does: "names host, path, Service and port, and the one Service of a close name; corrects a name that is misspelt where exactly one Service is called like it, and the port of a Service that has only one, unless the other is one for TLS",
    never: "makes up a Service, or leads traffic to another than the one that is named",
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
    let mut diagnosis = examination.for_a_person(&FAULT, symptom, 90, why);
    if let Some(fix) = right_backend(examination.workload) {
        let reasoning = match &fix.port_of {
            None => "it is the only Service that is called like it".to_owned(),
            Some(service) => format!("it is the only port of Service {service}"),
        };
        diagnosis.remedy = diagnosis
            .remedy
            .with_fix(Action::FixIngress(fix), reasoning);
    }
    Some(diagnosis)
}
