//! Whether a workload is healthy, judged by its object alone: the same on every cluster, and not
//! by the engine that is being tested.

use akeso_core::workload::WorkloadKind;
use serde_json::Value;

/// Why a workload, as its object tells, is not healthy; nothing if it is.
pub fn unhealthy(kind: WorkloadKind, object: Option<&Value>) -> Option<String> {
    let Some(object) = object else {
        return Some("it is not there".to_owned());
    };
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
    let wanted = object
        .pointer("/spec/replicas")
        .and_then(Value::as_i64)
        .unwrap_or(1);
    let counts: &[(&str, i64)] = match kind {
        WorkloadKind::Deployment => &[
            ("/status/updatedReplicas", wanted),
            ("/status/replicas", wanted),
            ("/status/availableReplicas", wanted),
            ("/status/readyReplicas", wanted),
        ],
        WorkloadKind::StatefulSet => &[
            ("/status/replicas", wanted),
            ("/status/readyReplicas", wanted),
            ("/status/updatedReplicas", wanted),
        ],
        WorkloadKind::ReplicaSet => &[
            ("/status/replicas", wanted),
            ("/status/readyReplicas", wanted),
        ],
        WorkloadKind::DaemonSet => {
            let nodes = number("/status/desiredNumberScheduled");
            &[
                ("/status/updatedNumberScheduled", nodes),
                ("/status/numberReady", nodes),
            ]
        }
        WorkloadKind::Job => &[("/status/succeeded", 1)],
        WorkloadKind::CronJob => {
            return has(
                object,
                "/status/lastSuccessfulTime",
                "no run of it has succeeded",
            );
        }
        WorkloadKind::Pod => return pod(object),
        // whether it is well is the engine's judgement
        WorkloadKind::Support(_) => return None,
    };
    let seen = number("/status/observedGeneration");
    let generation = number("/metadata/generation");
    if kind != WorkloadKind::Job && seen < generation {
        return Some(format!(
            "its controller has seen generation {seen} of {generation}"
        ));
    }
    counts
        .iter()
        .find(|(pointer, wanted)| number(pointer) != *wanted)
        .map(|(pointer, wanted)| format!("{pointer} is {}, not {wanted}", number(pointer)))
}

/// A Job that was run again by a copy of it stands as the newest of those does.
pub fn with_newest_run(mut object: Value, jobs: impl IntoIterator<Item = Value>) -> Value {
    let uid = object["metadata"]["uid"].clone();
    let runs = jobs.into_iter().filter(|job| {
        let owner = job.pointer("/metadata/ownerReferences/0/uid");
        !uid.is_null() && owner == Some(&uid)
    });
    let made = |job: &Value| {
        job["metadata"]["creationTimestamp"]
            .as_str()
            .map(str::to_owned)
    };
    if let Some(mut newest) = runs.max_by_key(made) {
        object["status"] = newest["status"].take();
    }
    object
}

fn has(object: &Value, pointer: &str, missing: &str) -> Option<String> {
    object
        .pointer(pointer)
        .is_none()
        .then(|| missing.to_owned())
}

fn pod(object: &Value) -> Option<String> {
    let conditions = object
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let is_ready =
        |condition: &&Value| condition["type"] == "Ready" && condition["status"] == "True";
    let ready = conditions
        .into_iter()
        .flatten()
        .any(|condition| is_ready(&condition));
    (!ready).then(|| "it is not ready".to_owned())
}
