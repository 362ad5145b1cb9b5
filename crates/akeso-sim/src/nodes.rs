//! Nodes whose kubelet is not heard of, and what the node lifecycle controller makes of that
//! (<https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller>).

use akeso_core::cluster::Key;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{Node, NodeCondition, Pod, PodCondition};

use crate::{
    agenda::Work,
    kubelet::set_condition,
    store::key_of,
    world::{NOTICE, World, later},
};

/// Sets the condition `Ready` of a node, and that of its pods.
pub(crate) fn set_ready(world: &mut World, name: &str, is_ready: bool) {
    let Some(mut node) = world.store.get::<Node>(&Key::new("", name)).cloned() else {
        return;
    };
    let (status, reason, message) = if is_ready {
        ("True", "KubeletReady", "kubelet is posting ready status")
    } else {
        (
            "Unknown",
            "NodeStatusUnknown",
            "Kubelet stopped posting node status.",
        )
    };
    let condition = NodeCondition {
        type_: "Ready".to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_transition_time: Some(world.stamp()),
        ..NodeCondition::default()
    };
    let conditions = node
        .status
        .get_or_insert_default()
        .conditions
        .get_or_insert_default();
    if conditions
        .iter()
        .any(|known| known.type_ == "Ready" && known.status == status)
    {
        return;
    }
    conditions.retain(|known| known.type_ != "Ready");
    conditions.push(condition);
    world.put(node);
    let pods: Vec<Pod> = world
        .store
        .all::<Pod>()
        .filter(|pod| node_of(pod) == Some(name))
        .cloned()
        .collect();
    for pod in pods {
        let key = key_of(&pod.metadata);
        if is_ready {
            world.wake(Work::Kubelet(key), NOTICE);
        } else {
            mark_unready(world, pod);
        }
    }
    if is_ready {
        world.wake_unscheduled();
    }
}

/// What the node lifecycle controller does with the pods of a node that it has lost.
fn mark_unready(world: &mut World, mut pod: Pod) {
    let now = world.stamp();
    let conditions = pod
        .status
        .get_or_insert_default()
        .conditions
        .get_or_insert_default();
    let unready = PodCondition {
        type_: "Ready".to_owned(),
        status: "False".to_owned(),
        reason: Some("NodeNotReady".to_owned()),
        message: Some("Node is not ready".to_owned()),
        ..PodCondition::default()
    };
    set_condition(conditions, unready, &now);
    world.put(pod);
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}

/// Whether a node's kubelet is heard of.
pub(crate) fn is_ready(node: &Node) -> bool {
    let conditions = node
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Whether a pod is bound to a node that there is not.
pub(crate) fn is_unknown(world: &World, pod: &Pod) -> bool {
    node_of(pod).is_some_and(|name| world.store.get::<Node>(&Key::new("", name)).is_none())
}

/// What the pod garbage collector does with such a pod
/// (<https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-garbage-collection>):
/// it is deleted when the node has been gone for 40 s, at the next round, of which there is one
/// every 20 s.
pub(crate) fn clear_away(world: &mut World, key: &Key, pod: &Pod) {
    const AFTER: SignedDuration = SignedDuration::from_secs(50);
    let made = pod.metadata.creation_timestamp.as_ref();
    let at = made.map_or(world.now, |made| later(made.0, AFTER));
    if world.now >= at {
        world.remove::<Pod>(key);
    } else {
        world.agenda.add(Work::Kubelet(key.clone()), at);
    }
}

/// Whether the kubelet that runs a pod is not heard of.
pub(crate) fn is_lost(world: &World, pod: &Pod) -> bool {
    let node = node_of(pod).and_then(|name| world.store.get::<Node>(&Key::new("", name)));
    node.is_some_and(|node| !is_ready(node))
}

#[cfg(test)]
mod tests {
    use crate::workbench::{Workbench, deployment};

    #[test]
    fn the_pods_of_a_lost_node_are_not_ready_until_it_comes_back() {
        let mut bench = Workbench::with(&deployment("web", 2, "nginx", ""));
        bench.pass(5);
        let ready = |bench: &Workbench| bench.field("Deployment", "web", "/status/readyReplicas");
        assert_eq!(ready(&bench), 2);
        bench.cluster.set_node_ready("node1", false);
        bench.pass(60);
        assert_eq!(ready(&bench), serde_json::Value::Null);
        bench.cluster.set_node_ready("node1", true);
        bench.pass(5);
        assert_eq!(ready(&bench), 2);
    }

    #[test]
    fn nothing_new_is_bound_to_a_lost_node() {
        let mut bench = Workbench::new();
        bench.cluster.set_node_ready("node1", false);
        bench.apply(&deployment("web", 1, "nginx", ""));
        bench.pass(30);
        assert_eq!(
            bench.field("Deployment", "web", "/status/readyReplicas"),
            serde_json::Value::Null
        );
        bench.cluster.set_node_ready("node1", true);
        bench.pass(5);
        assert_eq!(bench.field("Deployment", "web", "/status/readyReplicas"), 1);
    }
}
