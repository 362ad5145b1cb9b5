//! The Job controller: pods until so many have ended well, or too many have failed.

use akeso_core::cluster::{Key, Kind, is_ready};
use jiff::SignedDuration;
use k8s_openapi::api::{
    batch::v1::{Job, JobCondition, JobStatus},
    core::v1::{Pod, PodSpec},
};

use super::pods;
use crate::{
    agenda::Work,
    world::{World, later},
};

const CONTROLLER: &str = "job-controller";
/// The back-off after a failed pod; each further one is twice as long …
const FIRST_BACKOFF: SignedDuration = SignedDuration::from_secs(10);
/// … up to this.
const LONGEST_BACKOFF: SignedDuration = SignedDuration::from_mins(10);

pub(super) fn reconcile(world: &mut World, key: &Key) {
    let Some(job) = world.store.get::<Job>(key).cloned() else {
        return;
    };
    let Some(spec) = job.spec.clone() else { return };
    let mut status = job.status.clone().unwrap_or_default();
    if is_finished(&job) {
        return;
    }
    let suspended = spec.suspend == Some(true);
    if !suspended {
        status.start_time.get_or_insert_with(|| world.stamp());
    }
    let all: Vec<Pod> = world
        .store
        .controlled_by::<Pod>(&job.metadata)
        .cloned()
        .collect();
    let of_phase = |phase: &str| all.iter().filter(|pod| pods::phase(pod) == phase).count();
    let (succeeded, failed) = (of_phase("Succeeded"), of_phase("Failed"));
    let active: Vec<&Pod> = all.iter().filter(|pod| pods::is_active(pod)).collect();
    let limit = spec.backoff_limit.unwrap_or(6);
    let completions = usize::try_from(spec.completions.unwrap_or(1)).unwrap_or(1);

    if pods::count(failed) > limit
        || restarted_too_often(&active, spec.template.spec.as_ref(), limit)
    {
        let message = "Job has reached the specified backoff limit";
        conclude(
            world,
            &mut status,
            "Failed",
            Some("BackoffLimitExceeded"),
            message,
        );
        pods::delete(world, active.iter().copied());
    } else if deadline(spec.active_deadline_seconds, &status).is_some_and(|at| at <= world.now) {
        let message = "Job was active longer than specified deadline";
        conclude(
            world,
            &mut status,
            "Failed",
            Some("DeadlineExceeded"),
            message,
        );
        pods::delete(world, active.iter().copied());
    } else if succeeded >= completions {
        status.completion_time = Some(world.stamp());
        conclude(
            world,
            &mut status,
            "Complete",
            Some("CompletionsReached"),
            "Reached expected number of succeeded pods",
        );
    } else if suspended {
        pods::delete(world, active.iter().copied());
    } else {
        let parallel = usize::try_from(spec.parallelism.unwrap_or(1)).unwrap_or(1);
        let wanted = parallel.min(completions - succeeded);
        start(world, &job, key, &all, wanted.saturating_sub(active.len()));
        if let Some(at) = deadline(spec.active_deadline_seconds, &status) {
            world
                .agenda
                .add(Work::Reconcile(Kind::Job, key.clone()), at);
        }
    }
    count(world, &job, &mut status);
    world.put(Job {
        status: Some(status),
        ..job
    });
}

/// Whether a Job has come to an end.
pub(super) fn is_finished(job: &Job) -> bool {
    has(job, "Complete") || has(job, "Failed")
}

/// Whether a Job has a condition.
pub(super) fn has(job: &Job, type_: &str) -> bool {
    let conditions = job
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == type_ && condition.status == "True")
}

fn deadline(seconds: Option<i64>, status: &JobStatus) -> Option<jiff::Timestamp> {
    Some(later(
        status.start_time.as_ref()?.0,
        SignedDuration::from_secs(seconds?),
    ))
}

/// With restartPolicy OnFailure, the restarts count.
fn restarted_too_often(active: &[&Pod], spec: Option<&PodSpec>, limit: i32) -> bool {
    let policy = spec
        .as_ref()
        .and_then(|spec| spec.restart_policy.as_deref());
    if policy != Some("OnFailure") {
        return false;
    }
    let statuses = active.iter().filter_map(|pod| pod.status.as_ref());
    let containers = statuses.flat_map(|s| {
        s.container_statuses
            .iter()
            .chain(&s.init_container_statuses)
            .flatten()
    });
    let restarts: i32 = containers.map(|status| status.restart_count).sum();
    if limit == 0 {
        restarts > 0
    } else {
        restarts >= limit
    }
}

fn conclude(
    world: &World,
    status: &mut JobStatus,
    type_: &str,
    reason: Option<&str>,
    message: &str,
) {
    let conditions = status.conditions.get_or_insert_default();
    let before = if type_ == "Complete" {
        "SuccessCriteriaMet"
    } else {
        "FailureTarget"
    };
    for type_ in [before, type_] {
        conditions.push(JobCondition {
            type_: type_.to_owned(),
            status: "True".to_owned(),
            reason: reason.map(str::to_owned),
            message: Some(message.to_owned()),
            last_probe_time: Some(world.stamp()),
            last_transition_time: Some(world.stamp()),
        });
    }
}

/// Makes so many more pods, after the back-off that the last failure calls for.
fn start(world: &mut World, job: &Job, key: &Key, all: &[Pod], more: usize) {
    let failures: Vec<_> = all
        .iter()
        .filter(|pod| pods::phase(pod) == "Failed")
        .collect();
    if let Some(last) = failures.iter().filter_map(|pod| finished(pod)).max() {
        let doubled = FIRST_BACKOFF.saturating_mul(1 << (failures.len() - 1).min(10));
        let at = later(last, doubled.min(LONGEST_BACKOFF));
        if more > 0 && at > world.now {
            world
                .agenda
                .add(Work::Reconcile(Kind::Job, key.clone()), at);
            return;
        }
    }
    let Some(template) = job.spec.as_ref().map(|spec| &spec.template) else {
        return;
    };
    for _ in 0..more {
        let name = format!("{}-{}", key.name, world.names.suffix());
        let mut pod = pods::from_template(job, name, template);
        let labels = pod.metadata.labels.get_or_insert_default();
        let uid = job.metadata.uid.clone().unwrap_or_default();
        for (label, value) in [("job-name", &key.name), ("controller-uid", &uid)] {
            labels.insert(label.to_owned(), value.clone());
            labels.insert(format!("batch.kubernetes.io/{label}"), value.clone());
        }
        if pods::create(world, job, pod, CONTROLLER).is_err() {
            let after = pods::retry_after(world, &job.metadata);
            world.wake(Work::Reconcile(Kind::Job, key.clone()), after);
            return;
        }
    }
}

fn finished(pod: &Pod) -> Option<jiff::Timestamp> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let ended = statuses
        .iter()
        .filter_map(|status| status.state.as_ref()?.terminated.as_ref());
    ended
        .filter_map(|ended| ended.finished_at.as_ref())
        .map(|time| time.0)
        .max()
}

fn count(world: &World, job: &Job, status: &mut JobStatus) {
    let all: Vec<&Pod> = world.store.controlled_by::<Pod>(&job.metadata).collect();
    let some = |number: usize| (number > 0).then(|| pods::count(number));
    let of_phase = |phase: &str| all.iter().filter(|pod| pods::phase(pod) == phase).count();
    let active = all.iter().filter(|pod| pods::is_active(pod));
    status.ready = Some(pods::count(
        active.clone().filter(|pod| is_ready(pod)).count(),
    ));
    status.active = some(active.count());
    status.succeeded = some(of_phase("Succeeded"));
    status.failed = some(of_phase("Failed"));
}
