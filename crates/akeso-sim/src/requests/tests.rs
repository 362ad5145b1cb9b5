//! Requests and what comes back.

use akeso_core::{
    act::LAST_ATTEMPT,
    evidence::{Answer, Bounds},
    journal::Outcome,
    quantity::Bytes,
};

use super::*;

use crate::workbench::{NAMESPACE, Workbench, deployment};
use akeso_core::{engine::Effect, evidence::Life, workload::WorkloadKind};
use serde_json::json;

fn web() -> WorkloadRef {
    WorkloadRef {
        kind: WorkloadKind::Deployment,
        namespace: NAMESPACE.to_owned(),
        name: "web".to_owned(),
    }
}

fn ask(bench: &mut Workbench, question: Question) -> Answer {
    let namespace = NAMESPACE.to_owned();
    bench.cluster.execute(&Effect::Gather {
        incident: Some(IncidentId(1)),
        namespace,
        question,
    });
    bench.pass(1);
    match bench.replies.pop() {
        Some(Event::Answered(_, _, answer)) => answer,
        other => panic!("no answer but {other:?}"),
    }
}

#[test]
fn a_patch_whose_test_fails_is_a_conflict_and_changes_nothing() {
    let mut bench = Workbench::with(&deployment("web", 1, "nginx:1.27", ""));
    bench.pass(3);
    let image = "/spec/template/spec/containers/0/image";
    let patch = |generation: i64| {
        json!([
            {"op": "test", "path": "/metadata/generation", "value": generation},
            {"op": "replace", "path": image, "value": "nginx:latest"},
        ])
    };
    assert!(matches!(
        bench.patch(web(), patch(7)),
        Outcome::Conflict { .. }
    ));
    assert_eq!(bench.field("Deployment", "web", image), "nginx:1.27");
    assert_eq!(
        bench.patch(web(), patch(1)),
        Outcome::Done {
            generation: Some(2)
        }
    );
    assert_eq!(bench.field("Deployment", "web", image), "nginx:latest");
}

/// What becomes of a change whose outcome was lost, and whether it is made now.
fn settle(bench: &mut Workbench, mark: &str) -> Outcome {
    let image = "/spec/template/spec/containers/0/image";
    let request = json!([
        {"op": "replace", "path": image, "value": "nginx:latest"},
        {"op": "add", "path": "/metadata/annotations", "value": {LAST_ATTEMPT: mark}},
    ]);
    bench.cluster.execute(&Effect::Settle {
        attempt: AttemptId(1),
        workload: web(),
        request: ChangeRequest::Patch(serde_json::from_value(request).unwrap()),
    });
    bench.pass(1);
    match bench.replies.pop() {
        Some(Event::Outcome(_, outcome)) => outcome,
        other => panic!("no outcome but {other:?}"),
    }
}

#[test]
fn a_change_is_settled_by_its_mark_and_never_made_late() {
    let mut bench = Workbench::with(&deployment("web", 1, "nginx:1.27", ""));
    assert!(matches!(
        settle(&mut bench, "attempt-1"),
        Outcome::Failed { .. }
    ));
    assert_eq!(bench.field("Deployment", "web", "/metadata/generation"), 1);
    let mark = json!([{"op": "add", "path": "/metadata/annotations", "value": {LAST_ATTEMPT: "attempt-1"}}]);
    bench.patch(web(), mark);
    assert_eq!(
        settle(&mut bench, "attempt-1"),
        Outcome::Done {
            generation: Some(1)
        }
    );
}

#[test]
fn taking_a_change_back_is_completed_once() {
    let mut bench = Workbench::with(&deployment("web", 1, "nginx:1.27", ""));
    let done = Outcome::Done {
        generation: Some(2),
    };
    for _ in 0..2 {
        assert_eq!(settle(&mut bench, "attempt-1-taken-back"), done);
        assert_eq!(bench.cluster.accepted().len(), 1);
    }
}

#[test]
fn only_the_pod_with_the_uid_is_evicted() {
    let mut bench = Workbench::with(&deployment("web", 1, "nginx", ""));
    bench.pass(3);
    let pod = bench.pods.last().unwrap().1.metadata.clone();
    let request = |uid: &str| ChangeRequest::Evict {
        pod: pod.name.clone().unwrap(),
        uid: uid.to_owned(),
    };
    assert!(matches!(
        bench.change(web(), request("another")),
        Outcome::Conflict { .. }
    ));
    let outcome = bench.change(web(), request(pod.uid.as_deref().unwrap()));
    assert_eq!(outcome, Outcome::Done { generation: None });
    bench.pass(4);
    assert!(bench.object("Pod", pod.name.as_deref().unwrap()).is_null());
    assert_eq!(bench.field("Deployment", "web", "/status/readyReplicas"), 1);
}

#[test]
fn logs_are_told_by_life() {
    let mut bench = Workbench::new();
    bench.cluster.behave_yaml("containers: {web/app: {logs: [up], exits: {after: 1s, code: 1, log: [down], times: 1}}}").unwrap();
    bench.apply(&deployment("web", 1, "nginx", ""));
    bench.pass(5);
    let pod = bench.pods.last().unwrap().1.metadata.name.clone().unwrap();
    let logs = |life| Question::Logs {
        pod: pod.clone(),
        container: "app".to_owned(),
        life,
    };
    assert_eq!(
        ask(&mut bench, logs(Life::Current)),
        Answer::Logs("up".to_owned())
    );
    assert_eq!(
        ask(&mut bench, logs(Life::Previous)),
        Answer::Logs("up\ndown".to_owned())
    );
}

#[test]
fn bounds_are_the_least_of_all_ranges_and_what_the_quota_leaves() {
    let mut bench = Workbench::with(
        "
apiVersion: v1
kind: LimitRange
metadata: {name: range}
spec: {limits: [{type: Container, min: {memory: 16Mi}, max: {memory: 1Gi}, maxLimitRequestRatio: {memory: \"4\"}}]}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: quota}
spec: {hard: {limits.memory: 2Gi}}
",
    );
    bench.apply(&deployment(
        "web",
        2,
        "nginx",
        ", resources: {limits: {memory: 256Mi}}",
    ));
    bench.pass(3);
    let bounds = Bounds {
        container_max: Some(Bytes::mebi(1024)),
        quota_left: Some(Bytes::mebi(1536)),
        max_limit_to_request: Some(4_000),
        min_memory: Bytes::parse("16Mi").ok(),
        min_cpu: None,
    };
    assert_eq!(ask(&mut bench, Question::Bounds), Answer::Bounds(bounds));
}

#[test]
fn a_registry_that_is_cut_off_is_no_answer() {
    let mut bench = Workbench::new();
    let question = Question::Image {
        reference: "nginx:latest".to_owned(),
        pull_secrets: Vec::new(),
    };
    bench.cluster.cut_off_registry();
    assert!(matches!(
        ask(&mut bench, question.clone()),
        Answer::Unknown { .. }
    ));
    bench.cluster.reconnect_registry();
    assert_eq!(
        ask(&mut bench, question),
        Answer::Image(akeso_core::evidence::ImageAnswer::Exists)
    );
}

#[test]
fn keys_are_told_without_values() {
    let mut bench = Workbench::with(
        "{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {token: hidden}}",
    );
    let Answer::Keys(keys) = ask(&mut bench, Question::Keys) else {
        panic!("no keys")
    };
    assert!(keys.secrets["s"].contains("token"));
    assert!(!format!("{keys:?}").contains("hidden"));
}

#[test]
fn what_is_used_is_told_of_pods_that_have_run_for_two_looks() {
    let mut bench = Workbench::new();
    bench
        .cluster
        .behave_yaml("containers: {web/app: {cpu: 120m, memory: {start: 10Mi, step: 1Mi, every: 1s, peak: 30Mi}}}")
        .unwrap();
    bench.apply(&deployment("web", 1, "nginx", ""));
    let question = Question::Usage {
        namespace: "shop".to_owned(),
    };
    bench.pass(10);
    assert_eq!(
        ask(&mut bench, question.clone()),
        Answer::Usage(akeso_core::evidence::Usage::default())
    );
    bench.pass(60);
    let Answer::Usage(usage) = ask(&mut bench, question.clone()) else {
        panic!("no usage")
    };
    let used = usage.pods.values().next().unwrap().containers["app"];
    assert_eq!(
        (used.cpu.to_string(), used.memory),
        ("120m".to_owned(), Bytes::mebi(30))
    );
    bench.cluster.behave_yaml("unmeasured: true").unwrap();
    assert!(matches!(ask(&mut bench, question), Answer::Unknown { .. }));
}
