//! What is broken because something else is.

use akeso_core::{
    diagnose::{Diagnosis, Remedy},
    evidence::Answer,
    workload::{SupportKind, WorkloadKind},
};
use serde_json::{Value, json};

use crate::{explain, world};

const NOW: &str = "2026-01-01T12:00:00Z";
const REFUSED: &str = "Could not connect to Redis at db:6379: Connection refused";

/// The diagnosis of `Deployment shop/web`, which has crashed often and logged this.
fn explain(others: &[Value], log: &str) -> Diagnosis {
    let mut objects = vec![
        world::deployment(&json!({"containers": [{"name": "app", "image": "nginx:1.27"}]})),
        world::replica_set(),
        world::pod(&json!([{
            "name": "app", "image": "", "imageID": "", "ready": false, "restartCount": 5,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"reason": "Error", "exitCode": 1,
                "startedAt": "2026-01-01T11:58:00Z", "finishedAt": "2026-01-01T11:58:01Z"}}
        }])),
    ];
    objects[2]["metadata"]["labels"] = json!({"app": "web"});
    objects.extend_from_slice(others);
    explain::of(&world::web(), &objects, |_| Answer::Logs(log.to_owned())).remove(0)
}

fn service(selector: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "db", "namespace": "shop", "creationTimestamp": "2026-01-01T10:00:00Z"},
        "spec": {"clusterIP": "10.96.0.9", "selector": {"app": selector}, "ports": [{"port": 6379}]}
    })
}

/// `StatefulSet shop/db` and its pod with this status.
fn database(replicas: i32, status: &Value) -> Vec<Value> {
    let owner = json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "db-uid", "controller": true}]);
    let containers = json!([{"name": "db", "image": "redis:9"}]);
    vec![
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "db", "namespace": "shop", "uid": "db-uid", "generation": 1},
            "spec": {
                "replicas": replicas, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
                "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": containers}}
            },
            "status": {"observedGeneration": 1, "replicas": replicas}
        }),
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "db-0", "namespace": "shop", "uid": "db-0-uid", "labels": {"app": "db"},
                "creationTimestamp": "2026-01-01T10:00:00Z", "ownerReferences": owner
            },
            "spec": {"containers": containers},
            "status": status
        }),
    ]
}

fn no_image() -> Value {
    json!({"phase": "Pending", "containerStatuses": [{
        "name": "db", "image": "redis:9", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
    }]})
}

fn ready(since: &str) -> Value {
    json!({
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": since}],
        "containerStatuses": [{
            "name": "db", "image": "redis:9", "imageID": "", "ready": true, "restartCount": 0,
            "state": {"running": {"startedAt": since}}
        }]
    })
}

fn with(service: Value, database: Vec<Value>) -> Vec<Value> {
    std::iter::once(service).chain(database).collect()
}

#[test]
fn what_calls_a_broken_database_is_broken_by_it() {
    let found = explain(&with(service("db"), database(1, &no_image())), REFUSED);
    assert_eq!(found.fault, "dependency-unreachable");
    let culprit = found.caused_by.unwrap();
    assert_eq!(culprit.to_string(), "StatefulSet shop/db");
    for part in [
        "Deployment shop/web: container app cannot reach db:6379",
        "the Service shop/db has no ready pod, for StatefulSet shop/db is broken itself",
        "container db: ImagePullBackOff",
    ] {
        assert!(found.cause.contains(part), "{}", found.cause);
    }
}

#[test]
fn a_service_that_selects_nothing_has_broken_who_calls_it() {
    let since = "2026-01-01T10:00:00Z";
    let found = explain(&with(service("bd"), database(1, &ready(since))), REFUSED);
    let culprit = found.caused_by.unwrap();
    assert_eq!(culprit.kind, WorkloadKind::Support(SupportKind::Service));
    assert!(
        found.cause.contains("the Service shop/db selects no pod"),
        "{}",
        found.cause
    );
}

#[test]
fn what_fails_for_a_reason_of_its_own_has_no_other_cause() {
    let broken = with(service("db"), database(1, &no_image()));
    for log in [
        "panic: index out of range",
        // it was reached after all, or it is another
        "Could not connect to Redis at db:6379: Connection refused\nconnected to db\npanic: oops",
        "Could not connect to Redis at cache.example.com:6379: Connection refused",
    ] {
        assert_eq!(explain(&broken, log).caused_by, None, "{log}");
    }
    let pending = json!({"phase": "Pending"});
    for others in [
        with(service("db"), database(0, &pending)),
        with(service("db"), database(1, &ready("2026-01-01T10:00:00Z"))),
        // it starts, and nothing is wrong with it
        with(service("db"), database(1, &pending)),
    ] {
        let found = explain(&others, REFUSED);
        assert_eq!(found.caused_by, None, "{}", found.cause);
        assert!(matches!(found.remedy, Remedy::Person(_)));
    }
}

#[test]
fn what_was_said_before_the_database_was_ready_tells_nothing_of_now() {
    let at = |since| explain(&with(service("db"), database(1, &ready(since))), REFUSED);
    // it ended at 11:58:01
    assert!(matches!(
        at("2026-01-01T11:59:00Z").remedy,
        Remedy::Wait { .. }
    ));
    assert!(matches!(
        at("2026-01-01T11:50:00Z").remedy,
        Remedy::Person(_)
    ));
}

#[test]
fn what_was_said_before_the_service_was_corrected_tells_nothing_of_now() {
    let corrected = |at| {
        let mut service = service("db");
        service["metadata"]["managedFields"] =
            json!([{"manager": "akeso", "operation": "Update", "time": at}]);
        let long_ready = database(1, &ready("2026-01-01T10:00:00Z"));
        explain(&with(service, long_ready), REFUSED).remedy
    };
    assert!(matches!(
        corrected("2026-01-01T11:59:00Z"),
        Remedy::Wait { .. }
    ));
    assert!(matches!(
        corrected("2026-01-01T11:50:00Z"),
        Remedy::Person(_)
    ));
}

#[test]
fn nothing_is_broken_by_itself() {
    // its own pods are behind the Service that it calls
    let found = explain(&[service("web")], REFUSED);
    assert_eq!(found.caused_by, None, "{}", found.cause);
}
