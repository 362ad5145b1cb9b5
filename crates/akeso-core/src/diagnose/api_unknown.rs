//! Fault `api-unknown`: the program asks for a kind, or a version of it, that the cluster does not serve.

use std::sync::LazyLock;

use regex::Regex;

use super::{Diagnosis, Examination, Family, Fault, last_lines, last_words, unknown_crash};
use crate::observe::Symptom;

pub(super) const FAULT: Fault = Fault {
    name: "api-unknown",
    family: Family::Cluster,
    signs: "the program ends, and its last words are `no matches for kind \"…\" in version \"…\"`",
    does: "puts the last good revision back, where one is proven; else names kind and version, and the version that Kubernetes serves in place of one that it has removed",
    never: "installs a CustomResourceDefinition, or changes what a program asks for",
    diagnose,
};

/// As client-go says it, also where its words are quoted once more.
static NO_MATCH: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"no matches for kind \\?"([A-Za-z0-9]+)\\?" in (?:version|group) \\?"([A-Za-z0-9./-]+)"#,
    )
    .ok()
});

/// What Kubernetes has removed, and what it serves instead
/// (<https://kubernetes.io/docs/reference/using-api/deprecation-guide/>).
const REMOVED: [(&str, &[&str], &str); 13] = [
    (
        "extensions/v1beta1",
        &["Ingress", "NetworkPolicy"],
        "networking.k8s.io/v1",
    ),
    (
        "extensions/v1beta1",
        &["Deployment", "DaemonSet", "ReplicaSet"],
        "apps/v1",
    ),
    (
        "networking.k8s.io/v1beta1",
        &["Ingress", "IngressClass"],
        "networking.k8s.io/v1",
    ),
    ("apps/v1beta1", &["Deployment", "StatefulSet"], "apps/v1"),
    (
        "apps/v1beta2",
        &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"],
        "apps/v1",
    ),
    ("batch/v1beta1", &["CronJob"], "batch/v1"),
    ("policy/v1beta1", &["PodDisruptionBudget"], "policy/v1"),
    (
        "autoscaling/v2beta1",
        &["HorizontalPodAutoscaler"],
        "autoscaling/v2",
    ),
    (
        "autoscaling/v2beta2",
        &["HorizontalPodAutoscaler"],
        "autoscaling/v2",
    ),
    (
        "apiextensions.k8s.io/v1beta1",
        &["CustomResourceDefinition"],
        "apiextensions.k8s.io/v1",
    ),
    (
        "admissionregistration.k8s.io/v1beta1",
        &[
            "MutatingWebhookConfiguration",
            "ValidatingWebhookConfiguration",
        ],
        "admissionregistration.k8s.io/v1",
    ),
    (
        "rbac.authorization.k8s.io/v1beta1",
        &["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"],
        "rbac.authorization.k8s.io/v1",
    ),
    (
        "discovery.k8s.io/v1beta1",
        &["EndpointSlice"],
        "discovery.k8s.io/v1",
    ),
];

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let (crash, log) = unknown_crash::own_end(examination, symptom)?;
    let said = last_words(log, NO_MATCH.as_ref()?)?;
    let (kind, version) = (&said[1], &said[2]);
    let instead = REMOVED
        .iter()
        .find(|(removed, kinds, _)| *removed == version && kinds.contains(&kind));
    let (instead, why) = match instead {
        Some((_, _, instead)) => (
            format!("; Kubernetes has removed it, and serves {kind} in {instead}"),
            "the program, or what it applies, must use the version that is served".to_owned(),
        ),
        None => (
            String::new(),
            format!(
                "the CustomResourceDefinition of {kind} must be installed and serve {version}, or the program must use a version that is served"
            ),
        ),
    };
    let says =
        format!("asks for kind {kind} in {version}, which the cluster does not serve{instead}");
    let remedy = unknown_crash::remedy(examination, symptom, crash, why);
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 90, remedy)
            .with_evidence(last_lines(log, 4)),
    )
}
