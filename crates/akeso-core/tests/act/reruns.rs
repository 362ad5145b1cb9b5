//! A Job that is run again: by a copy that is its newest run, and never where once is enough.

use akeso_core::{
    act::{Action, Change, Mark, NotApplicable, RERUN, RerunJob},
    workload::{AttemptId, WorkloadKind, WorkloadRef},
};
use serde_json::{Value, json};

use crate::world;

fn reference(kind: WorkloadKind) -> WorkloadRef {
    WorkloadRef {
        kind,
        namespace: "shop".into(),
        name: "migrate".into(),
    }
}

/// `Job shop/migrate`, as it is when it has given up.
fn migrate() -> Value {
    let labels = json!({"app": "migrate", "job-name": "migrate", "controller-uid": "migrate-uid",
        "batch.kubernetes.io/job-name": "migrate", "batch.kubernetes.io/controller-uid": "migrate-uid"});
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "migrate", "namespace": "shop", "uid": "migrate-uid",
            "labels": {"app.kubernetes.io/instance": "shop"},
            "creationTimestamp": "2026-01-01T11:50:00Z"},
        "spec": {"backoffLimit": 2,
            "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "migrate-uid"}},
            "template": {"metadata": {"labels": labels}, "spec": {
                "restartPolicy": "Never", "containers": [{"name": "work", "image": "migrate:1"}]}}},
        "status": {"failed": 3, "conditions": [{"type": "Failed", "status": "True",
            "reason": "BackoffLimitExceeded", "lastTransitionTime": "2026-01-01T11:59:00Z"}]},
    })
}

fn with(pointer: &str, key: &str, value: Value) -> Value {
    let mut job = migrate();
    job.pointer_mut(pointer).unwrap()[key] = value;
    job
}

fn rerun(has_started: bool, objects: &[Value]) -> Result<Change, NotApplicable> {
    let cluster = world::cluster(objects);
    let workload = cluster.workload(&reference(WorkloadKind::Job)).unwrap();
    let uid = "migrate-uid".into();
    Action::RerunJob(RerunJob { uid, has_started }).change(&workload, AttemptId(7))
}

fn copy() -> Value {
    match rerun(true, &[migrate()]) {
        Ok(Change::Rerun { name, job }) if job["metadata"]["name"] == *name => job,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn the_copy_does_the_same_and_belongs_to_the_job() {
    let copy = copy();
    assert_eq!(
        copy["metadata"],
        json!({
            "name": "migrate-rerun-7", "namespace": "shop",
            "labels": {"app.kubernetes.io/managed-by": "akeso", RERUN: "attempt-7"},
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "migrate",
                "uid": "migrate-uid", "controller": true, "blockOwnerDeletion": false}],
        })
    );
    let mut spec = migrate()["spec"].take();
    spec.as_object_mut().unwrap().remove("selector");
    spec["template"]["metadata"]["labels"] = json!({"app": "migrate"});
    assert_eq!(copy["spec"], spec);
    assert!(copy["status"].is_null());
}

#[test]
fn a_longer_mark_and_a_long_name_still_make_a_name() {
    let mut job = migrate();
    job["metadata"]["name"] = json!("m".repeat(63));
    let cluster = world::cluster(&[job]);
    let reference = WorkloadRef {
        name: "m".repeat(63),
        ..reference(WorkloadKind::Job)
    };
    let workload = cluster.workload(&reference).unwrap();
    let uid = "migrate-uid".into();
    let action = Action::RerunJob(RerunJob {
        uid,
        has_started: true,
    });
    let change = action.change(&workload, AttemptId(7)).unwrap();
    let change = change.marked(&Mark::from(AttemptId(123_456)));
    let Change::Rerun { name, job } = &change else {
        unreachable!()
    };
    assert_eq!(name.len(), 63);
    assert!(name.ends_with("m-rerun-123456"), "{name}");
    assert_eq!(job["metadata"]["name"], **name);
    assert_eq!(change.mark(), Some("attempt-123456"));
}

#[test]
fn what_is_to_run_once_or_is_somebody_elses_is_never_run_again() {
    let owner = json!([{"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "flow", "uid": "u"}]);
    for (job, word) in [
        (
            with(
                "/metadata",
                "annotations",
                json!({"helm.sh/hook": "pre-upgrade"}),
            ),
            "helm.sh/hook",
        ),
        (
            with(
                "/metadata",
                "annotations",
                json!({"argocd.argoproj.io/hook": "Sync"}),
            ),
            "argocd",
        ),
        (with("/metadata", "ownerReferences", owner), "Workflow flow"),
        (
            with("/spec", "manualSelector", json!(true)),
            "somebody else",
        ),
        (
            with("/spec", "managedBy", json!("kueue.x-k8s.io/multikueue")),
            "somebody else",
        ),
        (with("/spec", "suspend", json!(true)), "somebody else"),
        (
            with("/spec", "ttlSecondsAfterFinished", json!(60)),
            "ttlSecondsAfterFinished",
        ),
        (with("/spec", "backoffLimit", json!(0)), "backoffLimit of 0"),
        (
            with("/spec", "podFailurePolicy", json!({"rules": []})),
            "podFailurePolicy",
        ),
        (with("/status", "succeeded", json!(1)), "a part of its work"),
    ] {
        match rerun(true, std::slice::from_ref(&job)) {
            Err(NotApplicable::Never { why }) => assert!(why.contains(word), "{why}"),
            other => unreachable!("{word}: {other:?}"),
        }
    }
    // a program that was never started does not run twice
    assert!(rerun(false, &[with("/spec", "backoffLimit", json!(0))]).is_ok());
    let mut another = migrate();
    another["metadata"]["uid"] = json!("another-uid");
    assert!(matches!(
        rerun(true, &[another]),
        Err(NotApplicable::Gone { .. })
    ));
}

#[test]
fn what_was_run_again_since_is_not_run_a_third_time() {
    let mut by_hand = migrate();
    by_hand["metadata"]["name"] = json!("migrate-again");
    by_hand["metadata"]["uid"] = json!("again-uid");
    by_hand["metadata"]["creationTimestamp"] = json!("2026-01-01T11:59:30Z");
    assert!(matches!(
        rerun(true, &[migrate(), by_hand.clone()]),
        Err(NotApplicable::Never { .. })
    ));
    by_hand["metadata"]["creationTimestamp"] = json!("2026-01-01T10:00:00Z");
    assert!(
        rerun(true, &[migrate(), by_hand.clone()]).is_ok(),
        "it ran before"
    );
    by_hand["metadata"]["creationTimestamp"] = json!("2026-01-01T11:59:30Z");
    by_hand["spec"]["template"]["spec"]["containers"][0]["image"] = json!("migrate:2");
    assert!(
        rerun(true, &[migrate(), by_hand]).is_ok(),
        "it is another program"
    );
    let mut own = copy();
    own["metadata"]["uid"] = json!("copy-uid");
    own["metadata"]["creationTimestamp"] = json!("2026-01-01T11:59:30Z");
    assert!(matches!(
        rerun(true, &[migrate(), own]),
        Err(NotApplicable::Never { .. })
    ));
}

#[test]
fn the_copy_is_the_run_of_the_job_and_no_workload_of_its_own() {
    let mut copy = copy();
    copy["metadata"]["uid"] = json!("copy-uid");
    copy["metadata"]["creationTimestamp"] = json!("2026-01-01T11:59:30Z");
    let pod = |name: &str, job: &str, uid: &str| {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "uid": name, "ownerReferences": [
                {"apiVersion": "batch/v1", "kind": "Job", "name": job, "uid": uid, "controller": true}]},
            "spec": {"containers": []}, "status": {"phase": "Running"},
        })
    };
    let name = copy["metadata"]["name"].as_str().unwrap().to_owned();
    let objects = [
        migrate(),
        copy,
        pod("old", "migrate", "migrate-uid"),
        pod("new", &name, "copy-uid"),
    ];
    let cluster = world::cluster(&objects);
    assert_eq!(cluster.roots(), [reference(WorkloadKind::Job)]);
    let workload = cluster.workload(&reference(WorkloadKind::Job)).unwrap();
    assert_eq!(workload.job.unwrap().metadata.name, Some(name));
    let names = |pods: &[&k8s_openapi::api::core::v1::Pod]| -> Vec<_> {
        pods.iter()
            .filter_map(|pod| pod.metadata.name.clone())
            .collect()
    };
    assert_eq!(names(&workload.pods), ["new"]);
    assert_eq!(names(&workload.old_pods), ["old"]);
    let action = RerunJob {
        uid: "migrate-uid".into(),
        has_started: true,
    };
    assert!(Action::RerunJob(action).treatment().holds(&workload));
}
