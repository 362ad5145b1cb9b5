//! The life of pods, held to what was measured on a real cluster.

use akeso_core::{
    journal::Outcome,
    workload::{WorkloadKind, WorkloadRef},
};
use serde_json::json;

use crate::workbench::{NAMESPACE, Workbench, deployment};

fn behaving(behaviour: &str, manifest: &str) -> Workbench {
    let mut bench = Workbench::new();
    bench
        .cluster
        .behave_yaml(&format!("containers:\n  web/app: {behaviour}\n"))
        .unwrap();
    bench.apply(manifest);
    bench
}

fn is_near(tenths: i64, seconds: f64) -> bool {
    let seen = f64::from(i32::try_from(tenths).unwrap()) / 10.0;
    (seen - seconds).abs() <= 0.3
}

#[track_caller]
fn assert_history(bench: &Workbench, container: &str, expected: &[(f64, &str)]) {
    let history = bench.history(container);
    for (at, (expected, seen)) in expected.iter().zip(&history).enumerate() {
        assert!(
            seen.1 == expected.1 && is_near(seen.0, expected.0),
            "{at}: {seen:?} is not {expected:?} in {history:#?}"
        );
    }
    assert!(history.len() >= expected.len(), "{history:#?}");
}

#[test]
fn a_program_that_ends_at_once_is_restarted_at_once_and_only_then_backed_off() {
    let mut bench = behaving(
        "{exits: {after: 0s, code: 1}}",
        &deployment("web", 1, "busybox:latest", ""),
    );
    bench.pass(40);
    assert_history(
        &bench,
        "app",
        &[
            (0.0, "waiting ContainerCreating r=0"),
            (1.3, "terminated Error r=0"),
            (2.4, "terminated Error r=1"),
            (12.7, "waiting CrashLoopBackOff r=1"),
            (13.6, "terminated Error r=2"),
            (23.9, "waiting CrashLoopBackOff r=2"),
            (35.8, "terminated Error r=3"),
        ],
    );
}

#[test]
fn restarts_are_backed_off_for_10_seconds_and_twice_as_long_each_time_up_to_five_minutes() {
    let mut bench = behaving(
        "{exits: {after: 0s, code: 1}}",
        &deployment("web", 1, "busybox:latest", ""),
    );
    bench.pass(1_500);
    let series: Vec<_> = bench
        .waited("CrashLoopBackOff")
        .iter()
        .map(|m| m.split(' ').nth(1).unwrap().to_owned())
        .collect();
    assert_eq!(series, ["10s", "20s", "40s", "1m20s", "2m40s", "5m0s"]);
    assert_eq!(
        bench.history("app").last().unwrap().1,
        "waiting CrashLoopBackOff r=9"
    );
    let message = &bench.waited("CrashLoopBackOff")[0];
    assert!(
        message.starts_with("back-off 10s restarting failed container=app pod=web-"),
        "{message}"
    );
}

#[test]
fn between_two_oom_kills_a_container_is_running_and_ready() {
    let mut bench = behaving(
        "{memory: {start: 10Mi, step: 5Mi, every: 500ms, peak: 515Mi}}",
        &deployment(
            "web",
            1,
            "busybox:latest",
            ", resources: {limits: {memory: 128Mi}}",
        ),
    );
    bench.pass(30);
    assert_history(
        &bench,
        "app",
        &[
            (0.0, "waiting ContainerCreating r=0"),
            (1.3, "running ready r=0"),
            (13.1, "terminated OOMKilled r=0"),
            (14.2, "running ready r=1"),
            (26.0, "terminated OOMKilled r=1"),
        ],
    );
    let (_, pod) = bench.pods.last().unwrap();
    let ended = pod
        .status
        .as_ref()
        .unwrap()
        .container_statuses
        .as_ref()
        .unwrap()[0]
        .state
        .clone()
        .unwrap()
        .terminated
        .unwrap();
    assert_eq!(ended.exit_code, 137);
    let lived = ended
        .finished_at
        .unwrap()
        .0
        .duration_since(ended.started_at.unwrap().0);
    assert_eq!(lived.as_secs(), 12, "12 s to fill 128Mi");
}

#[test]
fn an_image_that_does_not_exist_is_told_at_once_and_then_backed_off() {
    let mut bench = Workbench::with(&deployment("web", 1, "nginx:9.99", ""));
    bench.pass(30);
    assert_history(
        &bench,
        "app",
        &[
            (0.0, "waiting ContainerCreating r=0"),
            (1.3, "waiting ErrImagePull r=0"),
            (12.3, "waiting ImagePullBackOff r=0"),
            (15.2, "waiting ErrImagePull r=0"),
            (26.2, "waiting ImagePullBackOff r=0"),
        ],
    );
    assert!(
        bench.waited("ImagePullBackOff")[0]
            .starts_with("Back-off pulling image \"nginx:9.99\": ErrImagePull: rpc error")
    );
}

#[test]
fn a_bare_pod_whose_image_is_corrected_runs_within_a_second() {
    let mut bench = Workbench::with(
        "{apiVersion: v1, kind: Pod, metadata: {name: solo}, spec: {containers: [{name: app, image: \"nginx:latst\"}]}}",
    );
    bench.pass(14);
    let pod = WorkloadRef {
        kind: WorkloadKind::Pod,
        namespace: NAMESPACE.to_owned(),
        name: "solo".to_owned(),
    };
    let path = "/spec/containers/0/image";
    let outcome = bench.patch(
        pod.clone(),
        json!([{"op": "replace", "path": path, "value": "nginx:latest"}]),
    );
    assert_eq!(
        outcome,
        Outcome::Done {
            generation: Some(2)
        }
    );
    bench.pass(1);
    assert_eq!(bench.field("Pod", "solo", "/status/phase"), "Running");
    assert_eq!(
        bench.field("Pod", "solo", "/status/containerStatuses/0/restartCount"),
        0
    );
    let refused = bench.patch(
        pod,
        json!([{"op": "add", "path": "/spec/containers/0/env", "value": []}]),
    );
    assert!(matches!(refused, Outcome::Refused { .. }), "{refused:?}");
}

const INIT: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  initContainers: [{name: app, image: busybox}]
  containers: [{name: main, image: nginx}]
";

#[test]
fn while_an_init_container_crashes_the_pod_is_pending_and_the_others_wait() {
    let mut bench = behaving("{exits: {after: 0s, code: 1}}", INIT);
    bench.pass(5);
    assert_history(
        &bench,
        "app",
        &[
            (0.0, "waiting ContainerCreating r=0"),
            (1.3, "terminated Error r=0"),
            (2.4, "terminated Error r=1"),
        ],
    );
    assert_history(&bench, "main", &[(0.0, "waiting PodInitializing r=0")]);
    assert_eq!(bench.history("main").len(), 1);
    assert_eq!(bench.field("Pod", "web", "/status/phase"), "Pending");
}

#[test]
fn an_init_container_that_is_done_lets_the_others_start() {
    let mut bench = behaving("{exits: {after: 1s, code: 0}}", INIT);
    bench.pass(6);
    assert_eq!(bench.field("Pod", "web", "/status/phase"), "Running");
    assert_eq!(
        bench.history("app").last().unwrap().1,
        "terminated Completed r=0"
    );
}

#[test]
fn a_missing_config_map_is_told_in_the_kubelets_words_until_it_is_there() {
    let more = ", envFrom: [{configMapRef: {name: app-settings}}]";
    let mut bench = Workbench::with(&deployment("web", 1, "nginx", more));
    bench.pass(5);
    assert_eq!(
        bench.waited("CreateContainerConfigError"),
        ["configmap \"app-settings\" not found"]
    );
    bench.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: app-settings}, data: {A: b}}");
    bench.pass(15);
    assert_eq!(bench.field("Deployment", "web", "/status/readyReplicas"), 1);
}

#[test]
fn a_missing_secret_key_is_told_by_name() {
    let more = ", env: [{name: TOKEN, valueFrom: {secretKeyRef: {name: s, key: token}}}]";
    let mut bench = Workbench::with(
        "{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {other: x}}",
    );
    bench.apply(&deployment("web", 1, "nginx", more));
    bench.pass(5);
    assert_eq!(
        bench.waited("CreateContainerConfigError"),
        ["couldn't find key token in Secret shop/s"]
    );
}

#[test]
fn a_required_variable_decides_between_running_and_crashing() {
    let behaviour =
        "{requires: [HOST], logs: [\"HOST is: $HOST\"], missing: {log: [\"no HOST\"], exit: 3}}";
    let mut bench = behaving(behaviour, &deployment("web", 1, "busybox", ""));
    bench.pass(3);
    assert_eq!(
        bench.history("app").last().unwrap().1,
        "terminated Error r=1"
    );
    bench.apply(&deployment(
        "web",
        1,
        "busybox",
        ", env: [{name: HOST, value: db}]",
    ));
    bench.pass(5);
    assert_eq!(bench.field("Deployment", "web", "/status/readyReplicas"), 1);
}

#[test]
fn a_slow_start_is_unready_and_warned_of_until_its_probe_passes() {
    let more = ", readinessProbe: {exec: {command: [ls]}, periodSeconds: 2}";
    let mut bench = behaving("{ready_after: 9s}", &deployment("web", 1, "busybox", more));
    bench.pass(30);
    assert_history(
        &bench,
        "app",
        &[
            (0.0, "waiting ContainerCreating r=0"),
            (1.3, "running unready r=0"),
            (9.6, "running ready r=0"),
        ],
    );
    let events = bench.all(akeso_core::cluster::Kind::Event);
    let unhealthy: Vec<_> = events
        .iter()
        .filter(|event| event["reason"] == "Unhealthy")
        .collect();
    assert_eq!(unhealthy.len(), 1);
    assert_eq!(unhealthy[0]["count"], 5);
    assert_eq!(
        unhealthy[0]["involvedObject"]["fieldPath"],
        "spec.containers{app}"
    );
}

#[test]
fn a_pod_that_is_deleted_lingers_for_its_grace_period() {
    let mut bench = Workbench::with(
        "{apiVersion: v1, kind: Pod, metadata: {name: solo}, spec: {terminationGracePeriodSeconds: 20, containers: [{name: app, image: nginx}]}}",
    );
    bench.pass(5);
    bench.cluster.delete("Pod", NAMESPACE, "solo").unwrap();
    bench.pass(19);
    assert!(
        bench
            .field("Pod", "solo", "/metadata/deletionTimestamp")
            .is_string()
    );
    bench.pass(3);
    assert!(bench.object("Pod", "solo").is_null());
}

fn said(bench: &Workbench, reason: &str) -> Vec<String> {
    let events = bench.all(akeso_core::cluster::Kind::Event);
    let of_reason = events.iter().filter(|event| event["reason"] == reason);
    of_reason
        .map(|event| event["message"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_container_that_its_liveness_probe_does_not_reach_is_killed_and_started_anew() {
    let more = ", livenessProbe: {tcpSocket: {port: 81}, periodSeconds: 2, failureThreshold: 2}";
    let mut bench = behaving(
        "{answers: {port: 80}}",
        &deployment("web", 1, "busybox", more),
    );
    bench.pass(60);
    let history = bench.history("app");
    let killed = history
        .iter()
        .find(|(_, shown)| shown == "terminated Error r=0");
    assert!(killed.is_some(), "{history:?}");
    let words = said(&bench, "Unhealthy");
    assert!(
        words[0].starts_with("Liveness probe failed: dial tcp 10.244.0.")
            && words[0].ends_with(":81: connect: connection refused"),
        "{words:?}"
    );
}

#[test]
fn until_its_startup_probe_has_passed_a_container_is_asked_nothing_else() {
    let more = ", startupProbe: {tcpSocket: {port: 80}, periodSeconds: 1, failureThreshold: 30}, livenessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 1, failureThreshold: 1}";
    let mut bench = behaving(
        "{answers: {port: 80, after: 9s}}",
        &deployment("web", 1, "busybox", more),
    );
    bench.pass(60);
    assert_eq!(bench.field("Deployment", "web", "/status/readyReplicas"), 1);
    let words = said(&bench, "Unhealthy");
    assert!(
        words
            .iter()
            .all(|it| it.starts_with("Startup probe failed: ")),
        "{words:?}"
    );
    let history = bench.history("app");
    assert!(history.iter().all(|(_, shown)| shown.ends_with("r=0")));
}

#[test]
fn what_cannot_be_asked_is_neither_failed_nor_passed() {
    let more = ", readinessProbe: {exec: {command: [ask]}, periodSeconds: 2}, livenessProbe: {exec: {command: [ask]}, periodSeconds: 2, failureThreshold: 1}";
    let mut bench = behaving(
        "{answers: {lacks: [ask]}}",
        &deployment("web", 1, "busybox", more),
    );
    bench.pass(60);
    assert!(
        bench
            .field("Deployment", "web", "/status/readyReplicas")
            .is_null()
    );
    let history = bench.history("app");
    assert!(history.iter().all(|(_, shown)| shown.ends_with("r=0")));
    let words = said(&bench, "Unhealthy");
    assert!(
        words
            .iter()
            .any(|it| it.starts_with("Readiness probe errored")),
        "{words:?}"
    );
}
