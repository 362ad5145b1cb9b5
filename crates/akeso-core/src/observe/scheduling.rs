//! Pods that no node takes.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;

use super::{Look, Sign, Symptom, TIME_TO_MEET, written};
use crate::{
    act::FixNodeSelector,
    cluster::{Controller, Workload, is_ready},
    similar::{is_misspelt, only},
    workload::WorkloadKind,
};

/// A healthy start may be unschedulable for a moment: a claim that is not bound yet, a node that
/// is being added.
const GRACE: SignedDuration = SignedDuration::from_secs(15);
/// A node that an autoscaler adds is there by then
/// (<https://kubernetes.io/docs/concepts/cluster-administration/node-autoscaling/>).
const LONG: SignedDuration = SignedDuration::from_mins(5);

/// The state of a pod that no node has taken for longer than it takes to add a node.
pub(crate) const PENDING_LONG: &str = "Pending for 5 minutes";
/// The reason where `nodeName` is no node.
pub(crate) const NODE_MISSING: &str = "NodeMissing";
/// The reason where a DaemonSet has no node for a slip in its nodeSelector.
pub(crate) const NOWHERE: &str = "NoNodeSelected";

pub(super) fn symptoms(look: &Look<'_>) -> Vec<Symptom> {
    if let Some(symptom) = node_missing(look) {
        return vec![symptom];
    }
    let pods = look.workload.pods.iter();
    let waiting = pods.filter_map(|pod| unschedulable(look, pod));
    waiting.chain(nowhere(look)).collect()
}

/// A DaemonSet runs nowhere, without a word, for a slip in its nodeSelector. One that no node has
/// the labels for waits for such nodes, as its owner may want.
fn nowhere(look: &Look<'_>) -> Option<Symptom> {
    let Controller::DaemonSet(set) = look.workload.controller else {
        return None;
    };
    if set.status.as_ref()?.desired_number_scheduled > 0 {
        return None;
    }
    let slip = selector_slip(look.workload)?;
    look.has_lasted(written(&set.metadata), TIME_TO_MEET).then(|| Symptom {
        sign: Sign::Unschedulable,
        pod: None,
        container: None,
        status: "Pending".to_owned(),
        reason: NOWHERE.to_owned(),
        message: format!(
            "none of the nodes has the label that nodeSelector asks for: {0}={1} (likely meant: {0}={2})",
            slip.label, slip.from, slip.to
        ),
    })
}

/// The label of a workload's nodeSelector whose value no node has, where exactly one that nodes have
/// is a slip of the finger away.
pub(crate) fn selector_slip(workload: &Workload<'_>) -> Option<FixNodeSelector> {
    let selector = workload.pod_spec()?.node_selector.as_ref()?;
    let nodes = workload.cluster().nodes.values();
    let labels = || {
        nodes
            .clone()
            .filter_map(|node| node.metadata.labels.as_ref())
    };
    let slips = selector.iter().filter_map(|(label, value)| {
        let there: BTreeSet<_> = labels().filter_map(|all| all.get(label)).collect();
        let close = there.iter().filter(|it| is_misspelt(value, it));
        let to = only(close).filter(|_| !there.contains(value))?;
        Some(FixNodeSelector {
            label: label.clone(),
            from: value.clone(),
            to: (*to).clone(),
        })
    });
    only(slips)
}

pub(super) fn unschedulable(look: &Look<'_>, pod: &Pod) -> Option<Symptom> {
    let status = pod.status.as_ref()?;
    let mut conditions = status.conditions.iter().flatten();
    let condition = conditions.find(|c| c.type_ == "PodScheduled" && c.status == "False")?;
    if condition.reason.as_deref() != Some("Unschedulable") {
        return None; // SchedulingGated: somebody holds it back on purpose
    }
    let since = condition
        .last_transition_time
        .as_ref()
        .or(pod.metadata.creation_timestamp.as_ref())?
        .0;
    if !look.has_come(since.checked_add(GRACE).ok()?) {
        return None;
    }
    let is_long = look.has_come(since.checked_add(LONG).ok()?);
    // pods of a lower priority are ended for it
    if status.nominated_node_name.is_some() && !is_long {
        return None;
    }
    let state = if is_long { PENDING_LONG } else { "Pending" };
    Some(Symptom {
        sign: Sign::Unschedulable,
        pod: pod.metadata.name.clone(),
        container: None,
        status: state.to_owned(),
        reason: "Unschedulable".to_owned(),
        message: condition.message.clone().unwrap_or_default(),
    })
}

/// A pod with a `nodeName` passes the scheduler by. If there is no such node it stays Pending,
/// without a word, until it is cleared away and made again.
fn node_missing(look: &Look<'_>) -> Option<Symptom> {
    let workload = look.workload;
    let is_run_at_times = match workload.reference.kind {
        WorkloadKind::CronJob | WorkloadKind::Job => workload.pods.is_empty(),
        WorkloadKind::Deployment
        | WorkloadKind::StatefulSet
        | WorkloadKind::DaemonSet
        | WorkloadKind::ReplicaSet
        | WorkloadKind::Pod
        | WorkloadKind::Support(_) => false,
    };
    let wanted = workload.pod_spec()?.node_name.as_deref()?;
    let nodes = &workload.cluster().nodes;
    let is_there = nodes
        .values()
        .any(|node| node.metadata.name.as_deref() == Some(wanted));
    // a bare pod's nodeName may have been the scheduler's choice, of a node that is gone
    let is_chosen = matches!(workload.controller, Controller::Pod(pod) if was_scheduled(pod));
    let runs = workload.pods.iter().any(|pod| is_ready(pod));
    if nodes.is_empty() || is_there || is_run_at_times || is_chosen || runs {
        return None;
    }
    let made: Option<Timestamp> = workload
        .replica_set
        .map_or(workload.metadata(), |set| &set.metadata)
        .creation_timestamp
        .as_ref()
        .map(|time| time.0);
    look.has_come(made?.checked_add(GRACE).ok()?)
        .then(|| Symptom {
            sign: Sign::Unschedulable,
            pod: None,
            container: None,
            status: "Pending".to_owned(),
            reason: NODE_MISSING.to_owned(),
            message: format!("spec.nodeName is {wanted}, and there is no such node"),
        })
}

fn was_scheduled(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let mut conditions = status.iter().flat_map(|it| it.conditions.iter().flatten());
    conditions.any(|c| c.type_ == "PodScheduled" && c.status == "True")
}
