//! Fault `request-too-large`: a pod asks for more than any node has, even an empty one.

use k8s_openapi::api::core::v1::PodSpec;

use super::{
    Diagnosis, Examination, Family, Fault,
    placement::{Placement, name},
    request_lowered,
    requests::{allocatable, amount, insufficient, of_pod, request, shown},
};
use crate::{cluster::Controller, observe::Symptom};

pub(super) const FAULT: Fault = Fault {
    name: "request-too-large",
    family: Family::Scheduling,
    signs: "no node takes the pod, and it requests more of a resource than the largest node that it may go to has; or one that no node offers",
    does: "names the container, its request and the largest node's allocatable; after a rollout that changed it and has passed its progress deadline, puts the last good revision back, where one is proven; or its request alone, where the rollout has changed more and the program is the same. Of a StatefulSet, five minutes after; where there was no request before, it proposes twice what the ready pods were measured to use",
    never: "lowers a request that nothing justifies: a program that does not run, another image, a measure of idle or young pods; what was measured asks first, unless the level is `full` or the policy says otherwise",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let place = Placement::of(examination, symptom)?;
    let lacking = insufficient(place.message);
    let found = lacking.into_iter();
    let found = found.filter_map(|resource| Some((resource, too_large(&place, resource)?)));
    let (resources, found): (Vec<_>, Vec<_>) = found.unzip();
    if found.is_empty() {
        return None;
    }
    let says = format!("fits on no node, even an empty one: {}", found.join("; "));
    let why = "resources.requests must fit a node, or a larger node must be added";
    let diagnosis = examination.refused(&FAULT, symptom, &says, why);
    let asked = |spec: &PodSpec| {
        // what a device plugin offers comes with its node, whenever that is
        let ordinary = resources.iter().filter(|it| is_ordinary(it));
        ordinary.map(|it| of_pod(spec, it)).collect::<Vec<_>>()
    };
    let is_stateful = matches!(examination.workload.controller, Controller::StatefulSet(_));
    let mut diagnosis = if is_stateful {
        diagnosis // of which the request alone is set, see `request_lowered`
    } else {
        diagnosis.undone_if_changed(examination, asked)
    };
    if let [resource] = resources[..] {
        let remedy = diagnosis.remedy;
        diagnosis.remedy = request_lowered::remedy(examination, &place, symptom, resource, remedy)?;
    }
    Some(diagnosis)
}

fn is_ordinary(resource: &str) -> bool {
    ["cpu", "memory", "ephemeral-storage"].contains(&resource)
}

fn too_large(place: &Placement<'_>, resource: &str) -> Option<String> {
    let spec = place.pod.spec.as_ref()?;
    let init = spec.init_containers.iter().flatten();
    let containers = init.chain(&spec.containers);
    let requests = containers.filter_map(|container| {
        let quantity = request(container, resource)?;
        Some((amount(resource, quantity)?, container, quantity))
    });
    let (largest, container, quantity) = requests.max_by_key(|(wanted, ..)| *wanted)?;
    let asked = format!(
        "container {} requests {resource} {}",
        container.name, quantity.0
    );
    let nodes: Vec<_> = place.tolerated().collect();
    let offers = |node| allocatable(node, resource).is_some_and(|(amount, _)| amount > 0);
    if !is_ordinary(resource) && !nodes.iter().any(|node| offers(node)) {
        return Some(format!("{asked}, which no node that may take it offers"));
    }
    // a node that does not say how much it has may have enough
    let each: Option<Vec<_>> = nodes
        .into_iter()
        .map(|node| Some((allocatable(node, resource)?, node)))
        .collect();
    let ((most, has), node) = each?.into_iter().max_by_key(|((most, _), _)| *most)?;
    let total = of_pod(spec, resource);
    if total <= most {
        return None;
    }
    let asked = if largest > most {
        asked
    } else {
        let total = shown(resource, total);
        format!("its containers together request {resource} {total}")
    };
    Some(format!(
        "{asked}, the largest node ({}) has {} allocatable",
        name(node),
        has.0
    ))
}
