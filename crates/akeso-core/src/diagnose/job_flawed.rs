//! Faults `job-kept-running` and `cronjob-never-due`: a Job that does not end though its work is
//! done, and a CronJob whose schedule names no day that there is.

use super::{Diagnosis, Examination, Family, Fault, Remedy};
use crate::{
    cluster::Controller,
    observe::{JobFlaw, Sign, Symptom},
    plan::Advice,
};

pub(super) const KEPT: Fault = Fault {
    name: "job-kept-running",
    family: Family::Jobs,
    signs: "the work of a Job has ended well more than a minute ago, and a container beside it that serves (a port, a probe) runs on",
    does: "names both containers",
    never: "ends a container, or calls the Job done",
    diagnose: kept_running,
};

pub(super) const NEVER_DUE: Fault = Fault {
    name: "cronjob-never-due",
    family: Family::Jobs,
    signs: "the schedule of a CronJob names a day that none of its months has (`0 0 31 2 *`)",
    does: "says so",
    never: "changes a schedule",
    diagnose: never_due,
};

fn kept_running(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::JobFlawed {
        flaw: JobFlaw::KeptRunning,
    } = &symptom.sign
    else {
        return None;
    };
    let says = format!(
        "runs on and keeps the Job from completing: {}, and a Job is complete only when all its containers have ended",
        symptom.message
    );
    let advice = Advice {
        why: "what serves beside the work belongs into initContainers with restartPolicy Always: it is ended when the work is done".to_owned(),
        command: examination.describe(symptom),
    };
    Some(examination.diagnosis(&KEPT, symptom, says, 85, Remedy::Person(advice)))
}

fn never_due(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::JobFlawed {
        flaw: JobFlaw::NeverDue,
    } = &symptom.sign
    else {
        return None;
    };
    let Controller::CronJob(cron) = examination.workload.controller else {
        return None;
    };
    let says = format!(
        "never runs: its schedule \"{}\" names a day that none of its months has",
        cron.spec.schedule
    );
    let reference = &examination.workload.reference;
    let advice = Advice {
        why: "when it is meant to run is for a person to say; to stop it, suspend: true says so"
            .to_owned(),
        command: format!(
            "kubectl -n {} edit {}",
            reference.namespace,
            reference.kubectl()
        ),
    };
    Some(examination.diagnosis(&NEVER_DUE, symptom, says, 95, Remedy::Person(advice)))
}
