//! `extend_probe`: a program gets more time to start before a probe has it killed. That is what a
//! startup probe is for: the liveness probe is as strict as before once the program has started
//! (<https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/#define-startup-probes>).

use k8s_openapi::api::core::v1::Probe;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Change, NotApplicable, PatchOp, Treatment,
    patch::{annotate, container_path, guard, template_path},
};
use crate::{
    cluster::Workload,
    observe::ProbeTiming,
    workload::{AttemptId, ContainerRef, WorkloadRef},
};

/// Gives a program more time to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtendProbe {
    /// The container.
    pub container: ContainerRef,
    /// How long it has so far, in seconds.
    pub from: i64,
    /// How long it gets, in seconds; more by less than a period where that does not divide it.
    pub to: i64,
}

impl ExtendProbe {
    /// The probe that decides how long the program has, as it would be with more time; and the one
    /// that is there.
    fn probes<'a>(&self, workload: &Workload<'a>) -> Option<(Probe, Option<&'a Probe>)> {
        let (_, container) = workload.container(&self.container)?;
        let startup = container.startup_probe.as_ref();
        let probe = startup.or(container.liveness_probe.as_ref())?;
        let timing = ProbeTiming::of(probe);
        let failures = (self.to - timing.delay + timing.period - 1) / timing.period;
        let extended = Probe {
            failure_threshold: i32::try_from(failures).ok(),
            ..probe.clone()
        };
        Some((extended, startup))
    }

    fn has(&self, workload: &Workload<'_>) -> Option<i64> {
        let (_, container) = workload.container(&self.container)?;
        let probe = container.startup_probe.as_ref();
        let probe = probe.or(container.liveness_probe.as_ref())?;
        Some(ProbeTiming::of(probe).patience().as_secs())
    }
}

impl Treatment for ExtendProbe {
    fn summary(&self) -> String {
        format!(
            "give {} {} s in place of {} s to start, by its startupProbe",
            self.container, self.to, self.from
        )
    }

    fn command(&self, workload: &WorkloadRef) -> String {
        format!(
            "kubectl -n {} edit {}  # a startupProbe of {}: failureThreshold × periodSeconds of {} s",
            workload.namespace,
            workload.kubectl(),
            self.container,
            self.to
        )
    }

    fn change(&self, workload: &Workload<'_>, attempt: AttemptId) -> Result<Change, NotApplicable> {
        template_path(workload)?;
        let path = container_path(workload, &self.container)?;
        let has = self.has(workload);
        let probes = self.probes(workload).filter(|_| has == Some(self.from));
        let Some((extended, startup)) = probes else {
            return Err(NotApplicable::Changed {
                workload: workload.reference.clone(),
                field: format!("the time that {} has to start", self.container),
                expected: format!("{} s", self.from),
                found: has.map_or("without a bound".to_owned(), |has| format!("{has} s")),
            });
        };
        let name = PatchOp::test(format!("{path}/name"), self.container.name.clone());
        let mut forward = guard(workload);
        forward.push(name.clone());
        let mut inverse = vec![name];
        let path = format!("{path}/startupProbe");
        if let Some(startup) = startup {
            let path = format!("{path}/failureThreshold");
            let (old, new): (Value, Value) = (
                json!(startup.failure_threshold),
                json!(extended.failure_threshold),
            );
            forward.push(PatchOp::test(&path, old.clone()));
            forward.push(PatchOp::replace(&path, new.clone()));
            inverse.push(PatchOp::test(&path, new));
            inverse.push(PatchOp::replace(path, old));
        } else {
            let new = json!(extended);
            forward.push(PatchOp::add(&path, new.clone()));
            inverse.push(PatchOp::test(&path, new));
            inverse.push(PatchOp::remove(path));
        }
        forward.extend(annotate(workload.metadata(), attempt, &[]));
        Ok(Change::Patch { forward, inverse })
    }

    fn holds(&self, workload: &Workload<'_>) -> bool {
        let startup = workload.container(&self.container);
        let startup = startup.and_then(|(_, it)| it.startup_probe.as_ref());
        startup.is_some_and(|it| ProbeTiming::of(it).patience().as_secs() >= self.to)
    }

    fn needs_confirmation(&self) -> Option<&'static str> {
        Some("a program that hangs says as well that it is starting")
    }
}
