//! Watching a Deployment after a change: well for the whole window, or not healed.

use akeso_core::{
    observe::{Crash, Sign, Symptom},
    verify::{Progress, Watch},
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{self, story::symptom};

pub const WINDOW: SignedDuration = SignedDuration::from_secs(60);

/// So many seconds after the change.
pub fn after(seconds: i64) -> Timestamp {
    let changed: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
    changed + SignedDuration::from_secs(seconds)
}

/// `shop/web` with these replicas, of which these are updated, and these pods.
fn web(wanted: i32, status: &Value, pods: &[Value]) -> Vec<Value> {
    let mut web = world::deployment(&json!({"containers": [{"name": "app"}]}));
    web["spec"]["replicas"] = json!(wanted);
    web["status"] = status.clone();
    web["status"]["observedGeneration"] = json!(3);
    let mut objects = vec![web, world::replica_set(), world::older_replica_set()];
    for (place, pod) in pods.iter().enumerate() {
        let mut pod = pod.clone();
        pod["metadata"]["name"] = json!(format!("web-{place}"));
        objects.push(pod);
    }
    objects
}

/// A pod that is ready or not, with these restarts of its container and its init container.
pub fn pod(ready: &str, restarts: [i32; 2]) -> Value {
    let status = |name: &str, count: i32| json!([{"name": name, "image": "", "imageID": "", "ready": true, "restartCount": count}]);
    let mut pod = world::pod(&status("app", restarts[0]));
    pod["status"]["initContainerStatuses"] = status("setup", restarts[1]);
    pod["status"]["conditions"] = json!([{"type": "Ready", "status": ready}]);
    pod
}

fn old(ready: &str) -> Value {
    let mut pod = pod(ready, [0, 0]);
    pod["metadata"]["ownerReferences"][0]["uid"] = json!("web-0-uid");
    pod
}

/// One replica, rolled out, with this pod.
fn one(pod: Value) -> Vec<Value> {
    web(1, &json!({"replicas": 1, "updatedReplicas": 1}), &[pod])
}

/// A watch that began at the change, when `ready_before` pods were ready.
fn watch(objects: &[Value], ready_before: usize) -> Watch {
    let cluster = world::cluster(objects);
    Watch::begin(
        &cluster.workload(&world::web()).unwrap(),
        WINDOW,
        ready_before,
        after(0),
    )
}

fn look(watch: &mut Watch, objects: &[Value], symptoms: &[Symptom], at: Timestamp) -> Progress {
    let cluster = world::cluster(objects);
    watch.look(&cluster.workload(&world::web()).unwrap(), symptoms, at)
}

fn crash(repeated: bool) -> Symptom {
    symptom(Sign::Crash(Crash {
        exit_code: 1,
        restarts: 1,
        lifetime: None,
        repeated,
    }))
}

/// What a Deployment that never becomes well lacks. Its own condition tells when it is overdue, so
/// that time alone never does.
fn missing(objects: &[Value]) -> Option<String> {
    let mut watch = watch(objects, 0);
    assert!(matches!(
        look(&mut watch, objects, &[], after(1)),
        Progress::Waiting(_)
    ));
    match look(&mut watch, objects, &[], Timestamp::MAX) {
        Progress::Overdue { why, .. } => Some(why),
        Progress::Healed => None,
        other @ (Progress::Waiting(_) | Progress::Broken) => unreachable!("{other:?}"),
    }
}

#[test]
fn a_workload_is_healed_when_it_was_well_for_the_whole_window_and_not_a_second_before() {
    let well = one(pod("True", [0, 0]));
    let mut watch = watch(&well, 0);
    // it counts from when it was seen well, not from the change
    assert_eq!(
        look(&mut watch, &well, &[], after(5)),
        Progress::Waiting(after(65))
    );
    assert_eq!(
        look(&mut watch, &well, &[], after(64)),
        Progress::Waiting(after(65))
    );
    assert_eq!(look(&mut watch, &well, &[], after(65)), Progress::Healed);
}

#[test]
fn a_restart_of_any_container_begins_the_window_anew() {
    for restarted in [pod("True", [3, 1]), pod("True", [2, 2])] {
        let well = one(pod("True", [2, 1]));
        let mut watch = watch(&well, 0);
        assert_eq!(
            look(&mut watch, &well, &[], after(0)),
            Progress::Waiting(after(60))
        );
        let restarted = one(restarted);
        assert_eq!(
            look(&mut watch, &restarted, &[], after(59)),
            Progress::Waiting(after(119))
        );
        assert_eq!(
            look(&mut watch, &restarted, &[], after(60)),
            Progress::Waiting(after(119))
        );
        assert_eq!(
            look(&mut watch, &restarted, &[], after(119)),
            Progress::Healed
        );
    }
}

#[test]
fn what_was_not_well_in_between_begins_anew_as_well() {
    let (well, unready) = (one(pod("True", [0, 0])), one(pod("False", [0, 0])));
    for (objects, symptoms) in [
        (&unready, vec![]),
        (&well, vec![crash(false)]),
        (&well, vec![crash(true)]),
    ] {
        let mut watch = watch(&well, 0);
        look(&mut watch, &well, &[], after(0));
        assert_ne!(
            look(&mut watch, objects, &symptoms, after(30)),
            Progress::Healed
        );
        assert_eq!(
            look(&mut watch, &well, &[], after(60)),
            Progress::Waiting(after(120))
        );
    }
}

#[test]
fn what_lasts_is_broken_at_once_and_a_first_crash_is_waited_for() {
    let well = one(pod("True", [0, 0]));
    let mut watch = watch(&well, 0);
    assert_eq!(
        look(&mut watch, &well, &[crash(false), crash(true)], after(1)),
        Progress::Broken
    );
    assert_eq!(
        look(&mut watch, &well, &[crash(false)], after(2)),
        Progress::Waiting(Timestamp::MAX)
    );
    let overdue = look(&mut watch, &well, &[crash(false)], Timestamp::MAX);
    let why = "a container has crashed".into();
    assert_eq!(
        overdue,
        Progress::Overdue {
            why,
            is_worse: false
        }
    );
}

#[test]
fn a_deployment_is_well_when_its_new_revision_is_rolled_out_and_ready() {
    let ready = || pod("True", [0, 0]);
    let status = |all: i32, updated: i32| json!({"replicas": all, "updatedReplicas": updated});
    for (wanted, status, pods, lacks) in [
        (2, status(2, 2), vec![ready(), ready()], None),
        (2, status(3, 3), vec![ready(), ready(), ready()], None),
        (
            2,
            status(2, 1),
            vec![ready(), ready()],
            Some("1 of 2 pods are of the new revision"),
        ),
        (
            2,
            json!({}),
            vec![ready(), ready()],
            Some("0 of 2 pods are of the new revision"),
        ),
        (
            2,
            status(3, 2),
            vec![ready(), ready()],
            Some("pods of the old revision are left"),
        ),
        (
            2,
            status(2, 2),
            vec![ready(), ready(), old("True")],
            Some("pods of the old revision are left"),
        ),
        (
            2,
            status(2, 2),
            vec![ready(), pod("False", [0, 0])],
            Some("1 of 2 pods are ready"),
        ),
        (2, status(2, 2), vec![], Some("0 of 2 pods are ready")),
    ] {
        let objects = web(wanted, &status, &pods);
        assert_eq!(
            missing(&objects).as_deref(),
            lacks,
            "{status} {}",
            pods.len()
        );
    }
}

#[test]
fn a_change_that_the_controller_has_not_seen_is_not_judged() {
    let mut unseen = one(pod("True", [0, 0]));
    unseen[0]["metadata"]["generation"] = json!(4);
    let why = "its controller has not seen the change yet";
    assert_eq!(missing(&unseen).as_deref(), Some(why));
    // nor one whose ReplicaSet is not made yet
    let without = one(pod("True", [0, 0]))
        .into_iter()
        .filter(|object| object["kind"] != "ReplicaSet");
    assert_eq!(missing(&without.collect::<Vec<_>>()).as_deref(), Some(why));
}

#[test]
fn it_is_worse_only_when_fewer_pods_are_ready_than_before() {
    let objects = web(
        3,
        &json!({"replicas": 3, "updatedReplicas": 2}),
        &[pod("True", [0, 0]), old("True"), old("False")],
    );
    for (before, worse) in [(1, false), (2, false), (3, true)] {
        let mut watch = watch(&objects, before);
        let Progress::Overdue { is_worse, .. } = look(&mut watch, &objects, &[], Timestamp::MAX)
        else {
            unreachable!("it is overdue")
        };
        assert_eq!(is_worse, worse, "{before} were ready before");
    }
}

proptest! {
    #[test]
    fn nothing_is_called_healed_that_was_not_well_for_the_whole_window(
        looks in proptest::collection::vec((1_i64..40, 0_u8..8), 1..30)
    ) {
        let well = one(pod("True", [0, 0]));
        let mut watch = watch(&well, 0);
        let (mut now, mut well_since, mut restarts) = (0, None, 0);
        for (seconds, what) in looks {
            now += seconds;
            let (ready, symptoms) = match what {
                0 => ("False", vec![]),
                1 => ("True", vec![crash(true)]),
                2 => { restarts += 1; ("True", vec![]) }
                _ => ("True", vec![]),
            };
            match what {
                0 | 1 => well_since = None,
                2 => well_since = Some(now),
                _ => { well_since.get_or_insert(now); }
            }
            let progress = look(&mut watch, &one(pod(ready, [restarts, 0])), &symptoms, after(now));
            let is_due = well_since.is_some_and(|since| now - since >= WINDOW.as_secs());
            prop_assert_eq!(progress == Progress::Healed, is_due);
            if is_due { break; }
        }
    }
}
