//! Faults `job-deadline` and `job-backoff`: a Job has given up, because its time or its tries are
//! used up.

use super::{Diagnosis, Examination, Family, Fault, Remedy, last_lines};
use crate::{
    observe::{Sign, Symptom},
    plan::Advice,
};

const NEVER: &str = "runs a Job again, gives it more time or tries, or deletes it";

pub(super) const DEADLINE: Fault = Fault {
    name: "job-deadline",
    family: Family::Jobs,
    signs: "a Job was stopped because its `activeDeadlineSeconds` were over (`DeadlineExceeded`)",
    does: "says which time it had",
    never: NEVER,
    diagnose: deadline,
};

pub(super) const BACKOFF: Fault = Fault {
    name: "job-backoff",
    family: Family::Jobs,
    signs: "a Job has used up its tries (`BackoffLimitExceeded`)",
    does: "says how many it had, with the exit code and the last line of the log of the last one",
    never: NEVER,
    diagnose: backoff,
};

fn deadline(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::JobFailed = &symptom.sign else {
        return None;
    };
    // what its pods show says more
    if symptom.reason != "DeadlineExceeded" || examination.symptoms.len() > 1 {
        return None;
    }
    let spec = examination.workload.job?.spec.as_ref()?;
    let seconds = spec.active_deadline_seconds?;
    let says = format!(
        "was stopped after {seconds} s, which is all the time that activeDeadlineSeconds gives it (DeadlineExceeded)"
    );
    let why = "either the Job hangs or it needs more time, and it is not run again unless a person says so";
    let remedy = Remedy::Person(advice(examination, why));
    Some(examination.diagnosis(&DEADLINE, symptom, says, 90, remedy))
}

fn backoff(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let mut all = examination.symptoms.iter();
    let given_up = all.find(|it| matches!(it.sign, Sign::JobFailed))?;
    if given_up.reason != "BackoffLimitExceeded" {
        return None;
    }
    let (how, log) = match &symptom.sign {
        Sign::Crash(crash) => {
            let log = examination.crash_log(symptom)?;
            let last = last_lines(log, 1)
                .pop()
                .map(|line| format!(" ({line})"))
                .unwrap_or_default();
            (
                format!("ends with exit code {}{last}", crash.exit_code),
                log,
            )
        }
        Sign::JobFailed if examination.symptoms.len() == 1 => (
            "has failed each time, and its pods are gone with their logs".to_owned(),
            "",
        ),
        Sign::JobFailed
        | Sign::JobFlawed { .. }
        | Sign::Evicted
        | Sign::ImagePull { .. }
        | Sign::OutOfMemory(_)
        | Sign::Config
        | Sign::Mount { .. }
        | Sign::Start
        | Sign::Probe { .. }
        | Sign::Awaits
        | Sign::Unschedulable
        | Sign::RolloutOverdue
        | Sign::PodsRefused
        | Sign::StuckOnOldPod { .. }
        | Sign::Support { .. } => return None,
    };
    let spec = examination.workload.job?.spec.as_ref()?;
    // <https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-backoff-failure-policy>
    let limit = spec.backoff_limit.unwrap_or(6);
    let says = format!(
        "{how}: the Job has given up, its backoffLimit of {limit} is used up (BackoffLimitExceeded)"
    );
    let why = "a Job is not run again unless a person says so; its log is the place to look";
    let remedy = Remedy::Person(advice(examination, why));
    Some(
        examination
            .diagnosis(&BACKOFF, symptom, says, 60, remedy)
            .with_evidence(last_lines(log, 6)),
    )
}

fn advice(examination: &Examination<'_>, why: &str) -> Advice {
    let job = examination
        .workload
        .job
        .and_then(|job| job.metadata.name.clone())
        .unwrap_or_default();
    Advice {
        why: why.to_owned(),
        command: format!(
            "kubectl -n {} logs job/{job}",
            examination.workload.reference.namespace
        ),
    }
}
