//! Fault `probe-failing`: a probe fails, so that the container is restarted or never gets traffic.

use super::{Diagnosis, Examination, Family, Fault, Remedy, last_lines, undo};
use crate::{
    observe::{Probe, Sign, Symptom},
    plan::Advice,
};

pub(super) const FAULT: Fault = Fault {
    name: "probe-failing",
    family: Family::Probes,
    signs: "a probe fails: the container is restarted, or never gets traffic (`Unhealthy`)",
    does: "puts the last good revision back, where one is proven; else names the probe and the answer it got",
    never: "takes a probe away",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Probe { probe } = &symptom.sign else {
        return None;
    };
    let log = examination.crash_log(symptom)?;
    let says = format!("fails its {}: {}", probe.field(), symptom.message);
    let why = format!("the {} must fit what the program does", probe.field());
    let advice = Advice {
        why,
        command: examination.describe(symptom),
    };
    let remedy = remedy(examination, *probe, advice);
    let evidence = std::iter::once(symptom.message.clone()).chain(last_lines(log, 3));
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 70, remedy)
            .with_evidence(evidence),
    )
}

/// What can be done where a probe fails.
pub(super) fn remedy(examination: &Examination<'_>, probe: Probe, advice: Advice) -> Remedy {
    let overdue = examination
        .symptoms
        .iter()
        .any(|other| matches!(other.sign, Sign::RolloutOverdue));
    match probe {
        // a slow start looks the same until the rollout's deadline has passed
        Probe::Readiness if !overdue => Remedy::Person(advice),
        Probe::Readiness | Probe::Liveness | Probe::Startup => undo::or_person(examination, advice),
    }
}
