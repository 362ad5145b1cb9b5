//! A diagnosis says what was changed shortly before, and by whom.

use crate::world::{cluster, deployment, older_pod, older_replica_set, pod, replica_set, web};
use akeso_core::{
    diagnose::{Findings, diagnose},
    evidence::Evidence,
    observe::observe,
    policy::Settings,
};
use jiff::Timestamp;
use serde_json::{Value, json};

/// What is said to have changed before a Deployment's image could not be pulled, at 12:00, where
/// `manager` wrote to it at `time`.
fn changed(manager: &str, time: &str) -> Vec<String> {
    changed_beside(&[], manager, time)
}

fn changed_beside(others: &[Value], manager: &str, time: &str) -> Vec<String> {
    let mut web_object =
        deployment(&json!({"containers": [{"name": "app", "image": "nginx:latst"}]}));
    web_object["metadata"]["managedFields"] =
        json!([{"manager": manager, "operation": "Update", "time": time}]);
    let waiting: Value = json!([{
        "name": "app", "image": "", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": "ErrImagePull", "message": "toomanyrequests: wait"}}
    }]);
    let own = [web_object, replica_set(), pod(&waiting)];
    let cluster = cluster(&[&own[..], others].concat());
    let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
    let workload = cluster.workload(&web()).unwrap();
    let symptoms = observe(&workload, now).symptoms;
    let settings = Settings::default();
    let evidence = Evidence::default();
    match diagnose(&workload, &symptoms, &evidence, &settings, now) {
        Findings::Diagnosed(all) => all.first().unwrap().changed_before.clone(),
        Findings::Ask(questions) => panic!("{questions:?}"),
    }
}

#[test]
fn who_wrote_shortly_before_is_named() {
    assert_eq!(
        changed("kubectl-edit", "2026-01-01T11:58:00Z"),
        ["kubectl-edit wrote to Deployment shop/web 2m before"]
    );
}

#[test]
fn what_was_written_long_ago_or_by_kubernetes_itself_explains_nothing() {
    assert!(changed("kubectl-edit", "2026-01-01T10:58:00Z").is_empty());
    assert!(changed("akeso", "2026-01-01T11:58:00Z").is_empty());
    assert!(changed("kube-controller-manager", "2026-01-01T11:58:00Z").is_empty());
    // a clock that is ahead
    assert!(changed("kubectl-edit", "2026-01-01T12:58:00Z").is_empty());
}

#[test]
fn what_differs_from_the_revision_before_is_named_and_whether_that_was_good() {
    let mut older = older_replica_set();
    older["spec"]["template"] = json!({"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "app", "image": "nginx:1.27"}]}});
    let since = |others: &[Value], time| changed_beside(others, "kubectl-edit", time).pop();
    let recent = "2026-01-01T11:58:00Z";
    let fields = "/spec/containers/0/image were changed";
    let good = format!("since revision 1 (1 pod(s) of it are ready) {fields}");
    let served = [older.clone(), older_pod()];
    assert_eq!(since(&served, recent).as_ref(), Some(&good));
    let long_ago = "2026-01-01T10:58:00Z";
    assert_eq!(since(&served, long_ago).as_ref(), Some(&good));
    let unknown = format!("since revision 1 (whether it was good is not known) {fields}");
    assert_eq!(since(&[older.clone()], recent), Some(unknown));
    assert_eq!(since(&[older], long_ago), None);
}
