//! Rollouts that do not come to an end, and controllers that are not allowed to create pods.

use jiff::SignedDuration;

use super::{Look, Sign, Symptom, last_seen};
use crate::cluster::{Controller, is_over};

pub(super) fn symptoms(look: &Look<'_>) -> Vec<Symptom> {
    overdue(look)
        .into_iter()
        .chain(pods_refused(look))
        .collect()
}

fn symptom(sign: Sign, reason: &str, message: &str) -> Symptom {
    Symptom {
        sign,
        pod: None,
        container: None,
        status: "Pending".to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
    }
}

/// Whether the rollout has passed its deadline.
pub(super) fn is_overdue(look: &Look<'_>) -> bool {
    overdue(look).is_some()
}

/// `Available` stays true as long as old pods serve; `Progressing` tells.
fn overdue(look: &Look<'_>) -> Option<Symptom> {
    let Controller::Deployment(deployment) = look.workload.controller else {
        return None;
    };
    let status = deployment.status.as_ref()?;
    if status.observed_generation < deployment.metadata.generation {
        return None; // it tells of the rollout before
    }
    let conditions = status.conditions.as_ref()?;
    let progressing = conditions.iter().find(|c| {
        c.type_.as_deref() == Some("Progressing") && c.status.as_deref() == Some("False")
    })?;
    let message = progressing.message.as_deref().unwrap_or_default();
    // after an undo it stays for a while, and names the ReplicaSet that is no more wanted
    let is_of_another = || {
        let wanted = look.workload.replica_set?.metadata.name.as_deref()?;
        let (_, named) = message.split_once("ReplicaSet \"")?;
        Some(named.split('"').next() != Some(wanted))
    };
    let is_overdue = progressing.reason.as_deref() == Some("ProgressDeadlineExceeded")
        && is_of_another() != Some(true);
    is_overdue.then(|| symptom(Sign::RolloutOverdue, "ProgressDeadlineExceeded", message))
}

/// Quota, PodSecurity, a webhook or a missing ServiceAccount leave no pod at all.
fn pods_refused(look: &Look<'_>) -> Option<Symptom> {
    let message = match look.workload.controller {
        Controller::Deployment(_) | Controller::ReplicaSet(_) => {
            let set = match look.workload.controller {
                Controller::ReplicaSet(set) => set,
                _ => look.workload.replica_set?,
            };
            let conditions = set.status.as_ref()?.conditions.as_ref()?;
            let failure = conditions.iter().find(|c| {
                c.type_.as_deref() == Some("ReplicaFailure") && c.status.as_deref() == Some("True")
            })?;
            let refused = failure.reason.as_deref() == Some("FailedCreate");
            refused.then(|| failure.message.clone().unwrap_or_default())?
        }
        Controller::StatefulSet(_)
        | Controller::DaemonSet(_)
        | Controller::Job(_)
        | Controller::CronJob(_) => failed_create_event(look)?,
        Controller::Pod(_) | Controller::Support(_) => return None,
    };
    Some(symptom(Sign::PodsRefused, "FailedCreate", &message))
}

/// The other controllers tell only by events.
fn failed_create_event(look: &Look<'_>) -> Option<String> {
    // what a Job's pods have left when they failed is not what it still wants to run
    let pods = look.workload.pods.iter().filter(|pod| !is_over(pod));
    if i32::try_from(pods.count()).unwrap_or(i32::MAX) >= look.workload.desired() {
        return None;
    }
    let (name, kind) = match (look.workload.controller, look.workload.job) {
        (Controller::CronJob(_) | Controller::Job(_), job) => {
            (job?.metadata.name.as_deref()?, "Job")
        }
        _ => (
            look.workload.metadata().name.as_deref()?,
            look.workload.reference.kind.as_str(),
        ),
    };
    let oldest = look.now.checked_sub(SignedDuration::from_mins(5)).ok()?;
    look.workload
        .events_of(name, kind)
        .filter(|event| event.reason.as_deref() == Some("FailedCreate"))
        .find(|event| last_seen(event).is_some_and(|seen| seen >= oldest))
        .map(|event| event.message.clone().unwrap_or_default())
}
