//! What workloads rely on: Services, claims, nodes and so on. It has no pods, and can be broken
//! while the workloads are well.

use k8s_openapi::{
    api::{
        autoscaling::v2::HorizontalPodAutoscaler,
        core::v1::{Namespace, Node, PersistentVolumeClaim, Pod, Service},
        networking::v1::Ingress,
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::{Cluster, Key, Kind, ObjectRef, in_namespace};
use crate::observe::claims_of;
use crate::workload::{SupportKind, WorkloadKind, WorkloadRef};

/// One object that workloads rely on.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "each is the Kubernetes kind of the same name")]
pub enum Support<'a> {
    Service(&'a Service),
    Ingress(&'a Ingress),
    PersistentVolumeClaim(&'a PersistentVolumeClaim),
    HorizontalPodAutoscaler(&'a HorizontalPodAutoscaler),
    PodDisruptionBudget(&'a PodDisruptionBudget),
    Namespace(&'a Namespace),
    Node(&'a Node),
}

impl<'a> Support<'a> {
    /// Its metadata.
    pub(super) const fn metadata(self) -> &'a ObjectMeta {
        match self {
            Self::Service(o) => &o.metadata,
            Self::Ingress(o) => &o.metadata,
            Self::PersistentVolumeClaim(o) => &o.metadata,
            Self::HorizontalPodAutoscaler(o) => &o.metadata,
            Self::PodDisruptionBudget(o) => &o.metadata,
            Self::Namespace(o) => &o.metadata,
            Self::Node(o) => &o.metadata,
        }
    }

    /// Its spec, as JSON.
    pub(super) fn spec(self) -> serde_json::Result<Vec<u8>> {
        match self {
            Self::Service(o) => serde_json::to_vec(&o.spec),
            Self::Ingress(o) => serde_json::to_vec(&o.spec),
            Self::PersistentVolumeClaim(o) => serde_json::to_vec(&o.spec),
            Self::HorizontalPodAutoscaler(o) => serde_json::to_vec(&o.spec),
            Self::PodDisruptionBudget(o) => serde_json::to_vec(&o.spec),
            Self::Namespace(o) => serde_json::to_vec(&o.spec),
            Self::Node(o) => serde_json::to_vec(&o.spec),
        }
    }
}

impl SupportKind {
    /// The watched kind that it is.
    pub const fn watched(self) -> Kind {
        match self {
            Self::Service => Kind::Service,
            Self::Ingress => Kind::Ingress,
            Self::PersistentVolumeClaim => Kind::PersistentVolumeClaim,
            Self::HorizontalPodAutoscaler => Kind::HorizontalPodAutoscaler,
            Self::PodDisruptionBudget => Kind::PodDisruptionBudget,
            Self::Namespace => Kind::Namespace,
            Self::Node => Kind::Node,
        }
    }

    const fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Service => Some(Self::Service),
            Kind::Ingress => Some(Self::Ingress),
            Kind::PersistentVolumeClaim => Some(Self::PersistentVolumeClaim),
            Kind::HorizontalPodAutoscaler => Some(Self::HorizontalPodAutoscaler),
            Kind::PodDisruptionBudget => Some(Self::PodDisruptionBudget),
            Kind::Namespace => Some(Self::Namespace),
            Kind::Node => Some(Self::Node),
            Kind::Pod
            | Kind::Deployment
            | Kind::ReplicaSet
            | Kind::StatefulSet
            | Kind::DaemonSet
            | Kind::ControllerRevision
            | Kind::Job
            | Kind::CronJob
            | Kind::Event => None,
        }
    }
}

/// The name of an object that workloads rely on.
pub(super) fn support_ref(object: &ObjectRef) -> Option<WorkloadRef> {
    Some(WorkloadRef {
        kind: WorkloadKind::Support(SupportKind::of(object.kind)?),
        namespace: object.namespace.clone(),
        name: object.name.clone(),
    })
}

impl Cluster {
    pub(super) fn support(&self, kind: SupportKind, key: &Key) -> Option<Support<'_>> {
        Some(match kind {
            SupportKind::Service => Support::Service(self.services.get(key)?),
            SupportKind::Ingress => Support::Ingress(self.ingresses.get(key)?),
            SupportKind::PersistentVolumeClaim => {
                Support::PersistentVolumeClaim(self.claims.get(key)?)
            }
            SupportKind::HorizontalPodAutoscaler => {
                Support::HorizontalPodAutoscaler(self.autoscalers.get(key)?)
            }
            SupportKind::PodDisruptionBudget => {
                Support::PodDisruptionBudget(self.disruption_budgets.get(key)?)
            }
            SupportKind::Namespace => Support::Namespace(self.namespaces.get(key)?),
            SupportKind::Node => Support::Node(self.nodes.get(key)?),
        })
    }

    /// Everything there is that workloads rely on.
    pub(super) fn supports(&self) -> Vec<WorkloadRef> {
        fn names<T>(
            map: &std::collections::BTreeMap<Key, T>,
            kind: SupportKind,
        ) -> impl Iterator<Item = WorkloadRef> {
            map.keys().map(move |key| named(kind, key))
        }
        names(&self.services, SupportKind::Service)
            .chain(names(&self.ingresses, SupportKind::Ingress))
            .chain(names(&self.claims, SupportKind::PersistentVolumeClaim))
            .chain(names(
                &self.autoscalers,
                SupportKind::HorizontalPodAutoscaler,
            ))
            .chain(names(
                &self.disruption_budgets,
                SupportKind::PodDisruptionBudget,
            ))
            .chain(names(&self.namespaces, SupportKind::Namespace))
            .chain(names(&self.nodes, SupportKind::Node))
            .collect()
    }

    /// What may become ill or well because this object has changed, beside its own root owner: a
    /// Service by its pods, an Ingress by its Services, a disruption budget by another one, a workload
    /// by its autoscaler.
    pub fn leaning_on(&self, object: &ObjectRef) -> Vec<WorkloadRef> {
        match object.kind {
            Kind::Pod => {
                let Some(pod) = self.pods.get(&object.key()) else {
                    return Vec::new();
                };
                let services = in_namespace(&self.services, &object.namespace)
                    .filter(|(_, service)| selects(service, pod))
                    .map(|(key, _)| named(SupportKind::Service, key));
                let claims = claims_of(pod)
                    .map(|claim| Key::new(&object.namespace, claim))
                    .map(|key| named(SupportKind::PersistentVolumeClaim, &key));
                services.chain(claims).collect()
            }
            Kind::Service => in_namespace(&self.ingresses, &object.namespace)
                .map(|(key, _)| named(SupportKind::Ingress, key))
                .chain(self.leading_to(object))
                .collect(),
            // two of them may select the same pods
            Kind::PodDisruptionBudget => in_namespace(&self.disruption_budgets, &object.namespace)
                .map(|(key, _)| named(SupportKind::PodDisruptionBudget, key))
                .collect(),
            Kind::HorizontalPodAutoscaler => self.scaled_by(object).into_iter().collect(),
            Kind::Deployment
            | Kind::ReplicaSet
            | Kind::StatefulSet
            | Kind::DaemonSet
            | Kind::ControllerRevision
            | Kind::Job
            | Kind::CronJob
            | Kind::Ingress
            | Kind::PersistentVolumeClaim
            | Kind::Namespace
            | Kind::Node
            | Kind::Event => Vec::new(),
        }
    }

    /// What an autoscaler scales, if it is there.
    fn scaled_by(&self, object: &ObjectRef) -> Option<WorkloadRef> {
        let target = &self.autoscalers.get(&object.key())?.spec.scale_target_ref;
        let key = Key::new(&object.namespace, &target.name);
        let kind = match target.kind.as_str() {
            "Deployment" if self.deployments.contains_key(&key) => WorkloadKind::Deployment,
            "StatefulSet" if self.stateful_sets.contains_key(&key) => WorkloadKind::StatefulSet,
            _ => return None,
        };
        Some(WorkloadRef {
            kind,
            namespace: key.namespace,
            name: key.name,
        })
    }

    /// The Services of type `ExternalName` that lead to a Service.
    fn leading_to<'a>(&'a self, object: &ObjectRef) -> impl Iterator<Item = WorkloadRef> + 'a {
        let name = format!("{}.{}.svc", object.name, object.namespace);
        let leads = move |service: &Service| {
            let spec = service.spec.as_ref();
            let external = spec.and_then(|spec| spec.external_name.as_deref());
            external.is_some_and(|external| external.starts_with(&name))
        };
        self.services
            .iter()
            .filter(move |(_, service)| leads(service))
            .map(|(key, _)| named(SupportKind::Service, key))
    }
}

fn named(kind: SupportKind, key: &Key) -> WorkloadRef {
    WorkloadRef {
        kind: WorkloadKind::Support(kind),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
    }
}

/// Whether a Service sends its traffic to a pod. A Service without a selector selects nothing
/// (<https://kubernetes.io/docs/concepts/services-networking/service/#services-without-selectors>).
pub fn selects(service: &Service, pod: &Pod) -> bool {
    let selector = service
        .spec
        .as_ref()
        .and_then(|spec| spec.selector.as_ref());
    let labels = pod.metadata.labels.as_ref();
    selector.is_some_and(|selector| {
        !selector.is_empty()
            && selector
                .iter()
                .all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
    })
}
