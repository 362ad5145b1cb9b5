//! The objects, as etcd holds them.

use std::collections::BTreeMap;

use akeso_core::cluster::{Key, Kind, Object};
use k8s_openapi::{
    Metadata, Resource,
    api::{
        apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet},
        autoscaling::v2::HorizontalPodAutoscaler,
        batch::v1::{CronJob, Job},
        core::v1::{
            ConfigMap, Event, LimitRange, Namespace, Node, PersistentVolumeClaim, Pod,
            ResourceQuota, Secret, Service, ServiceAccount,
        },
        networking::v1::{Ingress, IngressClass, NetworkPolicy},
        policy::v1::PodDisruptionBudget,
        rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
        storage::v1::StorageClass,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde::{Serialize, de::DeserializeOwned};

/// A kind of object that the simulated cluster keeps.
pub(crate) trait Stored:
    Clone + PartialEq + Serialize + DeserializeOwned + Metadata<Ty = ObjectMeta> + Resource
{
    /// The kind as the engine knows it, if the engine watches it.
    const WATCHED: Option<Kind>;

    /// Where objects of this kind are kept.
    fn table(store: &Store) -> &BTreeMap<Key, Self>;
    /// Where objects of this kind are kept.
    fn table_mut(store: &mut Store) -> &mut BTreeMap<Key, Self>;
    /// The object as the engine is told of it.
    fn told(&self) -> Option<Object>;
    /// Whether another version has another spec; nothing for kinds without a generation.
    fn has_other_spec(&self, other: &Self) -> Option<bool>;
}

macro_rules! watched {
    (yes $kind:ident) => {
        Some(Kind::$kind)
    };
    (no $kind:ident) => {
        None
    };
}

macro_rules! told {
    (yes $object:expr) => {
        Some(Object::from($object.clone()))
    };
    (no $object:expr) => {{
        let _ = $object;
        None
    }};
}

/// A pod's node is written by the scheduler, past its generation.
fn pod_spec_of(pod: &Pod) -> Option<k8s_openapi::api::core::v1::PodSpec> {
    let mut spec = pod.spec.clone()?;
    spec.node_name = None;
    Some(spec)
}

macro_rules! other_spec {
    (spec $a:expr, $b:expr) => {
        Some($a.spec != $b.spec)
    };
    (pod $a:expr, $b:expr) => {
        Some(pod_spec_of($a) != pod_spec_of($b))
    };
    (none $a:expr, $b:expr) => {{
        let _ = ($a, $b);
        None
    }};
}

macro_rules! store {
    ($($kind:ident => $field:ident, watched: $watched:ident, generation: $generation:ident;)*) => {
        /// Every object that there is.
        #[derive(Debug, Default)]
        pub(crate) struct Store {
            $($field: BTreeMap<Key, $kind>,)*
        }

        $(impl Stored for $kind {
            const WATCHED: Option<Kind> = watched!($watched $kind);

            fn table(store: &Store) -> &BTreeMap<Key, Self> {
                &store.$field
            }

            fn table_mut(store: &mut Store) -> &mut BTreeMap<Key, Self> {
                &mut store.$field
            }

            fn told(&self) -> Option<Object> {
                told!($watched self)
            }

            fn has_other_spec(&self, other: &Self) -> Option<bool> {
                other_spec!($generation self, other)
            }
        })*

        /// Calls a method with the type of a kind that is only known by its name; nothing if there
        /// is no such kind.
        pub(crate) fn with_kind<C: OfKind>(kind: &str, call: C) -> Option<C::Output> {
            match kind {
                $(stringify!($kind) => Some(call.of::<$kind>()),)*
                _ => None,
            }
        }

        /// Calls a method with every kind there is.
        pub(crate) fn with_every_kind(call: &mut impl OfEveryKind) {
            $(call.of::<$kind>();)*
        }
    };
}

/// Something to do with objects of one kind.
pub(crate) trait OfKind {
    /// What comes of it.
    type Output;
    /// Does it.
    fn of<T: Stored + crate::api_server::Rules>(self) -> Self::Output;
}

/// Something to do with objects of every kind.
pub(crate) trait OfEveryKind {
    /// Does it for one kind.
    fn of<T: Stored>(&mut self);
}

store! {
    Pod => pods, watched: yes, generation: pod;
    Deployment => deployments, watched: yes, generation: spec;
    ReplicaSet => replica_sets, watched: yes, generation: spec;
    StatefulSet => stateful_sets, watched: yes, generation: spec;
    DaemonSet => daemon_sets, watched: yes, generation: spec;
    ControllerRevision => controller_revisions, watched: yes, generation: none;
    Job => jobs, watched: yes, generation: spec;
    CronJob => cron_jobs, watched: yes, generation: spec;
    Service => services, watched: yes, generation: none;
    HorizontalPodAutoscaler => autoscalers, watched: yes, generation: none;
    Ingress => ingresses, watched: yes, generation: none;
    PersistentVolumeClaim => claims, watched: yes, generation: none;
    PodDisruptionBudget => disruption_budgets, watched: yes, generation: none;
    Namespace => namespaces, watched: yes, generation: none;
    Node => nodes, watched: yes, generation: none;
    Event => events, watched: yes, generation: none;
    ConfigMap => config_maps, watched: no, generation: none;
    Secret => secrets, watched: no, generation: none;
    ResourceQuota => resource_quotas, watched: no, generation: none;
    LimitRange => limit_ranges, watched: no, generation: none;
    ServiceAccount => service_accounts, watched: no, generation: none;
    Role => roles, watched: no, generation: none;
    RoleBinding => role_bindings, watched: no, generation: none;
    ClusterRole => cluster_roles, watched: no, generation: none;
    ClusterRoleBinding => cluster_role_bindings, watched: no, generation: none;
    NetworkPolicy => network_policies, watched: no, generation: none;
    StorageClass => storage_classes, watched: no, generation: none;
    IngressClass => ingress_classes, watched: no, generation: none;
}

impl Store {
    /// One object.
    pub(crate) fn get<T: Stored>(&self, key: &Key) -> Option<&T> {
        T::table(self).get(key)
    }

    /// All objects of a kind in a namespace, by name.
    pub(crate) fn list<'a, T: Stored + 'a>(
        &'a self,
        namespace: &str,
    ) -> impl Iterator<Item = &'a T> + use<'a, T> {
        let namespace = namespace.to_owned();
        T::table(self)
            .range(Key::new(&namespace, "")..)
            .take_while(move |(key, _)| key.namespace == namespace)
            .map(|(_, object)| object)
    }

    /// All objects of a kind.
    pub(crate) fn all<'a, T: Stored + 'a>(&'a self) -> impl Iterator<Item = &'a T> {
        T::table(self).values()
    }

    /// The objects of a kind that an owner controls, by name.
    pub(crate) fn controlled_by<'a, T: Stored + 'a>(
        &'a self,
        owner: &ObjectMeta,
    ) -> impl Iterator<Item = &'a T> + use<'a, T> {
        let uid = owner.uid.clone().unwrap_or_default();
        self.list::<T>(owner.namespace.as_deref().unwrap_or_default())
            .filter(move |object| controller_uid(object.metadata()) == Some(uid.as_str()))
    }
}

/// Namespace and name of an object.
pub(crate) fn key_of(metadata: &ObjectMeta) -> Key {
    Key::new(
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default(),
    )
}

/// The uid of the owner that controls an object.
pub(crate) fn controller_uid(metadata: &ObjectMeta) -> Option<&str> {
    let owners = metadata.owner_references.as_ref()?;
    let owner = owners.iter().find(|owner| owner.controller == Some(true))?;
    Some(&owner.uid)
}
