//! What pods request and nodes have.

use k8s_openapi::{
    api::core::v1::{Container, Node, PodSpec},
    apimachinery::pkg::api::resource::Quantity,
};

use crate::{
    cluster::is_sidecar,
    quantity::{Bytes, MilliCpu},
};

/// The resources of which the scheduler says that no node has enough.
pub(super) fn insufficient(message: &str) -> Vec<&str> {
    let parts = message.split("Insufficient ").skip(1);
    let names = parts.filter_map(|part| part.split([',', ' ']).next());
    names.map(|name| name.trim_end_matches('.')).collect()
}

/// What a container requests; where it says nothing, that is its limit.
pub(super) fn request<'a>(container: &'a Container, resource: &str) -> Option<&'a Quantity> {
    let resources = container.resources.as_ref()?;
    let requests = resources.requests.as_ref();
    let requested = requests.and_then(|it| it.get(resource));
    requested.or_else(|| resources.limits.as_ref()?.get(resource))
}

/// A quantity in the unit of its resource: thousandths of a CPU, bytes, pieces.
pub(super) fn amount(resource: &str, quantity: &Quantity) -> Option<u64> {
    if resource == "cpu" {
        MilliCpu::parse(&quantity.0).ok().map(MilliCpu::get)
    } else {
        Bytes::parse(&quantity.0).ok().map(Bytes::get)
    }
}

/// The same for people.
pub(super) fn shown(resource: &str, amount: u64) -> String {
    match resource {
        "cpu" if amount.is_multiple_of(1_000) => (amount / 1_000).to_string(),
        "cpu" => format!("{amount}m"),
        "memory" | "ephemeral-storage" => Bytes::new(amount).to_string(),
        _ => amount.to_string(),
    }
}

/// What a node has for pods.
pub(super) fn allocatable<'a>(node: &'a Node, resource: &str) -> Option<(u64, &'a Quantity)> {
    let quantity = node.status.as_ref()?.allocatable.as_ref()?.get(resource)?;
    Some((amount(resource, quantity)?, quantity))
}

/// What a pod requests: what runs side by side, or what one init container needs before that.
pub(super) fn of_pod(spec: &PodSpec, resource: &str) -> u64 {
    let of = |container: &Container| {
        let quantity = request(container, resource);
        quantity.and_then(|it| amount(resource, it)).unwrap_or(0)
    };
    let init = spec.init_containers.iter().flatten();
    let (sidecars, init): (Vec<_>, Vec<_>) = init.partition(|it| is_sidecar(it));
    let together: u64 = spec.containers.iter().chain(sidecars).map(of).sum();
    together.max(init.into_iter().map(of).max().unwrap_or(0))
}
