//! What the pods that stand on the nodes already have to do with whether one more fits: affinity,
//! anti-affinity, spread, ports and volumes.

use std::collections::{BTreeMap, BTreeSet};

use akeso_core::cluster::{Key, label_selector_matches};
use k8s_openapi::api::core::v1::{
    ContainerPort, Node, PersistentVolumeClaim, Pod, PodAffinityTerm, TopologySpreadConstraint,
};

use crate::world::World;

pub(super) const NO_AFFINITY: &str = "node(s) didn't match pod affinity rules";
pub(super) const ANTI_AFFINITY: &str = "node(s) didn't match pod anti-affinity rules";
pub(super) const REFUSED: &str = "node(s) didn't satisfy existing pods anti-affinity rules";
pub(super) const SPREAD: &str = "node(s) didn't match pod topology spread constraints";
pub(super) const NO_DOMAIN: &str =
    "node(s) didn't match pod topology spread constraints (missing required label)";
pub(super) const NO_PORT: &str = "node(s) didn't have free ports for the requested pod ports";
pub(super) const CLAIM_IN_USE: &str = "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod";

/// What keeps a pod from a node beside what the node is and has left.
pub(super) fn obstacle(world: &World, node: &Node, pod: &Pod) -> Option<&'static str> {
    let stand_on_it = || placed(world).filter(|other| node_of(other) == name(node));
    if stand_on_it().any(|other| ports_collide(pod, other)) {
        return Some(NO_PORT);
    }
    if has_claim_in_use(world, pod) {
        return Some(CLAIM_IN_USE);
    }
    if let Some(obstacle) = spread(world, node, pod) {
        return Some(obstacle);
    }
    let namespace = pod.metadata.namespace.as_deref();
    let is_met = |term: &PodAffinityTerm| {
        let beside = beside(world, node, &term.topology_key);
        let mut beside = beside.into_iter();
        beside.any(|other| means(term, namespace, other))
    };
    let affinity = pod.spec.as_ref().and_then(|spec| spec.affinity.as_ref());
    let wanted = affinity.and_then(|it| it.pod_affinity.as_ref());
    let wanted = wanted.and_then(|it| {
        it.required_during_scheduling_ignored_during_execution
            .as_ref()
    });
    // the first of a group that wants to stand together may stand anywhere
    let is_first = |term: &PodAffinityTerm| {
        means(term, namespace, pod) && !placed(world).any(|other| means(term, namespace, other))
    };
    if wanted
        .into_iter()
        .flatten()
        .any(|term| !(is_met(term) || is_first(term)))
    {
        return Some(NO_AFFINITY);
    }
    if anti_affinity(pod).any(is_met) {
        return Some(ANTI_AFFINITY);
    }
    let mut others = placed(world);
    let is_refused = others.any(|other| {
        let node_of_other = world.store.get::<Node>(&Key::new("", node_of(other)));
        anti_affinity(other).any(|term| {
            let domain = node_of_other.and_then(|it| label(it, &term.topology_key));
            domain.is_some()
                && domain == label(node, &term.topology_key)
                && means(term, other.metadata.namespace.as_deref(), pod)
        })
    });
    is_refused.then_some(REFUSED)
}

fn name(node: &Node) -> &str {
    node.metadata.name.as_deref().unwrap_or_default()
}

fn label<'a>(node: &'a Node, key: &str) -> Option<&'a String> {
    node.metadata.labels.as_ref()?.get(key)
}

fn node_of(pod: &Pod) -> &str {
    let spec = pod.spec.as_ref();
    spec.and_then(|spec| spec.node_name.as_deref())
        .unwrap_or_default()
}

/// The pods that stand on a node and have not ended.
fn placed(world: &World) -> impl Iterator<Item = &Pod> {
    world.store.all::<Pod>().filter(|pod| {
        let phase = pod.status.as_ref().and_then(|it| it.phase.as_deref());
        !node_of(pod).is_empty() && !matches!(phase, Some("Succeeded" | "Failed"))
    })
}

/// The pods in the same domain as a node.
fn beside<'a>(world: &'a World, node: &Node, key: &str) -> Vec<&'a Pod> {
    let Some(domain) = label(node, key) else {
        return Vec::new();
    };
    let nodes = world.store.all::<Node>();
    let same = nodes.filter(|other| label(other, key) == Some(domain));
    let names: BTreeSet<&str> = same.map(name).collect();
    placed(world)
        .filter(|pod| names.contains(node_of(pod)))
        .collect()
}

/// Whether a term of a pod in a namespace means another pod.
fn means(term: &PodAffinityTerm, namespace: Option<&str>, other: &Pod) -> bool {
    let theirs = other.metadata.namespace.as_deref();
    let is_for = match &term.namespaces {
        Some(named) if !named.is_empty() => named.iter().any(|it| theirs == Some(it)),
        _ => theirs == namespace,
    };
    is_for && label_selector_matches(term.label_selector.as_ref(), other.metadata.labels.as_ref())
}

fn anti_affinity(pod: &Pod) -> impl Iterator<Item = &PodAffinityTerm> {
    let affinity = pod.spec.as_ref().and_then(|spec| spec.affinity.as_ref());
    let anti = affinity.and_then(|it| it.pod_anti_affinity.as_ref());
    anti.into_iter().flat_map(|it| {
        let required = &it.required_during_scheduling_ignored_during_execution;
        required.iter().flatten()
    })
}

fn spread(world: &World, node: &Node, pod: &Pod) -> Option<&'static str> {
    let constraints = pod.spec.as_ref()?.topology_spread_constraints.as_ref()?;
    let mut hard = constraints
        .iter()
        .filter(|it| it.when_unsatisfiable == "DoNotSchedule");
    hard.find_map(|constraint| beyond_skew(world, node, pod, constraint))
}

fn beyond_skew(
    world: &World,
    node: &Node,
    pod: &Pod,
    constraint: &TopologySpreadConstraint,
) -> Option<&'static str> {
    let key = &constraint.topology_key;
    let Some(domain) = label(node, key) else {
        return Some(NO_DOMAIN);
    };
    let nodes = world.store.all::<Node>();
    let mut counts: BTreeMap<&String, i32> = nodes
        .filter(|node| super::is_allowed(node, pod))
        .filter_map(|node| Some((label(node, key)?, 0)))
        .collect();
    let selector = constraint.label_selector.as_ref();
    let counted = placed(world).filter(|other| {
        other.metadata.namespace == pod.metadata.namespace
            && label_selector_matches(selector, other.metadata.labels.as_ref())
    });
    for other in counted {
        let node = world.store.get::<Node>(&Key::new("", node_of(other)));
        let domain = node.and_then(|node| label(node, key));
        if let Some(count) = domain.and_then(|domain| counts.get_mut(domain)) {
            *count += 1;
        }
    }
    let domains = i32::try_from(counts.len()).unwrap_or(i32::MAX);
    let least = if domains < constraint.min_domains.unwrap_or(1) {
        0
    } else {
        counts.values().min().copied().unwrap_or(0)
    };
    let is_counted = label_selector_matches(selector, pod.metadata.labels.as_ref());
    let here = counts.get(domain).copied().unwrap_or(0) + i32::from(is_counted);
    (here - least > constraint.max_skew).then_some(SPREAD)
}

fn ports_collide(pod: &Pod, other: &Pod) -> bool {
    let held: Vec<_> = host_ports(other).collect();
    host_ports(pod).any(|port| held.contains(&port))
}

/// Port and protocol; the simulated nodes have one address.
fn host_ports(pod: &Pod) -> impl Iterator<Item = (i32, &str)> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let ports = containers.flat_map(|container| container.ports.iter().flatten());
    ports.filter_map(|port: &ContainerPort| {
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        Some((port.host_port?, protocol))
    })
}

/// The claims that a pod mounts, by name.
pub(crate) fn claims(pod: &Pod) -> impl Iterator<Item = &str> {
    let volumes = pod
        .spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten());
    volumes.filter_map(|volume| {
        let claim = volume.persistent_volume_claim.as_ref()?;
        Some(claim.claim_name.as_str())
    })
}

fn has_claim_in_use(world: &World, pod: &Pod) -> bool {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    claims(pod).any(|claim| {
        let key = Key::new(namespace, claim);
        let claimed = world.store.get::<PersistentVolumeClaim>(&key);
        let modes = claimed.and_then(|it| it.spec.as_ref()?.access_modes.as_ref());
        let is_for_one = modes.is_some_and(|it| it.iter().any(|mode| mode == "ReadWriteOncePod"));
        is_for_one
            && placed(world).any(|other| {
                other.metadata.namespace.as_deref() == Some(namespace)
                    && claims(other).any(|theirs| theirs == claim)
            })
    })
}
