//! What shows that a revision is good: pods of it that run well, or did until they were deleted.
//!
//! A rollout without a readiness probe takes the old pods away as soon as the new ones have
//! started, which may be before they fail; with one replica or the strategy `Recreate` it always
//! does. What the old pods have shown until then is remembered.

use std::{collections::BTreeMap, fmt};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use serde::{Deserialize, Serialize};

use super::{
    Cluster, Kind, ObjectRef,
    owners::{controller_of, is_trial},
    workload::{is_ready, label, ready_since, unready_since},
};

/// Set by their controllers on the pods of StatefulSets and DaemonSets.
pub(super) const CONTROLLER_HASH: &str = "controller-revision-hash";

/// So long must a pod have been ready that was never restarted.
const STEADY: SignedDuration = SignedDuration::from_secs(10);
/// So long must one that was: then the kubelet takes it for stable as well
/// (<https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy>).
const STEADY_AGAIN: SignedDuration = SignedDuration::from_mins(10);

/// What shows that a revision is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Good {
    /// So many pods of it are ready now.
    Serves(usize),
    /// Its pods were ready until they were deleted, the last of them then.
    ServedUntil(Timestamp),
}

impl fmt::Display for Good {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serves(pods) => write!(f, "{pods} pod(s) of it are ready"),
            Self::ServedUntil(time) => {
                write!(
                    f,
                    "its pods were ready until they were deleted at {time:.0}"
                )
            }
        }
    }
}

/// A revision that was good until its pods were deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoodRevision {
    /// The ReplicaSet or ControllerRevision that holds it.
    pub holder: ObjectRef,
    /// When the last of its pods was deleted.
    pub until: Timestamp,
}

/// What the pods of a revision have shown.
#[derive(Debug, Clone, Copy)]
pub(super) enum Past {
    /// They ran well until they were deleted.
    GoodUntil(Timestamp),
    /// One had run well for long when it failed: it was not the rollout that broke it.
    FailedLater,
}

/// What is remembered of each revision that there still is.
pub(super) type History = BTreeMap<ObjectRef, Past>;

impl Cluster {
    /// Takes note of a pod that ran well, when that is over.
    pub(super) fn remember(&mut self, reference: &ObjectRef, now: &Pod) {
        let before = self.pods.get(&reference.key());
        let Some((past, revision)) = past(before, now).zip(revision_of(now)) else {
            return;
        };
        let key = revision.key();
        if self.replica_sets.contains_key(&key) || self.controller_revisions.contains_key(&key) {
            self.history.insert(revision, past);
        }
    }

    /// Takes in what was known before a restart.
    pub(crate) fn recall(&mut self, good: &GoodRevision) {
        let past = Past::GoodUntil(good.until);
        self.history.insert(good.holder.clone(), past);
    }
}

/// What a pod has shown that is not what it was before.
fn past(before: Option<&Pod>, now: &Pod) -> Option<Past> {
    if let Some(deleted) = deleted_at(now) {
        return is_steady(now, deleted).then_some(Past::GoodUntil(deleted));
    }
    let since = ready_since(before?)?;
    let failed = unready_since(now)?;
    (failed.duration_since(since) >= STEADY_AGAIN).then_some(Past::FailedLater)
}

/// Whether the pod runs well now, which is not before that time: between two crashes, a pod without
/// a readiness probe is ready for a moment.
pub(super) fn is_good(pod: &Pod, now: Option<Timestamp>) -> bool {
    is_ready(pod) && (restarts(pod) == 0 || now.is_some_and(|now| is_steady(pod, now)))
}

/// Whether the pod had been ready long enough at that time.
fn is_steady(pod: &Pod, at: Timestamp) -> bool {
    let wanted = if restarts(pod) == 0 {
        STEADY
    } else {
        STEADY_AGAIN
    };
    ready_since(pod).is_some_and(|since| at.duration_since(since) >= wanted)
}

/// How often the containers of the pod were restarted.
fn restarts(pod: &Pod) -> i32 {
    let statuses = pod
        .status
        .iter()
        .flat_map(|it| it.container_statuses.iter());
    statuses.flatten().map(|it| it.restart_count).sum()
}

/// When somebody asked for the pod's deletion; the API server adds the time that it gives the pod.
fn deleted_at(pod: &Pod) -> Option<Timestamp> {
    let given = pod.metadata.deletion_grace_period_seconds.unwrap_or(0);
    let gone_by = pod.metadata.deletion_timestamp.as_ref()?.0;
    gone_by.checked_sub(SignedDuration::from_secs(given)).ok()
}

/// The ReplicaSet or ControllerRevision that the pod was made from.
pub(super) fn revision_of(pod: &Pod) -> Option<ObjectRef> {
    let owner = controller_of(&pod.metadata).filter(|it| it.api_version.starts_with("apps/"))?;
    if is_trial(&pod.metadata) {
        return None;
    }
    let hash = || label(pod, CONTROLLER_HASH);
    let (kind, name) = match owner.kind.as_str() {
        "ReplicaSet" => (Kind::ReplicaSet, owner.name.clone()),
        "StatefulSet" => (Kind::ControllerRevision, hash()?.to_owned()),
        "DaemonSet" => (
            Kind::ControllerRevision,
            format!("{}-{}", owner.name, hash()?),
        ),
        _ => return None,
    };
    Some(ObjectRef {
        kind,
        namespace: pod.metadata.namespace.clone().unwrap_or_default(),
        name,
    })
}
