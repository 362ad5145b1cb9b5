//! What is said of an image that cannot be pulled or cannot be executed.

use akeso_core::{
    act::Action,
    diagnose::{Diagnosis, Findings, Remedy, diagnose},
    evidence::{Answer, Evidence, ImageAnswer, Keys, Objects, Question},
    observe::observe,
    policy::Settings,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    program_and_reference::{crashed, diagnoses, only, status},
    world,
};

const NOW: &str = "2026-01-01T12:00:00Z";

/// What is said when the pull of this image fails with these words. The pod's pull secret is
/// `regcred`; the namespace has these docker-registry Secrets.
fn of_pull(image: &str, (reason, message): (&str, &str), pull_secrets: &[&str]) -> Diagnosis {
    let spec = json!({
        "containers": [{"name": "app", "image": image}], "imagePullSecrets": [{"name": "regcred"}]
    });
    let mut pod = world::pod(&json!([status(reason, message, &json!({}))]));
    pod["spec"] = spec.clone();
    let cluster = world::cluster(&[world::deployment(&spec), world::replica_set(), pod]);
    let now: Timestamp = NOW.parse().unwrap();
    let workload = cluster.workload(&world::web()).unwrap();
    let symptoms = observe(&workload, now).symptoms;
    let mut evidence = Evidence::default();
    let keys = Keys {
        pull_secrets: pull_secrets.iter().map(|&name| name.to_owned()).collect(),
        ..Keys::default()
    };
    evidence.insert(Question::Keys, Answer::Keys(keys));
    loop {
        match diagnose(&workload, &symptoms, &evidence, &Settings::default(), now) {
            Findings::Diagnosed(diagnoses) => return only(diagnoses),
            // the registry has nothing alike
            Findings::Ask(questions) => {
                for question in questions {
                    let answer = Answer::Image(ImageAnswer::NoSuchRepository);
                    evidence.insert(question, answer);
                }
            }
        }
    }
}

const APP: &str = "registry.example.org/team/app:1";

/// What names a pull secret: the Secret, and the name in whose place it stands. The template names
/// these; the pod has these, the `ServiceAccount` those; the registry shows the image to who asks
/// with one of `open`, and gives no answer to one of `silent`.
fn opened(
    (named, has, given): (&[&str], &[&str], &[&str]),
    known: &[&str],
    (open, silent): (&[&str], &[&str]),
) -> Option<(String, Option<String>)> {
    let secrets =
        |names: &[&str]| -> Value { names.iter().map(|name| json!({"name": name})).collect() };
    let mut spec = json!({"containers": [{"name": "app", "image": APP}]});
    spec["imagePullSecrets"] = secrets(named);
    let refused = "pulling from host registry.example.org failed with status code 401 Unauthorized";
    let mut pod = world::pod(&json!([status("ErrImagePull", refused, &json!({}))]));
    pod["spec"] = spec.clone();
    pod["spec"]["imagePullSecrets"] = secrets(has);
    let cluster = world::cluster(&[world::deployment(&spec), world::replica_set(), pod]);
    let now: Timestamp = NOW.parse().unwrap();
    let workload = cluster.workload(&world::web()).unwrap();
    let symptoms = observe(&workload, now).symptoms;
    let account = json!([{"metadata": {"name": "default"}, "imagePullSecrets": secrets(given)}]);
    let mut evidence = Evidence::default();
    loop {
        match diagnose(&workload, &symptoms, &evidence, &Settings::default(), now) {
            Findings::Ask(questions) => {
                for question in questions {
                    let answer = match &question {
                        Question::Image { pull_secrets, .. } => {
                            let is_of = |names: &[&str]| {
                                names.iter().any(|name| match *name {
                                    "" => pull_secrets.is_empty(),
                                    name => pull_secrets.iter().any(|it| it == name),
                                })
                            };
                            if is_of(silent) {
                                Answer::Unknown { why: String::new() }
                            } else if is_of(open) {
                                Answer::Image(ImageAnswer::Exists)
                            } else {
                                Answer::Image(ImageAnswer::NoSuchRepository)
                            }
                        }
                        Question::Objects { .. } => Answer::Objects(Objects::ServiceAccount(
                            serde_json::from_value(account.clone()).unwrap(),
                        )),
                        _ => Answer::Keys(Keys {
                            pull_secrets: known.iter().map(|&name| name.to_owned()).collect(),
                            ..Keys::default()
                        }),
                    };
                    evidence.insert(question, answer);
                }
            }
            Findings::Diagnosed(diagnoses) => {
                let Remedy::Steps { steps, .. } = only(diagnoses).remedy else {
                    return None;
                };
                let Action::AddPullSecret(action) = &steps[0].action else {
                    unreachable!("{steps:?}");
                };
                return Some((action.secret.clone(), action.in_place_of.clone()));
            }
        }
    }
}

#[test]
fn a_pull_secret_is_named_only_where_the_registry_shows_the_image_to_it_alone() {
    const NONE: (&[&str], &[&str], &[&str]) = (&[], &[], &[]);
    let added = Some(("login".to_owned(), None));
    let of = |names| opened(names, &["login", "other"], (&["login"], &[]));
    assert_eq!(of(NONE), added);
    // the credentials that it has are refused
    assert_eq!(of((&["other"], &["other"], &[])), added);
    // a name that leads nowhere stays where it is no slip
    assert_eq!(of((&["backup"], &["backup"], &[])), added);
    let replaced = Some(("login".to_owned(), Some("logn".to_owned())));
    assert_eq!(of((&["logn"], &["logn"], &[])), replaced);
    // those of the ServiceAccount would be taken away, those of this pod or of the next one
    assert_eq!(of((&[], &["other"], &["other"])), None);
    assert_eq!(of((&[], &[], &["other"])), None);
    for (known, answers) in [
        // two open it, or none
        (&["login", "other"][..], (&["login", "other"][..], &[][..])),
        (&["login", "other"], (&[], &[])),
        (&[], (&[], &[])),
        // the other one may open it as well
        (&["login", "other"], (&["login"], &["other"])),
        // it is shown to everybody, or nobody knows
        (&["login"], (&["login", ""], &[])),
        (&["login"], (&["login"], &[""])),
        // with so many a registry is not tried
        (&["login", "a", "b", "c", "d", "e"], (&["login"], &[])),
    ] {
        assert_eq!(opened(NONE, known, answers), None, "{known:?} {answers:?}");
    }
    // to the pod's own it is shown by now, or a registry of tokens gives wrong ones no answer
    let own: (&[&str], &[&str], &[&str]) = (&["own"], &["own"], &[]);
    let known = ["login", "own"];
    assert_eq!(opened(own, &known, (&["login", "own"], &[])), None);
    assert_eq!(opened(own, &known, (&["login"], &["own"])), added);
}

#[test]
fn a_refused_pull_names_the_registry_and_the_secrets_by_name() {
    let refused = (
        "ErrImagePull",
        "pulling from host registry.example.org failed with status code [manifests 1]: 401 Unauthorized",
    );
    for (known, end) in [
        (
            &["regcred"][..],
            "the registry registry.example.org refuses; the pod's imagePullSecrets are regcred",
        ),
        (
            &["other"][..],
            "imagePullSecrets are regcred, of which regcred is no docker-registry Secret of the \
             namespace; the namespace has other",
        ),
        (&[][..], "; the namespace has no docker-registry Secret"),
    ] {
        let told = of_pull(APP, refused, known);
        assert_eq!(told.fault, "pull-refused");
        assert!(told.cause.ends_with(end), "{}", told.cause);
        assert!(matches!(told.remedy, Remedy::Person(_)));
    }
}

#[test]
fn a_repository_that_may_be_hidden_is_not_said_to_be_missing() {
    let words = "pull access denied, repository does not exist or may require authorization: \
                 server message: insufficient_scope: authorization failed";
    let told = of_pull("team/app:1", ("ErrImagePull", words), &["regcred"]);
    assert_eq!(told.fault, "pull-refused");
    assert!(
        told.cause.contains("refuses, or has no such repository"),
        "{}",
        told.cause
    );
    // an official image needs no credentials
    let told = of_pull("ngnx9:1", ("ErrImagePull", words), &["regcred"]);
    assert_eq!(told.fault, "image-unavailable");
    assert!(
        told.cause.ends_with("which does not exist"),
        "{}",
        told.cause
    );
}

#[test]
fn a_registry_that_is_not_available_is_waited_for_with_its_cause() {
    for (message, cause) in [
        (
            "429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit",
            "limits how often it may be asked",
        ),
        (
            "dial tcp: lookup registry.example.org: no such host",
            "cannot be resolved",
        ),
        (
            "dial tcp: lookup registry.example.org on 10.0.0.10:53: read udp: i/o timeout",
            "cannot be resolved",
        ),
        (
            "dial tcp 10.0.0.1:443: connect: connection refused",
            "does not answer",
        ),
    ] {
        let told = of_pull(APP, ("ErrImagePull", message), &[]);
        assert_eq!(told.fault, "registry-unavailable", "{message}");
        assert!(told.cause.ends_with(cause), "{}", told.cause);
        assert!(matches!(told.remedy, Remedy::Wait { .. }));
    }
    let untrusted =
        "tls: failed to verify certificate: x509: certificate signed by unknown authority";
    let told = of_pull(APP, ("ErrImagePull", untrusted), &[]);
    assert!(
        matches!(told.remedy, Remedy::Person(_)),
        "that does not pass by itself"
    );
}

#[test]
fn what_is_no_reference_is_told_with_what_is_wrong_with_it() {
    for (image, wrong) in [
        ("nginx:${TAG}", "the placeholder ${TAG} was not filled in"),
        (
            "team/app:{{ .Values.tag }}",
            "the placeholder {{ .Values.tag }}",
        ),
        (
            "https://registry.example.org/app:1",
            "it begins with https://",
        ),
        ("registry.example.org/app:", "its tag or digest is empty"),
        ("registry.example.org/Team/app:1", "no upper case letters"),
        ("team//app:1", "a separator is doubled"),
        ("nginx: 1.27", "white space"),
    ] {
        let words = format!("couldn't parse image name \"{image}\": invalid reference format");
        let told = of_pull(image, ("InvalidImageName", &words), &[]);
        assert_eq!(told.fault, "image-malformed", "{image}");
        assert!(told.cause.contains(wrong), "{}", told.cause);
        assert!(matches!(told.remedy, Remedy::Person(_)));
    }
}

#[test]
fn an_image_that_must_not_be_pulled_is_not_waited_for() {
    let words = "Container image is not present with pull policy of Never";
    let told = of_pull(APP, ("ErrImageNeverPull", words), &[]);
    assert_eq!(told.fault, "image-never-pulled");
    assert!(matches!(told.remedy, Remedy::Person(_)));
}

#[test]
fn a_program_for_another_cpu_is_told_by_the_kernels_words() {
    let container = json!({"name": "app", "image": "nginx:1.27"});
    let log = "exec /app: exec format error\n";
    for (status, log) in [
        (crashed(255), log),
        (crashed(1), log),
        (crashed(126), "sh: 1: /app: Exec format error"),
        (
            status(
                "RunContainerError",
                "exec /app: exec format error",
                &json!({}),
            ),
            "",
        ),
    ] {
        let told = only(diagnoses(&container, &status, log, &Keys::default()));
        assert_eq!(told.fault, "wrong-architecture");
        assert!(
            told.cause.contains("nginx:1.27 is for another CPU"),
            "{}",
            told.cause
        );
    }
    for (code, log) in [(3, log), (1, "exec format error\ngoing on\n")] {
        let told = only(diagnoses(&container, &crashed(code), log, &Keys::default()));
        assert_eq!(told.fault, "unknown-crash");
    }
    let words = "no match for platform in manifest: not found";
    let told = of_pull(APP, ("ErrImagePull", words), &[]);
    assert_eq!(
        told.fault, "wrong-architecture",
        "the image is there, for other nodes"
    );
}
