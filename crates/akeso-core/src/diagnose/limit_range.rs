//! Fault `limit-range`: a LimitRange of the namespace forbids what the containers ask for.

use std::sync::LazyLock;

use regex::Regex;

use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};

use super::{Diagnosis, Examination, Family, Fault, pods_refused};
use crate::observe::Symptom;

pub(super) const FAULT: Fault = Fault {
    name: "limit-range",
    family: Family::Scheduling,
    signs: "no pod comes to be: the API server says `maximum memory usage per Container is`, or the like",
    does: "names the bound, the field and the container; after a rollout that changed it and has passed its progress deadline, puts the last good revision back, where one is proven",
    never: "changes a LimitRange, or what a container asks for",
    diagnose,
};

/// `maximum memory usage per Container is 128Mi, but limit is 256Mi`.
static BOUND: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(maximum|minimum) (\S+) usage per (Container|Pod) is ([^\s,]+), but (limit|request) is ([^\s,\]]+)",
    )
    .ok()
});

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let bound = BOUND.as_ref()?;
    let broken: Vec<_> = bound
        .captures_iter(pods_refused::message(symptom)?)
        .map(|found| {
            let field = format!("resources.{}s.{}", &found[5], &found[2]);
            let holder = match &found[3] {
                "Pod" => "all containers together".to_owned(),
                _ => holders(examination, &found[5], &found[2], &found[6]),
            };
            format!(
                "{field} of {holder} is {}, the {} per {} is {}",
                &found[6], &found[1], &found[3], &found[4]
            )
        })
        .collect();
    if broken.is_empty() {
        return None;
    }
    let namespace = &examination.workload.reference.namespace;
    let says = format!(
        "gets no pods: a LimitRange of namespace {namespace} forbids them ({})",
        broken.join("; ")
    );
    let why =
        "the container must ask for what the LimitRange allows, or the LimitRange must give way";
    let diagnosis = examination.refused(&FAULT, symptom, &says, why);
    Some(diagnosis.undone_if_changed(examination, resources))
}

/// What the containers of a pod ask for.
pub(super) fn resources(spec: &PodSpec) -> Vec<Option<ResourceRequirements>> {
    let init = spec.init_containers.iter().flatten();
    let containers = init.chain(&spec.containers);
    containers.map(|it| it.resources.clone()).collect()
}

/// The containers that ask for just this; the message does not name them.
fn holders(examination: &Examination<'_>, field: &str, resource: &str, value: &str) -> String {
    let asks = |container: &&Container| {
        let resources = container.resources.as_ref();
        let list = resources.and_then(|resources| {
            if field == "limit" {
                resources.limits.as_ref()
            } else {
                resources.requests.as_ref()
            }
        });
        list.and_then(|list| list.get(resource))
            .is_some_and(|quantity| quantity.0 == value)
    };
    let spec = examination.workload.pod_spec();
    let names: Vec<_> = spec
        .into_iter()
        .flat_map(|spec| {
            spec.init_containers
                .iter()
                .flatten()
                .chain(&spec.containers)
        })
        .filter(asks)
        .map(|container| container.name.as_str())
        .collect();
    if names.is_empty() {
        return "a container".to_owned();
    }
    format!("container {}", names.join(", "))
}
