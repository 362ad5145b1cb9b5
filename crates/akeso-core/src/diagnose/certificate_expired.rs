//! Fault `certificate-expired`: the program ends since a certificate is not valid at this time.

use std::sync::LazyLock;

use regex::Regex;

use super::{Diagnosis, Examination, Family, Fault, last_lines, last_words, unknown_crash};
use crate::{
    certificate::{Certificate, TlsSecret},
    evidence::{Answer, Question},
    observe::Symptom,
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
        r"(?i).*(?:certificate has expired|certificate is (?:expired|not yet valid)|CERT_HAS_EXPIRED|CERT_NOT_YET_VALID|Certificate(?:Expired|NotYetValid)Exception|alert certificate expired|invalid peer certificate: (?:expired|not ?valid ?yet)).*",
    )
    .ok()
});

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let (_, log) = unknown_crash::own_end(examination, symptom)?;
    let line: String = last_words(log, EXPIRED.as_ref()?)?
        .get(0)?
        .as_str()
        .trim()
        .chars()
        .take(240)
        .collect();
    let whose = mounted(examination)?;
    let says = format!("ends since a certificate is not valid now (`{line}`){whose}");
    let why = "the certificate of whom it calls, or its own, must be renewed; a wrong clock of the node looks the same";
    let remedy = examination.person(symptom, why);
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 85, remedy)
            .with_evidence(last_lines(log, 4)),
    )
}

/// Which Secret among the pod's volumes has a certificate that has expired, as the end of a
/// sentence that may do without. Nothing if that is not known yet.
fn mounted(examination: &Examination<'_>) -> Option<String> {
    let namespace = &examination.workload.reference.namespace;
    let volumes = examination.workload.pod_spec()?.volumes.iter().flatten();
    let secrets = volumes.filter_map(|volume| volume.secret.as_ref()?.secret_name.clone());
    let asked: Vec<_> = secrets
        .map(|secret| {
            let question = Question::Certificate {
                namespace: namespace.clone(),
                secret: secret.clone(),
            };
            (secret, examination.ask(question))
        })
        .collect();
    for (secret, answer) in asked {
        if let Answer::Certificate(TlsSecret::Holds(Certificate { not_after, .. })) = answer?
            && *not_after <= examination.now
        {
            return Some(format!(
                "; the certificate in Secret {secret}, which it mounts, expired at {not_after}"
            ));
        }
    }
    Some(String::new())
}
