//! Fault `credentials-refused`: the program ends since a database or another service does not take its
//! user and password. Where they come from is told; what they should be, nobody here knows.

use std::sync::LazyLock;

use k8s_openapi::api::core::v1::Container;
use regex::Regex;

use super::{Diagnosis, Examination, Family, Fault, last_lines, unknown_crash};
use crate::observe::Symptom;

pub(super) const FAULT: Fault = Fault {
    name: "credentials-refused",
    family: Family::Configuration,
    signs: "the program ends, and its last words are that its password or its user was refused",
    does: "puts the last good revision back, where one is proven; else names the Secrets that the container has its credentials from",
    never: "reads, shows or changes a credential",
    diagnose,
};

/// The words of databases, caches and message brokers.
static REFUSED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)password authentication failed|access denied for user|WRONGPASS|NOAUTH|invalid username-password|",
        r"\bauthentication failed\b|login failed for user|ACCESS_REFUSED|invalid (?:username|password|credentials)\b|role \S+ does not exist"
    ))
    .ok()
});
const LAST_LINES: usize = 15;

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let (crash, log) = unknown_crash::own_end(examination, symptom)?;
    let refused = REFUSED.as_ref()?;
    let mut lines = log.lines().rev().take(LAST_LINES);
    let line = lines.find(|line| refused.is_match(line))?.trim();
    let from = sources(examination.container(symptom)?);
    let (from, why) = if from.is_empty() {
        (
            String::new(),
            "its credentials must be those that the service knows".to_owned(),
        )
    } else {
        let from = from.join(", ");
        let why = format!("{from} must hold what the service knows");
        (format!("; it has them from {from}"), why)
    };
    let says = format!("ends because its credentials are refused (log: {line}){from}");
    let remedy = unknown_crash::remedy(examination, symptom, crash, why);
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 85, remedy)
            .with_evidence(last_lines(log, 4)),
    )
}

/// The Secrets of a container's environment, each once.
fn sources(container: &Container) -> Vec<String> {
    let variables = container.env.iter().flatten();
    let keys = variables.filter_map(|variable| {
        let key = variable.value_from.as_ref()?.secret_key_ref.as_ref()?;
        Some(format!(
            "key {} of Secret {} ({})",
            key.key, key.name, variable.name
        ))
    });
    let whole = container.env_from.iter().flatten();
    let whole = whole.filter_map(|from| {
        Some(format!(
            "Secret {} (envFrom)",
            from.secret_ref.as_ref()?.name
        ))
    });
    keys.chain(whole).collect()
}
