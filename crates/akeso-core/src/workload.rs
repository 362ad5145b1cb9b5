//! Names: which workload, which container, which incident, which attempt.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kinds of object that an incident may be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the Kubernetes kind of the same name")]
pub enum WorkloadKind {
    Deployment,
    StatefulSet,
    DaemonSet,
    ReplicaSet,
    CronJob,
    Job,
    Pod,
    /// No workload itself, but what workloads rely on.
    #[serde(untagged)]
    Support(SupportKind),
}

/// What workloads rely on: it has no pods of its own, and can be broken while they are well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the Kubernetes kind of the same name")]
pub enum SupportKind {
    Service,
    Ingress,
    PersistentVolumeClaim,
    HorizontalPodAutoscaler,
    PodDisruptionBudget,
    Namespace,
    Node,
}

impl SupportKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "Service",
            Self::Ingress => "Ingress",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
            Self::HorizontalPodAutoscaler => "HorizontalPodAutoscaler",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
            Self::Namespace => "Namespace",
            Self::Node => "Node",
        }
    }

    const fn api_version(self) -> &'static str {
        match self {
            Self::Service | Self::PersistentVolumeClaim | Self::Namespace | Self::Node => "v1",
            Self::Ingress => "networking.k8s.io/v1",
            Self::HorizontalPodAutoscaler => "autoscaling/v2",
            Self::PodDisruptionBudget => "policy/v1",
        }
    }
}

impl WorkloadKind {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::ReplicaSet,
        Self::CronJob,
        Self::Job,
        Self::Pod,
        Self::Support(SupportKind::Service),
        Self::Support(SupportKind::Ingress),
        Self::Support(SupportKind::PersistentVolumeClaim),
        Self::Support(SupportKind::HorizontalPodAutoscaler),
        Self::Support(SupportKind::PodDisruptionBudget),
        Self::Support(SupportKind::Namespace),
        Self::Support(SupportKind::Node),
    ];

    /// The kind as it stands in a manifest.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::ReplicaSet => "ReplicaSet",
            Self::CronJob => "CronJob",
            Self::Job => "Job",
            Self::Pod => "Pod",
            Self::Support(kind) => kind.as_str(),
        }
    }

    /// The API group and version that serve it.
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::Deployment | Self::StatefulSet | Self::DaemonSet | Self::ReplicaSet => "apps/v1",
            Self::CronJob | Self::Job => "batch/v1",
            Self::Pod => "v1",
            Self::Support(kind) => kind.api_version(),
        }
    }

    /// The path from the object to its pod template's `spec` or, for what has none, to its own.
    pub const fn pod_spec_path(self) -> &'static str {
        match self {
            Self::Pod | Self::Support(_) => "/spec",
            Self::CronJob => "/spec/jobTemplate/spec/template/spec",
            Self::Deployment
            | Self::StatefulSet
            | Self::DaemonSet
            | Self::ReplicaSet
            | Self::Job => "/spec/template/spec",
        }
    }
}

/// What an incident is about: a workload (the root owner of pods, or a pod that nobody owns), or
/// what workloads rely on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WorkloadRef {
    /// What it is.
    pub kind: WorkloadKind,
    /// Where it is; empty for what lies in no namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl WorkloadRef {
    /// The form that kubectl takes: `deployment/web`.
    pub fn kubectl(&self) -> String {
        format!("{}/{}", self.kind.as_str().to_lowercase(), self.name)
    }
}

impl fmt::Display for WorkloadRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            return write!(f, "{} {}", self.kind.as_str(), self.name);
        }
        write!(f, "{} {}/{}", self.kind.as_str(), self.namespace, self.name)
    }
}

/// A container of a workload's pods.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContainerRef {
    /// Its name, unique among all containers of the pod.
    pub name: String,
    /// Which of the pod's lists it stands in.
    pub role: ContainerRole,
}

/// Which list of the pod's spec a container stands in. A sidecar is an init container that
/// restarts always (KEP-753), so it counts as `Init` here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerRole {
    /// `spec.initContainers`
    Init,
    /// `spec.containers`
    Main,
}

impl ContainerRole {
    /// The field's name in a pod's spec.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Init => "initContainers",
            Self::Main => "containers",
        }
    }
}

impl fmt::Display for ContainerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            ContainerRole::Init => write!(f, "init container {}", self.name),
            ContainerRole::Main => write!(f, "container {}", self.name),
        }
    }
}

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "-{}"), self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                text.strip_prefix(concat!($prefix, "-"))
                    .unwrap_or(text)
                    .parse()
                    .map(Self)
                    .map_err(|_| format!(concat!("`{}` is not of the form ", $prefix, "-1"), text))
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

numbered!(
    /// One incident, numbered by the journal that holds it: `incident-7`.
    IncidentId,
    "incident"
);
numbered!(
    /// One attempt to change the cluster, numbered by the journal that holds it: `attempt-7`.
    AttemptId,
    "attempt"
);
