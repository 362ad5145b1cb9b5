//! A trial: before a change reaches the pods of a workload, one pod of its own is made with it.
//!
//! The trial pod bears none of the workload's labels, so that no Service sends it traffic and no
//! controller counts it; it belongs to the workload by an owner reference, so that it goes when the
//! workload does; and it ends by itself if nobody removes it.

use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec};
use serde_json::{Value, json};

use super::{Change, Mark, PatchOp};
use crate::{
    cluster::{Controller, Workload},
    workload::WorkloadKind,
};

/// The label of a trial pod: the [`Mark`] of the attempt that it is.
pub const TRIAL: &str = "akeso.dev/trial";
/// A trial pod that nobody removes ends by itself after so many seconds: a day and an hour, longer
/// than any verification.
const DEADLINE_SECONDS: i64 = 25 * 3_600;

/// Why a change to a workload cannot be tried on one pod first; nothing if it can.
pub fn why_no_trial(workload: &Workload<'_>) -> Option<String> {
    let deployment = match workload.controller {
        Controller::Deployment(deployment) => deployment,
        Controller::StatefulSet(_) => {
            return Some(
                "each pod of a StatefulSet has volumes and a name of its own; its controller replaces one pod at a time and waits until it is ready".to_owned(),
            );
        }
        Controller::DaemonSet(_) => {
            return Some("a DaemonSet has one pod a node, and replaces one at a time".to_owned());
        }
        Controller::ReplicaSet(_)
        | Controller::CronJob(_)
        | Controller::Job(_)
        | Controller::Pod(_)
        | Controller::Support(_) => {
            return Some("a second instance of it could do harm".to_owned());
        }
    };
    if workload.desired() < 2 {
        return Some("it has one replica, so a second instance could do harm".to_owned());
    }
    let strategy = deployment.spec.strategy.as_ref();
    if strategy.is_some_and(|strategy| strategy.type_.as_deref() == Some("Recreate")) {
        return Some("its strategy is Recreate: two instances must not run at once".to_owned());
    }
    unshareable(workload.pod_spec()?)
}

/// What of a pod's spec cannot be had twice at once.
fn unshareable(spec: &PodSpec) -> Option<String> {
    let claim = spec
        .volumes
        .iter()
        .flatten()
        .find(|volume| volume.persistent_volume_claim.is_some() || volume.host_path.is_some());
    if let Some(volume) = claim {
        return Some(format!("its volume {} may not be shared", volume.name));
    }
    if spec.host_network == Some(true) {
        return Some("it uses its node's network".to_owned());
    }
    let containers = spec
        .containers
        .iter()
        .chain(spec.init_containers.iter().flatten());
    let has_port = containers
        .flat_map(|container| container.ports.iter().flatten())
        .any(|port| port.host_port.is_some());
    has_port.then(|| "it uses a port of its node".to_owned())
}

/// Whether a trial pod was refused for what it is. If not, there was only no room for one more, or no
/// permission: that says nothing about the change.
pub(crate) fn is_about_the_pod(why: &str) -> bool {
    [
        "violates PodSecurity",
        "denied the request",
        "is invalid",
        "Invalid value",
    ]
    .iter()
    .any(|words| why.contains(words))
}

/// The trial of a change, where it changes the pod template.
pub(crate) fn trial(workload: &Workload<'_>, change: &Change, mark: &Mark) -> Option<Change> {
    let Change::Patch { forward, .. } = change else {
        return None;
    };
    if workload.reference.kind != WorkloadKind::Deployment {
        return None;
    }
    let below = workload
        .reference
        .kind
        .pod_spec_path()
        .strip_suffix("/spec")?;
    let template = patched(workload.template()?, below, forward)?;
    let name = name(&workload.reference.name, mark);
    let metadata = template.metadata.unwrap_or_default();
    let mut spec = serde_json::to_value(template.spec?).ok()?;
    spec["activeDeadlineSeconds"] = DEADLINE_SECONDS.into();
    let reference = &workload.reference;
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": reference.namespace,
            "labels": {TRIAL: mark.to_string()},
            "annotations": metadata.annotations.unwrap_or_default(),
            "ownerReferences": [{
                "apiVersion": reference.kind.api_version(),
                "kind": reference.kind.as_str(),
                "name": reference.name,
                "uid": workload.metadata().uid.clone()?,
                "controller": false,
                "blockOwnerDeletion": false,
            }],
        },
        "spec": spec,
    });
    Some(Change::Trial { name, pod })
}

/// A pod's name has at most 63 characters where it is to be a host name as well.
fn name(workload: &str, mark: &Mark) -> String {
    let suffix = format!("-trial-{}", mark.suffix());
    let kept: String = workload.chars().take(63 - suffix.len()).collect();
    format!("{}{suffix}", kept.trim_end_matches(['-', '.']))
}

/// The pod template as it is when a patch of the workload has been made.
fn patched(
    template: &PodTemplateSpec,
    below: &str,
    forward: &[PatchOp],
) -> Option<PodTemplateSpec> {
    let inside = |path: &str| path.starts_with(below);
    let operations = forward.iter().filter(|operation| match operation {
        PatchOp::Test { path, .. }
        | PatchOp::Add { path, .. }
        | PatchOp::Replace { path, .. }
        | PatchOp::Remove { path } => inside(path),
    });
    let operations = serde_json::to_value(operations.collect::<Vec<_>>()).ok()?;
    let operations: json_patch::Patch = serde_json::from_value(operations).ok()?;
    let mut document = Value::Null;
    for part in below
        .split('/')
        .skip(1)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
    {
        let inner = if document.is_null() {
            serde_json::to_value(template).ok()?
        } else {
            document
        };
        document = json!({part: inner});
    }
    json_patch::patch(&mut document, &operations).ok()?;
    serde_json::from_value(document.pointer(below)?.clone()).ok()
}
