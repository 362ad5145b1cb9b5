//! `fix_probe`: a probe asks the port on which the container listens; what it asks there stays.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Change, NotApplicable, Treatment,
    correction::{Place, plain, replace},
    patch::{container_path, template_path},
};
use crate::{
    cluster::Workload,
    observe::Probe,
    workload::{AttemptId, ContainerRef, WorkloadRef},
};

/// Corrects the port of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixProbe {
    /// The container.
    pub container: ContainerRef,
    /// Which of its probes.
    pub probe: Probe,
    /// The port that it asks, by number or name.
    pub from: Value,
    /// The port that it gets to ask.
    pub to: u16,
}

impl FixProbe {
    /// How it asks, and the port that it asks.
    fn port(&self, workload: &Workload<'_>) -> Option<(&'static str, Value)> {
        let (_, container) = workload.container(&self.container)?;
        let probe = self.probe.of(container)?;
        let (way, port) = match (&probe.http_get, &probe.tcp_socket) {
            (Some(get), _) => ("httpGet", &get.port),
            (None, Some(socket)) => ("tcpSocket", &socket.port),
            (None, None) => return None,
        };
        Some((way, json!(port)))
    }
}

impl Treatment for FixProbe {
    fn summary(&self) -> String {
        format!(
            "have the {} of {} ask port {} in place of {}",
            self.probe.field(),
            self.container,
            self.to,
            plain(&self.from)
        )
    }

    fn command(&self, workload: &WorkloadRef) -> String {
        format!(
            "kubectl -n {} edit {}  # the port of the {} of {}: {} in place of {}",
            workload.namespace,
            workload.kubectl(),
            self.probe.field(),
            self.container,
            self.to,
            plain(&self.from)
        )
    }

    fn change(&self, workload: &Workload<'_>, attempt: AttemptId) -> Result<Change, NotApplicable> {
        template_path(workload)?;
        let path = container_path(workload, &self.container)?;
        let place = self.port(workload).filter(|(_, port)| *port == self.from);
        let place = place.map(|(way, _)| {
            Place::named(&path, &self.container.name)
                .below(self.probe.field())
                .below(way)
                .below("port")
        });
        let field = format!("the port of the {}", self.probe.field());
        let places: Vec<Place> = place.into_iter().collect();
        replace(
            workload,
            attempt,
            field,
            &places,
            (&self.from, &self.to.into()),
        )
    }

    fn holds(&self, workload: &Workload<'_>) -> bool {
        self.port(workload).is_some_and(|(_, port)| port == self.to)
    }
}
