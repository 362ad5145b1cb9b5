//! Fault `job-failed`: a Job has given up. Its template cannot be changed, so a person decides.

use super::{Diagnosis, Examination, Family, Fault, Remedy};
use crate::{
    observe::{Sign, Symptom},
    plan::Advice,
};

pub(super) const FAULT: Fault = Fault {
    name: "job-failed",
    family: Family::Jobs,
    signs: "a Job has failed for good (`BackoffLimitExceeded`, `DeadlineExceeded`)",
    does: "says why",
    never: "runs a Job again, or deletes it",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::JobFailed = &symptom.sign else {
        return None;
    };
    if examination.symptoms.len() > 1 {
        return None; // the other symptom says more
    }
    let says = format!("has given up: {} ({})", symptom.message, symptom.reason);
    let job = examination
        .workload
        .job
        .and_then(|job| job.metadata.name.clone())
        .unwrap_or_default();
    let command = format!(
        "kubectl -n {} logs job/{job}",
        examination.workload.reference.namespace
    );
    let advice = Advice {
        why: "a Job is not run again unless a person says so".to_owned(),
        command,
    };
    Some(examination.diagnosis(&FAULT, symptom, says, 80, Remedy::Person(advice)))
}
