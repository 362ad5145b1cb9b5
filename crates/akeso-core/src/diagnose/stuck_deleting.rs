//! Fault `stuck-deleting`: a namespace or an object is to be deleted, and a finalizer holds it.

use super::{Diagnosis, Examination, Family, Fault};
use crate::observe::{Flaw, Sign, Symptom};

pub(super) const FAULT: Fault = Fault {
    name: "stuck-deleting",
    family: Family::Cluster,
    signs: "a namespace, or an object with finalizers, is `Terminating` for five minutes",
    does: "names the finalizers, and of a namespace what is left in it",
    never: "takes a finalizer off: what it stands for (a disk, a DNS name) would be left behind",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Support {
        flaw: Flaw::StuckDeleting,
    } = &symptom.sign
    else {
        return None;
    };
    let why = "the controller that has set the finalizer must run and do its work; take a finalizer off by hand only if nothing is left of what it guards";
    Some(examination.for_a_person(&FAULT, symptom, 90, why))
}
