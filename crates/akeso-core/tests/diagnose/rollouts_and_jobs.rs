//! Rollouts that stand in their own way, Jobs that never end or begin, probes that are too eager,
//! and what stands between a workload and a Service.

use akeso_core::{
    diagnose::{Diagnosis, Remedy},
    evidence::Answer,
    plan::Proof,
    workload::{WorkloadKind, WorkloadRef},
};
use serde_json::{Value, json};

use crate::{explain, world};

fn of(kind: WorkloadKind, objects: &[Value], log: &str) -> Vec<Diagnosis> {
    let reference = WorkloadRef {
        kind,
        namespace: "shop".into(),
        name: "web".into(),
    };
    among(&reference, objects, log, &[])
}

fn among(
    reference: &WorkloadRef,
    objects: &[Value],
    log: &str,
    listed: &[Value],
) -> Vec<Diagnosis> {
    explain::of(reference, objects, |question| {
        explain::listed(question, listed).unwrap_or_else(|| Answer::Logs(log.to_owned()))
    })
}

fn only(mut found: Vec<Diagnosis>) -> Diagnosis {
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(matches!(found[0].remedy, Remedy::Person(_)), "{found:?}");
    found.remove(0)
}

/// StatefulSet `shop/web`, whose `web-0` is of an old revision and crashes.
fn stateful_set(strategy: &Value) -> Vec<Value> {
    let set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "web", "namespace": "shop", "uid": "web-uid", "generation": 2},
        "spec": {"serviceName": "web", "replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "updateStrategy": strategy,
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": "nginx:1.28"}]}}},
        "status": {"observedGeneration": 2, "replicas": 2, "updateRevision": "web-2", "currentRevision": "web-1"}
    });
    let mut pod = world::pod(&json!([{
        "name": "app", "image": "", "imageID": "", "ready": false, "restartCount": 4,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"reason": "Error", "exitCode": 1,
            "startedAt": "2026-01-01T11:59:00Z", "finishedAt": "2026-01-01T11:59:10Z"}}
    }]));
    pod["metadata"]["name"] = json!("web-0");
    pod["metadata"]["labels"] = json!({"app": "web", "controller-revision-hash": "web-1"});
    pod["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": "web-uid", "controller": true}]);
    vec![set, pod]
}

#[test]
fn a_broken_old_pod_that_its_owner_keeps_is_told_and_left() {
    for (strategy, says) in [
        (
            json!({"type": "OnDelete"}),
            "updateStrategy OnDelete replaces no pod by itself",
        ),
        (
            json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}),
            "the partition of 1 keeps the pods below",
        ),
    ] {
        let found = only(of(WorkloadKind::StatefulSet, &stateful_set(&strategy), ""));
        assert_eq!(found.fault, "old-pod-held");
        assert!(found.cause.contains("broken pod web-0"), "{}", found.cause);
        assert!(found.cause.contains(says), "{}", found.cause);
    }
    let rolling = stateful_set(&json!({"type": "RollingUpdate"}));
    let found = of(WorkloadKind::StatefulSet, &rolling, "");
    assert_eq!(found[0].fault, "stuck-stateful-set");
    // no container of it has ever started: it waits for a node, or for a volume
    let since = "2026-01-01T11:59:00Z";
    let unscheduled = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": since});
    let scheduled = json!({"type": "PodScheduled", "status": "True", "lastTransitionTime": since});
    for (condition, is_stuck) in [(&unscheduled, true), (&scheduled, false)] {
        let mut waiting = rolling.clone();
        waiting[1]["status"] = json!({"phase": "Pending", "conditions": [condition]});
        let told = of(WorkloadKind::StatefulSet, &waiting, "");
        assert_eq!(!told.is_empty(), is_stuck, "{told:?}");
        let words = "MountVolume.SetUp failed for volume \"a\" : secret \"b\" not found";
        let mut event = world::warning("FailedMount", words, "2026-01-01T11:59:50Z");
        event["involvedObject"]["name"] = json!("web-0");
        waiting.push(event);
        let told = of(WorkloadKind::StatefulSet, &waiting, "");
        assert_eq!(told[0].fault, "stuck-stateful-set");
    }
    let mut well = stateful_set(&json!({"type": "OnDelete"}));
    well[1]["status"] =
        json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
    assert!(of(WorkloadKind::StatefulSet, &well, "").is_empty());
}

/// Deployment `shop/web`, whose new pod fits on no node for this reason, beside its old pod.
fn rolling(strategy: &Value, old_port: i32, message: &str) -> Vec<Value> {
    let spec = json!({"containers": [{"name": "app", "image": "nginx:1.27"}]});
    let mut deployment = world::deployment(&spec);
    deployment["spec"]["strategy"] = strategy.clone();
    let ports = |port: i32| json!([{"name": "app", "image": "nginx:1.27", "ports": [{"containerPort": 80, "hostPort": port}]}]);
    let mut new = world::pod(&json!([]));
    new["spec"]["containers"] = ports(8080);
    new["status"] = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
        "reason": "Unschedulable", "message": message, "lastTransitionTime": "2026-01-01T11:59:00Z"}]});
    let mut old = world::pod(&json!([]));
    old["metadata"]["name"] = json!("web-0-old");
    old["metadata"]["uid"] = json!("old-uid");
    old["metadata"]["ownerReferences"][0]["name"] = json!("web-0");
    old["metadata"]["ownerReferences"][0]["uid"] = json!("web-0-uid");
    old["spec"]["containers"] = ports(old_port);
    old["spec"]["nodeName"] = json!("node1");
    vec![
        deployment,
        world::replica_set(),
        world::older_replica_set(),
        new,
        old,
    ]
}

#[test]
fn a_rollout_that_waits_for_its_own_port_is_told() {
    const PORTS: &str =
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.";
    let strategy = |unavailable: Value| json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": unavailable, "maxSurge": 1}});
    for unavailable in [json!(0), json!("25%"), json!(null)] {
        let found = only(of(
            WorkloadKind::Deployment,
            &rolling(&strategy(unavailable), 8080, PORTS),
            "",
        ));
        assert_eq!(found.fault, "rollout-blocked");
        assert!(
            found
                .cause
                .contains("hostPort 8080, which its old pod web-0-old holds"),
            "{}",
            found.cause
        );
    }
    for (strategy, port, message) in [
        (strategy(json!(1)), 8080, PORTS),
        (strategy(json!("100%")), 8080, PORTS),
        (json!({"type": "Recreate"}), 8080, PORTS),
        (strategy(json!(0)), 9090, PORTS), // somebody else holds it
        (
            strategy(json!(0)),
            8080,
            "0/1 nodes are available: 1 Insufficient cpu.",
        ),
    ] {
        let found = of(
            WorkloadKind::Deployment,
            &rolling(&strategy, port, message),
            "",
        );
        assert_ne!(found[0].fault, "rollout-blocked", "{strategy}");
    }
}

/// Job `shop/web` whose `work` ended at this time, beside a container like this.
fn job(ended: &str, beside: &Value, code: i32) -> Vec<Value> {
    let mut pod = world::pod(&json!([
        {"name": "work", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"reason": "Completed", "exitCode": code, "finishedAt": ended}}},
        {"name": "proxy", "image": "", "imageID": "", "ready": true, "restartCount": 0,
            "state": {"running": {"startedAt": "2026-01-01T11:00:00Z"}}}
    ]));
    pod["metadata"]["ownerReferences"] = json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "web", "uid": "web-uid", "controller": true}]);
    pod["spec"] = json!({"restartPolicy": "Never", "containers": [{"name": "work", "image": "busybox"}, beside]});
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "web", "namespace": "shop", "uid": "web-uid"},
        "spec": {"template": {"spec": pod["spec"]}}, "status": {"active": 1}
    });
    vec![job, pod]
}

#[test]
fn a_job_whose_server_outlives_its_work_is_told_with_both() {
    let server = json!({"name": "proxy", "image": "redis:7", "ports": [{"containerPort": 6379}]});
    let found = only(of(
        WorkloadKind::Job,
        &job("2026-01-01T11:50:00Z", &server, 0),
        "",
    ));
    assert_eq!(found.fault, "job-kept-running");
    for word in ["proxy runs on", "work has ended well"] {
        assert!(found.cause.contains(word), "{}", found.cause);
    }
    let worker = json!({"name": "proxy", "image": "busybox"});
    for objects in [
        job("2026-01-01T11:59:30Z", &server, 0),
        job("2026-01-01T11:50:00Z", &worker, 0),
    ] {
        assert!(of(WorkloadKind::Job, &objects, "").is_empty());
    }
    let failed = of(
        WorkloadKind::Job,
        &job("2026-01-01T11:50:00Z", &server, 3),
        "",
    );
    assert!(failed.iter().all(|it| it.fault != "job-kept-running"));
}

#[test]
fn a_schedule_that_never_comes_is_told_unless_it_is_suspended() {
    let cron = |suspend: bool| {
        vec![json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "web", "namespace": "shop", "uid": "web-uid"},
            "spec": {"schedule": "0 0 31 2 *", "suspend": suspend, "jobTemplate": {"spec": {"template": {"spec": {"containers": []}}}}}
        })]
    };
    let found = only(of(WorkloadKind::CronJob, &cron(false), ""));
    assert_eq!(found.fault, "cronjob-never-due");
    assert!(
        found
            .cause
            .contains("\"0 0 31 2 *\" names a day that none of its months has")
    );
    assert!(of(WorkloadKind::CronJob, &cron(true), "").is_empty());
}

/// A container that its probe kills so many seconds after its start.
fn killed(lived: i64, log: &str) -> Diagnosis {
    let probe = json!({"tcpSocket": {"port": 8080}, "initialDelaySeconds": 5, "periodSeconds": 5, "failureThreshold": 2});
    let end: jiff::Timestamp = "2026-01-01T11:59:49Z".parse().unwrap();
    let start = end - jiff::SignedDuration::from_secs(lived);
    let spec = json!({"terminationGracePeriodSeconds": 1,
        "containers": [{"name": "app", "image": "nginx:1.27", "livenessProbe": probe}]});
    let objects = [
        world::deployment(&spec),
        world::replica_set(),
        world::pod(&json!([{
            "name": "app", "image": "", "imageID": "", "ready": false, "restartCount": 4,
            "state": {"running": {"startedAt": "2026-01-01T11:59:50Z"}},
            "lastState": {"terminated": {"reason": "Error", "exitCode": 137,
                "startedAt": start.to_string(), "finishedAt": end.to_string()}}
        }])),
        world::warning(
            "Unhealthy",
            "Liveness probe failed: dial tcp 10.1.2.3:8080: connect: connection refused",
            "2026-01-01T11:59:49Z",
        ),
    ];
    let mut found = of(WorkloadKind::Deployment, &objects, log);
    found.retain(|it| it.fault.starts_with("probe-"));
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn a_program_that_is_killed_while_it_starts_is_told_with_the_time_that_it_gets() {
    let found = killed(16, "boot\nloading 40 of 120");
    assert_eq!(found.fault, "probe-too-eager");
    for word in [
        "16 s after its start",
        "loading 40 of 120",
        "initialDelaySeconds 5 + failureThreshold 2 × periodSeconds 5",
    ] {
        assert!(found.cause.contains(word), "{}", found.cause);
    }
    let Remedy::Steps { steps, .. } = found.remedy else {
        panic!("more time is proposed")
    };
    assert_eq!(steps[0].proof, Proof::Bounded);
    assert_eq!(
        steps[0].action.treatment().summary(),
        "give container app 300 s in place of 15 s to start, by its startupProbe"
    );
    for (lived, log) in [
        (600, "loading 40 of 120"), // it was well for a while
        (16, "ready"),
        (16, "listening on :8080\nloading 40 of 120"),
        (16, ""),
    ] {
        let found = killed(lived, log);
        assert_eq!(found.fault, "probe-failing", "{lived} {log}");
        assert!(matches!(found.remedy, Remedy::Person(_)), "{lived} {log}");
    }
}

/// Two pods of Deployment `shop/web`; the first is not ready and says so.
fn pair(second_is_ready: &str, restarts: i32, message: &str) -> Vec<Value> {
    let probe = json!({"exec": {"command": ["ask"]}});
    let containers = json!([{"name": "app", "image": "nginx:1.27", "readinessProbe": probe}]);
    let mut first = world::pod(&json!([{
        "name": "app", "image": "", "imageID": "", "ready": false, "restartCount": restarts,
        "state": {"running": {"startedAt": "2026-01-01T11:00:00Z"}}
    }]));
    first["spec"]["containers"] = containers.clone();
    let mut second = world::pod(&json!([]));
    second["metadata"]["name"] = json!("web-1-leader");
    second["metadata"]["uid"] = json!("leader-uid");
    second["status"] =
        json!({"phase": "Running", "conditions": [{"type": "Ready", "status": second_is_ready}]});
    vec![
        world::deployment(&json!({"containers": containers})),
        world::replica_set(),
        first,
        second,
        world::warning("Unhealthy", message, "2026-01-01T11:59:49Z"),
    ]
}

#[test]
fn who_stands_by_for_a_leader_is_well() {
    let says = "Readiness probe failed: standing by";
    let told = |objects: &[Value]| of(WorkloadKind::Deployment, objects, "").len();
    assert_eq!(told(&pair("True", 0, says)), 0);
    assert_eq!(
        told(&pair(
            "True",
            0,
            "Readiness probe failed: HTTP probe failed with statuscode: 503"
        )),
        0
    );
    assert_eq!(told(&pair("False", 0, says)), 1);
    let combined = format!("(combined from similar events): {says}");
    assert_eq!(told(&pair("False", 0, &combined)), 1);
    assert_eq!(told(&pair("True", 2, says)), 1);
    let refused = "Readiness probe failed: Get \"http://10.1.2.3:80/\": dial tcp 10.1.2.3:80: connect: connection refused";
    assert_eq!(told(&pair("True", 0, refused)), 1);
    let mut overdue = pair("True", 0, says);
    overdue[0]["status"]["conditions"] =
        json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]);
    assert!(told(&overdue) > 0);
}

#[test]
fn a_readiness_probe_may_say_itself_whom_it_misses() {
    let says = "Readiness probe failed: nc: bad address 'cache:6379'";
    let found = only(of(WorkloadKind::Deployment, &pair("False", 0, says), ""));
    assert_eq!(found.fault, "dependency-unreachable");
    assert!(
        found.cause.contains("cache:6379") && found.cause.contains("no Service cache"),
        "{}",
        found.cause
    );
}

/// Deployment `shop/web` that crashes with this log beside Service `shop/db` and its ready pod.
fn crash(pod_spec: &Value, log: &str, listed: &[Value]) -> Diagnosis {
    let objects = [
        world::deployment(pod_spec),
        world::replica_set(),
        world::pod(&json!([{
            "name": "app", "image": "", "imageID": "", "ready": false, "restartCount": 4,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"reason": "Error", "exitCode": 1,
                "startedAt": "2026-01-01T11:59:00Z", "finishedAt": "2026-01-01T11:59:10Z"}}
        }])),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "db", "namespace": "shop"},
            "spec": {"selector": {"app": "db"}, "ports": [{"port": 5432, "targetPort": 5433}], "clusterIP": "10.96.3.4"}
        }),
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "db", "namespace": "shop", "uid": "db-uid", "labels": {"app": "db"}},
            "spec": {"containers": [{"name": "db", "image": "redis:7"}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        }),
    ];
    only(among(&world::web(), &objects, log, listed))
}

fn policy(name: &str, spec: &Value) -> Value {
    json!({"kind": "NetworkPolicy", "metadata": {"name": name, "namespace": "shop"}, "spec": spec})
}

#[test]
fn a_network_policy_that_stands_between_is_named_and_no_other() {
    const TIMEOUT: &str = "cannot connect to db:5432: timed out";
    let plain = json!({"containers": [{"name": "app", "image": "nginx:1.27"}]});
    let to_db = |from: Value, port: i32| {
        policy(
            "db",
            &json!({"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"],
            "ingress": [{"from": [from], "ports": [{"port": port}]}]}),
        )
    };
    let from = |app: &str| json!({"podSelector": {"matchLabels": {"app": app}}});
    let none_out = policy(
        "quiet",
        &json!({"podSelector": {}, "policyTypes": ["Egress"]}),
    );
    for (listed, says) in [
        (
            vec![to_db(from("api"), 5433)],
            "NetworkPolicy shop/db does not let it in there",
        ),
        (
            vec![to_db(from("web"), 5432)],
            "NetworkPolicy shop/db does not let it in there",
        ), // the pod's port counts
        (
            vec![none_out.clone()],
            "NetworkPolicy shop/quiet does not let it out to there",
        ),
    ] {
        let found = crash(&plain, TIMEOUT, &listed);
        assert!(found.cause.ends_with(says), "{}", found.cause);
    }
    let elsewhere = policy(
        "other",
        &json!({"podSelector": {"matchLabels": {"app": "other"}}}),
    );
    let by_address = to_db(json!({"ipBlock": {"cidr": "10.0.0.0/8"}}), 5433);
    let unknown_namespace = to_db(
        json!({"namespaceSelector": {"matchLabels": {"a": "b"}}}),
        5433,
    );
    for listed in [
        vec![to_db(from("web"), 5433)],
        vec![to_db(from("api"), 5433), to_db(from("web"), 5433)],
        vec![elsewhere],
        vec![by_address],
        vec![unknown_namespace],
        vec![json!({"kind": "unknown"})],
        vec![],
    ] {
        let found = crash(&plain, TIMEOUT, &listed);
        assert!(found.cause.ends_with("has ready pods"), "{}", found.cause);
    }
    // somebody has answered, so nothing stands between
    let found = crash(
        &plain,
        "nc: db (10.96.3.4:5432): Connection refused",
        &[none_out],
    );
    assert!(!found.cause.contains("NetworkPolicy"), "{}", found.cause);
}

#[test]
fn a_name_that_is_not_known_is_told_with_what_keeps_dns_from_it() {
    const NAME: &str =
        "nc: getaddrinfo for host \"db\" port 5432: Temporary failure in name resolution";
    let spec = |more: Value| {
        let mut spec = json!({"containers": [{"name": "app", "image": "nginx:1.27"}]});
        spec.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        spec
    };
    let egress = |port: i32| {
        policy(
            "narrow",
            &json!({"podSelector": {}, "policyTypes": ["Egress"],
        "egress": [{"to": [{"podSelector": {}}], "ports": [{"port": port}]}]}),
        )
    };
    for (spec, listed, says) in [
        (
            spec(json!({"dnsPolicy": "Default"})),
            vec![],
            "dnsPolicy is Default",
        ),
        (
            spec(json!({"hostNetwork": true})),
            vec![],
            "ClusterFirstWithHostNet",
        ),
        (
            spec(json!({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["192.0.2.1"]}})),
            vec![],
            "nameservers (192.0.2.1)",
        ),
        (
            spec(json!({})),
            vec![egress(5433)],
            "NetworkPolicy shop/narrow does not let it ask the cluster's DNS",
        ),
    ] {
        let found = crash(&spec, NAME, &listed);
        assert!(found.cause.contains(says), "{}", found.cause);
    }
    for (spec, listed) in [
        (
            spec(json!({"hostNetwork": true, "dnsPolicy": "ClusterFirstWithHostNet"})),
            vec![],
        ),
        (spec(json!({})), vec![egress(53)]),
    ] {
        let found = crash(&spec, NAME, &listed);
        assert!(found.cause.ends_with("has ready pods"), "{}", found.cause);
    }
}
