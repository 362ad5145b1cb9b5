//! Fault `unknown-crash`: the program ends and nothing says why. It is called that; it is not
//! restarted blindly. Where the revision before it runs well, that one is put back.

use std::sync::LazyLock;

use regex::Regex;

use super::{Diagnosis, Examination, Family, Fault, Remedy, changes, last_lines, undo};
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
    does: "puts the last good revision back, where one is proven; else shows the last words of its log",
    never: "restarts blindly",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let (crash, log) = own_end(examination, symptom)?;
    let last = last_lines(telling(log), 1)
        .pop()
        .map(|line| format!(" ({line})"))
        .unwrap_or_default();
    let since = examination
        .workload
        .last_good_revision()
        .map(|good| {
            let fields = changes::fields_since(examination.workload, &good.template)
                .map(|fields| format!(", since which {fields}"))
                .unwrap_or_default();
            format!("; revision {} works{fields}", good.number)
        })
        .unwrap_or_default();
    let says = format!(
        "ends with exit code {} for a cause that is not known{last}{since}",
        crash.exit_code
    );
    let why = "no change to the workload is known to help; its log is the place to look";
    let remedy = remedy(examination, symptom, crash, why.to_owned());
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 40, remedy)
            .with_evidence(last_lines(log, 6))
            .with_log(log)
            .open(),
    )
}

/// What names an error: a stack trace or advice may stand behind it.
static ERROR: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i:^\W*(?:panic|fatal|fatal error|error|caused by)\b)|\b(?:FATAL|PANIC|CRITICAL)\b|\b\w+(?:Error|Exception)\b:").ok()
});

/// The last line that names an error, if it is near the end; else the log as it is.
fn telling(log: &str) -> &str {
    const NEAR: usize = 30;
    let mut last = log.lines().rev().take(NEAR);
    let error = ERROR
        .as_ref()
        .and_then(|error| last.find(|line| error.is_match(line)));
    error.unwrap_or(log)
}

/// Whether a sign is seen on the container that shows the symptom, or on the workload as a whole.
fn is_seen(examination: &Examination<'_>, symptom: &Symptom, sign: fn(&Sign) -> bool) -> bool {
    examination.symptoms.iter().any(|other| {
        sign(&other.sign) && (other.container.is_none() || other.container == symptom.container)
    })
}

/// How a program that ends by itself does so, and what it has said before.
pub(super) fn own_end<'a, 's>(
    examination: &Examination<'a>,
    symptom: &'s Symptom,
) -> Option<(&'s Crash, &'a str)> {
    let Sign::Crash(crash) = &symptom.sign else {
        return None;
    };
    if is_ended_by_probe(examination, symptom) {
        return None;
    }
    Some((crash, examination.crash_log(symptom)?))
}

/// Whether it is a probe that has the program ended.
pub(super) fn is_ended_by_probe(examination: &Examination<'_>, symptom: &Symptom) -> bool {
    is_seen(examination, symptom, |sign| {
        matches!(sign, Sign::Probe { .. })
    })
}

/// What to do about a program that ends: undo if that is proven, else a person, who looks at its
/// log; but only when it has ended often enough to be no accident.
pub(super) fn remedy(
    examination: &Examination<'_>,
    symptom: &Symptom,
    crash: &Crash,
    why: String,
) -> Remedy {
    if !is_no_accident(examination, symptom, crash) {
        return Remedy::Wait {
            why: "it has ended only a few times so far".to_owned(),
        };
    }
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
    undo::or_person(examination, Advice { why, command })
}

/// Whether the container has ended too often to wait for better: or no other try will be made.
pub(super) fn is_no_accident(
    examination: &Examination<'_>,
    symptom: &Symptom,
    crash: &Crash,
) -> bool {
    has_given_up(examination, symptom) || crash.restarts >= ENOUGH
}

/// Whether no other try will be made.
pub(super) fn has_given_up(examination: &Examination<'_>, symptom: &Symptom) -> bool {
    is_seen(examination, symptom, |sign| matches!(sign, Sign::JobFailed))
}

#[cfg(test)]
mod tests {
    use super::telling;

    #[test]
    fn the_line_that_names_the_error_is_told_whatever_stands_behind_it() {
        for (log, line) in [
            (
                "up\npanic: runtime error: nil pointer\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:88 +0x1d",
                "panic: runtime error: nil pointer",
            ),
            (
                "pydantic.ValidationError: 1 error for Settings\nstripe_api_key\nFor further information visit https://x",
                "pydantic.ValidationError: 1 error for Settings",
            ),
            (
                "java.lang.IllegalStateException: no\n\tat a.B.c(B.java:1)\nCaused by: java.io.IOException: gone\n\tat d.E.f(E.java:2)",
                "Caused by: java.io.IOException: gone",
            ),
            (
                "Traceback (most recent call last):\nValueError: no\nshut down",
                "ValueError: no",
            ),
            ("ready\nbye", "ready\nbye"),
        ] {
            assert_eq!(telling(log), line);
        }
    }
}
