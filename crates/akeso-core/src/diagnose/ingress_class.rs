//! Fault `ingress-class-missing`: no controller serves an Ingress, for nothing has its class.

use super::{Diagnosis, Examination, Family, Fault};
use crate::observe::{Flaw, Symptom};

pub(super) const FAULT: Fault = Fault {
    name: "ingress-class-missing",
    family: Family::Service,
    signs: "an Ingress has no address, and no IngressClass has the name of its class; or it has none, and no class is the default",
    does: "names the class and the one of a close name, or that there is none",
    never: "changes a class: that decides who may reach the program",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let why = "the spec.ingressClassName must be that of a controller that runs in the cluster (kubectl get ingressclass)";
    examination.flawed(&FAULT, symptom, Flaw::ClassMissing, (85, why))
}
