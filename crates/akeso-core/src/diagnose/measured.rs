//! Requests by what was measured: within what they must stay, and whether the pod fits a node with
//! them.

use k8s_openapi::api::core::v1::{Container, PodSpec};

use super::{
    Examination,
    requests::{allocatable, of_pod},
};
use crate::{
    act::{Requested, Resource},
    cluster::find_container,
    evidence::{Answer, Bounds, Question},
    plan::requests::Within,
    quantity::{Bytes, MilliCpu},
};

/// What LimitRanges say; nothing, where they may not be read. Nothing at all if the answer has not
/// come yet.
pub(super) fn bounds(examination: &Examination<'_>) -> Option<Bounds> {
    Some(match examination.ask(Question::Bounds)? {
        Answer::Bounds(bounds) => *bounds,
        Answer::Unknown { .. }
        | Answer::Logs(_)
        | Answer::Image(_)
        | Answer::Keys(_)
        | Answer::Certificate(_)
        | Answer::Usage(_)
        | Answer::Objects(_) => Bounds::default(),
    })
}

/// Within what a container's request must stay.
pub(super) fn within(container: &Container, resource: Resource, bounds: Bounds) -> Within {
    let limits = container
        .resources
        .as_ref()
        .and_then(|it| it.limits.as_ref());
    let limit = limits.and_then(|limits| limits.get(resource.as_str()));
    let limit = limit.and_then(|limit| resource.parse(&limit.0).ok());
    let least = match resource {
        Resource::Cpu => bounds.min_cpu.map(MilliCpu::get),
        Resource::Memory => {
            let ratio = bounds.max_limit_to_request.filter(|ratio| *ratio > 0);
            let by_ratio = ratio.zip(limit);
            let by_ratio =
                by_ratio.map(|(ratio, limit)| limit.saturating_mul(1_000).div_ceil(ratio));
            bounds.min_memory.map(Bytes::get).max(by_ratio)
        }
    };
    Within { limit, least }
}

/// The workload's pod spec with these requests.
pub(super) fn with_requests(
    examination: &Examination<'_>,
    resource: Resource,
    requests: &[Requested],
) -> Option<PodSpec> {
    let mut spec = examination.workload.pod_spec()?.clone();
    for set in requests {
        let (index, _) = find_container(&spec, &set.container)?;
        let container = match set.container.role {
            crate::workload::ContainerRole::Init => {
                spec.init_containers.as_mut()?.get_mut(index)?
            }
            crate::workload::ContainerRole::Main => spec.containers.get_mut(index)?,
        };
        let resources = container.resources.get_or_insert_default();
        let list = resources.requests.get_or_insert_default();
        let quantity = k8s_openapi::apimachinery::pkg::api::resource::Quantity(set.to.clone());
        list.insert(resource.as_str().to_owned(), quantity);
    }
    Some(spec)
}

/// Whether the largest node has enough for a pod with these requests. Where no node is known, that
/// is not said.
pub(super) fn fits(
    examination: &Examination<'_>,
    resource: Resource,
    requests: &[Requested],
) -> bool {
    let nodes = examination.workload.cluster().nodes.values();
    let most = nodes.filter_map(|node| allocatable(node, resource.as_str()));
    let Some(most) = most.map(|(most, _)| most).max() else {
        return true;
    };
    let spec = with_requests(examination, resource, requests);
    spec.is_some_and(|spec| of_pod(&spec, resource.as_str()) <= most)
}
