//! `fix_service`: a Service selects the pods that it is for, or sends to the port that they have.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Change, NotApplicable, Treatment,
    correction::{Place, plain, replace},
};
use crate::{
    cluster::{Controller, Support, Workload},
    workload::{AttemptId, WorkloadRef},
};

/// Corrects a Service's selector or one of its target ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixService {
    /// The port of the Service whose `targetPort` is corrected; none if its selector is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
    /// What it has: labels, or the number or name of a port.
    pub from: Value,
    /// What it gets.
    pub to: Value,
}

impl FixService {
    /// The place of what is corrected, and what it has.
    fn found(&self, workload: &Workload<'_>) -> Option<(Place, Value)> {
        let Controller::Support(Support::Service(service)) = workload.controller else {
            return None;
        };
        let spec = service.spec.as_ref()?;
        let Some(port) = self.port else {
            return Some((Place::at("/spec/selector"), json!(spec.selector.as_ref()?)));
        };
        let mut ports = spec.ports.iter().flatten().enumerate();
        let (index, found) = ports.find(|(_, found)| found.port == port)?;
        let place = Place::at(&format!("/spec/ports/{index}/targetPort"));
        Some((place, json!(found.target_port.as_ref()?)))
    }

    fn field(&self) -> String {
        self.port.map_or_else(
            || "selector".to_owned(),
            |port| format!("targetPort of port {port}"),
        )
    }
}

impl Treatment for FixService {
    fn summary(&self) -> String {
        format!(
            "set the {} from {} to {}",
            self.field(),
            plain(&self.from),
            plain(&self.to)
        )
    }

    fn command(&self, workload: &WorkloadRef) -> String {
        let (kind, spec) = match self.port {
            None => ("merge", json!({"selector": self.to})),
            Some(port) => (
                "strategic",
                json!({"ports": [{"port": port, "targetPort": self.to}]}),
            ),
        };
        format!(
            "kubectl -n {} patch {} --type={kind} -p '{}'",
            workload.namespace,
            workload.kubectl(),
            json!({"spec": spec})
        )
    }

    fn change(&self, workload: &Workload<'_>, attempt: AttemptId) -> Result<Change, NotApplicable> {
        let found = self.found(workload).filter(|(_, has)| *has == self.from);
        let places: Vec<Place> = found.into_iter().map(|(place, _)| place).collect();
        replace(
            workload,
            attempt,
            self.field(),
            &places,
            (&self.from, &self.to),
        )
    }

    // a Service has no generation
    fn is_seen(&self, workload: &Workload<'_>) -> bool {
        self.found(workload).is_none_or(|(_, has)| has != self.from)
    }

    fn holds(&self, workload: &Workload<'_>) -> bool {
        self.found(workload).is_some_and(|(_, has)| has == self.to)
    }

    fn is_transferable(&self) -> bool {
        false
    }

    fn why_no_trial(&self) -> Option<&'static str> {
        Some("it changes no pod")
    }
}
