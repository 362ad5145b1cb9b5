//! Ingresses whose TLS cannot work: the Secret is missing or has not what it must have, or its
//! certificate is not valid now or not for the host.

use jiff::SignedDuration;
use k8s_openapi::api::networking::v1::{Ingress, IngressTLS};

use super::{Flaw, Look, Symptom, TIME_TO_MEET, on_support, written};
use crate::{
    certificate::{CERTIFICATE, Certificate, TlsSecret},
    evidence::{Answer, Question},
};

/// cert-manager, or who else makes a certificate on demand, asks somebody else first.
const TIME_TO_ISSUE: SignedDuration = SignedDuration::from_mins(15);

/// The same, where nothing on the Ingress tells of it: a `Certificate` may stand beside it.
const TIME_TO_COME: SignedDuration = SignedDuration::from_mins(5);

/// The first of its Secrets for TLS that is of no use.
pub(super) fn unusable(look: &Look<'_>, ingress: &Ingress) -> Option<Symptom> {
    let all = ingress.spec.as_ref()?.tls.iter().flatten();
    let mut named = all.filter_map(|tls| Some((tls, tls.secret_name.as_ref()?)));
    named.find_map(|(tls, secret)| {
        let question = Question::Certificate {
            namespace: look.workload.reference.namespace.clone(),
            secret: secret.clone(),
        };
        let Answer::Certificate(found) = look.ask(question)? else {
            return None;
        };
        let (flaw, reason, why) = match found {
            TlsSecret::Unreadable => return None,
            TlsSecret::Missing => (
                Flaw::TlsSecretUnusable,
                "NoSuchSecret",
                format!("names Secret {secret}, which does not exist"),
            ),
            TlsSecret::Lacks { key, kind } => (
                Flaw::TlsSecretUnusable,
                "NoCertificate",
                format!("names Secret {secret}, which has no {key} (its type is {kind})"),
            ),
            TlsSecret::NoCertificate => (
                Flaw::TlsSecretUnusable,
                "NoCertificate",
                format!("names Secret {secret}, whose {CERTIFICATE} is no certificate"),
            ),
            TlsSecret::Holds(certificate) => (
                Flaw::CertificateInvalid,
                "InvalidCertificate",
                invalid(look, tls, secret, certificate)?,
            ),
        };
        let hosts = tls.hosts.as_deref().unwrap_or_default();
        let whose = if hosts.is_empty() {
            "all hosts".to_owned()
        } else {
            hosts.join(", ")
        };
        let time = match found {
            _ if is_issued(ingress) => TIME_TO_ISSUE,
            TlsSecret::Missing => TIME_TO_COME,
            TlsSecret::Lacks { .. }
            | TlsSecret::NoCertificate
            | TlsSecret::Unreadable
            | TlsSecret::Holds(_) => TIME_TO_MEET,
        };
        look.has_lasted(written(&ingress.metadata), time).then(|| {
            on_support(
                flaw,
                reason,
                format!("has no valid TLS for {whose}: it {why}"),
            )
        })
    })
}

/// Whether somebody makes its certificate on demand
/// (<https://cert-manager.io/docs/usage/ingress/#supported-annotations>).
fn is_issued(ingress: &Ingress) -> bool {
    let annotations = ingress.metadata.annotations.iter().flatten();
    annotations
        .into_iter()
        .any(|(name, _)| name.starts_with("cert-manager.io/") || name == "kubernetes.io/tls-acme")
}

/// Why a certificate is not valid now for these hosts.
fn invalid(
    look: &Look<'_>,
    tls: &IngressTLS,
    secret: &str,
    certificate: &Certificate,
) -> Option<String> {
    let Certificate {
        not_before,
        not_after,
        names,
    } = certificate;
    if look.has_come(*not_after) {
        return Some(format!(
            "names Secret {secret}, whose certificate expired at {not_after}"
        ));
    }
    if !look.has_come(*not_before) {
        return Some(format!(
            "names Secret {secret}, whose certificate is not valid before {not_before}"
        ));
    }
    let mut hosts = tls.hosts.iter().flatten();
    let host = hosts.find(|host| !host.is_empty() && !certificate.covers(host))?;
    let names = if names.is_empty() {
        "no host at all".to_owned()
    } else {
        names.join(", ")
    };
    Some(format!(
        "names Secret {secret}, whose certificate is for {names}, and not for {host}"
    ))
}
