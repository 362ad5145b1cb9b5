//! What counts as broken now, and what does not.

use akeso_core::observe::{Observation, Probe, Sign, observe};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::world;

const NOW: &str = "2026-01-01T12:00:00Z";

fn look(status: &Value) -> Observation {
    look_at(&[
        world::deployment(&json!({"containers": [{"name": "app", "image": "nginx:1.27"}]})),
        world::replica_set(),
        world::pod(&json!([status])),
    ])
}

fn look_at(objects: &[Value]) -> Observation {
    let cluster = world::cluster(objects);
    let now: Timestamp = NOW.parse().unwrap();
    observe(&cluster.workload(&world::web()).unwrap(), now)
}

fn status(state: &Value, last: &Value, restarts: i32) -> Value {
    json!({
        "name": "app", "image": "", "imageID": "", "ready": false, "restartCount": restarts,
        "state": state, "lastState": last
    })
}

fn terminated(reason: &str, code: i32, finished: &str) -> Value {
    json!({"terminated": {"reason": reason, "exitCode": code, "startedAt": "2026-01-01T11:00:00Z", "finishedAt": finished}})
}

#[test]
fn every_waiting_reason_that_is_a_fault_is_seen() {
    for reason in [
        "ImagePullBackOff",
        "ErrImagePull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "RunContainerError",
    ] {
        let seen = look(&status(
            &json!({"waiting": {"reason": reason, "message": "m"}}),
            &json!({}),
            0,
        ));
        assert_eq!(seen.symptoms.len(), 1, "{reason}");
        assert_eq!(seen.symptoms[0].reason, reason);
    }
}

#[test]
fn a_container_on_its_way_is_no_fault() {
    for reason in ["ContainerCreating", "PodInitializing"] {
        let seen = look(&status(
            &json!({"waiting": {"reason": reason}}),
            &json!({}),
            0,
        ));
        assert_eq!(seen.symptoms, [], "{reason}");
    }
}

#[test]
fn between_two_memory_kills_a_running_pod_is_not_healthy() {
    let running = json!({"running": {"startedAt": "2026-01-01T11:59:00Z"}});
    let seen = look(&status(
        &running,
        &terminated("OOMKilled", 137, "2026-01-01T11:59:00Z"),
        1,
    ));
    assert!(matches!(seen.symptoms[0].sign, Sign::OutOfMemory(_)));
    assert_eq!(
        seen.again.unwrap().to_string(),
        "2026-01-01T12:09:00Z",
        "it is forgotten after ten minutes"
    );
}

#[test]
fn a_crash_an_hour_ago_is_forgotten() {
    let running = json!({"running": {"startedAt": "2026-01-01T11:00:01Z"}});
    let seen = look(&status(
        &running,
        &terminated("Error", 1, "2026-01-01T11:00:00Z"),
        1,
    ));
    assert_eq!(seen.symptoms, []);
    assert_eq!(seen.again, None);
}

#[test]
fn a_container_that_ended_well_is_no_fault() {
    let seen = look(&status(&terminated("Completed", 0, NOW), &json!({}), 0));
    assert_eq!(seen.symptoms, []);
}

/// How it stands with a container that has ended so often and runs since, after some seconds.
fn runs_since(code: i32, lifetime: i64, restarts: i32, seconds: i64) -> Observation {
    let now: Timestamp = NOW.parse().unwrap();
    let begun = now - jiff::SignedDuration::from_secs(seconds);
    let first = begun - jiff::SignedDuration::from_secs(lifetime);
    let ended = json!({"terminated": {"reason": "Error", "exitCode": code, "startedAt": first.to_string(), "finishedAt": begun.to_string()}});
    let running = json!({"running": {"startedAt": begun.to_string()}});
    look(&status(&running, &ended, restarts))
}

#[test]
fn a_crash_is_over_when_the_container_has_clearly_run_for_longer_than_before() {
    for (code, lifetime, restarts, seconds, is_broken) in [
        (1, 5, 1, 29, true),
        (1, 5, 1, 30, false),
        (1, 60, 1, 119, true),
        (1, 60, 1, 120, false),
        (1, 5, 3, 179, true),
        (1, 5, 3, 180, false),
        (1, 5, 9, 180, true), // a habit
        (1, 5, 9, 600, false),
    ] {
        let seen = runs_since(code, lifetime, restarts, seconds);
        assert_eq!(
            !seen.symptoms.is_empty(),
            is_broken,
            "{lifetime} s, {restarts} times, {seconds} s ago"
        );
    }
}

#[test]
fn a_program_that_ends_well_again_and_again_is_not_healthy_while_it_runs() {
    assert_eq!(runs_since(0, 10, 3, 5).symptoms.len(), 1);
    assert_eq!(runs_since(0, 10, 1, 5).symptoms, [], "once is no habit");
    // its node was restarted, or somebody has asked it to end
    assert_eq!(runs_since(0, 3_600, 3, 5).symptoms, []);
}

/// What an init container awaits that has asked for so many seconds, beside these objects.
fn awaits(asks: &str, seconds: i64, beside: &[Value]) -> Option<String> {
    let now: Timestamp = NOW.parse().unwrap();
    let begun = now - jiff::SignedDuration::from_secs(seconds);
    let init = json!([{"name": "wait", "image": "busybox", "command": ["sh", "-c", asks]}]);
    let main = json!([{"name": "app", "image": "nginx:1.27"}]);
    let mut pod = world::pod(&json!([]));
    pod["spec"] = json!({"initContainers": init, "containers": main});
    pod["status"]["initContainerStatuses"] = json!([{
        "name": "wait", "image": "busybox", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"running": {"startedAt": begun.to_string()}}
    }]);
    let deployment = world::deployment(&json!({"initContainers": init, "containers": main}));
    let mut objects = vec![deployment, world::replica_set(), pod];
    objects.extend_from_slice(beside);
    let seen = look_at(&objects).symptoms.into_iter().next()?;
    assert_eq!(seen.sign, Sign::Awaits);
    Some(seen.message)
}

#[test]
fn an_init_container_that_asks_for_what_is_not_there_is_seen_after_a_minute() {
    let db = json!({
        "kind": "Service", "metadata": {"name": "db", "namespace": "shop"},
        "spec": {"clusterIP": "10.0.0.9", "selector": {"app": "db"}, "ports": [{"port": 5432}]}
    });
    let mut ready = world::older_pod();
    ready["metadata"] =
        json!({"name": "db-0", "namespace": "shop", "uid": "db-0-uid", "labels": {"app": "db"}});
    ready["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    let (alone, with_pod) = (vec![db.clone()], vec![db, ready]);
    for (asks, seconds, beside, is_seen) in [
        (
            "until nc -z bd 5432; do sleep 1; done",
            59,
            &with_pod,
            false,
        ),
        ("until nc -z bd 5432; do sleep 1; done", 60, &with_pod, true),
        ("until nc -z db 5433; do sleep 1; done", 60, &with_pod, true),
        (
            "until nc -z db 5432; do sleep 1; done",
            3600,
            &with_pod,
            false,
        ),
        // its pods may take their time to start
        ("until nc -z db 5432; do sleep 1; done", 299, &alone, false),
        ("until nc -z db 5432; do sleep 1; done", 300, &alone, true),
        // of what lies outside nothing is known, and a migration may take its time
        ("curl https://api.example.com/", 3600, &alone, false),
        ("./migrate up", 3600, &alone, false),
    ] {
        let seen = awaits(asks, seconds, beside);
        assert_eq!(seen.is_some(), is_seen, "{asks}, {seconds} s: {seen:?}");
    }
}

#[test]
fn what_is_marked_or_asleep_is_left_alone() {
    let broken = world::pod(&json!([status(
        &json!({"waiting": {"reason": "ErrImagePull"}}),
        &json!({}),
        0
    )]));
    let deployment =
        || world::deployment(&json!({"containers": [{"name": "app", "image": "nginx:latst"}]}));
    assert_eq!(
        look_at(&[deployment(), world::replica_set(), broken.clone()])
            .symptoms
            .len(),
        1
    );
    let changes: [(&str, Value); 5] = [
        ("/metadata/labels", json!({"akeso.dev/ignore": "true"})),
        ("/metadata/annotations/akeso.dev~1ignore", json!("true")),
        ("/spec/paused", json!(true)),
        ("/spec/replicas", json!(0)),
        ("/metadata/deletionTimestamp", json!(NOW)),
    ];
    for (path, value) in changes {
        let mut marked = deployment();
        json_patch::patch(
            &mut marked,
            &serde_json::from_value::<json_patch::Patch>(
                json!([{"op": "add", "path": path, "value": value}]),
            )
            .unwrap(),
        )
        .unwrap();
        assert_eq!(
            look_at(&[marked, world::replica_set(), broken.clone()]).symptoms,
            [],
            "{path}"
        );
    }
    let namespace = json!({"kind": "Namespace", "metadata": {"name": "shop", "labels": {"akeso.dev/ignore": "true"}}});
    assert_eq!(
        look_at(&[deployment(), world::replica_set(), broken, namespace]).symptoms,
        []
    );
}

#[test]
fn a_workload_whose_controller_has_not_seen_its_newest_spec_is_not_judged() {
    let mut deployment =
        world::deployment(&json!({"containers": [{"name": "app", "image": "nginx:latst"}]}));
    deployment["metadata"]["generation"] = json!(4);
    let broken = world::pod(&json!([status(
        &json!({"waiting": {"reason": "ErrImagePull"}}),
        &json!({}),
        0
    )]));
    assert_eq!(
        look_at(&[deployment, world::replica_set(), broken]).symptoms,
        []
    );
}

#[test]
fn a_pod_that_is_being_deleted_is_not_its_workloads_health() {
    let mut dying = world::pod(&json!([status(
        &terminated("Error", 137, NOW),
        &json!({}),
        5
    )]));
    dying["metadata"]["deletionTimestamp"] = json!(NOW);
    let deployment =
        world::deployment(&json!({"containers": [{"name": "app", "image": "nginx:1.27"}]}));
    assert_eq!(
        look_at(&[deployment, world::replica_set(), dying]).symptoms,
        []
    );
}

#[test]
fn a_status_that_still_tells_of_another_image_is_no_word_about_this_one() {
    let message = |image: &str| {
        format!("failed to pull and unpack image \"docker.io/library/{image}\": not found")
    };
    let seen = |image: &str| {
        let waiting = json!({"waiting": {"reason": "ErrImagePull", "message": message(image)}});
        look(&status(&waiting, &json!({}), 0)).symptoms.len()
    };
    assert_eq!(seen("nginx:1.27"), 1);
    assert_eq!(seen("nginx:latst"), 0);
}

fn look_with_warning(status: &Value, message: &str, at: &str) -> Vec<Sign> {
    let objects = [
        world::deployment(&json!({"containers": [{"name": "app", "image": "nginx:1.27"}]})),
        world::replica_set(),
        world::pod(&json!([status])),
        world::warning("Unhealthy", message, at),
    ];
    let probes = look_at(&objects)
        .symptoms
        .into_iter()
        .map(|symptom| symptom.sign);
    probes
        .filter(|sign| matches!(sign, Sign::Probe { .. }))
        .collect()
}

#[test]
fn a_container_killed_by_its_liveness_probe_is_told_by_the_event_not_by_its_exit_code() {
    let running = json!({"running": {"startedAt": "2026-01-01T11:59:00Z"}});
    let message = "Liveness probe failed: connection refused";
    let liveness = [Sign::Probe {
        probe: Probe::Liveness,
    }];
    for (reason, code) in [("Error", 137), ("Error", 143), ("Completed", 0)] {
        let killed = status(
            &running,
            &terminated(reason, code, "2026-01-01T11:59:00Z"),
            2,
        );
        assert_eq!(
            look_with_warning(&killed, message, "2026-01-01T11:58:58Z"),
            liveness,
            "{code}"
        );
        // a warning of an hour ago is no symptom
        assert_eq!(
            look_with_warning(&killed, message, "2026-01-01T10:58:58Z"),
            []
        );
    }
    // a program that ends by itself is not the probe's
    let ended = status(&running, &terminated("Error", 3, "2026-01-01T11:59:00Z"), 2);
    assert_eq!(
        look_with_warning(&ended, message, "2026-01-01T11:58:58Z"),
        []
    );
}

#[test]
fn a_readiness_probe_is_a_symptom_only_when_its_time_is_over() {
    let since = |started: &str| status(&json!({"running": {"startedAt": started}}), &json!({}), 0);
    let message = "Readiness probe failed: HTTP probe failed with statuscode: 503";
    let seen = |started| look_with_warning(&since(started), message, "2026-01-01T11:59:58Z");
    assert_eq!(seen("2026-01-01T11:59:30Z"), [], "it is starting");
    assert_eq!(
        seen("2026-01-01T11:50:00Z"),
        [Sign::Probe {
            probe: Probe::Readiness
        }]
    );
}

#[test]
fn of_several_answers_to_a_probe_the_newest_counts() {
    // until the program listened, nobody answered at all
    let told = |name: &str, message: &str, at: &str| {
        let message = format!("Readiness probe failed: {message}");
        let mut event = world::warning("Unhealthy", &message, at);
        event["metadata"]["name"] = json!(name);
        event
    };
    let running = json!({"running": {"startedAt": "2026-01-01T11:50:00Z"}});
    let observation = look_at(&[
        world::deployment(&json!({"containers": [{"name": "app", "image": "nginx:1.27"}]})),
        world::replica_set(),
        world::pod(&json!([status(&running, &json!({}), 0)])),
        told("a", "connection refused", "2026-01-01T11:59:01Z"),
        told(
            "b",
            "HTTP probe failed with statuscode: 404",
            "2026-01-01T11:59:58Z",
        ),
    ]);
    let [symptom] = observation.symptoms.as_slice() else {
        panic!("{observation:?}");
    };
    assert!(symptom.message.ends_with("404"), "{}", symptom.message);
}
