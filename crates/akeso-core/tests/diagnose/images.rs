//! What is said of an image that cannot be pulled or cannot be executed.

use akeso_core::{
    diagnose::{Diagnosis, Findings, Remedy, diagnose},
    evidence::{Answer, Evidence, ImageAnswer, Keys, Question},
    observe::observe,
    policy::Settings,
};
use jiff::Timestamp;
use serde_json::json;

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
