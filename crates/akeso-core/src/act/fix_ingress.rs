//! `fix_ingress`: an Ingress leads to the Service, or to the port of it, that exists.

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

/// Corrects the name of a backend's Service, or its port, wherever the Ingress has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixIngress {
    /// The Service of which it is a port; none if the Service's own name is corrected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_of: Option<String>,
    /// The name that the backends have; or their port, `{"number": 80}` or `{"name": "http"}`.
    pub from: Value,
    /// What they get.
    pub to: Value,
}

impl FixIngress {
    /// Where the Ingress has this.
    fn places(&self, workload: &Workload<'_>, has: &Value) -> Vec<Place> {
        let Controller::Support(Support::Ingress(ingress)) = workload.controller else {
            return Vec::new();
        };
        let spec = json!(ingress.spec);
        let mut places = Vec::new();
        Place::at("/spec").visit("", &spec, &mut |key, members, place| {
            if key != "service" {
                return;
            }
            let member = match &self.port_of {
                None => "name",
                Some(service) if members.get("name") == Some(&json!(service)) => "port",
                Some(_) => return,
            };
            if members.get(member) == Some(has) {
                places.push(place.below(member));
            }
        });
        places
    }

    /// `backend`, or `port of backend cart`.
    fn field(&self) -> String {
        match &self.port_of {
            None => "backend".to_owned(),
            Some(service) => format!("port of backend {service}"),
        }
    }
}

/// A port without the member that says whether it is a number or a name.
fn shown(value: &Value) -> String {
    let inner = value.as_object().and_then(|port| port.values().next());
    plain(inner.unwrap_or(value))
}

impl Treatment for FixIngress {
    fn summary(&self) -> String {
        format!(
            "set the {} from {} to {}",
            self.field(),
            shown(&self.from),
            shown(&self.to)
        )
    }

    fn command(&self, workload: &WorkloadRef) -> String {
        format!(
            "kubectl -n {} edit {}  # the {}: {} in place of {}",
            workload.namespace,
            workload.kubectl(),
            self.field(),
            shown(&self.to),
            shown(&self.from)
        )
    }

    fn change(&self, workload: &Workload<'_>, attempt: AttemptId) -> Result<Change, NotApplicable> {
        let places = self.places(workload, &self.from);
        replace(
            workload,
            attempt,
            self.field(),
            &places,
            (&self.from, &self.to),
        )
    }

    // before it is told of, the watch shows what was there
    fn is_seen(&self, workload: &Workload<'_>) -> bool {
        self.places(workload, &self.from).is_empty()
    }

    fn holds(&self, workload: &Workload<'_>) -> bool {
        self.places(workload, &self.from).is_empty() && !self.places(workload, &self.to).is_empty()
    }

    fn is_transferable(&self) -> bool {
        false
    }

    fn why_no_trial(&self) -> Option<&'static str> {
        Some("it changes no pod")
    }
}
