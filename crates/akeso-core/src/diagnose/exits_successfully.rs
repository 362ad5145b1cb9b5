//! Fault `exits-successfully`: a program that ends well, again and again, in a workload that is to
//! run for ever.

use super::{Diagnosis, Examination, Family, Fault, last_lines, unknown_crash};
use crate::{
    observe::{Sign, Symptom},
    workload::{ContainerRole, WorkloadKind},
};

pub(super) const FAULT: Fault = Fault {
    name: "exits-successfully",
    family: Family::Command,
    signs: "the program ends by itself with exit code 0 again and again (`CrashLoopBackOff`)",
    does: "puts the last good revision back, where one is proven; else shows its last words",
    never: "changes a command by guessing, or makes a Job of it",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Crash(crash) = &symptom.sign else {
        return None;
    };
    if crash.exit_code != 0 {
        return None;
    }
    let kind = examination.workload.reference.kind;
    let ends = matches!(kind, WorkloadKind::Job | WorkloadKind::CronJob)
        || symptom.container.as_ref()?.role == ContainerRole::Init;
    if ends {
        return None; // to end well is what these are for
    }
    let container = examination.container(symptom)?;
    // the kubelet ends a container for its liveness or startup probe, and a well-behaved program
    // ends with 0 then; the event that tells may be gone
    if container.liveness_probe.is_some()
        || container.startup_probe.is_some()
        || unknown_crash::is_ended_by_probe(examination, symptom)
    {
        return None;
    }
    let log = examination.crash_log(symptom)?;
    let last = last_lines(log, 1)
        .pop()
        .map(|line| format!(" ({line})"))
        .unwrap_or_default();
    let says = format!(
        "ends by itself with exit code 0{last}; the programs of a {} must run for ever",
        kind.as_str()
    );
    let why = "its program must stay in the foreground; what is to end belongs into a Job";
    let remedy = unknown_crash::remedy(examination, symptom, crash, why.to_owned());
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 85, remedy)
            .with_evidence(last_lines(log, 6)),
    )
}
