//! The scheduler: pods to nodes, by what they ask for and what is left. Its words are those of
//! Kubernetes 1.34.

mod neighbours;

pub(crate) use neighbours::claims;

use std::collections::BTreeMap;

use akeso_core::{
    cluster::{Key, is_tolerated, required_terms, term_matches},
    quantity::{Bytes, MilliCpu},
};
use k8s_openapi::api::core::v1::{Node, PersistentVolumeClaim, Pod, PodCondition, PodSpec};

use crate::{
    api_server::usage,
    kubelet::set_condition,
    nodes,
    warnings::{Saying, say},
    world::World,
};

/// Looks at a pod; binds it to the first node that has room, or says why none has.
pub(crate) fn schedule(world: &mut World, key: &Key) {
    let Some(mut pod) = world.store.get::<Pod>(key).cloned() else {
        return;
    };
    let Some(spec) = &pod.spec else { return };
    if spec.node_name.is_some() || pod.metadata.deletion_timestamp.is_some() {
        return;
    }
    let mut lacking: BTreeMap<String, usize> = BTreeMap::new();
    let mut chosen: Option<String> = None;
    let mut nodes = 0_usize;
    let waits_for_claim = missing_claim(world, &pod);
    for node in world.store.all::<Node>() {
        nodes += 1;
        if waits_for_claim.is_some() {
            continue;
        }
        match obstacles(world, node, &pod) {
            None => {
                chosen.clone_from(&node.metadata.name);
                break;
            }
            Some(obstacles) => {
                for obstacle in obstacles {
                    *lacking.entry(obstacle).or_default() += 1;
                }
            }
        }
    }
    let now = world.stamp();
    let conditions = pod
        .status
        .get_or_insert_default()
        .conditions
        .get_or_insert_default();
    let condition = |status: &str, reason: Option<&str>, message: Option<String>| PodCondition {
        type_: "PodScheduled".to_owned(),
        status: status.to_owned(),
        reason: reason.map(str::to_owned),
        message,
        ..PodCondition::default()
    };
    if let Some(node) = chosen {
        set_condition(conditions, condition("True", None, None), &now);
        if let Some(spec) = &mut pod.spec {
            spec.node_name = Some(node);
        }
        world.put(pod);
        return;
    }
    let message = if let Some(claim) = waits_for_claim {
        format!("0/{nodes} nodes are available: {claim}. not found")
    } else {
        let lacking: Vec<_> = lacking
            .iter()
            .map(|(what, count)| format!("{count} {what}"))
            .collect();
        format!(
            "0/{nodes} nodes are available: {}. no new claims to deallocate, preemption: 0/{nodes} nodes are available: {nodes} No preemption victims found for incoming pod.",
            lacking.join(", ")
        )
    };
    let before = pod.status.clone();
    let conditions = pod
        .status
        .get_or_insert_default()
        .conditions
        .get_or_insert_default();
    set_condition(
        conditions,
        condition("False", Some("Unschedulable"), Some(message.clone())),
        &now,
    );
    if before != pod.status {
        say::<Pod>(
            world,
            &pod.metadata,
            Saying::warning("FailedScheduling", message, "default-scheduler"),
        );
        world.put(pod);
    }
}

/// The claim that a pod must have and has not, in the scheduler's words.
fn missing_claim(world: &World, pod: &Pod) -> Option<String> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    claims(pod).find_map(|name| {
        let key = Key::new(namespace, name);
        match world.store.get::<PersistentVolumeClaim>(&key) {
            None => Some(format!("persistentvolumeclaim \"{name}\" not found")),
            Some(claim) if !is_bound(claim) => {
                Some("pod has unbound immediate PersistentVolumeClaims".to_owned())
            }
            Some(_) => None,
        }
    })
}

fn is_bound(claim: &PersistentVolumeClaim) -> bool {
    let phase = claim.status.as_ref().and_then(|it| it.phase.as_deref());
    phase == Some("Bound")
}

/// Whether a pod's nodeSelector and node affinity allow a node.
fn is_allowed(node: &Node, pod: &Pod) -> bool {
    let terms = pod.spec.as_ref().and_then(required_terms);
    matches_selector(node, pod.spec.as_ref())
        && terms.is_none_or(|terms| terms.iter().any(|term| term_matches(term, node)))
}

/// What keeps a pod from a node; nothing if it fits.
fn obstacles(world: &World, node: &Node, pod: &Pod) -> Option<Vec<String>> {
    let one = |what: &str| Some(vec![what.to_owned()]);
    let name = node.metadata.name.as_deref().unwrap_or_default();
    if !is_allowed(node, pod) {
        return one("node(s) didn't match Pod's node affinity/selector");
    }
    let is_daemon = wanted_node(pod).is_some();
    let spec = node.spec.as_ref();
    if !is_daemon && spec.is_some_and(|spec| spec.unschedulable == Some(true)) {
        return one("node(s) were unschedulable");
    }
    let tolerations = pod.spec.as_ref().and_then(|it| it.tolerations.as_deref());
    let tolerations = tolerations.unwrap_or_default();
    let mut taints = spec.iter().flat_map(|it| it.taints.iter().flatten());
    let is_tainted =
        taints.any(|taint| taint.effect != "PreferNoSchedule" && !is_tolerated(taint, tolerations));
    if is_tainted || (!is_daemon && !nodes::is_ready(node)) {
        return one("node(s) had untolerated taint(s)");
    }
    if let Some(obstacle) = neighbours::obstacle(world, node, pod) {
        return one(obstacle);
    }
    let allocatable = node
        .status
        .as_ref()
        .and_then(|status| status.allocatable.as_ref());
    let has = |resource: &str| {
        allocatable
            .and_then(|all| all.get(resource))
            .map(|q| q.0.as_str())
    };
    let cpu = has("cpu")
        .and_then(|text| MilliCpu::parse(text).ok())
        .map_or(0, MilliCpu::get);
    let memory = has("memory")
        .and_then(|text| Bytes::parse(text).ok())
        .map_or(0, Bytes::get);
    let most = has("pods")
        .and_then(|text| text.parse().ok())
        .unwrap_or(110);
    let mut used = usage(pod);
    for other in world.store.all::<Pod>() {
        let phase = other
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        let on_node = other
            .spec
            .as_ref()
            .and_then(|spec| spec.node_name.as_deref())
            == Some(name);
        if on_node && !matches!(phase, Some("Succeeded" | "Failed")) {
            for (what, amount) in usage(other) {
                *used.entry(what).or_default() += amount;
            }
        }
    }
    let short = |what: &str, most: u64| used.get(what).is_some_and(|used| *used > most);
    let checks = [
        ("cpu", cpu, "Insufficient cpu"),
        ("memory", memory, "Insufficient memory"),
        ("pods", most, "Too many pods"),
    ];
    let short: Vec<_> = checks
        .iter()
        .filter(|(what, most, _)| short(what, *most))
        .map(|check| check.2.to_owned())
        .chain(not_offered(node, pod))
        .collect();
    (!short.is_empty()).then_some(short)
}

/// The resources beside CPU and memory of which a pod asks for more than a node offers. They are
/// not counted: no simulated node offers any.
fn not_offered(node: &Node, pod: &Pod) -> Vec<String> {
    let offered = node.status.as_ref().and_then(|it| it.allocatable.as_ref());
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let resources = containers.filter_map(|container| container.resources.as_ref());
    let limits = resources.flat_map(|it| it.limits.iter().chain(&it.requests).flatten());
    let mut missing: Vec<_> = limits
        .map(|(name, _)| name)
        .filter(|name| name.contains('/') && !offered.is_some_and(|it| it.contains_key(*name)))
        .map(|name| format!("Insufficient {name}"))
        .collect();
    missing.sort_unstable();
    missing.dedup();
    missing
}

/// Whether a node has the labels of a nodeSelector.
pub(crate) fn matches_selector(node: &Node, spec: Option<&PodSpec>) -> bool {
    let labels = node.metadata.labels.as_ref();
    let selector = spec.and_then(|spec| spec.node_selector.as_ref());
    selector
        .into_iter()
        .flatten()
        .all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
}

/// The node that a DaemonSet made the pod for.
pub(crate) fn wanted_node(pod: &Pod) -> Option<&str> {
    let affinity = pod
        .spec
        .as_ref()?
        .affinity
        .as_ref()?
        .node_affinity
        .as_ref()?;
    let required = affinity
        .required_during_scheduling_ignored_during_execution
        .as_ref()?;
    let fields = required
        .node_selector_terms
        .iter()
        .flat_map(|term| term.match_fields.iter().flatten());
    let name = fields
        .into_iter()
        .find(|field| field.key == "metadata.name")?;
    name.values.as_ref()?.first().map(String::as_str)
}

#[cfg(test)]
mod tests {
    use crate::workbench::{Workbench, deployment};

    #[test]
    fn a_pod_that_fits_no_node_is_told_why_and_bound_when_there_is_room() {
        let mut bench = Workbench::with(&deployment(
            "big",
            1,
            "nginx",
            ", resources: {requests: {cpu: 1500m}}",
        ));
        bench.pass(5);
        bench.apply(&deployment(
            "late",
            1,
            "nginx",
            ", resources: {requests: {cpu: \"1\"}}",
        ));
        bench.pass(5);
        let (_, pod) = bench.pods.last().unwrap();
        let condition = pod.status.as_ref().unwrap().conditions.as_ref().unwrap()[0].clone();
        assert_eq!(
            (condition.type_.as_str(), condition.reason.as_deref()),
            ("PodScheduled", Some("Unschedulable"))
        );
        let message = condition.message.unwrap();
        assert!(
            message.starts_with("0/1 nodes are available: 1 Insufficient cpu. "),
            "{message}"
        );
        let events = bench.all(akeso_core::cluster::Kind::Event);
        assert_eq!(
            events
                .iter()
                .filter(|event| event["reason"] == "FailedScheduling")
                .count(),
            1
        );

        bench.apply(&deployment(
            "big",
            0,
            "nginx",
            ", resources: {requests: {cpu: 1500m}}",
        ));
        bench.pass(5);
        assert_eq!(
            bench.field("Deployment", "late", "/status/readyReplicas"),
            1
        );
    }
}
