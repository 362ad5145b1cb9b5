//! Fault `invalid-value`: the program does not accept the value of a variable that is set.

use std::sync::LazyLock;

use k8s_openapi::api::core::v1::{Container, EnvVar};
use regex::Regex;

use super::{
    Diagnosis, Examination, Family, Fault, last_lines, latest, unknown_crash,
    variable_names::is_harmless,
};
use crate::{
    act::{EnvValue, Found, Variable},
    observe::{Sign, Symptom},
    similar::{has_word, only},
};

pub(super) const FAULT: Fault = Fault {
    name: "invalid-value",
    family: Family::Configuration,
    signs: "the program ends, and its last words reject the value of a variable that the container sets",
    does: "puts the last good revision back, where one is proven; else names the variable and, unless it is a credential, its value",
    never: "makes up another value, or shows a credential",
    diagnose,
};

/// A program that ends says why last: so many lines are read.
const LAST_LINES: usize = 5;

static COMPLAINT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)\b(?:invalid|malformed|illegal|unparsable|not (?:a )?valid|is not (?:a|an|one of)|not a number|not an? integer|",
        r"bad (?:value|format)|unsupported value|out of range|(?:cannot|can't|can not|could not|couldn't|failed to|unable to|error) ",
        r"(?:parse|parsing|convert|decode|interpret)|must be (?:a|an|one of|between|in|at (?:least|most)|greater|less|positive|numeric|either)|",
        r"should be (?:a|an|one of|between)|expected (?:a|an|one of)|unknown value|numberformatexception)\b"
    ))
    .ok()
});

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Crash(crash) = &symptom.sign else {
        return None;
    };
    if crash.exit_code == 0 || crash.exit_code > 128 {
        return None;
    }
    let container = examination.container(symptom)?;
    let log = examination.crash_log(symptom)?;
    let lines = latest(log);
    let complaint = COMPLAINT.as_ref()?;
    let (line, env) = lines
        .take(LAST_LINES)
        .filter(|line| complaint.is_match(line) && !is_harmless(line) && !goes_on(line))
        .find_map(|line| Some((line, meant(container, line)?)))?;
    let variable = read(env);
    let shown = match &variable {
        Some(variable) if variable.is_credential() => "the value".to_owned(),
        Some(variable) => match &variable.value {
            EnvValue::Literal(value) => format!("the value `{value}`"),
            EnvValue::ConfigMapKey { .. } | EnvValue::SecretKey { .. } => variable.shown(),
        },
        None => "the value".to_owned(),
    };
    // a line about a credential may quote it
    let is_credential = variable.is_none_or(|variable| variable.is_credential());
    let (quoted, evidence) = if is_credential {
        (String::new(), Vec::new())
    } else {
        (format!(" (log: {})", line.trim()), last_lines(log, 4))
    };
    let name = &env.name;
    let says = format!("ends because it does not accept {shown} of its variable {name}{quoted}");
    let why = format!("{name} must have a value that this program accepts");
    let remedy = unknown_crash::remedy(examination, symptom, crash, why);
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 85, remedy)
            .with_detail(name)
            .with_evidence(evidence),
    )
}

/// Whether the program says that it gets along.
fn goes_on(line: &str) -> bool {
    const WORDS: [&str; 4] = ["using ", "falling back", "ignor", "warn"];
    let line = line.to_lowercase();
    WORDS.iter().any(|word| line.contains(word))
}

/// The variable that a complaint is about: the one that it names or, where it names none, the one
/// whose value it quotes.
fn meant<'c>(container: &'c Container, line: &str) -> Option<&'c EnvVar> {
    let all = || container.env.iter().flatten();
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_named =
        |env: &&EnvVar| env.name.len() >= 3 && has_word(line, &env.name, is_part, is_part);
    let mut named = all().filter(is_named);
    if let Some(first) = named.next() {
        return named.next().is_none().then_some(first);
    }
    let is_quoted = |env: &&EnvVar| {
        let value = env.value.as_deref().unwrap_or_default();
        value.len() >= 3
            && ['"', '\'', '`']
                .iter()
                .any(|quote| line.contains(&format!("{quote}{value}{quote}")))
    };
    only(all().filter(is_quoted))
}

/// The variable as it is set; nothing if it comes from somewhere else than a key.
fn read(env: &EnvVar) -> Option<Variable> {
    let from = env.value_from.as_ref();
    let map = from.and_then(|from| from.config_map_key_ref.as_ref());
    let secret = from.and_then(|from| from.secret_key_ref.as_ref());
    let value = match (&env.value, map, secret) {
        (Some(value), ..) => EnvValue::Literal(value.clone()),
        (None, Some(map), _) => EnvValue::ConfigMapKey {
            name: map.name.clone(),
            key: map.key.clone(),
        },
        (None, None, Some(secret)) => EnvValue::SecretKey {
            name: secret.name.clone(),
            key: secret.key.clone(),
        },
        (None, None, None) => return None,
    };
    Some(Variable {
        name: env.name.clone(),
        value,
        found: Found::PreviousRevision,
        source: String::new(),
    })
}
