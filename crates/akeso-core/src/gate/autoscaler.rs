//! A value that an autoscaler sets, or reckons with, is its own.

use super::{Decision, Request, Ruling};
use crate::{act::Action, cluster::Workload};

/// Annotations by which the VerticalPodAutoscaler's admission marks the pods that it has changed
/// (<https://github.com/kubernetes/autoscaler/tree/master/vertical-pod-autoscaler>).
const VPA_MARKS: [&str; 2] = ["vpaUpdates", "vpaObservedContainers"];

pub(super) fn rule(request: &Request<'_>) -> Option<Ruling> {
    if !matches!(request.step.action, Action::IncreaseMemory(_)) {
        return None;
    }
    let why = vertical(request.workload).or_else(|| horizontal(request.workload))?;
    Some(Ruling::new(Decision::Ask, "autoscaler", why))
}

fn vertical(workload: &Workload<'_>) -> Option<String> {
    let mut pods = workload.pods.iter().chain(&workload.old_pods);
    let is_marked = pods.any(|pod| {
        let annotations = pod.metadata.annotations.as_ref();
        annotations.is_some_and(|all| VPA_MARKS.iter().any(|mark| all.contains_key(*mark)))
    });
    is_marked.then(|| {
        "a VerticalPodAutoscaler sets the memory of its pods: raise maxAllowed there".to_owned()
    })
}

fn horizontal(workload: &Workload<'_>) -> Option<String> {
    let by_memory = workload.autoscalers().find(|scaler| {
        let metrics = scaler.spec.metrics.iter().flatten();
        metrics.into_iter().any(|metric| {
            let pod = metric.resource.as_ref().map(|resource| &resource.name);
            let container = metric
                .container_resource
                .as_ref()
                .map(|resource| &resource.name);
            pod.or(container).is_some_and(|name| name == "memory")
        })
    })?;
    let name = by_memory.metadata.name.as_deref().unwrap_or_default();
    Some(format!(
        "the HorizontalPodAutoscaler {name} scales it by its memory, and another request would change that"
    ))
}
