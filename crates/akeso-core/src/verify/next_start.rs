//! What a change that touches no pod is judged by: what the kubelet starts again, in its own time.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};

use crate::{
    cluster::Workload,
    observe::{CRASH_MEMORY, Sign, Symptom},
    workload::{ContainerRef, ContainerRole},
};

/// What has ended is started again after at most so long
/// (<https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy>).
const LONGEST_BACK_OFF: SignedDuration = SignedDuration::from_mins(5);
/// What ended so shortly after the change had begun before it took effect.
const TOO_SOON: SignedDuration = SignedDuration::from_secs(10);

/// By when everything has been started again since a change, and its end before is forgotten.
pub fn patience(made: Timestamp) -> Timestamp {
    let all = LONGEST_BACK_OFF + CRASH_MEMORY + SignedDuration::from_mins(1);
    made.checked_add(all).unwrap_or(Timestamp::MAX)
}

/// The symptoms that say nothing of a change that was made then, and the others.
pub fn split(
    workload: &Workload<'_>,
    symptoms: &[Symptom],
    made: Timestamp,
) -> (Vec<Symptom>, Vec<Symptom>) {
    let is_old = |symptom: &Symptom| is_from_before(workload, symptom, made).unwrap_or(false);
    let is_any_old = symptoms.iter().any(is_old);
    // the rollout is overdue for the same crashes
    let (old, new) = symptoms.iter().cloned().partition(|symptom| {
        is_old(symptom) || (is_any_old && symptom.sign == Sign::RolloutOverdue)
    });
    (old, new)
}

fn is_from_before(workload: &Workload<'_>, symptom: &Symptom, made: Timestamp) -> Option<bool> {
    let Sign::Crash(_) = &symptom.sign else {
        return None;
    };
    let mut pods = workload.pods.iter();
    let pod = pods.find(|pod| pod.metadata.name == symptom.pod)?;
    let ended = last_end(pod, symptom.container.as_ref()?)?
        .finished_at
        .as_ref()?
        .0;
    Some(ended <= made.checked_add(TOO_SOON).ok()?)
}

/// How a container ended last.
fn last_end<'a>(pod: &'a Pod, container: &ContainerRef) -> Option<&'a ContainerStateTerminated> {
    let status = pod.status.as_ref()?;
    let statuses = match container.role {
        ContainerRole::Init => &status.init_container_statuses,
        ContainerRole::Main => &status.container_statuses,
    };
    let status = statuses
        .iter()
        .flatten()
        .find(|it| it.name == container.name)?;
    let now = status.state.as_ref().and_then(|it| it.terminated.as_ref());
    now.or_else(|| status.last_state.as_ref()?.terminated.as_ref())
}
