//! Fault `dependency-unreachable`: the program ends, or is never ready, and its log names a host
//! that it cannot reach. Where that is a Service, the cluster knows more: it may not be there, not
//! have the port, have nobody behind it, or something may stand between.

mod asked;
mod between;
mod correct;
mod known;
mod policies;
mod unreachable;

use jiff::{SignedDuration, Timestamp};

use super::{
    Diagnosis, Examination, Family, Fault, Remedy, last_lines, rerun, undo, unknown_crash,
};
use crate::{
    cluster::{Cluster, Key},
    observe::{Probe, Sign, Symptom, TIME_TO_REACH, awaited},
    plan::Advice,
};
use between::between;
use known::known;
use unreachable::Unreachable;

/// Until every node knows that a pod of a Service is ready.
const TIME_TO_KNOW: SignedDuration = SignedDuration::from_secs(5);

pub(super) const FAULT: Fault = Fault {
    name: "dependency-unreachable",
    family: Family::Network,
    signs: "the program ends or is never ready, and its log names a host that refuses, does not answer or is not known; or an init container has asked in vain for a minute for a Service that does not exist or lacks the port, or for five for one without a ready pod",
    does: "says what the cluster knows of it: no such Service, no such port, no ready pod and whose they would be, a NetworkPolicy or a dnsPolicy that stands between; where those behind the Service are broken themselves, waits for what heals them; after a rollout that changed the address, puts the last good revision back, where one is proven; else corrects a name that nobody knows, in the container's variables, where it differs by a slip of the finger from that of the only Service that is close, which has that port and ready pods; proposes the only port of a Service that has ready pods in place of one that it does not have, and asks first; a Job that gave up over it is run again once it answers",
    never: "changes an address that it has not seen fail, that is told elsewhere than in a variable's value, or to one that merely looks like it; restarts the program while its dependency is away",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let crash = match &symptom.sign {
        Sign::Crash(crash) => {
            let lives = symptom.status == "Running" && !crash.repeated;
            if lives || unknown_crash::is_ended_by_probe(examination, symptom) {
                return None; // it runs by now, or another fault says why it ends
            }
            Some(crash)
        }
        Sign::Awaits
        | Sign::Probe {
            probe: Probe::Readiness,
        } => None,
        Sign::Probe {
            probe: Probe::Liveness | Probe::Startup,
        }
        | Sign::ImagePull { .. }
        | Sign::OutOfMemory(_)
        | Sign::Config
        | Sign::Mount { .. }
        | Sign::Start
        | Sign::Unschedulable
        | Sign::RolloutOverdue
        | Sign::PodsRefused
        | Sign::StuckOnOldPod { .. }
        | Sign::JobFailed
        | Sign::JobFlawed { .. }
        | Sign::Evicted
        | Sign::Support { .. } => return None,
    };
    let log = examination.crash_log(symptom)?;
    let told = unreachable::last_in(log).or_else(|| told_by_probe(examination, symptom));
    let is_told = told.is_some();
    let found = told.or_else(|| asked::in_vain(&command(examination, symptom)?, symptom))?;
    let mut known = known(examination, &found);
    if !is_told && !known.is_unanswered {
        return None; // a command may be late for reasons of its own
    }
    let between = between(examination, &found)?;
    if !between.is_empty() {
        known.says.push_str(&between);
        "what stands between them must be mended, if they are meant to meet"
            .clone_into(&mut known.why);
        (known.caused_by, known.ready_since, known.fix) = (None, None, None);
        known.owners.clear();
    }
    let waits = symptom.sign == Sign::Awaits;
    // of a Service that is there, the port is what is wrong
    let port = found.port.map(|port| port.to_string());
    let wrong = match port.filter(|_| known.lacks_port) {
        Some(port) => port,
        None => found.host.clone(),
    };
    let container = examination.container(symptom)?;
    let field = Some(&wrong).filter(|_| known.is_wrong_address);
    let field = field.and_then(|wrong| correct::held_by(container, wrong));
    if let Some(field) = field {
        known.says = format!("{}; {field} has {wrong}", known.says);
    }
    // a pod that is not ready may miss another than the one that it complains of
    let may_undo = waits || crash.is_some() || correct::is_new(examination, container, &wrong);
    let says = if waits && !is_told {
        format!("waits for {}{}", found.address(), known.says)
    } else {
        format!(
            "cannot reach {}: {}{}",
            found.address(),
            found.failure.says(),
            known.says
        )
    };
    let advice = Advice {
        why: known.why,
        command: known
            .command
            .unwrap_or_else(|| examination.describe(symptom)),
    };
    let is_over = known
        .ready_since
        .is_some_and(|since| !has_tried(examination, symptom, since));
    let remedy = match crash {
        _ if is_over && !unknown_crash::has_given_up(examination, symptom) => Remedy::Wait {
            why: "what it depends on is ready only since then: its next try tells".to_owned(),
        },
        _ if is_over => rerun::or_person(
            examination,
            true,
            &format!("{} answers since its last try", found.address()),
            advice,
        ),
        Some(crash) if !unknown_crash::is_no_accident(examination, symptom, crash) => {
            Remedy::Wait {
                why: "it has ended only a few times so far: what it depends on may be starting"
                    .to_owned(),
            }
        }
        // pods of the revision before may be ready only because they came when it still answered
        _ if known.is_wrong_address && may_undo => undo::or_step(examination, || known.fix, advice),
        _ => Remedy::by(known.fix.filter(|_| known.is_wrong_address), advice),
    };
    let mut diagnosis = examination
        .diagnosis(&FAULT, symptom, says, 75, remedy)
        .with_detail(&found.address())
        .with_evidence(last_lines(log, 4));
    diagnosis.dependency = known.dependency.or(diagnosis.dependency);
    diagnosis.caused_by = known.caused_by;
    diagnosis.rests_on = known.owners;
    Some(diagnosis)
}

/// Since when the Service answers that a diagnosis names, if it does.
pub(super) fn answers_since(cluster: &Cluster, told: &Diagnosis) -> Option<Timestamp> {
    let service = told.dependency.as_deref()?.strip_prefix("Service ")?;
    let (namespace, name) = service.split_once('/')?;
    let is_it = told.fault == FAULT.name;
    known::since(
        cluster,
        cluster
            .services
            .get(&Key::new(namespace, name))
            .filter(|_| is_it)?,
    )
}

/// Whether the program has failed to reach what is ready since a time: what it said before tells
/// of the time before.
fn has_tried(examination: &Examination<'_>, symptom: &Symptom, since: Timestamp) -> bool {
    let after = |time| since.checked_add(time).unwrap_or(Timestamp::MAX);
    match examination.last_life(symptom) {
        Some((began, ended)) if matches!(symptom.sign, Sign::Crash(_)) => {
            began >= after(TIME_TO_KNOW) || ended >= after(TIME_TO_REACH)
        }
        Some(_) | None => examination.now >= after(TIME_TO_REACH),
    }
}

/// A readiness probe that runs a program may say itself whom the program cannot reach. What the
/// kubelet says of the pod's own address is no such word.
fn told_by_probe(examination: &Examination<'_>, symptom: &Symptom) -> Option<Unreachable> {
    command_of_probe(examination, symptom)?;
    let (_, said) = symptom.message.split_once(" probe failed: ")?;
    unreachable::last_in(said)
}

/// What the program runs that shows a symptom.
fn command(examination: &Examination<'_>, symptom: &Symptom) -> Option<String> {
    if symptom.sign == Sign::Awaits {
        return awaited::command(examination.container(symptom)?);
    }
    Some(command_of_probe(examination, symptom)?.join(" "))
}

fn command_of_probe<'a>(examination: &Examination<'a>, symptom: &Symptom) -> Option<&'a [String]> {
    let Sign::Probe { probe } = &symptom.sign else {
        return None;
    };
    let spec = probe.of(examination.container(symptom)?)?;
    spec.exec.as_ref()?.command.as_deref()
}
