//! Who refuses the pods, by the API server's own words.

use akeso_core::{
    diagnose::{Diagnosis, Findings, Remedy, diagnose},
    evidence::Evidence,
    observe::observe,
    policy::Settings,
};
use serde_json::json;

use crate::world;

fn refused(message: &str) -> Diagnosis {
    let pod_spec = json!({"containers": [
        {"name": "helper", "image": "nginx:1.27"},
        {"name": "app", "image": "nginx:1.27", "resources": {
            "requests": {"memory": "300Mi", "cpu": "2"}, "limits": {"memory": "256Mi"}}}
    ]});
    let mut set = world::replica_set();
    set["status"] = json!({"replicas": 0, "conditions": [
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
    ]});
    let cluster = world::cluster(&[world::deployment(&pod_spec), set]);
    let workload = cluster.workload(&world::web()).unwrap();
    let now = "2026-01-01T12:00:00Z".parse().unwrap();
    let symptoms = observe(&workload, now).symptoms;
    let settings = Settings::default();
    let found = diagnose(&workload, &symptoms, &Evidence::default(), &settings, now);
    let Findings::Diagnosed(found) = found else {
        panic!("nothing is to be asked");
    };
    assert_eq!(found.len(), 1);
    assert!(matches!(found[0].remedy, Remedy::Person(_)));
    found[0].clone()
}

#[test]
fn each_refusal_is_named_with_its_object_field_and_value() {
    for (message, fault, words) in [
        (
            "pods \"web-1-x\" is forbidden: exceeded quota: small, requested: limits.memory=256Mi,pods=1, used: limits.memory=100Mi,pods=2, limited: limits.memory=128Mi,pods=2",
            "quota-exceeded",
            &[
                "ResourceQuota shop/small",
                "limits.memory: a pod requests 256Mi, 100Mi of 128Mi are used",
                "pods: a pod requests 1, 2 of 2 are used)",
            ][..],
        ),
        (
            "pods \"web-1-x\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"app\" must set securityContext.allowPrivilegeEscalation=false)",
            "pod-security",
            &[
                "Namespace shop enforces PodSecurity \"restricted:latest\"",
                "container \"app\" must set securityContext.allowPrivilegeEscalation=false",
            ],
        ),
        (
            "pods \"web-1-\" is forbidden: error looking up service account shop/wbe: serviceaccount \"wbe\" not found",
            "service-account-missing",
            &["serviceAccountName is wbe", "no ServiceAccount shop/wbe"],
        ),
        (
            "pods \"web-1-x\" is forbidden: [maximum memory usage per Container is 128Mi, but limit is 256Mi, maximum cpu usage per Pod is 1, but limit is 2]",
            "limit-range",
            &[
                "resources.limits.memory of container app is 256Mi, the maximum per Container is 128Mi",
                "resources.limits.cpu of all containers together is 2, the maximum per Pod is 1",
            ],
        ),
        (
            "Pod \"web-1-x\" is invalid: spec.containers[1].resources.requests: Invalid value: \"300Mi\": must be less than or equal to memory limit of 256Mi",
            "request-above-limit",
            &["resources.requests.memory of container app is 300Mi, but its own limit is 256Mi"],
        ),
        (
            "Pod \"web-1-x\" is invalid: spec.containers[1].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
            "request-above-limit",
            &[
                "resources.requests.cpu of container app is 2, but the limit that a LimitRange of the namespace gives it, for it sets none, is 1",
            ],
        ),
        (
            "Pod \"web-1-x\" is invalid: spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
            "pods-refused",
            &["containers[0]"],
        ),
        (
            "Internal error occurred: failed calling webhook \"check.example.com\": failed to call webhook: Post \"https://hook.ops.svc:443/validate?timeout=10s\": no endpoints available for service \"hook\"",
            "webhook-unavailable",
            &[
                "\"check.example.com\"",
                "Service ops/hook has no ready pods",
            ],
        ),
        (
            "Internal error occurred: failed calling webhook \"check.example.com\": failed to call webhook: Post \"https://hook.ops.svc:443/validate?timeout=10s\": x509: certificate signed by unknown authority",
            "webhook-unavailable",
            &["Service ops/hook has a certificate"],
        ),
    ] {
        let diagnosis = refused(message);
        assert_eq!(diagnosis.fault, fault);
        for word in words {
            assert!(diagnosis.cause.contains(word), "{}", diagnosis.cause);
        }
    }
}

#[test]
fn what_a_rule_denies_on_purpose_is_no_failure_of_a_webhook() {
    let message = "admission webhook \"check.example.com\" denied the request: no root";
    let diagnosis = refused(message);
    assert_eq!(diagnosis.fault, "pods-refused");
    assert_eq!(diagnosis.dependency, None);
    assert!(diagnosis.cause.contains(message), "{}", diagnosis.cause);
}

#[test]
fn a_quota_and_a_webhook_are_shared_causes() {
    let quota = refused("exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2");
    assert_eq!(
        quota.dependency.as_deref(),
        Some("ResourceQuota shop/small")
    );
    let webhook = refused("failed calling webhook \"check.io\": failed to call webhook: x");
    assert_eq!(webhook.dependency.as_deref(), Some("webhook check.io"));
}
