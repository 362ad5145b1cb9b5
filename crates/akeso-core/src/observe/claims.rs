//! Claims that get no volume
//! (<https://kubernetes.io/docs/concepts/storage/persistent-volumes/#binding>).

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim, PersistentVolumeClaimSpec, Pod};
use regex::Regex;

use super::{CRASH_MEMORY, Flaw, Look, Symptom, last_seen, on_support};
use crate::{
    cluster::{Cluster, Controller, Support, in_namespace},
    similar::closest,
};

/// Its class may be applied after it.
const TIME_TO_BIND: SignedDuration = SignedDuration::from_secs(60);
/// A provisioner may fail a few times and then succeed.
const TIME_TO_PROVISION: SignedDuration = SignedDuration::from_mins(2);

/// The volume controller's words: `storageclass.storage.k8s.io "fast" not found`.
static NO_CLASS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"storageclass\.storage\.k8s\.io "([^"]+)" not found"#).ok());

pub(super) fn symptoms(look: &Look<'_>) -> Vec<Symptom> {
    let Controller::Support(Support::PersistentVolumeClaim(claim)) = look.workload.controller
    else {
        return Vec::new();
    };
    let made = claim.metadata.creation_timestamp.as_ref();
    let cluster = look.workload.cluster();
    let is_time = || made.is_none_or(|made| look.has_lasted(made.0, TIME_TO_BIND));
    let symptom = unbound(cluster, claim, look.now)
        .filter(|_| is_time())
        .map(|why| on_support(Flaw::ClaimUnbound, "Unbound", why));
    symptom.into_iter().collect()
}

/// Why a claim has no volume, in words that follow its name. Nothing if it has one, or if it may
/// only wait for its first pod or its turn.
pub(crate) fn unbound(
    cluster: &Cluster,
    claim: &PersistentVolumeClaim,
    now: Timestamp,
) -> Option<String> {
    let phase = claim.status.as_ref().and_then(|it| it.phase.as_deref());
    let spec = claim.spec.as_ref()?;
    let volume = spec.volume_name.as_deref().filter(|it| !it.is_empty());
    match phase {
        Some("Bound") => return None,
        Some("Lost") => {
            let volume = volume.unwrap_or("its volume");
            return Some(format!(
                "has lost the volume {volume} that it was bound to: it exists no more"
            ));
        }
        _ => {}
    }
    if let Some(why) = provisioning(cluster, claim, now) {
        return Some(why);
    }
    let is_used = pods_with(cluster, claim).next().is_some();
    let class = spec.storage_class_name.as_deref();
    match (volume, class) {
        (Some(volume), _) => Some(format!(
            "is not bound: spec.volumeName is {volume}, and that volume is not there or is not for it ({})",
            asked(spec)
        )),
        (None, Some("")) if is_used => Some(format!(
            "is not bound: storageClassName is empty, so that only a volume that somebody has made can serve it, and none fits ({})",
            asked(spec)
        )),
        (None, None) if is_used => Some(
            "is not bound: it names no storageClassName, and the cluster has no default StorageClass"
                .to_owned(),
        ),
        // a class that waits for the first pod, or a provisioner that is at work
        (None, _) => None,
    }
}

/// What the volume controller or the provisioner says against it.
fn provisioning(
    cluster: &Cluster,
    claim: &PersistentVolumeClaim,
    now: Timestamp,
) -> Option<String> {
    let namespace = claim.metadata.namespace.as_deref()?;
    let about_it = |event: &&Event| {
        let object = &event.involved_object;
        object.kind.as_deref() == Some("PersistentVolumeClaim")
            && object.name == claim.metadata.name
            && (object.uid.is_none() || object.uid == claim.metadata.uid)
    };
    let events = in_namespace(&cluster.events, namespace).map(|(_, event)| event);
    let last = events
        .filter(about_it)
        .filter(|event| {
            let reason = event.reason.as_deref();
            matches!(reason, Some("ProvisioningFailed" | "VolumeMismatch"))
        })
        .filter(|event| last_seen(event).is_some_and(|at| now.duration_since(at) < CRASH_MEMORY))
        .max_by_key(|event| last_seen(event))?;
    let message = last.message.as_deref()?;
    if let Some(found) = NO_CLASS.as_ref().and_then(|it| it.captures(message)) {
        let class = &found[1];
        let meant = class_meant(cluster, class)
            .map(|close| format!(" (likely meant: {close}, which other claims have)"));
        return Some(format!(
            "is not bound: its storageClassName is {class}, and there is no such StorageClass{}",
            meant.unwrap_or_default()
        ));
    }
    let first = last.first_timestamp.as_ref().map(|time| time.0);
    let first = first.or_else(|| last.event_time.as_ref().map(|time| time.0))?;
    let is_lasting = now.duration_since(first) >= TIME_TO_PROVISION;
    is_lasting.then(|| format!("is not bound: {}", message.trim_end()))
}

/// The one class of a close name that bound claims have.
fn class_meant(cluster: &Cluster, class: &str) -> Option<String> {
    let bound = cluster.claims.values().filter(|claim| {
        let phase = claim.status.as_ref().and_then(|it| it.phase.as_deref());
        phase == Some("Bound")
    });
    let classes = bound.filter_map(|claim| claim.spec.as_ref()?.storage_class_name.clone());
    closest(class, classes)
}

fn asked(spec: &PersistentVolumeClaimSpec) -> String {
    let requests = spec.resources.as_ref().and_then(|it| it.requests.as_ref());
    let size = requests.and_then(|it| it.get("storage"));
    let size = size.map_or("a volume", |size| size.0.as_str());
    let modes = spec.access_modes.as_deref().unwrap_or_default().join(", ");
    format!("it asks for {size}, {modes}")
}

/// The pods that mount a claim.
pub(crate) fn pods_with<'a>(
    cluster: &'a Cluster,
    claim: &'a PersistentVolumeClaim,
) -> impl Iterator<Item = &'a Pod> {
    let namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
    let name = claim.metadata.name.as_deref().unwrap_or_default();
    let pods = in_namespace(&cluster.pods, namespace).map(|(_, pod)| pod);
    pods.filter(move |pod| claims_of(pod).any(|claim| claim == name))
}

/// The claims that a pod mounts, by name.
pub(crate) fn claims_of(pod: &Pod) -> impl Iterator<Item = &str> {
    let volumes = pod
        .spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten());
    volumes.filter_map(|volume| {
        let claim = volume.persistent_volume_claim.as_ref()?;
        Some(claim.claim_name.as_str())
    })
}
