//! What is said of a program that is not there or ends well, and of a reference that leads nowhere.

use akeso_core::{
    act::Action,
    diagnose::{Diagnosis, Findings, Remedy, diagnose},
    evidence::{Answer, Evidence, Keys, Life, Question},
    observe::observe,
    plan::Step,
    policy::Settings,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::world;

const NOW: &str = "2026-01-01T12:00:00Z";

/// The diagnoses of `shop/web` with this container and status, when its log and the keys of the
/// namespace are these.
pub(crate) fn diagnoses(
    container: &Value,
    status: &Value,
    log: &str,
    keys: &Keys,
) -> Vec<Diagnosis> {
    of_spec(&json!({"containers": [container]}), status, log, keys)
}

/// The same of one that has crashed, in a pod with volumes.
pub(crate) fn with_volumes(
    container: &Value,
    volumes: &Value,
    log: &str,
    keys: &Keys,
) -> Diagnosis {
    let spec = json!({"containers": [container], "volumes": volumes});
    only(of_spec(&spec, &crashed(1), log, keys))
}

fn of_spec(spec: &Value, status: &Value, log: &str, keys: &Keys) -> Vec<Diagnosis> {
    let cluster = world::cluster(&[
        world::deployment(spec),
        world::replica_set(),
        world::pod(&json!([status])),
    ]);
    let now: Timestamp = NOW.parse().unwrap();
    let workload = cluster.workload(&world::web()).unwrap();
    let symptoms = observe(&workload, now).symptoms;
    let mut evidence = Evidence::default();
    evidence.insert(Question::Keys, Answer::Keys(keys.clone()));
    for life in [Life::Current, Life::Previous] {
        let question = Question::Logs {
            pod: "web-1-abcde".into(),
            container: "app".into(),
            life,
        };
        evidence.insert(question, Answer::Logs(log.into()));
    }
    match diagnose(&workload, &symptoms, &evidence, &Settings::default(), now) {
        Findings::Diagnosed(diagnoses) => diagnoses,
        Findings::Ask(questions) => unreachable!("{questions:?}"),
    }
}

pub(crate) fn only(mut diagnoses: Vec<Diagnosis>) -> Diagnosis {
    assert_eq!(diagnoses.len(), 1, "{diagnoses:?}");
    diagnoses.remove(0)
}

pub(crate) fn status(reason: &str, message: &str, last: &Value) -> Value {
    json!({
        "name": "app", "image": "", "imageID": "", "ready": false, "restartCount": 4,
        "state": {"waiting": {"reason": reason, "message": message}}, "lastState": last
    })
}

pub(crate) fn crashed(code: i32) -> Value {
    let reason = if code == 0 { "Completed" } else { "Error" };
    let last = json!({"terminated": {
        "reason": reason, "exitCode": code,
        "startedAt": "2026-01-01T11:59:00Z", "finishedAt": "2026-01-01T11:59:01Z"
    }});
    status("CrashLoopBackOff", "back-off 40s", &last)
}

pub(crate) fn keys(config_maps: &[(&str, &[&str])]) -> Keys {
    let keys_of = |keys: &[&str]| keys.iter().map(|&key| key.to_owned()).collect();
    Keys {
        config_maps: config_maps
            .iter()
            .map(|(name, keys)| ((*name).to_owned(), keys_of(keys)))
            .collect(),
        ..Keys::default()
    }
}

/// What is said when the kubelet says this, for a container that reads HOST from `app-confg`.
fn of_reference(message: &str, keys: &Keys) -> Diagnosis {
    let container = json!({"name": "app", "image": "nginx:1.27", "env": [
        {"name": "DB_HOST", "valueFrom": {"configMapKeyRef": {"name": "app-confg", "key": "HOST"}}}
    ]});
    let status = status("CreateContainerConfigError", message, &json!({}));
    only(diagnoses(&container, &status, "", keys))
}

#[test]
fn a_missing_config_map_is_named_with_its_field_and_the_one_that_has_the_keys() {
    let keys = keys(&[("app-config", &["HOST"]), ("app-conf", &["PORT"])]);
    let told = of_reference("configmap \"app-confg\" not found", &keys);
    assert_eq!(told.fault, "missing-reference");
    assert_eq!(
        told.cause,
        "Deployment shop/web: container app cannot be configured: ConfigMap app-confg does not \
         exist in namespace shop, which env DB_HOST (valueFrom) refers to; did you mean \
         app-config, which has all the keys needed? (app-conf lacks HOST)"
    );
    assert_eq!(
        corrected(&told),
        Some(("app-confg".into(), "app-config".into()))
    );
}

/// The correction of the reference that is proposed: from, to.
pub(crate) fn corrected(told: &Diagnosis) -> Option<(String, String)> {
    let Remedy::Steps { steps, .. } = &told.remedy else {
        return None;
    };
    let [
        Step {
            action: Action::FixReference(fix),
            ..
        },
    ] = steps.as_slice()
    else {
        return None;
    };
    Some((fix.from.clone(), fix.to.clone()))
}

#[test]
fn a_reference_is_corrected_only_where_nothing_else_can_have_been_meant() {
    let message = "configmap \"app-confg\" not found";
    for (known, is_corrected) in [
        (keys(&[("app-config", &["HOST"])]), true),
        (
            keys(&[("app-config", &["HOST", "PORT"]), ("db-config", &["HOST"])]),
            true,
        ),
        (keys(&[("app-config", &["PORT"])]), false),
        (
            keys(&[("app-config", &["HOST"]), ("app-confgs", &["HOST"])]),
            false,
        ),
        (keys(&[("app-config-2", &["HOST"])]), false),
        (keys(&[("app-confx", &["HOST"])]), false),
        (keys(&[]), false),
    ] {
        let told = of_reference(message, &known);
        assert_eq!(corrected(&told).is_some(), is_corrected, "{known:?}");
    }
    let message = "couldn't find key HOST in ConfigMap shop/app-confg";
    for (keys_of_it, is_corrected) in [
        (&["HSOT"][..], true),
        (&["HOST2"][..], false),
        (&["HOSTS"][..], false),
        (&["HSOT", "HOSTT"][..], false),
        (&["PORT"][..], false),
    ] {
        let told = of_reference(message, &keys(&[("app-confg", keys_of_it)]));
        assert_eq!(corrected(&told).is_some(), is_corrected, "{keys_of_it:?}");
    }
}

#[test]
fn nothing_is_suggested_when_two_could_have_been_meant_or_none() {
    let message = "configmap \"app-confg\" not found";
    for known in [
        keys(&[("app-config", &["HOST"]), ("app-conf", &["HOST"])]),
        keys(&[("other", &["HOST"])]),
        keys(&[("app-config", &["PORT"])]),
    ] {
        assert!(!of_reference(message, &known).cause.contains("did you mean"));
    }
}

#[test]
fn a_missing_key_is_named_with_the_one_that_is_close() {
    let message = "couldn't find key HOST in ConfigMap shop/app-confg";
    let told = of_reference(message, &keys(&[("app-confg", &["HOSTS", "PORT"])]));
    assert!(
        told.cause.contains("the key HOST of ConfigMap app-confg"),
        "{}",
        told.cause
    );
    assert!(
        told.cause.ends_with("did you mean its key HOSTS?"),
        "{}",
        told.cause
    );
}

#[test]
fn what_is_there_by_now_is_waited_for() {
    let known = keys(&[("app-confg", &["HOST"])]);
    let told = of_reference("configmap \"app-confg\" not found", &known);
    assert!(matches!(told.remedy, Remedy::Wait { .. }));
}

#[test]
fn another_trouble_of_configuration_stays_what_it_was() {
    let message = "container has runAsNonRoot and image will run as root";
    assert_eq!(
        of_reference(message, &Keys::default()).fault,
        "container-config"
    );
}

#[test]
fn a_program_that_the_runtime_does_not_find_is_named_with_its_field() {
    let container = json!({"name": "app", "image": "nginx:1.27", "command": ["serve", "-p", "80"]});
    let words = "runc create failed: exec: \"serve\": executable file not found in $PATH: unknown";
    // between two tries only the last state tells
    let last = json!({"terminated": {"reason": "StartError", "exitCode": 128, "message": words}});
    for status in [
        status("RunContainerError", words, &json!({})),
        status("CrashLoopBackOff", "back-off 40s", &last),
    ] {
        let told = only(diagnoses(&container, &status, "", &Keys::default()));
        assert_eq!(told.fault, "program-not-found");
        assert!(
            told.cause.contains("`serve`, named by command[0]"),
            "{}",
            told.cause
        );
    }
    let mount = status("RunContainerError", "error mounting \"/x\"", &json!({}));
    let told = only(diagnoses(&container, &mount, "", &Keys::default()));
    assert_eq!(told.fault, "bad-command");
}

#[test]
fn a_program_that_the_shell_does_not_find_is_told_by_exit_code_and_last_line() {
    let container =
        json!({"name": "app", "image": "busybox:latest", "command": ["sh", "-c", "serve -p 80"]});
    for (code, log, fault) in [
        (127, "sh: serve: not found\n", "program-not-found"),
        (127, "sh: 1: serve: not found\n", "program-not-found"),
        (
            127,
            "bash: line 1: serve: command not found",
            "program-not-found",
        ),
        (126, "sh: serve: Permission denied", "program-not-found"),
        // these say something else
        (1, "sh: serve: not found\n", "unknown-crash"),
        (127, "sh: serve: not found\ngoing on\n", "unknown-crash"),
    ] {
        let told = only(diagnoses(&container, &crashed(code), log, &Keys::default()));
        assert_eq!(told.fault, fault, "{code} {log}");
        if fault == "program-not-found" {
            assert!(
                told.cause.contains("`serve`, named by command[2]"),
                "{}",
                told.cause
            );
        }
    }
}

#[test]
fn a_program_that_ends_well_again_and_again_is_told() {
    let mut container = json!({"name": "app", "image": "busybox:latest"});
    let told = only(diagnoses(
        &container,
        &crashed(0),
        "all done\n",
        &Keys::default(),
    ));
    assert_eq!(told.fault, "exits-successfully");
    assert_eq!(
        told.cause,
        "Deployment shop/web: container app ends by itself with exit code 0 (log: all done); the \
         programs of a Deployment must run for ever"
    );
    assert!(matches!(told.remedy, Remedy::Person(_)));
    // it may be the probe that ends it
    container["livenessProbe"] = json!({"exec": {"command": ["true"]}});
    let told = only(diagnoses(
        &container,
        &crashed(0),
        "all done\n",
        &Keys::default(),
    ));
    assert_eq!(told.fault, "unknown-crash");
}
