//! Where an action applies, and what it says where it does not.

use akeso_core::{
    act::{
        Action, Change, EnvValue, FixImageName, Found, GrantAccess, NotApplicable, RerunJob,
        RestartPod,
    },
    cluster::Cluster,
    quantity::Bytes,
    workload::{AttemptId, ContainerRef, ContainerRole, WorkloadKind, WorkloadRef},
};
use serde_json::{Value, json};

use super::taking_back::{app, env, memory, variable};
use crate::world;

fn image() -> Action {
    Action::FixImageName(FixImageName {
        container: app(),
        from: "nginx:latst".into(),
        to: "nginx:latest".into(),
    })
}

fn mode() -> Action {
    let value = EnvValue::Literal("x".into());
    env(vec![variable("MODE", value, Found::Service)])
}

fn restart(uid: &str) -> Action {
    Action::RestartPod(RestartPod {
        pod: "web-1-abcde".into(),
        uid: uid.into(),
    })
}

fn spec() -> Value {
    json!({"containers": [{"name": "other"}, {"name": "app", "image": "nginx:latst", "env": [{"name": "PORT", "value": "1"}], "resources": {"limits": {"memory": "128Mi"}}}]})
}

fn web() -> Cluster {
    world::cluster(&[world::deployment(&spec())])
}

fn tried(cluster: &Cluster, kind: WorkloadKind, action: &Action) -> Result<Change, NotApplicable> {
    let reference = WorkloadRef {
        kind,
        ..world::web()
    };
    action.change(&cluster.workload(&reference).unwrap(), AttemptId(1))
}

fn why_not(cluster: &Cluster, kind: WorkloadKind, action: &Action) -> String {
    tried(cluster, kind, action).unwrap_err().to_string()
}

/// `shop/web` of another kind.
fn of_kind(kind: &str) -> Cluster {
    let api_version = match kind {
        "Pod" => "v1",
        "CronJob" | "Job" => "batch/v1",
        _ => "apps/v1",
    };
    let template = json!({"spec": spec()});
    let spec = match kind {
        "CronJob" => json!({"schedule": "@daily", "jobTemplate": {"spec": {"template": template}}}),
        "Job" => json!({"template": template}),
        "Pod" => spec(),
        _ => json!({"selector": {}, "serviceName": "web", "template": template}),
    };
    world::cluster(&[json!({
        "apiVersion": api_version, "kind": kind, "metadata": {"name": "web", "namespace": "shop"}, "spec": spec
    })])
}

#[test]
fn the_value_that_the_decision_was_based_on_must_still_be_there() {
    let Action::FixImageName(fix) = image() else {
        unreachable!()
    };
    let stale = Action::FixImageName(FixImageName {
        from: "nginx:1".into(),
        ..fix
    });
    assert_eq!(
        why_not(&web(), WorkloadKind::Deployment, &stale),
        "Deployment shop/web: the image of container app is `nginx:latst` by now, not `nginx:1`"
    );
    let Action::IncreaseMemory(raise) = memory(None) else {
        unreachable!()
    };
    let stale = Action::IncreaseMemory(akeso_core::act::IncreaseMemory {
        from: Bytes::mebi(64),
        ..raise
    });
    assert_eq!(
        why_not(&web(), WorkloadKind::Deployment, &stale),
        "Deployment shop/web: the memory limit of container app is `128Mi` by now, not `64Mi`"
    );
    let unlimited = world::cluster(&[world::deployment(&json!({"containers": [{"name": "app"}]}))]);
    assert_eq!(
        why_not(&unlimited, WorkloadKind::Deployment, &memory(None)),
        "Deployment shop/web: the memory limit of container app is `none` by now, not `128Mi`"
    );
    let taken = env(vec![variable(
        "PORT",
        EnvValue::Literal("2".into()),
        Found::Service,
    )]);
    assert_eq!(
        why_not(&web(), WorkloadKind::Deployment, &taken),
        "Deployment shop/web: the variable PORT of container app is `set` by now, not `not set`"
    );
    for action in [image(), memory(None), mode()] {
        assert!(tried(&web(), WorkloadKind::Deployment, &action).is_ok());
    }
}

#[test]
fn a_container_that_is_not_there_is_named() {
    let gone = world::cluster(&[world::deployment(
        &json!({"containers": [{"name": "other"}]}),
    )]);
    for action in [image(), memory(None), mode()] {
        assert_eq!(
            why_not(&gone, WorkloadKind::Deployment, &action),
            "Deployment shop/web has no container app"
        );
    }
}

#[test]
fn each_kind_is_changed_where_its_pods_are_described_and_some_not_at_all() {
    let writes = |change: Change, path: &str| {
        let Change::Patch { forward, .. } = change else {
            unreachable!()
        };
        let text = serde_json::to_string(&forward).unwrap();
        assert!(
            text.contains(&format!("\"{path}/containers/1/image\"")),
            "{text}"
        );
    };
    for (kind, name, path) in [
        (
            WorkloadKind::StatefulSet,
            "StatefulSet",
            "/spec/template/spec",
        ),
        (WorkloadKind::DaemonSet, "DaemonSet", "/spec/template/spec"),
        (
            WorkloadKind::CronJob,
            "CronJob",
            "/spec/jobTemplate/spec/template/spec",
        ),
        (WorkloadKind::Pod, "Pod", "/spec"),
    ] {
        writes(tried(&of_kind(name), kind, &image()).unwrap(), path);
    }
    for (kind, name) in [
        (WorkloadKind::Job, "Job"),
        (WorkloadKind::ReplicaSet, "ReplicaSet"),
    ] {
        assert_eq!(
            why_not(&of_kind(name), kind, &image()),
            format!("the pod template of {name} shop/web cannot be changed: make it anew")
        );
    }
    // a pod's resources cannot be raised in place
    assert_eq!(
        why_not(&of_kind("Pod"), WorkloadKind::Pod, &memory(None)),
        "the pod template of Pod shop/web cannot be changed: make it anew"
    );
}

#[test]
fn an_init_container_of_the_same_place_is_not_meant() {
    let both = json!({"initContainers": [{"name": "setup", "image": "nginx:latst"}], "containers": [{"name": "app"}]});
    let cluster = world::cluster(&[world::deployment(&both)]);
    let setup = Action::FixImageName(FixImageName {
        container: ContainerRef {
            name: "setup".into(),
            role: ContainerRole::Init,
        },
        from: "nginx:latst".into(),
        to: "nginx:latest".into(),
    });
    assert!(tried(&cluster, WorkloadKind::Deployment, &setup).is_ok());
    let missing = why_not(&cluster, WorkloadKind::Deployment, &image());
    assert!(missing.contains("is `` by now"), "{missing}");
}

#[test]
fn the_pod_that_is_made_anew_is_the_one_of_that_uid() {
    let cluster = |owner: &str| {
        let mut pod = world::pod(&json!([]));
        pod["metadata"]["ownerReferences"][0]["uid"] = json!(owner);
        let older = world::older_replica_set();
        let newest = world::replica_set();
        world::cluster(&[world::deployment(&spec()), newest, older, pod])
    };
    let evict = Change::Evict {
        pod: "web-1-abcde".into(),
        uid: "pod-uid".into(),
    };
    for owner in ["web-1-uid", "web-0-uid"] {
        let cluster = cluster(owner);
        let change = tried(&cluster, WorkloadKind::Deployment, &restart("pod-uid"));
        assert_eq!(change.as_ref(), Ok(&evict));
        let gone = why_not(&cluster, WorkloadKind::Deployment, &restart("another"));
        assert_eq!(gone, "pod web-1-abcde is gone");
        // the action has reached the workload when that pod is gone
        let workload = cluster.workload(&world::web()).unwrap();
        assert!(!restart("pod-uid").treatment().is_seen(&workload));
        assert!(restart("another").treatment().is_seen(&workload));
        assert!(image().treatment().is_seen(&workload));
        assert!(restart("pod-uid").treatment().holds(&workload));
    }
    // nobody would make a bare pod again
    let bare = why_not(&of_kind("Pod"), WorkloadKind::Pod, &restart("pod-uid"));
    assert!(bare.contains("make it anew"), "{bare}");
}

#[test]
fn what_was_written_is_recognised_and_nothing_else() {
    let holds = |action: &Action, container: Value| {
        let cluster = world::cluster(&[world::deployment(&json!({"containers": [container]}))]);
        action
            .treatment()
            .holds(&cluster.workload(&world::web()).unwrap())
    };
    assert!(holds(
        &image(),
        json!({"name": "app", "image": "nginx:latest"})
    ));
    assert!(!holds(
        &image(),
        json!({"name": "app", "image": "nginx:latst"})
    ));
    assert!(!holds(
        &image(),
        json!({"name": "other", "image": "nginx:latest"})
    ));
    let limit = |limit: &str| json!({"name": "app", "resources": {"limits": {"memory": limit}}});
    assert!(holds(&memory(None), limit("256Mi")) && holds(&memory(None), limit("268435456")));
    assert!(!holds(&memory(None), limit("128Mi")) && !holds(&memory(None), json!({"name": "app"})));
    let two = env(["A", "B"]
        .map(|name| variable(name, EnvValue::Literal("x".into()), Found::Sibling))
        .to_vec());
    let with = |names: &[&str]| {
        let env: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
        json!({"name": "app", "env": env})
    };
    assert!(holds(&two, with(&["X", "B", "A"])));
    assert!(!holds(&two, with(&["A"])) && !holds(&two, with(&["X", "Y"])));
    assert!(!holds(&two, json!({"name": "other"})));
}

#[test]
fn a_variable_with_another_value_is_not_what_would_have_been_written() {
    let wanted = env(vec![
        variable("A", EnvValue::Literal("x".into()), Found::Nowhere),
        variable(
            "PIN",
            EnvValue::SecretKey {
                name: "keys".into(),
                key: "pin".into(),
            },
            Found::Key,
        ),
    ]);
    let is_done = |value: &str, key: &str| {
        let pin = json!({"secretKeyRef": {"name": "keys", "key": key}});
        let env = json!([{"name": "A", "value": value}, {"name": "PIN", "valueFrom": pin}]);
        let spec = json!({"containers": [{"name": "app", "env": env}]});
        let cluster = world::cluster(&[world::deployment(&spec)]);
        let workload = cluster.workload(&world::web()).unwrap();
        assert!(wanted.treatment().holds(&workload));
        wanted.treatment().is_done(&workload)
    };
    assert_eq!(is_done("x", "pin"), Some(true));
    assert_eq!(is_done("y", "pin"), Some(false));
    assert_eq!(is_done("x", "other"), Some(false));
}

#[test]
fn what_leaves_nothing_on_the_workload_is_not_told_to_be_done() {
    let cluster = web();
    let workload = cluster.workload(&world::web()).unwrap();
    let rerun = Action::RerunJob(RerunJob {
        uid: "u".into(),
        has_started: true,
    });
    let grant = Action::GrantAccess(GrantAccess {
        account: "bot".into(),
        verb: "get".into(),
        group: String::new(),
        resource: "pods".into(),
        object: None,
    });
    for action in [restart("another"), rerun, grant] {
        assert_eq!(action.treatment().is_done(&workload), None);
    }
}
