//! Volumes that cannot be mounted, and those that only take their time.

use akeso_core::{
    diagnose::{Diagnosis, Findings, diagnose},
    evidence::{Answer, Evidence, Keys, Question},
    observe::{Observation, Sign, observe},
    policy::Settings,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    program_and_reference::{corrected, keys, only},
    world,
};

const NOW: &str = "2026-01-01T12:00:00Z";

/// `shop/web`, whose pod was bound at 11:59 and is creating its container.
fn world_with(volume: &Value, is_sandboxed: &str, event: &Value) -> Vec<Value> {
    let spec = json!({
        "containers": [{"name": "app", "image": "nginx:1.27", "volumeMounts": [
            {"name": "settings", "mountPath": "/etc/app"}
        ]}],
        "volumes": [volume]
    });
    let creating = json!([{
        "name": "app", "image": "", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": "ContainerCreating"}}
    }]);
    let mut pod = world::pod(&creating);
    pod["status"]["phase"] = json!("Pending");
    pod["status"]["conditions"] = json!([
        {"type": "PodReadyToStartContainers", "status": is_sandboxed},
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T11:59:00Z"}
    ]);
    let mut event = event.clone();
    event["involvedObject"]["fieldPath"] = json!(null);
    vec![world::deployment(&spec), world::replica_set(), pod, event]
}

fn look(objects: &[Value]) -> Observation {
    let cluster = world::cluster(objects);
    let now: Timestamp = NOW.parse().unwrap();
    observe(&cluster.workload(&world::web()).unwrap(), now)
}

fn failed(why: &str, at: &str) -> Value {
    let message = format!("MountVolume.SetUp failed for volume \"settings\" : {why}");
    world::warning("FailedMount", &message, at)
}

const GONE: &str = "configmap \"app-confg\" not found";

fn map_volume() -> Value {
    json!({"name": "settings", "configMap": {"name": "app-confg"}})
}

/// What is said of this volume when the kubelet says this.
fn told(volume: &Value, why: &str, keys: &Keys) -> Diagnosis {
    let failed = failed(why, "2026-01-01T11:59:59Z");
    told_of(&world_with(volume, "False", &failed), keys)
}

fn told_of(objects: &[Value], keys: &Keys) -> Diagnosis {
    let symptoms = look(objects).symptoms;
    assert_eq!(symptoms.len(), 1, "{symptoms:?}");
    let cluster = world::cluster(objects);
    let workload = cluster.workload(&world::web()).unwrap();
    let mut evidence = Evidence::default();
    evidence.insert(Question::Keys, Answer::Keys(keys.clone()));
    let now: Timestamp = NOW.parse().unwrap();
    match diagnose(&workload, &symptoms, &evidence, &Settings::default(), now) {
        Findings::Diagnosed(diagnoses) => only(diagnoses),
        Findings::Ask(questions) => unreachable!("{questions:?}"),
    }
}

#[test]
fn only_a_mount_that_still_fails_after_half_a_minute_is_a_symptom() {
    let volume = map_volume();
    let lasting = failed(GONE, "2026-01-01T11:59:45Z");
    let seen = look(&world_with(&volume, "False", &lasting));
    let sign = Sign::Mount {
        volume: "settings".into(),
    };
    assert_eq!(seen.symptoms[0].sign, sign);
    assert_eq!(seen.symptoms[0].container, None);
    assert_eq!(seen.again.unwrap().to_string(), "2026-01-01T12:02:15Z");
    for (is_sandboxed, event) in [
        // a healthy start
        ("False", failed(GONE, "2026-01-01T11:59:15Z")),
        // it was mounted since; the image is being pulled
        ("True", lasting),
        // of a mount that times out nothing is told but that
        (
            "False",
            world::warning("FailedMount", "Unable to attach or mount volumes", NOW),
        ),
    ] {
        assert_eq!(
            look(&world_with(&volume, is_sandboxed, &event)).symptoms,
            []
        );
    }
}

#[test]
fn a_missing_config_map_is_named_with_its_volume_and_the_one_that_has_the_items() {
    let volume = json!({"name": "settings", "configMap": {
        "name": "app-confg", "items": [{"key": "a.conf", "path": "a.conf"}]
    }});
    let keys = keys(&[("app-config", &["a.conf"]), ("app-conf", &["b.conf"])]);
    let told = told(&volume, GONE, &keys);
    assert_eq!(told.fault, "missing-volume-source");
    assert_eq!(
        told.cause,
        "Deployment shop/web cannot mount its volume settings (container app at /etc/app): \
         ConfigMap app-confg does not exist in namespace shop, which volumes[0].configMap refers \
         to; did you mean app-config, which has all the keys needed? (app-conf lacks a.conf)"
    );
    assert_eq!(told.dependency.as_deref(), Some("ConfigMap shop/app-confg"));
    assert_eq!(
        corrected(&told),
        Some(("app-confg".into(), "app-config".into()))
    );
}

#[test]
fn a_volumes_reference_is_corrected_only_where_nothing_else_can_have_been_meant() {
    let whole = map_volume();
    let of_items = json!({"name": "settings", "configMap": {
        "name": "app-confg", "items": [{"key": "a.conf", "path": "a.conf"}]
    }});
    for (volume, keys, is_corrected) in [
        (&whole, keys(&[("app-config", &["a.conf"])]), true),
        (&of_items, keys(&[("app-config", &["a.conf", "b"])]), true),
        (&of_items, keys(&[("app-config", &["b.conf"])]), false),
        (
            &whole,
            keys(&[("app-confi", &[]), ("app-config", &[])]),
            false,
        ),
        // another letter, another number
        (&whole, keys(&[("app-confx", &[])]), false),
        (&whole, keys(&[("app-config-2", &[])]), false),
        (&whole, keys(&[]), false),
    ] {
        let told = told(volume, GONE, &keys);
        assert_eq!(corrected(&told).is_some(), is_corrected, "{keys:?}");
    }
    let of_key = |key: &str| {
        json!({"name": "settings", "configMap": {
            "name": "app-config", "items": [{"key": key, "path": "x"}]
        }})
    };
    let words = |key: &str| format!("configmap references non-existent config key: {key}");
    for (key, has, is_corrected) in [
        ("sever.conf", "server.conf", true),
        ("server1.conf", "server2.conf", false),
        ("a.conf", "b.conf", false),
    ] {
        let told = told(&of_key(key), &words(key), &keys(&[("app-config", &[has])]));
        assert_eq!(corrected(&told).is_some(), is_corrected, "{key}");
    }
}

#[test]
fn what_others_use_is_referred_to_only_for_a_file_that_it_has() {
    for (mount, has, is_corrected) in [
        (json!({"mountPath": "/etc/app"}), "a.conf", false),
        (
            json!({"mountPath": "/a", "subPath": "a.conf"}),
            "a.conf",
            true,
        ),
        (
            json!({"mountPath": "/a", "subPath": "a.conf"}),
            "b.conf",
            false,
        ),
    ] {
        let mut objects = world_with(&map_volume(), "False", &failed(GONE, NOW));
        objects[0]["spec"]["template"]["spec"]["containers"][0]["volumeMounts"][0] = mount;
        objects[0]["spec"]["template"]["spec"]["containers"][0]["volumeMounts"][0]["name"] =
            json!("settings");
        let mut other = world::deployment(&json!({
            "containers": [{"name": "app", "image": "nginx:1.27"}],
            "volumes": [{"name": "all", "configMap": {"name": "app-config"}}]
        }));
        other["metadata"]["name"] = json!("other");
        other["metadata"]["uid"] = json!("other-uid");
        objects.push(other);
        let told = told_of(&objects, &keys(&[("app-config", &[has])]));
        assert_eq!(corrected(&told).is_some(), is_corrected, "{has}");
    }
}

#[test]
fn a_projected_volume_is_corrected_only_if_all_that_it_lacks_can_be() {
    let volume = json!({"name": "settings", "projected": {"sources": [
        {"configMap": {"name": "app-confg"}}, {"configMap": {"name": "flags"}}
    ]}});
    let words = "[configmap \"app-confg\" not found, configmap \"flags\" not found]";
    for (known, is_corrected) in [
        (keys(&[("app-config", &[])]), false),
        (keys(&[("app-config", &[]), ("flgas", &[])]), true),
        // it is there by now
        (keys(&[("app-config", &[]), ("flags", &[])]), true),
    ] {
        let told = told(&volume, words, &known);
        assert_eq!(corrected(&told).is_some(), is_corrected, "{known:?}");
    }
}

#[test]
fn a_missing_key_is_named_with_the_object_that_the_kubelet_does_not_name() {
    let volume = json!({"name": "settings", "configMap": {
        "name": "app-config", "items": [{"key": "a.conf", "path": "a.conf"}]
    }});
    let words = "configmap references non-existent config key: a.conf";
    let keys = keys(&[("app-config", &["server.conf", "a.cnf"])]);
    let told = told(&volume, words, &keys);
    assert!(
        told.cause
            .contains("the key a.conf of ConfigMap app-config does not exist"),
        "{}",
        told.cause
    );
    assert!(
        told.cause.ends_with("did you mean its key a.cnf?"),
        "{}",
        told.cause
    );
}

#[test]
fn of_a_projected_volume_all_that_is_missing_is_told() {
    let volume = json!({"name": "settings", "projected": {"sources": [
        {"configMap": {"name": "one", "items": [{"key": "a", "path": "a"}]}},
        {"configMap": {"name": "two", "items": [{"key": "a", "path": "b"}]}},
        {"secret": {"name": "login"}},
        {"secret": {"name": "extra", "optional": true}}
    ]}});
    let words = "[configmap references non-existent config key: a, secret \"login\" not found]";
    let told = told(&volume, words, &keys(&[("one", &["a"]), ("two", &["b"])]));
    for part in [
        "Secret login does not exist in namespace shop, which volumes[0].projected.sources[2].secret",
        "the key a of ConfigMap two does not exist in namespace shop, which volumes[0].projected.sources[1].configMap",
    ] {
        assert!(told.cause.contains(part), "{}", told.cause);
    }
    assert!(!told.cause.contains("extra"));
}

#[test]
fn another_cause_stays_the_kubelets_words() {
    let volume = json!({"name": "settings", "hostPath": {"path": "/srv", "type": "Directory"}});
    let words = "hostPath type check failed: /srv is not a directory";
    let told = told(&volume, words, &Keys::default());
    assert_eq!(told.fault, "mount-failed");
    assert!(
        told.cause
            .ends_with(&format!("its volume settings: {words}")),
        "{}",
        told.cause
    );
}
