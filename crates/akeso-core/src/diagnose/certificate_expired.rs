//! Fault `certificate-expired`: the program ends since a certificate is not valid at this time.

use std::sync::LazyLock;

use regex::Regex;

use super::{Diagnosis, Examination, Family, Fault, last_lines, unknown_crash};
use crate::{
    certificate::{Certificate, TlsSecret},
    evidence::{Answer, Question},
    observe::{Sign, Symptom},
};

pub(super) const FAULT: Fault = Fault {
    name: "certificate-expired",
    family: Family::Network,
    signs: "the program ends, and its last words are that a certificate has expired or is not valid yet",
    does: "names the line, and the Secret with an expired certificate if the pod mounts one",
    never: "renews a certificate, or turns its verification off",
    diagnose,
};

/// As Go, OpenSSL (and so Python, Ruby, PHP), Java, Node and Rust say it.
static EXPIRED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)certificate has expired|certificate is (?:expired|not yet valid)|CERT_HAS_EXPIRED|CERT_NOT_YET_VALID|Certificate(?:Expired|NotYetValid)Exception|alert certificate expired|invalid peer certificate: (?:expired|not ?valid ?yet)",
    )
    .ok()
});

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Crash(_) = &symptom.sign else {
        return None;
    };
    if unknown_crash::is_ended_by_probe(examination, symptom) {
        return None;
    }
    let log = examination.crash_log(symptom)?;
    let expired = EXPIRED.as_ref()?;
    let mut last = log.lines().rev().map(str::trim);
    let line: String = last
        .find(|line| expired.is_match(line))?
        .chars()
        .take(240)
        .collect();
    let whose = mounted(examination)?
        .map(|(secret, since)| {
            format!("; the certificate in Secret {secret}, which it mounts, expired at {since}")
        })
        .unwrap_or_default();
    let says = format!("ends since a certificate is not valid now (`{line}`){whose}");
    let why = "the certificate of whom it calls, or its own, must be renewed; a wrong clock of the node looks the same";
    let remedy = examination.person(symptom, why);
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 85, remedy)
            .with_evidence(last_lines(log, 4)),
    )
}

/// The first Secret among the pod's volumes whose certificate has expired, and when; the outer
/// nothing if that is not known yet.
fn mounted(examination: &Examination<'_>) -> Option<Option<(String, jiff::Timestamp)>> {
    let namespace = &examination.workload.reference.namespace;
    let volumes = examination.workload.pod_spec()?.volumes.iter().flatten();
    let secrets = volumes.filter_map(|volume| volume.secret.as_ref()?.secret_name.clone());
    let secrets: Vec<_> = secrets.collect();
    let answers: Vec<_> = secrets
        .iter()
        .map(|secret| {
            examination.ask(Question::Certificate {
                namespace: namespace.clone(),
                secret: secret.clone(),
            })
        })
        .collect();
    let mut found = None;
    for (secret, answer) in secrets.into_iter().zip(answers) {
        if let Answer::Certificate(TlsSecret::Holds(Certificate { not_after, .. })) = answer?
            && *not_after <= examination.now
            && found.is_none()
        {
            found = Some((secret, *not_after));
        }
    }
    Some(found)
}
