//! What the controllers do with pods: make them, delete them, count them.

use akeso_core::cluster::{Key, is_ready};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::core::v1::{Pod, PodStatus, PodTemplateSpec},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use crate::{
    api_server::{admit, fill_pod},
    store::{Stored, key_of},
    warnings::{Saying, say},
    world::{World, later, owner_reference},
};

/// A number of pods, as Kubernetes counts them.
pub(super) fn count(pods: usize) -> i32 {
    i32::try_from(pods).unwrap_or(i32::MAX)
}

pub(super) fn phase(pod: &Pod) -> &str {
    pod.status
        .as_ref()
        .and_then(|status| status.phase.as_deref())
        .unwrap_or("Pending")
}

/// Whether a pod still counts: it has not ended and is not being deleted.
pub(super) fn is_active(pod: &Pod) -> bool {
    !is_leaving(pod) && !matches!(phase(pod), "Succeeded" | "Failed")
}

/// Whether a pod is being deleted.
pub(super) fn is_leaving(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

pub(super) fn label<'a>(metadata: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    metadata.labels.as_ref()?.get(name).map(String::as_str)
}

/// When a pod has been ready for `min_ready` seconds; nothing if it is not ready.
pub(super) fn available_at(pod: &Pod, min_ready: Option<i32>) -> Option<Timestamp> {
    if !is_ready(pod) {
        return None;
    }
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let since = conditions
        .iter()
        .find(|c| c.type_ == "Ready")?
        .last_transition_time
        .as_ref()?
        .0;
    Some(later(
        since,
        SignedDuration::from_secs(min_ready.unwrap_or(0).into()),
    ))
}

pub(super) fn is_available(pod: &Pod, min_ready: Option<i32>, now: Timestamp) -> bool {
    available_at(pod, min_ready).is_some_and(|at| at <= now)
}

/// A pod of a template, controlled by `owner`.
pub(super) fn from_template<T: Stored>(owner: &T, name: String, template: &PodTemplateSpec) -> Pod {
    let mut metadata = template.metadata.clone().unwrap_or_default();
    metadata.name = Some(name);
    metadata.namespace.clone_from(&owner.metadata().namespace);
    metadata.owner_references = Some(vec![owner_reference(owner)]);
    let mut spec = template.spec.clone();
    if let Some(spec) = &mut spec {
        fill_pod(spec);
    }
    let status = PodStatus {
        phase: Some("Pending".to_owned()),
        ..PodStatus::default()
    };
    Pod {
        metadata,
        spec,
        status: Some(status),
    }
}

/// Makes a pod, or says in an Event of its owner why it is refused.
pub(super) fn create<T: Stored>(
    world: &mut World,
    owner: &T,
    mut pod: Pod,
    component: &'static str,
) -> Result<(), String> {
    let uid = owner.metadata().uid.clone().unwrap_or_default();
    match admit(&world.store, &mut pod) {
        Ok(()) => {
            world.refusals.remove(&uid);
            world.put(pod);
            Ok(())
        }
        Err(why) => {
            *world.refusals.entry(uid).or_default() += 1;
            let message = format!("Error creating: {why}");
            say::<T>(
                world,
                owner.metadata(),
                Saying::warning("FailedCreate", message, component),
            );
            Err(why)
        }
    }
}

/// How long a controller that was refused a pod waits before it asks again: twice as long each
/// time, from one second to the 1000 seconds of the controllers' work queues.
pub(super) fn retry_after(world: &World, owner: &ObjectMeta) -> SignedDuration {
    let refused = owner
        .uid
        .as_ref()
        .and_then(|uid| world.refusals.get(uid))
        .copied()
        .unwrap_or(1);
    SignedDuration::from_secs(1_i64 << refused.saturating_sub(1).min(10))
        .min(SignedDuration::from_secs(1_000))
}

/// Deletes pods.
pub(super) fn delete<'a>(world: &mut World, pods: impl IntoIterator<Item = &'a Pod>) {
    let keys: Vec<Key> = pods.into_iter().map(|pod| key_of(&pod.metadata)).collect();
    for key in keys {
        world.delete::<Pod>(&key);
    }
}
