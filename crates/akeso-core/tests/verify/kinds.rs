//! What it means to be well for each kind of workload, how long it may take, and for how long it
//! must last.

use akeso_core::{
    observe::{Crash, Sign, Symptom},
    quantity::Bytes,
    verify::{Progress, Watch, recurrence, window},
    workload::{WorkloadKind, WorkloadRef},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::watch::{WINDOW, after, pod};
use crate::world::{
    self,
    story::{image, memory, pull, symptom},
};

/// `shop/web` of a kind with two replicas, and pods of it that are ready or not.
struct Case {
    kind: WorkloadKind,
    objects: Vec<Value>,
}

impl Case {
    fn new(kind: WorkloadKind, spec: &Value, status: &Value, ready: &[&str]) -> Self {
        let (name, version) = (kind.as_str(), kind.api_version());
        let mut objects = vec![json!({
            "apiVersion": version, "kind": name,
            "metadata": {"name": "web", "namespace": "shop", "uid": "web-uid", "generation": 1},
            "spec": spec, "status": status
        })];
        for (place, ready) in ready.iter().enumerate() {
            let mut pod = pod(ready, [0, 0]);
            pod["metadata"]["name"] = json!(format!("web-{place}"));
            pod["metadata"]["labels"] = json!({"controller-revision-hash": "web-2"});
            pod["metadata"]["ownerReferences"] = json!([{"apiVersion": version, "kind": name, "name": "web", "uid": "web-uid", "controller": true}]);
            objects.push(pod);
        }
        Self { kind, objects }
    }

    fn begin(&self) -> Watch {
        let cluster = world::cluster(&self.objects);
        let reference = WorkloadRef {
            kind: self.kind,
            ..world::web()
        };
        Watch::begin(&cluster.workload(&reference).unwrap(), WINDOW, 0, after(0))
    }

    fn look(&self, watch: &mut Watch, at: Timestamp) -> Progress {
        let cluster = world::cluster(&self.objects);
        let reference = WorkloadRef {
            kind: self.kind,
            ..world::web()
        };
        watch.look(&cluster.workload(&reference).unwrap(), &[], at)
    }

    /// What is missing when the time is over; nothing if it is healed by then.
    fn missing(&self) -> Option<String> {
        let mut watch = self.begin();
        let _: Progress = self.look(&mut watch, after(0));
        match self.look(&mut watch, Timestamp::MAX) {
            Progress::Overdue { why, .. } => Some(why),
            Progress::Healed => None,
            other @ (Progress::Waiting(_) | Progress::Broken) => unreachable!("{other:?}"),
        }
    }
}

fn replicated() -> Value {
    json!({"replicas": 2, "selector": {}, "serviceName": "web", "template": {}})
}

fn stateful(current: &str, replicas: i32, updated: Option<i32>, ready: &[&str]) -> Case {
    let status = json!({"observedGeneration": 1, "replicas": replicas, "updatedReplicas": updated, "currentRevision": current, "updateRevision": "web-2"});
    Case::new(WorkloadKind::StatefulSet, &replicated(), &status, ready)
}

#[test]
fn a_stateful_set_is_well_when_every_pod_is_of_the_new_revision_and_ready() {
    for (case, lacks) in [
        // once all are replaced, the API server counts no updated ones any more
        (stateful("web-2", 2, None, &["True", "True"]), None),
        (stateful("web-1", 2, Some(2), &["True", "True"]), None),
        (
            stateful("web-2", 1, Some(2), &["True"]),
            Some("1 of 2 pods are of the new revision"),
        ),
        (
            stateful("web-1", 2, Some(1), &["True", "True"]),
            Some("1 of 2 pods are of the new revision"),
        ),
        (
            stateful("web-1", 2, None, &["True", "True"]),
            Some("0 of 2 pods are of the new revision"),
        ),
        (
            stateful("web-2", 2, None, &["True", "False"]),
            Some("1 of 2 pods are ready"),
        ),
    ] {
        assert_eq!(case.missing().as_deref(), lacks);
    }
}

#[test]
fn a_daemon_set_is_well_when_every_node_has_the_new_pod_ready() {
    let case = |updated: i32, ready: &[&str]| {
        let status = json!({"observedGeneration": 1, "currentNumberScheduled": 2, "desiredNumberScheduled": 2, "numberMisscheduled": 0, "numberReady": 2, "updatedNumberScheduled": updated});
        Case::new(
            WorkloadKind::DaemonSet,
            &json!({"selector": {}, "template": {}}),
            &status,
            ready,
        )
    };
    assert_eq!(case(2, &["True", "True"]).missing(), None);
    let behind = case(1, &["True", "True"]).missing();
    assert_eq!(
        behind.as_deref(),
        Some("1 of 2 pods are of the new revision")
    );
    let unready = case(2, &["False", "True"]).missing();
    assert_eq!(unready.as_deref(), Some("1 of 2 pods are ready"));
}

#[test]
fn a_replica_set_or_a_bare_pod_is_well_when_it_is_ready() {
    let set = |ready: &[&str]| {
        Case::new(
            WorkloadKind::ReplicaSet,
            &replicated(),
            &json!({"observedGeneration": 1, "replicas": 2}),
            ready,
        )
    };
    assert_eq!(set(&["True", "True"]).missing(), None);
    assert_eq!(
        set(&["True"]).missing().as_deref(),
        Some("1 of 2 pods are ready")
    );
    let bare = |ready: &str| {
        let mut case = Case::new(WorkloadKind::Pod, &json!({}), &json!({}), &[]);
        case.objects[0]["spec"] = json!({"containers": []});
        case.objects[0]["status"] = json!({"conditions": [{"type": "Ready", "status": ready}]});
        case
    };
    assert_eq!(bare("True").missing(), None);
    assert_eq!(
        bare("False").missing().as_deref(),
        Some("0 of 1 pods are ready")
    );
}

#[test]
fn a_job_is_healed_as_soon_as_it_is_complete() {
    let job = |status: &Value| Case::new(WorkloadKind::Job, &json!({"template": {}}), status, &[]);
    let complete = job(&json!({"completionTime": "2026-01-01T12:00:00Z"}));
    assert_eq!(
        complete.look(&mut complete.begin(), after(1)),
        Progress::Healed
    );
    let running = job(&json!({"active": 1}));
    assert_eq!(running.missing().as_deref(), Some("it has not ended yet"));
    // nothing else is: there is a window for what goes on running
    let running = stateful("web-2", 2, None, &["True", "True"]);
    assert_eq!(
        running.look(&mut running.begin(), after(1)),
        Progress::Waiting(after(61))
    );
}

#[test]
fn a_cron_job_is_verified_by_its_next_run_whenever_that_is() {
    let cron = |made: Option<&str>, status: &Value| {
        let spec = json!({"schedule": "@daily", "jobTemplate": {"spec": {"template": {"spec": {"containers": []}}}}});
        let mut case = Case::new(WorkloadKind::CronJob, &spec, &Value::Null, &[]);
        if let Some(made) = made {
            case.objects.push(json!({
                "apiVersion": "batch/v1", "kind": "Job",
                "metadata": {
                    "name": "web-1", "namespace": "shop", "uid": "job-uid", "creationTimestamp": made,
                    "ownerReferences": [{"apiVersion": "batch/v1", "kind": "CronJob", "name": "web", "uid": "web-uid", "controller": true}]
                },
                "spec": {"template": {"spec": {"containers": []}}}, "status": status
            }));
        }
        case
    };
    let complete = json!({"completionTime": "2026-01-01T12:05:00Z"});
    for made in ["2026-01-01T12:00:00Z", "2026-01-02T00:00:00Z"] {
        let run = cron(Some(made), &complete);
        assert_eq!(run.look(&mut run.begin(), after(3_600)), Progress::Healed);
        let running = cron(Some(made), &json!({"active": 1}));
        assert_eq!(
            running.missing().as_deref(),
            Some("its run has not ended yet")
        );
    }
    let before = cron(Some("2026-01-01T11:59:59Z"), &complete);
    assert_eq!(before.missing().as_deref(), Some("it has not run since"));
    assert_eq!(
        cron(None, &complete).missing().as_deref(),
        Some("it has not run since")
    );
    let mut watch = before.begin();
    assert_eq!(
        before.look(&mut watch, after(1)),
        Progress::Waiting(Timestamp::MAX)
    );
}

#[test]
fn what_has_no_deadline_of_its_own_is_given_ten_minutes_a_pod_and_the_window() {
    let unready = stateful("web-2", 2, None, &["True", "False"]);
    let mut watch = unready.begin();
    let deadline = after(2 * 600 + 60);
    assert_eq!(
        unready.look(&mut watch, after(0)),
        Progress::Waiting(deadline)
    );
    assert_eq!(
        unready.look(&mut watch, after(1_259)),
        Progress::Waiting(deadline)
    );
    assert!(matches!(
        unready.look(&mut watch, deadline),
        Progress::Overdue { .. }
    ));
    // of nothing it is the time of one
    let mut asleep = unready;
    asleep.objects[0]["spec"]["replicas"] = json!(0);
    asleep.objects[0]["metadata"]["generation"] = json!(2);
    assert_eq!(
        asleep.look(&mut asleep.begin(), after(0)),
        Progress::Waiting(after(660))
    );
}

fn oom(seconds: i64) -> Symptom {
    symptom(Sign::OutOfMemory(Crash {
        exit_code: 137,
        restarts: 1,
        lifetime: Some(SignedDuration::from_secs(seconds)),
        repeated: true,
    }))
}

#[test]
fn the_window_is_a_quarter_longer_than_the_fault_took_in_proportion_to_the_memory() {
    // a lifetime in whole seconds may be a second short: (99 + 1) s * 2 * 1.25
    assert_eq!(
        window(&oom(99), &memory(), None),
        SignedDuration::from_secs(250)
    );
    let killed_at = Some(Bytes::mebi(64));
    assert_eq!(
        window(&oom(99), &memory(), killed_at),
        SignedDuration::from_secs(500)
    );
    assert_eq!(
        window(&oom(99), &image(), None),
        SignedDuration::from_secs(125)
    );
    assert_eq!(recurrence(Some(&oom(99))), SignedDuration::from_secs(125));
    let unknown = killed_at.map(|_| Bytes::new(0));
    assert_eq!(
        window(&oom(99), &memory(), unknown),
        SignedDuration::from_hours(24)
    );
}

#[test]
fn no_window_is_shorter_than_half_a_minute_or_longer_than_a_day() {
    let least = SignedDuration::from_secs(30);
    assert_eq!(window(&pull(), &image(), None), least);
    assert_eq!(window(&oom(0), &memory(), None), least);
    assert_eq!(recurrence(Some(&pull())), least);
    assert_eq!(recurrence(None), least);
    assert_eq!(
        window(&oom(86_400), &memory(), None),
        SignedDuration::from_hours(24)
    );
}
