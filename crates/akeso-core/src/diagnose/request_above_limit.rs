//! Fault `request-above-limit`: a container requests more than its limit, which a LimitRange of the
//! namespace sets where the container sets none; the API server refuses its pods
//! (<https://kubernetes.io/docs/concepts/policy/limit-range/#limitrange-and-admission-checks-for-pods>).

use std::sync::LazyLock;

use regex::Regex;

use super::{Diagnosis, Examination, Family, Fault, limit_range, pods_refused};
use crate::observe::Symptom;

pub(super) const FAULT: Fault = Fault {
    name: "request-above-limit",
    family: Family::Scheduling,
    signs: "no pod comes to be: the API server says `must be less than or equal to memory limit of`, or the like",
    does: "names the container, its request and the limit, and where that comes from; after a rollout that changed it and has passed its progress deadline, puts the last good revision back, where one is proven",
    never: "changes a LimitRange, or what a container asks for",
    diagnose,
};

/// `spec.containers[0].resources.requests: Invalid value: "64Mi": must be less than or equal to
/// memory limit of 32Mi`.
static ABOVE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"spec\.(containers|initContainers)\[(\d+)\]\.resources\.requests: Invalid value: "([^"]+)": must be less than or equal to (\S+) limit of ([^\s,\]]+)"#,
    )
    .ok()
});

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let found = ABOVE.as_ref()?.captures(pods_refused::message(symptom)?)?;
    let [_, list, index, request, resource, limit] =
        [0, 1, 2, 3, 4, 5].map(|group| found.get(group).map_or("", |part| part.as_str()));
    let spec = examination.workload.pod_spec()?;
    let containers = match list {
        "initContainers" => spec.init_containers.as_deref().unwrap_or_default(),
        _ => &spec.containers,
    };
    let container = containers.get(index.parse::<usize>().ok()?)?;
    let resources = container.resources.as_ref()?;
    // the index is that of the pod, to which a webhook may have added containers
    let requests = resources.requests.as_ref()?;
    requests.get(resource).filter(|it| it.0 == request)?;
    let limits = resources.limits.as_ref();
    let whose = match limits.and_then(|limits| limits.get(resource)) {
        Some(_) => "its own limit",
        None => "the limit that a LimitRange of the namespace gives it, for it sets none,",
    };
    let says = format!(
        "gets no pods: resources.requests.{resource} of container {} is {request}, but {whose} is {limit}",
        container.name
    );
    let why = "the container must set a limit that is not below its request";
    let diagnosis = examination.refused(&FAULT, symptom, &says, why);
    Some(diagnosis.undone_if_changed(examination, limit_range::resources))
}
