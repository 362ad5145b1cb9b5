//! The controllers at work, as a real cluster shows it.

use akeso_core::cluster::Kind;

use crate::workbench::{NAMESPACE, Workbench, deployment};

const REVISION: &str = "/metadata/annotations/deployment.kubernetes.io~1revision";

fn ready(bench: &Workbench) -> i64 {
    bench
        .field("Deployment", "web", "/status/readyReplicas")
        .as_i64()
        .unwrap_or(0)
}

#[test]
fn a_rolling_update_never_has_fewer_pods_ready_than_allowed() {
    let mut bench = Workbench::with(&deployment("web", 4, "nginx:1.27", ""));
    bench.pass(5);
    assert_eq!(ready(&bench), 4);
    bench.apply(&deployment("web", 4, "nginx:latest", ""));
    for _ in 0..20 {
        bench.pass(1);
        assert!(ready(&bench) >= 3, "25% of 4 may be missing");
        assert!(
            bench
                .field("Deployment", "web", "/status/replicas")
                .as_i64()
                .unwrap()
                <= 5,
            "25% of 4 more"
        );
    }
    assert_eq!(
        bench.field("Deployment", "web", "/status/updatedReplicas"),
        4
    );
    assert_eq!(bench.field("Deployment", "web", "/status/replicas"), 4);
    assert_eq!(bench.field("Deployment", "web", REVISION), "2");
    assert_eq!(
        bench.condition("Deployment", "web", "Progressing"),
        "True NewReplicaSetAvailable"
    );
}

#[test]
fn a_bad_revision_leaves_the_old_pods_serving_until_the_deadline_and_after() {
    let mut bench = Workbench::with(&deployment("web", 2, "nginx:1.27", ""));
    bench.pass(5);
    bench.apply(&deployment("web", 2, "nginx:latst", ""));
    bench.pass(60);
    assert_eq!(ready(&bench), 2);
    assert_eq!(
        bench.field("Deployment", "web", "/status/updatedReplicas"),
        1
    );
    assert_eq!(
        bench.field("Deployment", "web", "/status/unavailableReplicas"),
        1
    );
    assert_eq!(
        bench.condition("Deployment", "web", "Progressing"),
        "True ReplicaSetUpdated"
    );
    bench.pass(600);
    assert_eq!(
        bench.condition("Deployment", "web", "Progressing"),
        "False ProgressDeadlineExceeded"
    );
    assert_eq!(
        bench.condition("Deployment", "web", "Available"),
        "True MinimumReplicasAvailable"
    );
    assert_eq!(ready(&bench), 2);
}

#[test]
fn going_back_to_an_old_template_uses_its_replica_set_again_under_a_new_number() {
    let mut bench = Workbench::with(&deployment("web", 2, "nginx:1.27", ""));
    bench.pass(5);
    let first = bench.all(Kind::ReplicaSet)[0]["metadata"]["name"].clone();
    bench.apply(&deployment("web", 2, "nginx:latst", ""));
    bench.pass(20);
    bench.apply(&deployment("web", 2, "nginx:1.27", ""));
    bench.pass(10);
    let sets = bench.all(Kind::ReplicaSet);
    assert_eq!(sets.len(), 2);
    let again = sets
        .iter()
        .find(|set| set["metadata"]["name"] == first)
        .unwrap();
    assert_eq!(again.pointer(REVISION).unwrap(), "3");
    assert_eq!(bench.field("Deployment", "web", REVISION), "3");
    assert_eq!(bench.all(Kind::Pod).len(), 2, "the bad pod is gone");
    assert_eq!(
        bench.field("Deployment", "web", "/status/observedGeneration"),
        3
    );
}

#[test]
fn a_paused_deployment_makes_nothing_of_a_new_template() {
    let mut bench = Workbench::with(&deployment("web", 1, "nginx:1.27", ""));
    bench.pass(5);
    bench.apply(
        &deployment("web", 1, "nginx:latst", "")
            .replace("spec:\n  replicas", "spec:\n  paused: true\n  replicas"),
    );
    bench.pass(5);
    assert_eq!(bench.all(Kind::ReplicaSet).len(), 1);
    assert_eq!(ready(&bench), 1);
    assert_eq!(
        bench.condition("Deployment", "web", "Progressing"),
        "Unknown DeploymentPaused"
    );
}

#[test]
fn recreate_waits_until_the_old_pods_are_gone() {
    let recreate = |image| {
        deployment("web", 2, image, "").replace(
            "spec:\n  replicas",
            "spec:\n  strategy: {type: Recreate}\n  replicas",
        )
    };
    let mut bench = Workbench::with(&recreate("nginx:1.27"));
    bench.pass(5);
    bench.apply(&recreate("nginx:latest"));
    for _ in 0..30 {
        bench.pass(1);
        let images: std::collections::BTreeSet<_> = bench
            .all(Kind::Pod)
            .iter()
            .map(|pod| pod["spec"]["containers"][0]["image"].to_string())
            .collect();
        assert!(images.len() <= 1, "{images:?}");
    }
    assert_eq!(ready(&bench), 2);
}

#[test]
fn a_quota_that_allows_no_pods_shows_on_the_replica_set_and_on_the_deployment() {
    let mut bench = Workbench::with(
        "{apiVersion: v1, kind: ResourceQuota, metadata: {name: no-pods}, spec: {hard: {pods: \"0\"}}}",
    );
    bench.apply(&deployment("web", 1, "nginx", ""));
    bench.pass(5);
    assert_eq!(
        bench.condition("Deployment", "web", "ReplicaFailure"),
        "True FailedCreate"
    );
    let set = bench.all(Kind::ReplicaSet)[0].clone();
    let message = set
        .pointer("/status/conditions/0/message")
        .and_then(serde_json::Value::as_str)
        .unwrap();
    assert!(message.starts_with("pods \"web-"), "{message}");
    assert!(
        message.ends_with("\" is forbidden: exceeded quota: no-pods, requested: pods=1, used: pods=0, limited: pods=0"),
        "{message}"
    );
    let events = bench.all(Kind::Event);
    assert!(events.iter().any(|event| event["reason"] == "FailedCreate"
        && event["involvedObject"]["kind"] == "ReplicaSet"));
    bench
        .cluster
        .delete("ResourceQuota", NAMESPACE, "no-pods")
        .unwrap();
    bench.pass(10);
    assert_eq!(ready(&bench), 1);
    assert_eq!(bench.condition("Deployment", "web", "ReplicaFailure"), "");
}

#[test]
fn what_a_deleted_deployment_owned_goes_too() {
    let mut bench = Workbench::with(&deployment("web", 2, "nginx", ""));
    bench.pass(5);
    bench
        .cluster
        .delete("Deployment", NAMESPACE, "web")
        .unwrap();
    bench.pass(5);
    assert!(bench.all(Kind::ReplicaSet).is_empty());
    assert!(bench.all(Kind::Pod).is_empty());
}

fn of_kind(kind: &str, replicas: &str, image: &str) -> String {
    deployment("web", 2, image, "")
        .replace("kind: Deployment", &format!("kind: {kind}"))
        .replace("  replicas: 2\n", replicas)
}

#[test]
fn a_stateful_set_starts_its_pods_one_after_the_other() {
    let mut bench = Workbench::with(&of_kind("StatefulSet", "  replicas: 2\n", "nginx:1.27"));
    bench.pass(1);
    assert_eq!(bench.all(Kind::Pod).len(), 1);
    bench.pass(5);
    let names: Vec<_> = bench
        .all(Kind::Pod)
        .iter()
        .map(|pod| pod["metadata"]["name"].clone())
        .collect();
    assert_eq!(names, ["web-0", "web-1"]);
    assert_eq!(
        bench.field("StatefulSet", "web", "/status/readyReplicas"),
        2
    );
}

#[test]
fn a_stateful_set_never_replaces_a_broken_old_pod_but_makes_a_deleted_one_anew() {
    let mut bench = Workbench::with(&of_kind("StatefulSet", "  replicas: 2\n", "nginx:latst"));
    bench.pass(20);
    bench.apply(&of_kind("StatefulSet", "  replicas: 2\n", "nginx:latest"));
    bench.pass(600);
    let image = "/spec/containers/0/image";
    assert_eq!(bench.field("Pod", "web-0", image), "nginx:latst", "stuck");
    assert_ne!(
        bench.field("StatefulSet", "web", "/status/updateRevision"),
        bench.field("Pod", "web-0", "/metadata/labels/controller-revision-hash")
    );
    bench.cluster.delete("Pod", NAMESPACE, "web-0").unwrap();
    bench.pass(10);
    assert_eq!(bench.field("Pod", "web-0", image), "nginx:latest");
    assert_eq!(
        bench.field("StatefulSet", "web", "/status/readyReplicas"),
        2
    );
    assert_eq!(
        bench.field("StatefulSet", "web", "/status/updateRevision"),
        bench.field("StatefulSet", "web", "/status/currentRevision")
    );
    let revisions = bench.all(Kind::ControllerRevision);
    assert_eq!(revisions.len(), 2);
    assert!(revisions.iter().all(|revision| {
        revision
            .pointer("/data/spec/template/spec/containers")
            .is_some()
    }));
}

#[test]
fn a_stateful_set_rolls_from_its_last_pod_to_its_first() {
    let mut bench = Workbench::with(&of_kind("StatefulSet", "  replicas: 2\n", "nginx:1.27"));
    bench.pass(10);
    bench.apply(&of_kind("StatefulSet", "  replicas: 2\n", "nginx:latest"));
    bench.pass(2);
    assert_eq!(
        bench.field("Pod", "web-0", "/spec/containers/0/image"),
        "nginx:1.27"
    );
    bench.pass(10);
    assert_eq!(
        bench.field("Pod", "web-0", "/spec/containers/0/image"),
        "nginx:latest"
    );
    assert_eq!(
        bench.field("StatefulSet", "web", "/status/updatedReplicas"),
        2
    );
}

#[test]
fn a_daemon_set_has_one_pod_a_node_of_its_newest_template() {
    let mut bench = Workbench::new();
    bench.cluster.set_node("node2", "2", "4Gi");
    bench.apply(&of_kind("DaemonSet", "", "nginx:1.27"));
    bench.pass(5);
    assert_eq!(bench.field("DaemonSet", "web", "/status/numberReady"), 2);
    let generation = "/metadata/annotations/deprecated.daemonset.template.generation";
    assert_eq!(bench.field("DaemonSet", "web", generation), "1");
    bench.apply(&of_kind("DaemonSet", "", "nginx:latest"));
    bench.pass(15);
    assert_eq!(bench.field("DaemonSet", "web", generation), "2");
    assert_eq!(
        bench.field("DaemonSet", "web", "/status/updatedNumberScheduled"),
        2
    );
    let pods = bench.all(Kind::Pod);
    assert_eq!(pods.len(), 2);
    assert!(
        pods.iter()
            .all(|pod| pod["metadata"]["labels"]["pod-template-generation"] == "2")
    );
}

fn job(limit: i32, policy: &str) -> String {
    format!(
        "{{apiVersion: batch/v1, kind: Job, metadata: {{name: web}}, spec: {{backoffLimit: {limit}, template: {{spec: {{restartPolicy: {policy}, containers: [{{name: app, image: busybox}}]}}}}}}}}"
    )
}

fn with_behaviour(behaviour: &str, manifest: &str) -> Workbench {
    let mut bench = Workbench::new();
    bench
        .cluster
        .behave_yaml(&format!("containers: {{web/app: {behaviour}}}"))
        .unwrap();
    bench.apply(manifest);
    bench
}

#[test]
fn a_job_ends_when_its_pod_has_ended_well() {
    let mut bench = with_behaviour("{exits: {after: 1s, code: 0}}", &job(0, "Never"));
    bench.pass(5);
    assert_eq!(
        bench.condition("Job", "web", "Complete"),
        "True CompletionsReached"
    );
    assert_eq!(bench.field("Job", "web", "/status/succeeded"), 1);
    assert_eq!(bench.all(Kind::Pod)[0]["status"]["phase"], "Succeeded");
}

#[test]
fn a_job_tries_again_with_a_back_off_until_its_limit() {
    let mut bench = with_behaviour("{exits: {after: 0s, code: 1}}", &job(2, "Never"));
    bench.pass(20);
    assert_eq!(bench.field("Job", "web", "/status/failed"), 2);
    bench.pass(25);
    assert_eq!(bench.field("Job", "web", "/status/failed"), 3);
    assert_eq!(
        bench.condition("Job", "web", "Failed"),
        "True BackoffLimitExceeded"
    );
}

#[test]
fn a_job_that_restarts_its_containers_counts_the_restarts() {
    let mut bench = with_behaviour("{exits: {after: 0s, code: 1}}", &job(2, "OnFailure"));
    bench.pass(20);
    assert_eq!(
        bench.condition("Job", "web", "Failed"),
        "True BackoffLimitExceeded"
    );
    assert!(bench.all(Kind::Pod).is_empty());
}

fn cron(policy: &str, image: &str) -> String {
    format!(
        "{{apiVersion: batch/v1, kind: CronJob, metadata: {{name: web}}, spec: {{schedule: \"* * * * *\", concurrencyPolicy: {policy}, jobTemplate: {{spec: {{template: {{spec: {{restartPolicy: Never, containers: [{{name: app, image: \"{image}\"}}]}}}}}}}}}}}}"
    )
}

#[test]
fn a_run_that_never_starts_is_replaced_forbids_or_allows_the_next() {
    for (policy, jobs) in [("Replace", 1), ("Forbid", 1), ("Allow", 3)] {
        let mut bench = Workbench::with(&cron(policy, "busybox:latst"));
        bench.pass(185);
        let all = bench.all(Kind::Job);
        assert_eq!(all.len(), jobs, "{policy}");
        let newest = all.last().unwrap()["metadata"]["creationTimestamp"].clone();
        let expected = if policy == "Forbid" {
            "2026-01-01T00:01:00Z"
        } else {
            "2026-01-01T00:03:00Z"
        };
        assert_eq!(newest, expected, "{policy}");
    }
}

#[test]
fn of_the_runs_that_ended_well_the_last_three_are_kept() {
    let mut bench = with_behaviour("{exits: {after: 1s, code: 0}}", &cron("Forbid", "busybox"));
    bench.pass(630);
    assert_eq!(bench.all(Kind::Job).len(), 3);
    assert!(
        bench
            .field("CronJob", "web", "/status/lastSuccessfulTime")
            .is_string()
    );
}
