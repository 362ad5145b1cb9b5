//! Which earlier revision is taken for good.

use akeso_core::{
    cluster::{Cluster, Good},
    workload::{WorkloadKind, WorkloadRef},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::world;

/// `web` with a pod of revision 1, and revision 2 as the current one, without pods.
fn rolling_out() -> Cluster {
    let web = world::deployment(&json!({"containers": []}));
    let sets = [world::older_replica_set(), world::replica_set()];
    world::cluster(&[&[web, world::older_pod()], &sets[..]].concat())
}

fn good(cluster: &Cluster) -> Option<(i64, Good)> {
    let workload = cluster.workload(&world::web()).unwrap();
    let revision = workload.last_good_revision()?;
    Some((revision.number, revision.good))
}

/// The same pod when its deletion has been asked for at `time`; it is given 30 s.
fn deleted(mut pod: Value, time: &str) -> Value {
    let time: Timestamp = time.parse().unwrap();
    let gone_by = time + jiff::SignedDuration::from_secs(30);
    pod["metadata"]["deletionTimestamp"] = json!(gone_by.to_string());
    pod["metadata"]["deletionGracePeriodSeconds"] = json!(30);
    pod
}

fn restarted(mut pod: Value) -> Value {
    pod["status"]["containerStatuses"] = json!([
        {"name": "app", "image": "nginx", "imageID": "", "ready": true, "restartCount": 1}
    ]);
    pod
}

/// The same pod, no longer ready from `time` on.
fn failed(mut pod: Value, time: &str) -> Value {
    pod["status"]["conditions"] = json!([
        {"type": "Ready", "status": "False", "lastTransitionTime": time}
    ]);
    pod
}

/// A pod of revision 2, ready since 11:30.
fn current_pod() -> Value {
    let mut pod = world::older_pod();
    pod["metadata"]["name"] = json!("web-1-abcde");
    pod["metadata"]["ownerReferences"][0]["name"] = json!("web-1");
    pod["metadata"]["ownerReferences"][0]["uid"] = json!("web-1-uid");
    pod["metadata"]["creationTimestamp"] = json!("2026-01-01T11:29:55Z");
    pod["status"]["conditions"][0]["lastTransitionTime"] = json!("2026-01-01T11:30:00Z");
    pod
}

#[test]
fn a_revision_whose_pods_are_ready_is_good_and_one_that_crashes_in_between_is_not() {
    let mut cluster = rolling_out();
    assert_eq!(good(&cluster), Some((1, Good::Serves(1))));
    // between two crashes it is ready as well
    cluster.upsert(world::read(&restarted(world::older_pod())));
    assert_eq!(good(&cluster), None);
    // it had been ready for half an hour when the rollout began
    cluster.upsert(world::read(&current_pod()));
    assert_eq!(good(&cluster), Some((1, Good::Serves(1))));
}

#[test]
fn what_its_pods_have_shown_until_they_were_deleted_is_remembered() {
    let ends = |pod: Value| {
        let mut cluster = rolling_out();
        cluster.upsert(world::read(&pod));
        cluster.remove(&world::read(&pod).reference());
        good(&cluster)
    };
    let until = |time: &str| Some((1, Good::ServedUntil(time.parse().unwrap())));
    let at = "2026-01-01T11:00:20Z";
    assert_eq!(ends(deleted(world::older_pod(), at)), until(at));
    // too short, or not without a crash
    let too_early = deleted(world::older_pod(), "2026-01-01T11:00:19Z");
    assert_eq!(ends(too_early), None);
    let after_a_crash = restarted(world::older_pod());
    assert_eq!(ends(deleted(after_a_crash.clone(), at)), None);
    let long_after = "2026-01-01T11:10:10Z";
    assert_eq!(ends(deleted(after_a_crash, long_after)), until(long_after));
    assert_eq!(ends(failed(world::older_pod(), long_after)), None);
    assert_eq!(
        ends(deleted(failed(world::older_pod(), at), long_after)),
        None
    );
    assert_eq!(ends(world::older_pod()), None, "how it ended is not known");
}

#[test]
fn what_is_remembered_counts_only_until_the_next_revision_has_run_well_itself() {
    let after = |events: &[Value]| {
        let mut cluster = rolling_out();
        let replaced = deleted(world::older_pod(), "2026-01-01T11:29:50Z");
        cluster.upsert(world::read(&replaced));
        cluster.remove(&world::read(&replaced).reference());
        for event in events {
            cluster.upsert(world::read(event));
        }
        good(&cluster).map(|(number, _)| number)
    };
    assert_eq!(after(&[current_pod()]), Some(1));
    let soon = failed(current_pod(), "2026-01-01T11:39:59Z");
    assert_eq!(after(&[current_pod(), soon]), Some(1));
    let late = failed(current_pod(), "2026-01-01T11:40:00Z");
    assert_eq!(after(&[current_pod(), late]), None);
    // scaled down: the pod that is deleted shows that its revision works
    let scaled_down = deleted(current_pod(), "2026-01-01T11:31:00Z");
    assert_eq!(after(&[current_pod(), scaled_down]), None);
}

#[test]
fn nothing_is_remembered_of_a_revision_that_is_gone() {
    let mut cluster = rolling_out();
    cluster.remove(&world::read(&world::older_replica_set()).reference());
    let replaced = deleted(world::older_pod(), "2026-01-01T11:30:00Z");
    cluster.upsert(world::read(&replaced));
    cluster.upsert(world::read(&world::older_replica_set()));
    cluster.remove(&world::read(&replaced).reference());
    assert_eq!(good(&cluster), None);
}

#[test]
fn revisions_of_sets_are_remembered_as_well() {
    for (kind, hash, holder) in [
        (WorkloadKind::StatefulSet, "web-1", "web-1"),
        (WorkloadKind::DaemonSet, "1", "web-1"),
    ] {
        let owner = json!([{"apiVersion": "apps/v1", "kind": kind.as_str(), "name": "web",
            "uid": "web-uid", "controller": true}]);
        let set = json!({"apiVersion": "apps/v1", "kind": kind.as_str(),
            "metadata": {"name": "web", "namespace": "shop", "uid": "web-uid"},
            "spec": {"selector": {}, "serviceName": "web", "template": {}}});
        let revision = |number: i64, name: &str| {
            json!({"apiVersion": "apps/v1", "kind": "ControllerRevision",
                "metadata": {"name": name, "namespace": "shop", "uid": name, "ownerReferences": owner},
                "revision": number, "data": {"spec": {"template": {}}}})
        };
        let mut pod = world::older_pod();
        pod["metadata"]["ownerReferences"] = owner.clone();
        pod["metadata"]["labels"] = json!({"controller-revision-hash": hash});
        let pod = deleted(pod, "2026-01-01T11:30:00Z");
        let mut cluster = world::cluster(&[set, revision(1, holder), revision(2, "web-2")]);
        cluster.upsert(world::read(&pod));
        cluster.remove(&world::read(&pod).reference());
        let workload = WorkloadRef {
            kind,
            ..world::web()
        };
        let workload = cluster.workload(&workload).unwrap();
        let name = workload.last_good_revision().map(|good| good.holder.name);
        assert_eq!(name.as_deref(), Some("web-1"), "{kind:?}");
    }
}
