//! Fault `unknown-crash`: the program ends and nothing says why. It is called that; it is not
//! restarted blindly. Where the revision before it runs well, that one is put back.

use super::{Diagnosis, Examination, Family, Fault, Remedy, last_lines, undo};
use crate::{
    observe::{Crash, Sign, Symptom},
    plan::Advice,
};

/// A dependency that starts at the same time may be missed for half a minute: so many restarts
/// (at 0, 10 and 30 s) are no accident.
const ENOUGH: i32 = 3;

pub(super) const FAULT: Fault = Fault {
    name: "unknown-crash",
    family: Family::Command,
    signs: "the program ends and nothing says why",
    does: "puts the last good revision back, where its pods are ready; else shows the last words of its log",
    never: "restarts blindly",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Crash(crash) = &symptom.sign else {
        return None;
    };
    if is_ended_by_probe(examination, symptom) {
        return None;
    }
    let log = examination.crash_log(symptom)?;
    let last = last_lines(log, 1)
        .pop()
        .map(|line| format!(" ({line})"))
        .unwrap_or_default();
    let since = examination
        .workload
        .last_good_revision()
        .map(|good| format!("; revision {} runs well", good.number))
        .unwrap_or_default();
    let says = format!(
        "ends with exit code {} for a cause that is not known{last}{since}",
        crash.exit_code
    );
    let remedy = if is_no_accident(examination, symptom, crash) {
        let namespace = &examination.workload.reference.namespace;
        let pod = symptom.pod.as_deref().unwrap_or_default();
        let container = symptom
            .container
            .as_ref()
            .map(|container| container.name.as_str())
            .unwrap_or_default();
        let life = if crash.restarts > 0 {
            " --previous"
        } else {
            ""
        };
        let command = format!("kubectl -n {namespace} logs {pod} -c {container}{life}");
        let why =
            "no change to the workload is known to help; its log is the place to look".to_owned();
        undo::or_person(examination, Advice { why, command })
    } else {
        Remedy::Wait {
            why: "it has ended only a few times so far".to_owned(),
        }
    };
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 40, remedy)
            .with_evidence(last_lines(log, 6)),
    )
}

/// Whether it is a probe that ends the container.
pub(super) fn is_ended_by_probe(examination: &Examination<'_>, symptom: &Symptom) -> bool {
    has_beside(examination, symptom, |sign| {
        matches!(sign, Sign::Probe { .. })
    })
}

/// Whether the container has ended too often to wait for better: or no other try will be made.
pub(super) fn is_no_accident(
    examination: &Examination<'_>,
    symptom: &Symptom,
    crash: &Crash,
) -> bool {
    let has_given_up = has_beside(examination, symptom, |sign| matches!(sign, Sign::JobFailed));
    has_given_up || crash.restarts >= ENOUGH
}

/// Whether the container, or the workload as a whole, shows such a sign as well.
fn has_beside(
    examination: &Examination<'_>,
    symptom: &Symptom,
    is_such: fn(&Sign) -> bool,
) -> bool {
    let mut others = examination.symptoms.iter();
    others.any(|other| {
        is_such(&other.sign) && (other.container.is_none() || other.container == symptom.container)
    })
}
