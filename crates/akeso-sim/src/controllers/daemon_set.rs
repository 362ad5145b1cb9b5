//! The DaemonSet controller: a pod on each node that has the labels of its nodeSelector.

use akeso_core::cluster::{Key, Kind, is_ready};
use k8s_openapi::{
    api::{
        apps::v1::{DaemonSet, DaemonSetStatus},
        core::v1::{
            Affinity, Node, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm,
            Pod,
        },
    },
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{pods, revisions};
use crate::{
    agenda::Work,
    scheduler::{matches_selector, wanted_node},
    world::World,
};

const CONTROLLER: &str = "daemonset-controller";
const POD_HASH: &str = "controller-revision-hash";
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

pub(super) fn reconcile(world: &mut World, key: &Key) {
    let Some(set) = world.store.get::<DaemonSet>(key).cloned() else {
        return;
    };
    let revision = revisions::ensure(world, &set, &set.spec.template, POD_HASH);
    let hash = pods::label(&revision.metadata, POD_HASH)
        .unwrap_or_default()
        .to_owned();
    let nodes: Vec<String> = world
        .store
        .all::<Node>()
        .filter(|node| matches_selector(node, set.spec.template.spec.as_ref()))
        .filter_map(|node| node.metadata.name.clone())
        .collect();
    for node in &nodes {
        let of_node: Vec<_> = pods_of(world, &set)
            .into_iter()
            .filter(|pod| wanted_node(pod) == Some(node))
            .collect();
        pods::delete(
            world,
            of_node.iter().filter(|pod| pods::phase(pod) == "Failed"),
        );
        if of_node.is_empty() && !create(world, &set, node, &hash) {
            let after = pods::retry_after(world, &set.metadata);
            world.wake(Work::Reconcile(Kind::DaemonSet, key.clone()), after);
        }
    }
    roll(world, &set, &hash);
    let status = status(world, &set, &hash, nodes.len());
    world.put(DaemonSet {
        status: Some(status),
        ..set
    });
}

fn pods_of(world: &World, set: &DaemonSet) -> Vec<Pod> {
    world
        .store
        .controlled_by::<Pod>(&set.metadata)
        .cloned()
        .collect()
}

fn create(world: &mut World, set: &DaemonSet, node: &str, hash: &str) -> bool {
    let name = format!(
        "{}-{}",
        set.metadata.name.as_deref().unwrap_or_default(),
        world.names.suffix()
    );
    let mut pod = pods::from_template(set, name, &set.spec.template);
    let generation = set
        .metadata
        .annotations
        .as_ref()
        .and_then(|all| all.get(TEMPLATE_GENERATION));
    let labels = pod.metadata.labels.get_or_insert_default();
    labels.insert(POD_HASH.to_owned(), hash.to_owned());
    labels.insert(
        "pod-template-generation".to_owned(),
        generation.cloned().unwrap_or_default(),
    );
    let field = NodeSelectorRequirement {
        key: "metadata.name".to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![node.to_owned()]),
    };
    let term = NodeSelectorTerm {
        match_fields: Some(vec![field]),
        match_expressions: None,
    };
    let affinity = NodeAffinity {
        required_during_scheduling_ignored_during_execution: Some(NodeSelector {
            node_selector_terms: vec![term],
        }),
        ..NodeAffinity::default()
    };
    if let Some(spec) = &mut pod.spec {
        spec.affinity
            .get_or_insert_with(Affinity::default)
            .node_affinity = Some(affinity);
    }
    pods::create(world, set, pod, CONTROLLER).is_ok()
}

/// Deletes old pods: broken ones at once, others as long as enough serve.
fn roll(world: &mut World, set: &DaemonSet, hash: &str) {
    let strategy = set.spec.update_strategy.as_ref();
    if strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("OnDelete") {
        return;
    }
    let all = pods_of(world, set);
    let most =
        strategy.and_then(|strategy| strategy.rolling_update.as_ref()?.max_unavailable.clone());
    let most = match most {
        Some(IntOrString::Int(number)) => usize::try_from(number).unwrap_or(1),
        Some(IntOrString::String(percent)) => {
            let percent: usize = percent.trim_end_matches('%').parse().unwrap_or(0);
            (all.len() * percent).div_ceil(100)
        }
        None => 1,
    };
    let serves = |pod: &&Pod| {
        !pods::is_leaving(pod) && pods::is_available(pod, set.spec.min_ready_seconds, world.now)
    };
    let is_old =
        |pod: &&Pod| !pods::is_leaving(pod) && pods::label(&pod.metadata, POD_HASH) != Some(hash);
    let missing = all.iter().filter(|pod| !serves(pod)).count();
    let broken: Vec<_> = all
        .iter()
        .filter(is_old)
        .filter(|pod| !serves(pod))
        .collect();
    let others: Vec<_> = all
        .iter()
        .filter(is_old)
        .filter(serves)
        .take(most.saturating_sub(missing))
        .collect();
    pods::delete(world, broken.into_iter().chain(others));
}

fn status(world: &World, set: &DaemonSet, hash: &str, nodes: usize) -> DaemonSetStatus {
    let all: Vec<_> = pods_of(world, set)
        .into_iter()
        .filter(|pod| !pods::is_leaving(pod))
        .collect();
    let updated = all
        .iter()
        .filter(|pod| pods::label(&pod.metadata, POD_HASH) == Some(hash))
        .count();
    let available = all
        .iter()
        .filter(|pod| pods::is_available(pod, set.spec.min_ready_seconds, world.now))
        .count();
    let some = |number: usize| (number > 0).then(|| pods::count(number));
    DaemonSetStatus {
        observed_generation: set.metadata.generation,
        current_number_scheduled: pods::count(all.len()),
        desired_number_scheduled: pods::count(nodes),
        number_available: some(available),
        number_misscheduled: 0,
        number_ready: pods::count(all.iter().filter(|pod| is_ready(pod)).count()),
        number_unavailable: some(nodes.saturating_sub(available)),
        updated_number_scheduled: some(updated),
        collision_count: None,
        conditions: None,
    }
}
