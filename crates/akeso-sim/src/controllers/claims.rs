//! The volume controller: claims to volumes, as the one of `devcluster` does it. Its only
//! `StorageClass` is `standard`, the default, whose volumes come at once.

use akeso_core::cluster::Key;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimStatus};

use crate::{
    warnings::{Saying, say},
    world::World,
};

/// The default class.
pub(crate) const STANDARD: &str = "standard";

/// Gives a claim its volume, or says why not.
pub(super) fn reconcile(world: &mut World, key: &Key) {
    let Some(mut claim) = world.store.get::<PersistentVolumeClaim>(key).cloned() else {
        return;
    };
    let status = claim.status.get_or_insert_default();
    if status.phase.as_deref() == Some("Bound") {
        return;
    }
    let Some(spec) = &mut claim.spec else { return };
    match spec.storage_class_name.as_deref() {
        Some(STANDARD) => {
            let uid = claim.metadata.uid.as_deref().unwrap_or_default();
            spec.volume_name = Some(format!("pvc-{uid}"));
            let requests = spec.resources.as_ref().and_then(|it| it.requests.clone());
            claim.status = Some(PersistentVolumeClaimStatus {
                access_modes: spec.access_modes.clone(),
                capacity: requests,
                phase: Some("Bound".to_owned()),
                ..PersistentVolumeClaimStatus::default()
            });
        }
        class => {
            status.phase = Some("Pending".to_owned());
            if let Some(class) = class.filter(|class| !class.is_empty()) {
                let message = format!("storageclass.storage.k8s.io \"{class}\" not found");
                let warning =
                    Saying::warning("ProvisioningFailed", message, "persistentvolume-controller");
                say::<PersistentVolumeClaim>(world, &claim.metadata, warning);
            }
        }
    }
    world.put(claim);
    world.wake_unscheduled();
}
