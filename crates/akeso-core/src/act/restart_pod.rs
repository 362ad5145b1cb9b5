//! `restart_pod`: one pod is evicted so that its controller makes it anew. For what a new pod
//! cures, never as a guess.

use serde::{Deserialize, Serialize};

use super::{Change, NotApplicable, Treatment};
use crate::{
    cluster::Workload,
    workload::{AttemptId, WorkloadKind, WorkloadRef},
};

/// Has one pod made anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartPod {
    /// Its name.
    pub pod: String,
    /// Its uid.
    pub uid: String,
}

impl Treatment for RestartPod {
    fn summary(&self) -> String {
        format!("have pod {} made anew", self.pod)
    }

    fn command(&self, workload: &WorkloadRef) -> String {
        format!("kubectl -n {} delete pod {}", workload.namespace, self.pod)
    }

    fn change(&self, workload: &Workload<'_>, _: AttemptId) -> Result<Change, NotApplicable> {
        if workload.reference.kind == WorkloadKind::Pod {
            // nobody would make it again
            return Err(NotApplicable::Immutable {
                workload: workload.reference.clone(),
            });
        }
        self.is_there(workload)
            .then(|| Change::Evict {
                pod: self.pod.clone(),
                uid: self.uid.clone(),
            })
            .ok_or_else(|| NotApplicable::Gone {
                what: format!("pod {}", self.pod),
            })
    }

    fn is_seen(&self, workload: &Workload<'_>) -> bool {
        !self.is_there(workload)
    }

    fn holds(&self, _: &Workload<'_>) -> bool {
        true
    }

    fn is_done(&self, _: &Workload<'_>) -> Option<bool> {
        None // pods come and go for many reasons
    }

    fn is_transferable(&self) -> bool {
        false
    }

    fn why_no_trial(&self) -> Option<&'static str> {
        Some("it is about one pod only")
    }
}

impl RestartPod {
    /// Whether the pod is there and is not being deleted.
    fn is_there(&self, workload: &Workload<'_>) -> bool {
        let mut pods = workload.pods.iter().chain(&workload.old_pods);
        pods.any(|pod| pod.metadata.uid.as_ref() == Some(&self.uid))
    }
}
