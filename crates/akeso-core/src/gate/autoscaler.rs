//! A value that an autoscaler sets, or reckons with, is its own.

use super::{Decision, Request, Ruling};
use crate::{act::Action, cluster::Workload};

/// Annotations by which the VerticalPodAutoscaler's admission marks the pods that it has changed
/// (<https://github.com/kubernetes/autoscaler/tree/master/vertical-pod-autoscaler>).
const VPA_MARKS: [&str; 2] = ["vpaUpdates", "vpaObservedContainers"];

pub(super) fn rule(request: &Request<'_>) -> Option<Ruling> {
    let workload = request.workload;
    let why = match &request.step.action {
        Action::IncreaseMemory(_) => vertical(workload, "memory", "raise maxAllowed")
            .or_else(|| horizontal(workload, "memory")),
        Action::SetRequest(set) => {
            let resource = set.resource.as_str();
            // what has no request cannot be scaled by a percentage of it
            let is_added = set.requests.iter().all(|it| it.from.is_none());
            let scaled = || horizontal(workload, resource).filter(|_| !is_added);
            vertical(workload, resource, "change its bounds").or_else(scaled)
        }
        Action::FixImageName(_)
        | Action::UpdateEnv(_)
        | Action::RestartPod(_)
        | Action::RollbackToRevision(_)
        | Action::FixReference(_)
        | Action::FixProbe(_)
        | Action::FixNodeSelector(_)
        | Action::FixService(_)
        | Action::FixIngress(_)
        | Action::FixClaim(_)
        | Action::AddPullSecret(_)
        | Action::GrantAccess(_)
        | Action::RerunJob(_)
        | Action::ExtendProbe(_) => None,
    }?;
    Some(Ruling::new(Decision::Ask, "autoscaler", why))
}

fn vertical(workload: &Workload<'_>, resource: &str, instead: &str) -> Option<String> {
    let mut pods = workload.pods.iter().chain(&workload.old_pods);
    let is_marked = pods.any(|pod| {
        let annotations = pod.metadata.annotations.as_ref();
        annotations.is_some_and(|all| VPA_MARKS.iter().any(|mark| all.contains_key(*mark)))
    });
    is_marked.then(|| {
        format!("a VerticalPodAutoscaler sets the {resource} of its pods: {instead} there")
    })
}

fn horizontal(workload: &Workload<'_>, resource: &str) -> Option<String> {
    let by_it = workload.autoscalers().find(|scaler| {
        let metrics = scaler.spec.metrics.iter().flatten();
        metrics.into_iter().any(|metric| {
            let pod = metric.resource.as_ref().map(|resource| &resource.name);
            let container = metric
                .container_resource
                .as_ref()
                .map(|resource| &resource.name);
            pod.or(container).is_some_and(|name| name == resource)
        })
    })?;
    let name = by_it.metadata.name.as_deref().unwrap_or_default();
    Some(format!(
        "the HorizontalPodAutoscaler {name} scales it by its {resource}, and another request would change that"
    ))
}
