//! Kinds that are not watched: a diagnosis that needs them asks for all of a namespace.

use k8s_openapi::api::{
    core::v1::ServiceAccount,
    networking::v1::{IngressClass, NetworkPolicy},
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
    storage::v1::StorageClass,
};
use serde::{Deserialize, Serialize};

/// Calls a macro with every kind that is listed when it is asked for. To list one more, add a line.
#[macro_export]
macro_rules! for_each_listed_kind {
    ($call:ident) => {
        $call! {
            ServiceAccount => namespaced,
            Role => namespaced,
            RoleBinding => namespaced,
            NetworkPolicy => namespaced,
            ClusterRole => cluster,
            ClusterRoleBinding => cluster,
            StorageClass => cluster,
            IngressClass => cluster,
        }
    };
}

/// A type of object that can be asked for.
pub trait Listed: Sized {
    /// Its kind.
    const KIND: ListedKind;

    /// The objects, if they are of this kind.
    fn of(objects: &Objects) -> Option<&[Self]>;
}

macro_rules! is_cluster_wide {
    (namespaced) => {
        false
    };
    (cluster) => {
        true
    };
}

macro_rules! listed {
    ($($kind:ident => $scope:ident,)*) => {
        /// The kinds that can be asked for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[expect(missing_docs, reason = "each is the Kubernetes kind of the same name")]
        pub enum ListedKind { $($kind,)* }

        impl ListedKind {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Whether its objects lie in no namespace.
            pub const fn is_cluster_wide(self) -> bool {
                match self { $(Self::$kind => is_cluster_wide!($scope),)* }
            }
        }

        /// All objects of a kind that there are in a namespace, or in the cluster.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(missing_docs, reason = "each is the Kubernetes kind of the same name")]
        pub enum Objects { $($kind(Vec<$kind>),)* }

        $(impl Listed for $kind {
            const KIND: ListedKind = ListedKind::$kind;

            fn of(objects: &Objects) -> Option<&[Self]> {
                let Objects::$kind(objects) = objects else { return None };
                Some(objects)
            }
        })*
    };
}
for_each_listed_kind!(listed);
