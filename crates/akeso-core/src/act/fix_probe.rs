//! `fix_probe`: the probes that ask a port on which the container does not listen ask the one on
//! which it does; what they ask there stays. One of them has failed, and the others would.

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

/// Corrects the port of a probe, and of each of the container's that asks the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixProbe {
    /// The container.
    pub container: ContainerRef,
    /// The probe that fails.
    pub probe: Probe,
    /// The port that it asks, by number or name.
    pub from: Value,
    /// The port that it gets to ask.
    pub to: u16,
}

const PROBES: [Probe; 3] = [Probe::Startup, Probe::Liveness, Probe::Readiness];

impl FixProbe {
    /// How a probe asks, and the port that it asks.
    fn port(&self, workload: &Workload<'_>, probe: Probe) -> Option<(&'static str, Value)> {
        let (_, container) = workload.container(&self.container)?;
        let probe = probe.of(container)?;
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
            "have the {} of {}, and what else of its probes asks port {}, ask {}",
            self.probe.field(),
            self.container,
            plain(&self.from),
            self.to
        )
    }

    fn command(&self, workload: &WorkloadRef) -> String {
        format!(
            "kubectl -n {} edit {}  # the port of the {} of {}, and of each that asks the same: {} in place of {}",
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
        let asks_it = |probe| self.port(workload, probe).filter(|it| it.1 == self.from);
        let place = |probe: Probe| {
            let (way, _) = asks_it(probe)?;
            let place = Place::named(&path, &self.container.name);
            Some(place.below(probe.field()).below(way).below("port"))
        };
        let is_as_it_was = asks_it(self.probe).is_some();
        let probes = PROBES.into_iter().filter(|_| is_as_it_was);
        let places: Vec<Place> = probes.filter_map(place).collect();
        let field = format!("the port of the {}", self.probe.field());
        replace(
            workload,
            attempt,
            field,
            &places,
            (&self.from, &self.to.into()),
        )
    }

    fn holds(&self, workload: &Workload<'_>) -> bool {
        self.port(workload, self.probe)
            .is_some_and(|(_, port)| port == self.to)
    }
}
