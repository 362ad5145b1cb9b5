//! Fault `webhook-unavailable`: an admission webhook that must agree to the pods does not answer.

use std::sync::LazyLock;

use regex::Regex;

use super::{Diagnosis, Examination, Family, Fault, pods_refused};
use crate::observe::Symptom;

pub(super) const FAULT: Fault = Fault {
    name: "webhook-unavailable",
    family: Family::Access,
    signs: "no pod comes to be: the API server says `failed calling webhook`",
    does: "names the webhook, its Service and why it does not answer; workloads that fail for the same webhook are one incident",
    never: "removes a webhook, or lets its failures be ignored",
    diagnose,
};

/// `failed calling webhook "check.example.com": failed to call webhook: Post "https://...": ...`.
static FAILED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?s)failed calling webhook "([^"]+)": (.+)"#).ok());
/// `https://hook.ops.svc:443/validate`: a webhook that is a Service of the cluster.
static SERVICE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"https://([a-z0-9-]+)\.([a-z0-9-]+)\.svc\b").ok());

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let found = FAILED.as_ref()?.captures(pods_refused::message(symptom)?)?;
    let (webhook, words) = (&found[1], &found[2]);
    let service = SERVICE
        .as_ref()?
        .captures(words)
        .map(|found| format!("Service {}/{}", &found[2], &found[1]));
    let at = service.as_deref().unwrap_or("its address");
    let what = cause(words);
    let says =
        format!("gets no pods: admission webhook \"{webhook}\" does not answer: {at} {what}");
    let why = format!(
        "{at} must answer again: no pod that webhook \"{webhook}\" must agree to is made until then"
    );
    Some(examination.refused(&FAULT, symptom, &says, &why))
}

/// What is wrong with the webhook, in one clause.
fn cause(words: &str) -> String {
    let known = [
        (
            "no endpoints available",
            "has no ready pods (no endpoints available)",
        ),
        ("not found", "does not exist (not found)"),
        (
            "connection refused",
            "refuses the connection (connection refused)",
        ),
        (
            "x509:",
            "has a certificate that the API server does not trust (x509)",
        ),
        (
            "deadline exceeded",
            "does not answer in time (deadline exceeded)",
        ),
        ("no such host", "has no address (no such host)"),
    ];
    let found = known.iter().find(|(said, _)| words.contains(said));
    found.map_or_else(
        || format!("cannot be called: {}", words.trim()),
        |(_, means)| (*means).to_owned(),
    )
}
