//! A small cluster, written as manifests, for tests of the mind.

pub mod story;

use akeso_core::cluster::{Cluster, Object};
use akeso_core::workload::{WorkloadKind, WorkloadRef};
use k8s_openapi::api::{
    apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::{CronJob, Job},
    core::v1::{Event, Namespace, Node, PersistentVolumeClaim, Pod, Service},
    networking::v1::Ingress,
    policy::v1::PodDisruptionBudget,
};
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
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {}},
        "status": {"replicas": 1}
    })
}

/// A ready pod of `older_replica_set`.
pub fn older_pod() -> Value {
    let mut older = pod(&json!([]));
    older["metadata"]["name"] = json!("web-0-abcde");
    older["metadata"]["uid"] = json!("older-uid");
    older["metadata"]["ownerReferences"][0]["name"] = json!("web-0");
    older["metadata"]["ownerReferences"][0]["uid"] = json!("web-0-uid");
    older["status"]["conditions"] = json!([
        {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T11:00:10Z"}
    ]);
    older
}

/// The ReplicaSet of the revision before it.
pub fn older_replica_set() -> Value {
    let mut older = replica_set();
    older["metadata"]["name"] = json!("web-0");
    older["metadata"]["uid"] = json!("web-0-uid");
    older["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("1");
    older
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

macro_rules! read {
    ($($kind:ident => $field:ident,)*) => {
        /// Reads a manifest of a watched kind.
        pub fn read(manifest: &Value) -> Object {
            match manifest["kind"].as_str().unwrap() {
                $(stringify!($kind) => serde_json::from_value::<$kind>(manifest.clone()).unwrap().into(),)*
                other => unreachable!("{other} is not watched"),
            }
        }
    };
}
akeso_core::for_each_kind!(read);

/// The cluster of these objects.
pub fn cluster(objects: &[Value]) -> Cluster {
    let mut cluster = Cluster::default();
    for object in objects {
        cluster.upsert(read(object));
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
