//! Fault `request-too-large`: a pod asks for more than any node has, even an empty one.

use k8s_openapi::{api::core::v1::Container, apimachinery::pkg::api::resource::Quantity};

use super::{
    Diagnosis, Examination, Family, Fault,
    placement::{self, Placement},
};
use crate::{
    observe::Symptom,
    quantity::{Bytes, MilliCpu},
};

pub(super) const FAULT: Fault = Fault {
    name: "request-too-large",
    family: Family::Scheduling,
    signs: "no node takes the pod, and a request of one container is more than the largest node has",
    does: "names the container, its request and the largest node's allocatable",
    never: "lowers a request: what the program needs is not known",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let place = Placement::of(examination, symptom)?;
    let spec = place.pod.spec.as_ref()?;
    let containers = || {
        spec.init_containers
            .iter()
            .flatten()
            .chain(&spec.containers)
    };
    let too_large = |resource: &str| {
        if !place.message.contains(&format!("Insufficient {resource}")) {
            return None;
        }
        let requests = containers().filter_map(|container| {
            let quantity = request(container, resource)?;
            Some((amount(resource, quantity)?, container, quantity))
        });
        let (wanted, container, request) = requests.max_by_key(|(wanted, ..)| *wanted)?;
        // a node that does not say how much it has may have enough
        let each: Option<Vec<_>> = place
            .nodes
            .iter()
            .map(|node| {
                let quantity = node.status.as_ref()?.allocatable.as_ref()?.get(resource)?;
                let name = node.metadata.name.as_deref().unwrap_or_default();
                Some((amount(resource, quantity)?, name, quantity))
            })
            .collect();
        let (most, node, allocatable) = each?.into_iter().max_by_key(|(most, ..)| *most)?;
        (wanted > most).then(|| {
            format!(
                "container {} requests {resource} {}, the largest node ({node}) has {} allocatable",
                container.name, request.0, allocatable.0
            )
        })
    };
    let found: Vec<_> = ["cpu", "memory", "ephemeral-storage"]
        .into_iter()
        .filter_map(too_large)
        .collect();
    if found.is_empty() {
        return None;
    }
    let says = format!("fits on no node, even an empty one: {}", found.join("; "));
    let why = "resources.requests must fit a node, or a larger node must be added";
    Some(placement::told(examination, &FAULT, symptom, &says, why))
}

fn request<'a>(container: &'a Container, resource: &str) -> Option<&'a Quantity> {
    container
        .resources
        .as_ref()?
        .requests
        .as_ref()?
        .get(resource)
}

fn amount(resource: &str, quantity: &Quantity) -> Option<u64> {
    if resource == "cpu" {
        MilliCpu::parse(&quantity.0).ok().map(MilliCpu::get)
    } else {
        Bytes::parse(&quantity.0).ok().map(Bytes::get)
    }
}
