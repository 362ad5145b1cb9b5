//! A small cluster, written as manifests, for tests of the mind.

use akeso_core::cluster::{Cluster, Object};
use akeso_core::workload::{WorkloadKind, WorkloadRef};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use serde_json::{Value, json};

/// A Deployment `shop/web`, settled, with this pod spec.
pub fn deployment(pod_spec: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "web", "namespace": "shop", "uid": "web-uid", "generation": 3,
            "annotations": {"deployment.kubernetes.io/revision": "2"}
        },
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod_spec}
        },
        "status": {"observedGeneration": 3, "replicas": 1, "updatedReplicas": 1}
    })
}

/// The ReplicaSet of the Deployment's newest revision.
pub fn replica_set() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": "web-1", "namespace": "shop", "uid": "web-1-uid",
            "annotations": {"deployment.kubernetes.io/revision": "2"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "web-uid", "controller": true}]
        },
        "spec": {"selector": {"matchLabels": {"app": "web"}}},
        "status": {"replicas": 1}
    })
}

/// A pod of it with these container statuses.
pub fn pod(statuses: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "web-1-abcde", "namespace": "shop", "uid": "pod-uid",
            "creationTimestamp": "2026-01-01T11:00:00Z",
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "web-1-uid", "controller": true}]
        },
        "spec": {"containers": [{"name": "app", "image": "nginx:1.27"}]},
        "status": {"phase": "Running", "containerStatuses": statuses}
    })
}

/// A Warning about that pod's container, seen at `at`.
pub fn warning(reason: &str, message: &str, at: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Event", "type": "Warning",
        "metadata": {"name": "web-1-abcde.1", "namespace": "shop"},
        "involvedObject": {
            "kind": "Pod", "namespace": "shop", "name": "web-1-abcde", "fieldPath": "spec.containers{app}"
        },
        "reason": reason, "message": message, "lastTimestamp": at
    })
}

/// The cluster of these objects.
pub fn cluster(objects: &[Value]) -> Cluster {
    let mut cluster = Cluster::default();
    for object in objects {
        let read = |value: &Value| value.clone();
        let object: Object = match object["kind"].as_str() {
            Some("Deployment") => serde_json::from_value::<Deployment>(read(object))
                .unwrap()
                .into(),
            Some("ReplicaSet") => {
                serde_json::from_value::<k8s_openapi::api::apps::v1::ReplicaSet>(read(object))
                    .unwrap()
                    .into()
            }
            Some("Event") => {
                serde_json::from_value::<k8s_openapi::api::core::v1::Event>(read(object))
                    .unwrap()
                    .into()
            }
            Some("Namespace") => {
                serde_json::from_value::<k8s_openapi::api::core::v1::Namespace>(read(object))
                    .unwrap()
                    .into()
            }
            _ => serde_json::from_value::<Pod>(read(object)).unwrap().into(),
        };
        cluster.upsert(object);
    }
    cluster
}

/// `Deployment shop/web`.
pub fn web() -> WorkloadRef {
    WorkloadRef {
        kind: WorkloadKind::Deployment,
        namespace: "shop".into(),
        name: "web".into(),
    }
}
