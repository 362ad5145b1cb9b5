//! Nodes that are not well (<https://kubernetes.io/docs/reference/node/node-status/#condition>).

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{Node, NodeCondition};

use super::{Flaw, Look, Symptom, on_support};
use crate::cluster::{Controller, Support};

/// A node that is new is not ready at first.
const TIME_TO_JOIN: SignedDuration = SignedDuration::from_mins(5);
/// A kubelet that is started again is not heard of for a while.
const TIME_TO_RETURN: SignedDuration = SignedDuration::from_mins(2);
/// The kubelet makes room by itself: it clears away images and what has ended.
const TIME_TO_RECOVER: SignedDuration = SignedDuration::from_mins(2);

pub(super) fn symptoms(look: &Look<'_>) -> Vec<Symptom> {
    let Controller::Support(Support::Node(node)) = look.workload.controller else {
        return Vec::new();
    };
    // somebody has taken it out of service
    if node
        .spec
        .as_ref()
        .is_some_and(|it| it.unschedulable == Some(true))
    {
        return Vec::new();
    }
    let conditions = node
        .status
        .iter()
        .flat_map(|it| it.conditions.iter().flatten());
    conditions
        .filter_map(|condition| unwell(look, node, condition))
        .collect()
}

fn unwell(look: &Look<'_>, node: &Node, condition: &NodeCondition) -> Option<Symptom> {
    let (flaw, time) = match (condition.type_.as_str(), condition.status.as_str()) {
        ("Ready", "False" | "Unknown") => (Flaw::NodeNotReady, TIME_TO_RETURN),
        ("MemoryPressure" | "DiskPressure" | "PIDPressure", "True") => {
            (Flaw::NodePressure, TIME_TO_RECOVER)
        }
        _ => return None,
    };
    let since = condition.last_transition_time.as_ref()?.0;
    let made = node.metadata.creation_timestamp.as_ref();
    let has_joined =
        flaw != Flaw::NodeNotReady || made.is_none_or(|made| look.has_lasted(made.0, TIME_TO_JOIN));
    if !has_joined || !look.has_lasted(since, time) {
        return None;
    }
    let words = [condition.reason.as_deref(), condition.message.as_deref()];
    let words: Vec<_> = words.into_iter().flatten().collect();
    let what = match flaw {
        Flaw::NodePressure => format!("is under {}", condition.type_),
        _ => "is not ready".to_owned(),
    };
    let cluster = look.workload.cluster();
    let name = node.metadata.name.as_deref();
    let pods = cluster.pods.values().filter(|pod| {
        let spec = pod.spec.as_ref();
        spec.and_then(|it| it.node_name.as_deref()) == name
    });
    let message = format!(
        "{what} since {since}: {}; {} pod(s) stand on it",
        words.join(": "),
        pods.count()
    );
    Some(on_support(flaw, &condition.type_, message))
}
