//! From a pod to its root owner: Pod → ReplicaSet → Deployment, Pod → Job → CronJob, and so on.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::{Cluster, Key, Kind, ObjectRef, support::support_ref};
use crate::{
    act::TRIAL,
    workload::{WorkloadKind, WorkloadRef},
};

/// A controller that is no built-in workload: an operator's custom resource, or the Node of a
/// static pod. It would set back whatever is changed below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignOwner {
    /// For instance `postgresql.cnpg.io/v1`.
    pub api_version: String,
    /// For instance `Cluster`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// The owner that controls an object
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents/>).
pub(super) fn controller_of(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    metadata
        .owner_references
        .as_ref()?
        .iter()
        .find(|owner| owner.controller == Some(true))
}

/// For a trial pod, the workload whose change it tries.
fn tried_by(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    is_trial(metadata).then(|| metadata.owner_references.as_ref()?.first())?
}

/// Whether it is a trial pod: it is no workload, and none of its workload's pods.
pub(super) fn is_trial(metadata: &ObjectMeta) -> bool {
    let labels = metadata.labels.as_ref();
    labels.is_some_and(|labels| labels.contains_key(TRIAL))
}

fn workload_kind(owner: &OwnerReference) -> Option<WorkloadKind> {
    let group = owner
        .api_version
        .split_once('/')
        .map_or("", |(group, _)| group);
    match (group, owner.kind.as_str()) {
        ("apps", "Deployment") => Some(WorkloadKind::Deployment),
        ("apps", "ReplicaSet") => Some(WorkloadKind::ReplicaSet),
        ("apps", "StatefulSet") => Some(WorkloadKind::StatefulSet),
        ("apps", "DaemonSet") => Some(WorkloadKind::DaemonSet),
        ("batch", "Job") => Some(WorkloadKind::Job),
        ("batch", "CronJob") => Some(WorkloadKind::CronJob),
        _ => None,
    }
}

impl Cluster {
    /// The root owner of an object, or nothing if a link of the chain is not known yet.
    pub fn root_of(&self, object: &ObjectRef) -> Option<WorkloadRef> {
        let kind = match object.kind {
            Kind::Pod => WorkloadKind::Pod,
            Kind::Deployment => WorkloadKind::Deployment,
            Kind::ReplicaSet => WorkloadKind::ReplicaSet,
            Kind::StatefulSet => WorkloadKind::StatefulSet,
            Kind::DaemonSet => WorkloadKind::DaemonSet,
            Kind::Job => WorkloadKind::Job,
            Kind::CronJob => WorkloadKind::CronJob,
            Kind::ControllerRevision => {
                let revision = self.controller_revisions.get(&object.key())?;
                let owner = controller_of(&revision.metadata)?;
                return Some(WorkloadRef {
                    kind: workload_kind(owner)?,
                    namespace: object.namespace.clone(),
                    name: owner.name.clone(),
                });
            }
            Kind::Event => return self.root_of(&self.subject_of(object)?),
            Kind::Service
            | Kind::HorizontalPodAutoscaler
            | Kind::Ingress
            | Kind::PersistentVolumeClaim
            | Kind::PodDisruptionBudget
            | Kind::Namespace
            | Kind::Node => return support_ref(object),
        };
        let mut at = WorkloadRef {
            kind,
            namespace: object.namespace.clone(),
            name: object.name.clone(),
        };
        loop {
            let metadata = self.metadata_of(&at)?;
            if let Some(tried) = tried_by(metadata) {
                let kind = workload_kind(tried)?;
                return Some(WorkloadRef {
                    kind,
                    namespace: at.namespace,
                    name: tried.name.clone(),
                });
            }
            match controller_of(metadata)
                .and_then(|owner| Some((workload_kind(owner)?, &owner.name)))
            {
                Some((kind, name)) => {
                    at = WorkloadRef {
                        kind,
                        namespace: at.namespace,
                        name: name.clone(),
                    }
                }
                None => return Some(at),
            }
        }
    }

    /// The object that a Kubernetes Event speaks of.
    fn subject_of(&self, event: &ObjectRef) -> Option<ObjectRef> {
        let event = self.events.get(&event.key())?;
        let subject = &event.involved_object;
        let kind = match subject.kind.as_deref()? {
            "Pod" => Kind::Pod,
            "ReplicaSet" => Kind::ReplicaSet,
            "Deployment" => Kind::Deployment,
            "StatefulSet" => Kind::StatefulSet,
            "DaemonSet" => Kind::DaemonSet,
            "Job" => Kind::Job,
            "CronJob" => Kind::CronJob,
            "Service" => Kind::Service,
            "Ingress" => Kind::Ingress,
            "PersistentVolumeClaim" => Kind::PersistentVolumeClaim,
            "HorizontalPodAutoscaler" => Kind::HorizontalPodAutoscaler,
            "PodDisruptionBudget" => Kind::PodDisruptionBudget,
            "Node" => Kind::Node,
            _ => return None,
        };
        Some(ObjectRef {
            kind,
            namespace: subject.namespace.clone().unwrap_or_default(),
            name: subject.name.clone()?,
        })
    }

    pub(super) fn metadata_of(&self, workload: &WorkloadRef) -> Option<&ObjectMeta> {
        let key = Key::new(&workload.namespace, &workload.name);
        match workload.kind {
            WorkloadKind::Deployment => self.deployments.get(&key).map(|o| &o.metadata),
            WorkloadKind::ReplicaSet => self.replica_sets.get(&key).map(|o| &o.metadata),
            WorkloadKind::StatefulSet => self.stateful_sets.get(&key).map(|o| &o.metadata),
            WorkloadKind::DaemonSet => self.daemon_sets.get(&key).map(|o| &o.metadata),
            WorkloadKind::CronJob => self.cron_jobs.get(&key).map(|o| &o.metadata),
            WorkloadKind::Job => self.jobs.get(&key).map(|o| &o.metadata),
            WorkloadKind::Pod => self.pods.get(&key).map(|o| &o.metadata),
            WorkloadKind::Support(kind) => Some(self.support(kind, &key)?.metadata()),
        }
    }

    /// Every root workload there is, and what workloads rely on.
    pub fn roots(&self) -> Vec<WorkloadRef> {
        let owned = |kind: WorkloadKind, key: &Key, metadata: &ObjectMeta| {
            let root = controller_of(metadata).and_then(workload_kind).is_none();
            root.then(|| WorkloadRef {
                kind,
                namespace: key.namespace.clone(),
                name: key.name.clone(),
            })
        };
        let mut roots = Vec::new();
        roots.extend(
            self.deployments
                .iter()
                .filter_map(|(k, o)| owned(WorkloadKind::Deployment, k, &o.metadata)),
        );
        roots.extend(
            self.stateful_sets
                .iter()
                .filter_map(|(k, o)| owned(WorkloadKind::StatefulSet, k, &o.metadata)),
        );
        roots.extend(
            self.daemon_sets
                .iter()
                .filter_map(|(k, o)| owned(WorkloadKind::DaemonSet, k, &o.metadata)),
        );
        roots.extend(
            self.replica_sets
                .iter()
                .filter_map(|(k, o)| owned(WorkloadKind::ReplicaSet, k, &o.metadata)),
        );
        roots.extend(
            self.cron_jobs
                .iter()
                .filter_map(|(k, o)| owned(WorkloadKind::CronJob, k, &o.metadata)),
        );
        roots.extend(
            self.jobs
                .iter()
                .filter_map(|(k, o)| owned(WorkloadKind::Job, k, &o.metadata)),
        );
        roots.extend(
            self.pods
                .iter()
                .filter(|(_, o)| !is_trial(&o.metadata))
                .filter_map(|(k, o)| owned(WorkloadKind::Pod, k, &o.metadata)),
        );
        roots.extend(self.supports());
        roots
    }
}

/// The owner of a root workload that is no built-in workload. Operators that forget to say that
/// they control what they own would set it back as well.
pub(super) fn foreign_owner(metadata: &ObjectMeta) -> Option<ForeignOwner> {
    let mut owners = metadata.owner_references.iter().flatten();
    let owner = owners.find(|owner| workload_kind(owner).is_none())?;
    Some(ForeignOwner {
        api_version: owner.api_version.clone(),
        kind: owner.kind.clone(),
        name: owner.name.clone(),
    })
}
