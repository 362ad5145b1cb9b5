//! The status of a Deployment and the conditions that tell how its rollout goes
//! (`pkg/controller/deployment/progress.go` of Kubernetes 1.34).

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet},
    apimachinery::pkg::apis::meta::v1::Time,
};

use super::deployment::{replicas, slack};
use crate::world::{World, later, stamp};

/// The status of a Deployment with these ReplicaSets.
pub(super) fn status(
    world: &World,
    deployment: &Deployment,
    newest: Option<&ReplicaSet>,
    older: &[ReplicaSet],
    is_new_rollout: bool,
) -> DeploymentStatus {
    let before = deployment.status.clone().unwrap_or_default();
    let all = || older.iter().chain(newest);
    let sum = |of: &dyn Fn(&ReplicaSet) -> i32| all().map(of).sum::<i32>();
    let there = |set: &ReplicaSet| set.status.as_ref().map_or(0, |status| status.replicas);
    let ready = sum(&|set| {
        set.status
            .as_ref()
            .and_then(|s| s.ready_replicas)
            .unwrap_or(0)
    });
    let available = sum(&|set| {
        set.status
            .as_ref()
            .and_then(|s| s.available_replicas)
            .unwrap_or(0)
    });
    let unavailable = (sum(&replicas) - available).max(0);
    let some = |number: i32| (number > 0).then_some(number);
    let mut status = DeploymentStatus {
        observed_generation: deployment.metadata.generation,
        replicas: some(sum(&there)),
        updated_replicas: some(newest.map_or(0, there)),
        ready_replicas: some(ready),
        available_replicas: some(available),
        unavailable_replicas: some(unavailable),
        collision_count: None,
        terminating_replicas: None,
        conditions: before.conditions.clone(),
    };
    let now = stamp(world.now);
    let (_, may_be_missing) = slack(deployment);
    let is_available = available >= deployment.spec.replicas.unwrap_or(1) - may_be_missing;
    set(
        &mut status,
        if is_available {
            condition(
                "Available",
                "True",
                "MinimumReplicasAvailable",
                "Deployment has minimum availability.",
            )
        } else {
            condition(
                "Available",
                "False",
                "MinimumReplicasUnavailable",
                "Deployment does not have minimum availability.",
            )
        },
        &now,
    );
    progress(
        world,
        deployment,
        newest,
        &before,
        &mut status,
        is_new_rollout,
    );
    replica_failure(newest, older, &mut status, &now);
    status
}

/// Whether all pods are of the newest template and available, and no other is left.
pub(super) fn is_complete(deployment: &Deployment, status: &DeploymentStatus) -> bool {
    let wanted = deployment.spec.replicas.unwrap_or(1);
    let is = |number: Option<i32>| number.unwrap_or(0) == wanted;
    is(status.updated_replicas) && is(status.replicas) && is(status.available_replicas)
}

/// When the rollout is overdue, if it is under way.
pub(super) fn deadline(deployment: &Deployment, status: &DeploymentStatus) -> Option<Timestamp> {
    let progressing = find(status, "Progressing")?;
    if matches!(
        progressing.reason.as_deref(),
        Some("NewReplicaSetAvailable" | "ProgressDeadlineExceeded")
    ) {
        return None;
    }
    let since = progressing.last_update_time.as_ref()?.0;
    let allowed = deployment.spec.progress_deadline_seconds.unwrap_or(600);
    // overdue is what has taken longer, and the time of the last update is in whole seconds
    Some(later(
        since,
        SignedDuration::from_secs(i64::from(allowed) + 1),
    ))
}

fn find<'a>(status: &'a DeploymentStatus, type_: &str) -> Option<&'a DeploymentCondition> {
    status
        .conditions
        .as_ref()?
        .iter()
        .find(|condition| condition.type_.as_deref() == Some(type_))
}

fn condition(type_: &str, is: &str, reason: &str, message: &str) -> DeploymentCondition {
    DeploymentCondition {
        type_: Some(type_.to_owned()),
        status: Some(is.to_owned()),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        ..DeploymentCondition::default()
    }
}

/// Sets a condition unless it says the same already.
fn set(status: &mut DeploymentStatus, mut new: DeploymentCondition, now: &Time) {
    let conditions = status.conditions.get_or_insert_default();
    let known = conditions.iter().position(|known| known.type_ == new.type_);
    new.last_update_time = Some(now.clone());
    new.last_transition_time = Some(now.clone());
    match known {
        Some(at) if conditions[at].status == new.status && conditions[at].reason == new.reason => {}
        Some(at) => {
            if conditions[at].status == new.status {
                new.last_transition_time
                    .clone_from(&conditions[at].last_transition_time);
            }
            conditions[at] = new;
        }
        None => conditions.push(new),
    }
}

fn progress(
    world: &World,
    deployment: &Deployment,
    newest: Option<&ReplicaSet>,
    before: &DeploymentStatus,
    status: &mut DeploymentStatus,
    is_new_rollout: bool,
) {
    let now = stamp(world.now);
    if deployment.spec.paused == Some(true) {
        set(
            status,
            condition(
                "Progressing",
                "Unknown",
                "DeploymentPaused",
                "Deployment is paused",
            ),
            &now,
        );
        return;
    }
    let name = newest
        .and_then(|set| set.metadata.name.clone())
        .unwrap_or_default();
    if is_new_rollout {
        let message = format!("Created new replica set \"{name}\"");
        set(
            status,
            condition("Progressing", "True", "NewReplicaSetCreated", &message),
            &now,
        );
    } else if find(status, "Progressing").is_none() {
        let message = format!("Found new replica set \"{name}\"");
        set(
            status,
            condition("Progressing", "True", "FoundNewReplicaSet", &message),
            &now,
        );
    } else if find(status, "Progressing")
        .is_some_and(|c| c.reason.as_deref() == Some("DeploymentPaused"))
    {
        set(
            status,
            condition(
                "Progressing",
                "Unknown",
                "DeploymentResumed",
                "Deployment is resumed",
            ),
            &now,
        );
    }
    let reason = find(status, "Progressing")
        .and_then(|c| c.reason.clone())
        .unwrap_or_default();
    if reason == "NewReplicaSetAvailable" && status.replicas == status.updated_replicas {
        return; // the rollout is over; what happens to its pods now is no rollout
    }
    let number = |n: Option<i32>| n.unwrap_or(0);
    let has_progressed = number(status.updated_replicas) > number(before.updated_replicas)
        || number(status.replicas) - number(status.updated_replicas)
            < number(before.replicas) - number(before.updated_replicas)
        || number(status.ready_replicas) > number(before.ready_replicas)
        || number(status.available_replicas) > number(before.available_replicas);
    if is_complete(deployment, status) {
        let message = format!("ReplicaSet \"{name}\" has successfully progressed.");
        set(
            status,
            condition("Progressing", "True", "NewReplicaSetAvailable", &message),
            &now,
        );
    } else if has_progressed {
        let message = format!("ReplicaSet \"{name}\" is progressing.");
        let mut new = condition("Progressing", "True", "ReplicaSetUpdated", &message);
        new.last_update_time = Some(now.clone());
        let known = find(status, "Progressing").filter(|known| known.status == new.status);
        new.last_transition_time =
            known.map_or(Some(now), |known| known.last_transition_time.clone());
        let conditions = status.conditions.get_or_insert_default();
        conditions.retain(|condition| condition.type_ != new.type_);
        conditions.push(new);
    } else if deadline(deployment, status).is_some_and(|at| at <= world.now) {
        let message = format!("ReplicaSet \"{name}\" has timed out progressing.");
        set(
            status,
            condition("Progressing", "False", "ProgressDeadlineExceeded", &message),
            &now,
        );
    }
}

/// A Deployment repeats what keeps its ReplicaSet from making pods.
fn replica_failure(
    newest: Option<&ReplicaSet>,
    older: &[ReplicaSet],
    status: &mut DeploymentStatus,
    now: &Time,
) {
    let failure = newest.into_iter().chain(older).find_map(|set| {
        let conditions = set.status.as_ref()?.conditions.as_ref()?;
        conditions
            .iter()
            .find(|c| c.type_.as_deref() == Some("ReplicaFailure"))
    });
    let Some(failure) = failure else {
        let conditions = status.conditions.get_or_insert_default();
        conditions.retain(|condition| condition.type_.as_deref() != Some("ReplicaFailure"));
        return;
    };
    let reason = failure.reason.as_deref().unwrap_or_default();
    let message = failure.message.as_deref().unwrap_or_default();
    set(
        status,
        condition("ReplicaFailure", "True", reason, message),
        now,
    );
}
