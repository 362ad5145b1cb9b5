//! `set_request`: containers get a request for one resource, where they have none, or a smaller one
//! than they have. Their limits are kept.

use std::fmt;

use k8s_openapi::api::core::v1::Container;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Change, NotApplicable, PatchOp, Treatment,
    patch::{annotate, container_path, guard, template_path},
};
use crate::{
    cluster::Workload,
    quantity::{Bytes, InvalidQuantity, MilliCpu},
    workload::{AttemptId, ContainerRef, WorkloadRef},
};

/// Sets what containers request of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetRequest {
    /// The resource.
    pub resource: Resource,
    /// What is set, a container each.
    pub requests: Vec<Requested>,
}

/// What one container requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requested {
    /// The container.
    pub container: ContainerRef,
    /// Its request, as it is written; none if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The request that it gets.
    pub to: String,
}

/// A resource whose use is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resource {
    /// In thousandths of a core.
    Cpu,
    /// In bytes.
    Memory,
}

impl Resource {
    /// The resource of this name, if its use is measured.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Cpu, Self::Memory]
            .into_iter()
            .find(|resource| resource.as_str() == name)
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }

    /// A quantity of it, in its unit.
    pub fn parse(self, quantity: &str) -> Result<u64, InvalidQuantity> {
        match self {
            Self::Cpu => MilliCpu::parse(quantity).map(MilliCpu::get),
            Self::Memory => Bytes::parse(quantity).map(Bytes::get),
        }
    }

    /// So much of it as a quantity.
    pub fn quantity(self, amount: u64) -> String {
        match self {
            Self::Cpu if amount.is_multiple_of(1_000) => (amount / 1_000).to_string(),
            Self::Cpu => format!("{amount}m"),
            Self::Memory => Bytes::new(amount).to_string(),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl SetRequest {
    /// The request of a container, as it is written.
    fn written<'a>(&self, container: &'a Container) -> Option<&'a str> {
        let requests = container.resources.as_ref()?.requests.as_ref()?;
        Some(requests.get(self.resource.as_str())?.0.as_str())
    }

    /// The operations that write one container's request, and those that take it back.
    fn operations(
        &self,
        workload: &Workload<'_>,
        set: &Requested,
    ) -> Result<(Vec<PatchOp>, Vec<PatchOp>), NotApplicable> {
        let path = container_path(workload, &set.container)?;
        let (_, container) =
            workload
                .container(&set.container)
                .ok_or_else(|| NotApplicable::NoContainer {
                    workload: workload.reference.clone(),
                    container: set.container.clone(),
                })?;
        let found = self.written(container);
        if found != set.from.as_deref() {
            let none = || "none".to_owned();
            return Err(NotApplicable::Changed {
                workload: workload.reference.clone(),
                field: format!("the {} request of {}", self.resource, set.container),
                expected: set.from.clone().unwrap_or_else(none),
                found: found.map_or_else(none, str::to_owned),
            });
        }
        let resources = container.resources.as_ref();
        let has_requests = resources.is_some_and(|it| it.requests.is_some());
        let (of_all, of_requests) = (
            format!("{path}/resources"),
            format!("{path}/resources/requests"),
        );
        let place = format!("{of_requests}/{}", self.resource);
        let alone = json!({self.resource.as_str(): set.to});
        // what is not there yet comes with what it is in
        let (place, value) = match (resources, has_requests) {
            (None, _) => (of_all, json!({"requests": alone})),
            (Some(_), false) => (of_requests, alone),
            (Some(_), true) => (place, json!(set.to)),
        };
        let name = PatchOp::test(format!("{path}/name"), set.container.name.clone());
        Ok(match &set.from {
            Some(old) => (
                vec![
                    name.clone(),
                    PatchOp::test(&place, old.clone()),
                    PatchOp::replace(&place, value.clone()),
                ],
                vec![
                    name,
                    PatchOp::test(&place, value),
                    PatchOp::replace(&place, old.clone()),
                ],
            ),
            // that there is none cannot be tested (RFC 6902): the generation says so
            None => (
                vec![name.clone(), PatchOp::add(&place, value.clone())],
                vec![name, PatchOp::test(&place, value), PatchOp::remove(&place)],
            ),
        })
    }
}

impl Treatment for SetRequest {
    fn summary(&self) -> String {
        let set = self.requests.iter().map(|set| match &set.from {
            Some(from) => format!("of {} from {from} to {}", set.container, set.to),
            None => format!("of {} to {}", set.container, set.to),
        });
        let set: Vec<_> = set.collect();
        format!("set the {} request {}", self.resource, set.join(", "))
    }

    fn command(&self, workload: &WorkloadRef) -> String {
        let commands = self.requests.iter().map(|set| {
            format!(
                "kubectl -n {} set resources {} -c {} --requests={}={}",
                workload.namespace,
                workload.kubectl(),
                set.container.name,
                self.resource,
                set.to
            )
        });
        commands.collect::<Vec<_>>().join(" && ")
    }

    fn change(&self, workload: &Workload<'_>, attempt: AttemptId) -> Result<Change, NotApplicable> {
        template_path(workload)?;
        let mut forward = guard(workload);
        let mut inverse = Vec::new();
        for set in &self.requests {
            let (there, back) = self.operations(workload, set)?;
            forward.extend(there);
            inverse.extend(back);
        }
        forward.extend(annotate(workload.metadata(), attempt, &[]));
        Ok(Change::Patch { forward, inverse })
    }

    fn holds(&self, workload: &Workload<'_>) -> bool {
        self.requests.iter().all(|set| {
            let container = workload.container(&set.container);
            container.and_then(|(_, it)| self.written(it)) == Some(set.to.as_str())
        })
    }

    fn is_transferable(&self) -> bool {
        false // what one workload was measured to use says nothing of another
    }

    fn needs_confirmation(&self) -> Option<&'static str> {
        Some("a request by what was measured moves pods and replicas, and a look is no history")
    }
}
