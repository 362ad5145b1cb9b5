//! Fault `service-external-name-unknown`: a Service of type `ExternalName` leads to a Service of the cluster that does not exist.

use super::{Diagnosis, Examination, Family, Fault};
use crate::observe::{Flaw, Symptom};

pub(super) const FAULT: Fault = Fault {
    name: "service-external-name-unknown",
    family: Family::Service,
    signs: "a Service of type ExternalName leads to a Service that does not exist, or to an address",
    does: "names the Service that is missing and the one of a close name",
    never: "changes where it leads, or says anything of a name outside of the cluster",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let why = "the externalName must be a name that can be resolved";
    examination.flawed(&FAULT, symptom, Flaw::ExternalNameUnknown, (85, why))
}
