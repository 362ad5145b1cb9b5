//! `increase_memory`: one container's memory limit is raised. Its request is kept; where the
//! limit was also the request, because none was set, the old limit is written down as the request.

use serde::{Deserialize, Serialize};

use super::{
    Change, NotApplicable, PatchOp, Treatment,
    patch::{annotate, container_path, guard},
};
use crate::{
    cluster::Workload,
    plan::Proof,
    quantity::Bytes,
    workload::{AttemptId, ContainerRef, WorkloadRef},
};

/// Under `cautious`, memory may grow by this factor at most.
const CAUTIOUS_GROWTH: u64 = 2;

/// Raises a container's memory limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncreaseMemory {
    /// The container that was killed.
    pub container: ContainerRef,
    /// Its limit.
    pub from: Bytes,
    /// The limit that it gets.
    pub to: Bytes,
    /// The request that it gets, where it has to change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Bytes>,
}

impl Treatment for IncreaseMemory {
    fn summary(&self) -> String {
        format!(
            "raise the memory limit of {} from {} to {}",
            self.container, self.from, self.to
        )
    }

    fn command(&self, workload: &WorkloadRef) -> String {
        let request = self
            .request
            .map(|request| format!(" --requests=memory={request}"))
            .unwrap_or_default();
        format!(
            "kubectl -n {} set resources {} -c {} --limits=memory={}{request}",
            workload.namespace,
            workload.kubectl(),
            self.container.name,
            self.to
        )
    }

    fn change(&self, workload: &Workload<'_>, attempt: AttemptId) -> Result<Change, NotApplicable> {
        let path = container_path(workload, &self.container)?;
        if workload.template().is_none() {
            return Err(NotApplicable::Immutable {
                workload: workload.reference.clone(),
            });
        }
        let resources = workload
            .container(&self.container)
            .and_then(|(_, c)| c.resources.as_ref());
        let written = |list: Option<&std::collections::BTreeMap<String, _>>| {
            list.and_then(|list| list.get("memory"))
                .map(|q: &k8s_openapi::apimachinery::pkg::api::resource::Quantity| q.0.clone())
        };
        let limit = written(resources.and_then(|r| r.limits.as_ref()));
        let limit = limit
            .filter(|limit| Bytes::parse(limit) == Ok(self.from))
            .ok_or_else(|| NotApplicable::Changed {
                workload: workload.reference.clone(),
                field: format!("the memory limit of {}", self.container),
                expected: self.from.to_string(),
                found: written(resources.and_then(|r| r.limits.as_ref()))
                    .unwrap_or_else(|| "none".to_owned()),
            })?;
        let request = written(resources.and_then(|r| r.requests.as_ref()));

        let name = PatchOp::test(format!("{path}/name"), self.container.name.clone());
        let limit_path = format!("{path}/resources/limits/memory");
        let mut forward = guard(workload);
        forward.extend([
            name.clone(),
            PatchOp::test(&limit_path, limit.clone()),
            PatchOp::replace(&limit_path, self.to.to_string()),
        ]);
        let mut inverse = vec![
            name,
            PatchOp::test(&limit_path, self.to.to_string()),
            PatchOp::replace(&limit_path, limit),
        ];
        if let Some(raised) = self.request {
            let requests_path = format!("{path}/resources/requests");
            let request_path = format!("{requests_path}/memory");
            let has_requests = resources.is_some_and(|r| r.requests.is_some());
            match request {
                Some(old) => {
                    forward.push(PatchOp::test(&request_path, old.clone()));
                    forward.push(PatchOp::replace(&request_path, raised.to_string()));
                    inverse.push(PatchOp::test(&request_path, raised.to_string()));
                    inverse.push(PatchOp::replace(&request_path, old));
                }
                None if has_requests => {
                    forward.push(PatchOp::add(&request_path, raised.to_string()));
                    inverse.push(PatchOp::test(&request_path, raised.to_string()));
                    inverse.push(PatchOp::remove(&request_path));
                }
                None => {
                    let requests = serde_json::json!({"memory": raised.to_string()});
                    forward.push(PatchOp::add(&requests_path, requests.clone()));
                    inverse.push(PatchOp::test(&requests_path, requests));
                    inverse.push(PatchOp::remove(&requests_path));
                }
            }
        }
        forward.extend(annotate(workload.metadata(), attempt, &[]));
        Ok(Change::Patch { forward, inverse })
    }

    fn holds(&self, workload: &Workload<'_>) -> bool {
        let limit = workload
            .container(&self.container)
            .and_then(|(_, c)| c.resources.as_ref()?.limits.as_ref()?.get("memory"))
            .and_then(|limit| Bytes::parse(&limit.0).ok());
        limit == Some(self.to)
    }

    fn acts_when_cautious(&self, _: Proof) -> bool {
        self.to <= self.from.times(CAUTIOUS_GROWTH)
    }
}
