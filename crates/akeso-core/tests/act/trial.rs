//! A trial: one pod of its own with the changed template, which nobody takes for the workload's.

use akeso_core::{
    act::{Action, Change, EnvValue, Found, TRIAL, UpdateEnv, why_no_trial},
    gate::{Consented, Request, Spent, decide},
    plan::{Origin, Proof, Step},
    policy::{Autonomy, Settings},
    workload::{AttemptId, ContainerRef, ContainerRole, WorkloadKind, WorkloadRef},
};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::taking_back::{env, variable};
use crate::world;

/// The trial of a change to a workload, which only the gate can make.
fn tried(object: &Value, action: Action, attempt: u64) -> Option<Change> {
    let cluster = world::cluster(std::slice::from_ref(object));
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    let kind = serde_json::from_value::<WorkloadKind>(object["kind"].clone()).unwrap();
    let workload = cluster
        .workload(&WorkloadRef {
            kind,
            name,
            ..world::web()
        })
        .unwrap();
    let change = action.change(&workload, AttemptId(attempt)).unwrap();
    let step = Step {
        action,
        reasoning: String::new(),
        origin: Origin::Playbook,
        proof: Proof::Confirmed,
    };
    let request = Request {
        step: &step,
        change: &change,
        workload: &workload,
        settings: &Settings::at(Autonomy::Full),
        spent: &Spent::default(),
        shared_cause: None,
        store_failure: None,
        consent: Consented::No,
        now: Timestamp::UNIX_EPOCH,
    };
    let approved = decide(&request).1.unwrap();
    let trial = approved.as_trial(&workload, &AttemptId(attempt).into())?;
    Some(trial.into_change())
}

fn mode() -> Action {
    env(vec![variable(
        "MODE",
        EnvValue::Literal("fast".into()),
        Found::Sibling,
    )])
}

/// `shop/web` with two replicas.
fn web(spec: &Value) -> Value {
    let mut web = world::deployment(spec);
    web["spec"]["replicas"] = json!(2);
    web["spec"]["template"]["metadata"]["annotations"] = json!({"prometheus.io/scrape": "true"});
    web
}

fn pod_of(change: Option<Change>) -> (String, Value) {
    match change {
        Some(Change::Trial { name, pod }) => (name, pod),
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn the_trial_pod_has_the_changed_template_and_none_of_the_workloads_labels() {
    let spec = json!({"serviceAccountName": "web", "containers": [{"name": "app", "image": "nginx"}, {"name": "side"}]});
    let (name, pod) = pod_of(tried(&web(&spec), mode(), 12));
    assert_eq!(name, "web-trial-12");
    assert_eq!(
        pod,
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "web-trial-12", "namespace": "shop",
                "labels": {TRIAL: "attempt-12"},
                "annotations": {"prometheus.io/scrape": "true"},
                "ownerReferences": [{
                    "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "web-uid",
                    "controller": false, "blockOwnerDeletion": false
                }],
            },
            "spec": {
                "activeDeadlineSeconds": 90_000,
                "serviceAccountName": "web",
                "containers": [
                    {"name": "app", "image": "nginx", "env": [{"name": "MODE", "value": "fast"}]},
                    {"name": "side"}
                ]
            }
        })
    );
}

#[test]
fn a_change_of_an_init_container_is_tried_as_well() {
    let spec = json!({"initContainers": [{"name": "setup"}], "containers": [{"name": "app"}]});
    let Action::UpdateEnv(update) = mode() else {
        unreachable!()
    };
    let setup = ContainerRef {
        name: "setup".into(),
        role: ContainerRole::Init,
    };
    let action = Action::UpdateEnv(UpdateEnv {
        container: setup,
        ..update
    });
    let (_, pod) = pod_of(tried(&web(&spec), action, 1));
    assert_eq!(pod["spec"]["initContainers"][0]["env"][0]["name"], "MODE");
    assert_eq!(pod["spec"]["containers"], json!([{"name": "app"}]));
}

#[test]
fn what_is_no_deployment_or_no_patch_is_not_tried() {
    let mut set = web(&json!({"containers": [{"name": "app"}]}));
    set["kind"] = json!("StatefulSet");
    assert_eq!(tried(&set, mode(), 1), None);
    let unnamed = {
        let mut web = web(&json!({"containers": [{"name": "app"}]}));
        web["metadata"].as_object_mut().unwrap().remove("uid");
        web
    };
    assert_eq!(
        tried(&unnamed, mode(), 1),
        None,
        "it would outlive its workload"
    );
}

#[test]
fn the_name_of_a_trial_pod_is_a_host_name() {
    let named = |name: &str, attempt| {
        let mut web = web(&json!({"containers": [{"name": "app"}]}));
        web["metadata"]["name"] = json!(name);
        pod_of(tried(&web, mode(), attempt)).0
    };
    assert_eq!(
        named(&"a".repeat(53), 7),
        format!("{}-trial-7", "a".repeat(53))
    );
    assert_eq!(
        named(&"a".repeat(60), 7),
        format!("{}-trial-7", "a".repeat(55))
    );
    // what is cut off must not leave a dash or a dot before the dash
    let cut = format!("{}-.-b", "a".repeat(53));
    assert_eq!(named(&cut, 7), format!("{}-trial-7", "a".repeat(53)));
}

proptest! {
    #[test]
    fn no_name_is_too_long_however_long_the_workloads_is(name in "[a-z][a-z0-9.-]{0,120}[a-z0-9]", attempt in any::<u64>()) {
        let mut web = web(&json!({"containers": [{"name": "app"}]}));
        web["metadata"]["name"] = json!(name);
        let (trial, pod) = pod_of(tried(&web, mode(), attempt));
        prop_assert!(trial.len() <= 63);
        let suffix = format!("-trial-{attempt}");
        prop_assert!(trial.ends_with(&suffix));
        prop_assert!(!trial.contains(".-trial") && !trial.contains("--trial"));
        prop_assert_eq!(&pod["metadata"]["name"], &trial);
        prop_assert_eq!(&pod["metadata"]["ownerReferences"][0]["name"], &name);
    }
}

#[test]
fn where_a_second_instance_could_do_harm_nothing_is_tried() {
    let plain = json!({"containers": [{"name": "app"}]});
    let why = |object: &Value| {
        let kind = serde_json::from_value::<WorkloadKind>(object["kind"].clone()).unwrap();
        let cluster = world::cluster(std::slice::from_ref(object));
        why_no_trial(
            &cluster
                .workload(&WorkloadRef {
                    kind,
                    ..world::web()
                })
                .unwrap(),
        )
    };
    assert_eq!(why(&web(&plain)), None);
    let mut three = web(&plain);
    three["spec"]["replicas"] = json!(3);
    three["spec"]["strategy"] = json!({"type": "RollingUpdate"});
    assert_eq!(why(&three), None);

    let mut one = web(&plain);
    one["spec"]["replicas"] = json!(1);
    let mut recreate = web(&plain);
    recreate["spec"]["strategy"] = json!({"type": "Recreate"});
    let with = |member: &str, value: Value| {
        let mut spec = plain.clone();
        spec[member] = value;
        web(&spec)
    };
    let volume = |source: &str, value: Value| {
        with(
            "volumes",
            json!([{"name": "tmp", "emptyDir": {}}, {"name": "data", source: value}]),
        )
    };
    let port = json!([{"name": "app", "ports": [{"containerPort": 80}, {"containerPort": 81, "hostPort": 81}]}]);
    let of_kind = |kind: &str| {
        let mut object = web(&plain);
        object["kind"] = json!(kind);
        object["apiVersion"] = match kind {
            "Pod" => json!("v1"),
            "CronJob" | "Job" => json!("batch/v1"),
            _ => json!("apps/v1"),
        };
        object["spec"]["jobTemplate"] = json!({});
        object["spec"]["schedule"] = json!("@daily");
        object["spec"]["containers"] = json!([]);
        object["status"] = Value::Null;
        object
    };
    let harm = "a second instance of it could do harm";
    for (object, words) in [
        (one, "it has one replica"),
        (recreate, "its strategy is Recreate"),
        (
            volume("persistentVolumeClaim", json!({"claimName": "data"})),
            "its volume data may not be shared",
        ),
        (
            volume("hostPath", json!({"path": "/var"})),
            "its volume data may not be shared",
        ),
        (
            with("hostNetwork", json!(true)),
            "it uses its node's network",
        ),
        (
            with("containers", port.clone()),
            "it uses a port of its node",
        ),
        (with("initContainers", port), "it uses a port of its node"),
        (of_kind("StatefulSet"), "each pod of a StatefulSet"),
        (of_kind("DaemonSet"), "a DaemonSet has one pod a node"),
        (of_kind("ReplicaSet"), harm),
        (of_kind("Job"), harm),
        (of_kind("CronJob"), harm),
        (of_kind("Pod"), harm),
    ] {
        let told = why(&object).unwrap_or_default();
        assert!(told.starts_with(words), "{object}: {told}");
    }
    assert_eq!(why(&with("hostNetwork", json!(false))), None);
    assert_eq!(why(&volume("configMap", json!({"name": "settings"}))), None);
    assert_eq!(
        why(&with(
            "containers",
            json!([{"name": "app", "ports": [{"containerPort": 80}]}])
        )),
        None
    );
}
