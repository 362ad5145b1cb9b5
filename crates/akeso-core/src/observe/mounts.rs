//! Volumes that the kubelet cannot mount. It shows in `FailedMount` events only: the containers
//! stay in `ContainerCreating`, which says nothing.

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{Event, Pod};

use super::{Look, Sign, Symptom, last_seen, recent_events};

/// What is applied together may come seconds later, and each namespace gets its root certificate
/// only after it was made: what still fails so long after the pod was bound is no healthy start.
const GRACE: SignedDuration = SignedDuration::from_secs(30);
/// The kubelet tries again after 122 s at the latest (`pkg/volume/util/nestedpendingoperations`).
const LONGEST_RETRY: SignedDuration = SignedDuration::from_secs(150);

pub(super) fn symptoms(look: &Look<'_>) -> Vec<Symptom> {
    look.workload
        .pods
        .iter()
        .filter_map(|pod| of_pod(look, pod))
        .collect()
}

pub(super) fn of_pod(look: &Look<'_>, pod: &Pod) -> Option<Symptom> {
    let status = pod.status.as_ref()?;
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let condition = |kind: &str| conditions.iter().find(|one| one.type_ == kind);
    // true once the volumes are mounted and the sandbox is made
    // (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-conditions)
    let is_past = condition("PodReadyToStartContainers").is_some_and(|it| it.status == "True");
    if is_past || status.phase.as_deref() != Some("Pending") {
        return None;
    }
    let bound = condition("PodScheduled").filter(|it| it.status == "True")?;
    let bound = bound
        .last_transition_time
        .as_ref()
        .or(pod.metadata.creation_timestamp.as_ref())?
        .0;
    let events = recent_events(look, pod, "FailedMount", LONGEST_RETRY);
    let lasting = events.filter_map(|event| {
        let volume = volume_of(event)?;
        let seen = last_seen(event)?;
        (seen.duration_since(bound) >= GRACE).then_some((volume, seen, event))
    });
    // the one that comes first in every pod, so that replicas show the same
    let (volume, seen, event) = lasting.min_by_key(|(volume, ..)| volume.clone())?;
    if look.has_come(seen.checked_add(LONGEST_RETRY).ok()?) {
        return None;
    }
    Some(Symptom {
        sign: Sign::Mount { volume },
        pod: pod.metadata.name.clone(),
        container: None,
        status: "Waiting".to_owned(),
        reason: "FailedMount".to_owned(),
        message: event.message.clone().unwrap_or_default(),
    })
}

/// The volume of `MountVolume.SetUp failed for volume "settings" : ...`; that mounts time out is
/// said without one, and says nothing new.
fn volume_of(event: &Event) -> Option<String> {
    let message = event.message.as_deref()?;
    let (_, rest) = message.split_once("failed for volume \"")?;
    let (volume, _) = rest.split_once('"')?;
    Some(volume.to_owned())
}
