//! A change that touches no pod is judged by what the kubelet starts again, not by what has ended
//! before.

use akeso_core::{
    observe::{Sign, Symptom, observe},
    verify::next_start::{patience, split},
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::watch::after;
use crate::world;

fn ended(seconds: i64) -> Value {
    json!({"terminated": {"reason": "Error", "exitCode": 1,
        "startedAt": after(seconds - 1).to_string(), "finishedAt": after(seconds).to_string()}})
}

fn container(state: &Value, last: &Value) -> Value {
    json!([{"name": "app", "image": "", "imageID": "", "ready": false, "restartCount": 4,
        "state": state, "lastState": last}])
}

/// What is seen of a pod with this container, a minute after the change, and how it is told apart.
fn seen(statuses: &Value, overdue: bool) -> (Vec<Symptom>, Vec<Symptom>) {
    let spec = json!({"containers": [{"name": "app", "image": "nginx"}]});
    let objects = [
        world::deployment(&spec),
        world::replica_set(),
        world::pod(statuses),
    ];
    let cluster = world::cluster(&objects);
    let workload = cluster.workload(&world::web()).unwrap();
    let mut symptoms = observe(&workload, after(60)).symptoms;
    assert_eq!(symptoms.len(), 1, "{symptoms:?}");
    if overdue {
        symptoms.push(world::story::symptom(Sign::RolloutOverdue));
    }
    split(&workload, &symptoms, after(0))
}

#[test]
fn what_ended_before_the_change_says_nothing_of_it() {
    let backs_off = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    let runs = json!({"running": {"startedAt": after(30).to_string()}});
    for (state, last, is_old) in [
        (backs_off.clone(), ended(-20), true),
        (backs_off.clone(), ended(40), false),
        (runs.clone(), ended(-20), true),
        (runs, ended(40), false),
        (ended(-20), Value::Null, true),
        (ended(40), ended(-20), false),
        // it had begun before
        (backs_off, ended(5), true),
    ] {
        let (old, new) = seen(&container(&state, &last), false);
        assert_eq!(
            (old.len(), new.len()),
            (usize::from(is_old), usize::from(!is_old)),
            "{state} {last}"
        );
    }
}

#[test]
fn a_rollout_that_is_overdue_for_the_same_crash_says_nothing_either() {
    let backs_off = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    let (old, new) = seen(&container(&backs_off, &ended(-20)), true);
    assert_eq!((old.len(), new.len()), (2, 0));
    let (old, new) = seen(&container(&backs_off, &ended(40)), true);
    assert_eq!((old.len(), new.len()), (0, 2));
}

#[test]
fn what_is_no_crash_is_never_old() {
    let pull = json!({"waiting": {"reason": "ImagePullBackOff", "message": "x"}});
    let (old, new) = seen(&container(&pull, &ended(-20)), true);
    assert_eq!((old.len(), new.len()), (0, 2));
}

#[test]
fn it_is_waited_for_longer_than_the_kubelet_backs_off_and_a_crash_is_remembered() {
    let waits = patience(after(0)).duration_since(after(0));
    assert!(waits > SignedDuration::from_mins(15) && waits < SignedDuration::from_mins(20));
}
