//! What is thrown away before an object is kept: managed fields but for when Akeso wrote last and
//! who else did, the last-applied copy, and the parts of a pod that its owner's template tells as
//! well.

use k8s_openapi::{
    api::{
        apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet},
        autoscaling::v2::HorizontalPodAutoscaler,
        batch::v1::{CronJob, Job},
        core::v1::{Event, Namespace, Node, PersistentVolumeClaim, Pod, Service},
        networking::v1::Ingress,
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta},
};

/// `kubectl apply` keeps a full copy of the manifest here.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The built-in controllers note on the objects what they have done.
const CONTROLLERS: &str = "kube-controller-manager";

/// Whether it is the record of a write to the object itself, and not by Kubernetes.
fn is_telling(entry: &ManagedFieldsEntry) -> bool {
    entry.subresource.is_none() && entry.manager.as_deref() != Some(CONTROLLERS)
}

/// Whether it is the record of a write by Akeso.
pub(super) fn is_own(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(crate::FIELD_MANAGER)
}

pub(super) trait Trim {
    fn trim(&mut self);
}

fn trim_metadata(metadata: &mut ObjectMeta) {
    metadata.managed_fields = metadata.managed_fields.take().map(|managers| {
        let (own, others): (Vec<_>, Vec<_>) =
            managers.into_iter().filter(is_telling).partition(is_own);
        let last = |all: Vec<ManagedFieldsEntry>| all.into_iter().max_by_key(|it| it.time.clone());
        let kept = last(others).into_iter().chain(last(own));
        let without_fields = kept.map(|kept| ManagedFieldsEntry {
            fields_v1: None,
            ..kept
        });
        without_fields.collect()
    });
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(LAST_APPLIED);
    }
}

macro_rules! metadata_only {
    ($($kind:ident),*) => {
        $(impl Trim for $kind {
            fn trim(&mut self) {
                trim_metadata(&mut self.metadata);
            }
        })*
    };
}
metadata_only!(
    Deployment,
    ReplicaSet,
    StatefulSet,
    DaemonSet,
    ControllerRevision,
    Job,
    CronJob,
    Service,
    HorizontalPodAutoscaler,
    Ingress,
    PersistentVolumeClaim,
    PodDisruptionBudget,
    Namespace
);

impl Trim for Pod {
    fn trim(&mut self) {
        trim_metadata(&mut self.metadata);
        if self.metadata.owner_references.is_none() {
            return; // nobody else knows the spec of a bare pod
        }
        let Some(spec) = &mut self.spec else { return };
        // only the pod tells which claim a StatefulSet has made for it
        if let Some(volumes) = &mut spec.volumes {
            volumes.retain(|volume| volume.persistent_volume_claim.is_some());
            volumes.shrink_to_fit();
        }
        spec.tolerations = None;
        spec.affinity = None;
        for container in spec
            .containers
            .iter_mut()
            .chain(spec.init_containers.iter_mut().flatten())
        {
            container.env = None;
            container.env_from = None;
            container.volume_mounts = None;
            container.args = None;
            container.command = None;
        }
    }
}

impl Trim for Node {
    fn trim(&mut self) {
        trim_metadata(&mut self.metadata);
        if let Some(status) = &mut self.status {
            status.images = None;
            status.volumes_attached = None;
            status.volumes_in_use = None;
        }
    }
}

impl Trim for Event {
    fn trim(&mut self) {
        trim_metadata(&mut self.metadata);
        self.metadata.annotations = None;
    }
}
