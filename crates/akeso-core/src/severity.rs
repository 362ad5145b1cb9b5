//! How bad an incident is: what orders the findings of a scan.

use serde::{Deserialize, Serialize};

use crate::{
    cluster::Workload,
    observe::{Flaw, Sign, Symptom},
    workload::{SupportKind, WorkloadKind},
};

/// How bad it is; the worse is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is broken; it stands in the way one day, or is somebody's choice.
    Info,
    /// Something is wrong, and what it is for still works.
    Warning,
    /// Nothing of it works: no pod is ready, or what leads to the pods leads nowhere.
    Critical,
}

impl Severity {
    /// As it stands in the output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// How bad it is that this is broken.
    pub fn of(workload: &Workload<'_>, symptoms: &[Symptom]) -> Self {
        let is_hint = |it: &Symptom| {
            matches!(
                it.sign,
                Sign::Support {
                    flaw: Flaw::AtMaximum | Flaw::BudgetBlocks
                }
            )
        };
        if !symptoms.is_empty() && symptoms.iter().all(is_hint) {
            return Self::Info;
        }
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
