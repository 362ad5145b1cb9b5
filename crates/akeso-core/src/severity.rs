//! How bad an incident is: what orders the findings of a scan.

use serde::{Deserialize, Serialize};

use crate::{
    cluster::Workload,
    workload::{SupportKind, WorkloadKind},
};

/// How bad it is; the worse is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something is wrong, and what it is for still works.
    Warning,
    /// Nothing of it works: no pod is ready, or what leads to the pods leads nowhere.
    Critical,
}

impl Severity {
    /// As it stands in the output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// How bad it is that this is broken.
    pub fn of(workload: &Workload<'_>) -> Self {
        match workload.reference.kind {
            WorkloadKind::Deployment
            | WorkloadKind::StatefulSet
            | WorkloadKind::DaemonSet
            | WorkloadKind::ReplicaSet
            | WorkloadKind::Pod => {
                if workload.ready_pods() == 0 {
                    Self::Critical
                } else {
                    Self::Warning
                }
            }
            WorkloadKind::Job
            | WorkloadKind::CronJob
            | WorkloadKind::Support(
                SupportKind::PersistentVolumeClaim
                | SupportKind::HorizontalPodAutoscaler
                | SupportKind::PodDisruptionBudget
                | SupportKind::Namespace,
            ) => Self::Warning,
            WorkloadKind::Support(
                SupportKind::Service | SupportKind::Ingress | SupportKind::Node,
            ) => Self::Critical,
        }
    }
}
