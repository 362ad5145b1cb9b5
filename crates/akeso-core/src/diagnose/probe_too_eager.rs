//! Fault `probe-too-eager`: a liveness or startup probe has the program killed before it has
//! finished starting, as its log tells, again and again.

use std::sync::LazyLock;

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Container;
use regex::Regex;

use super::{
    Diagnosis, Examination, Family, Fault, Remedy, last_lines, probe_failing, probe_wrong_port,
};
use crate::{
    act::{Action, ExtendProbe},
    observe::{Probe, ProbeTiming, Sign, Symptom},
    plan::{Advice, Origin, Proof, Step},
};

pub(super) const FAULT: Fault = Fault {
    name: "probe-too-eager",
    family: Family::Probes,
    signs: "a container is killed by its liveness or startup probe as soon as that may, each time, and the last words of its log tell that it is still starting",
    does: "names the time that it gets and the fields that give it; after a rollout, puts the last good revision back, where one is proven; else proposes a startupProbe that gives it ten times as long, between five and ten minutes, and asks first unless the level is `full` or the policy says otherwise",
    never: "gives it more than ten minutes, or makes the liveness probe less strict once it has started; keeps what did not help: a program that hangs says the same",
    diagnose,
};

/// What programs say while they start.
static STARTING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\b(?:starting|initiali[sz]ing|loading|loaded \d+|warming|booting|migrating|applying|recovering|replaying|restoring|importing|preparing|indexing|compiling)\b",
    )
    .ok()
});

/// What a program that is slow to start is given, in seconds: as much more as it takes to tell it
/// from one that hangs, and no more than anybody waits for a rollout.
const LEAST: i64 = 300;
const MOST: i64 = 600;

/// A startup probe that gives the program ten times as long.
fn extended(
    symptom: &Symptom,
    container: &Container,
    probe: Probe,
    timing: ProbeTiming,
) -> Option<Step> {
    let from = timing.patience().as_secs();
    // a liveness probe that kills in spite of a startup probe has seen the program started
    let decides = probe == Probe::Startup || container.startup_probe.is_none();
    let to = from.saturating_mul(10).clamp(LEAST, MOST);
    let action = Action::ExtendProbe(ExtendProbe {
        container: symptom.container.clone()?,
        from,
        to,
    });
    (decides && from < to).then_some(Step {
        action,
        reasoning: format!(
            "it is still starting when it is killed, and whether more time is enough only trying tells: {to} s"
        ),
        origin: Origin::Playbook,
        proof: Proof::Bounded,
    })
}

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Probe {
        probe: probe @ (Probe::Liveness | Probe::Startup),
    } = &symptom.sign
    else {
        return None;
    };
    let container = examination.container(symptom)?;
    let spec = probe.of(container)?;
    let log = examination.crash_log(symptom)?;
    let last = last_lines(log, 1).pop()?;
    let is_starting = STARTING.as_ref().is_some_and(|it| it.is_match(&last));
    if !is_starting || probe_wrong_port::has_begun_to_listen(log) {
        return None;
    }
    let (began, ended) = examination.last_life(symptom)?;
    let lived = ended.duration_since(began);
    let timing = ProbeTiming::of(spec);
    // the kubelet may ask a period late, and the program may take its time to stop
    let grace = examination.workload.pod_spec()?;
    let grace = grace.termination_grace_period_seconds.unwrap_or(30);
    let latest = timing.patience() + SignedDuration::from_secs(timing.period + grace + 5);
    if lived > latest {
        return None; // it was well for a while
    }
    let field = probe.field();
    let says = format!(
        "is killed by its {field} {} s after its start, before it has finished starting ({last}): initialDelaySeconds {} + failureThreshold {} × periodSeconds {} is all the time that it gets",
        lived.as_secs(),
        timing.delay,
        timing.failures,
        timing.period
    );
    let advice = Advice {
        why: format!(
            "either a startupProbe must give it the time that it needs, or the {field} ask later; if it never finishes starting, its log tells why"
        ),
        command: examination.describe(symptom),
    };
    let remedy = match probe_failing::remedy(examination, *probe, advice) {
        Remedy::Person(otherwise) => {
            Remedy::by(extended(symptom, container, *probe, timing), otherwise)
        }
        known @ (Remedy::Steps { .. } | Remedy::Wait { .. }) => known,
    };
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 75, remedy)
            .with_evidence([symptom.message.clone()])
            .with_evidence(last_lines(log, 3)),
    )
}
