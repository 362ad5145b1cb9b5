//! Fault `wrong-argument`: the program does not know an option that the container gives it.

use std::{collections::BTreeSet, sync::LazyLock};

use k8s_openapi::api::core::v1::Container;
use regex::Regex;

use super::{Diagnosis, Examination, Family, Fault, last_lines, unknown_crash, words::words};
use crate::{
    observe::{Sign, Symptom},
    similar::{closest, is_close, only},
};

pub(super) const FAULT: Fault = Fault {
    name: "wrong-argument",
    family: Family::Command,
    signs: "the program's log calls an option unknown that stands in the container's command or args, or misses one that is close to one there",
    does: "puts the last good revision back, where one is proven; else names the option, its field, and the one in the usage text that is close to it",
    never: "changes or drops an argument",
    diagnose,
};

/// GNU, busybox, Go's flag, cobra, clap, argparse, click and those alike.
static UNKNOWN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)(?:unrecogni[sz]ed (?:command[- ]line )?(?:option|argument|flag)s?|unknown (?:command[- ]line )?(?:option|flag|argument)s?|",
        r"invalid (?:option|argument|flag)|illegal option|bad option|no such option|unexpected (?:argument|option)|flag provided but not defined|",
        r"unsupported option)(?: found)?:? (?:-- )?[`'‘’\x22]?(?P<option>-{1,2}[A-Za-z0-9][\w.-]*)"
    ))
    .ok()
});
/// getopt's words for a single letter: `invalid option -- 'x'`.
static LETTER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)(?:invalid|illegal|unrecogni[sz]ed|unknown) option -- [`'‘’\x22]?(?P<option>[A-Za-z0-9])\b").ok()
});
static OPTION: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:^|[\s,\[(])(--?[a-zA-Z][\w.-]+)").ok());

/// What the same say of an option that they must have.
static REQUIRED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)(?:arguments? (?:is|are|was|were) (?:required|not provided):\s+|missing (?:required )?(?:option|argument|flag)s?:? |required (?:option|flag|argument)s?(?:\(s\))?:? )",
        r"[`'‘\x22]?(?P<option>-{0,2}[A-Za-z0-9][\w.-]+)"
    ))
    .ok()
});

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Crash(crash) = &symptom.sign else {
        return None;
    };
    // those are signals
    if crash.exit_code == 0 || crash.exit_code > 128 {
        return None;
    }
    let container = examination.container(symptom)?;
    let log = examination.crash_log(symptom)?;
    let found = unknown(container, log).or_else(|| required(container, log))?;
    let remedy = unknown_crash::remedy(examination, symptom, crash, found.why);
    Some(
        examination
            .diagnosis(&FAULT, symptom, found.says, found.confidence, remedy)
            .with_detail(&found.option)
            .with_evidence(last_lines(log, 4)),
    )
}

/// An option that is wrong or missing.
struct Complaint {
    option: String,
    says: String,
    why: String,
    confidence: u8,
}

/// An option that the program must have, where the container gives it one that is close.
fn required(container: &Container, log: &str) -> Option<Complaint> {
    let found = REQUIRED.as_ref()?.captures(log)?;
    let option = found["option"].trim_end_matches(['.', '-']).to_owned();
    let plain = option.trim_start_matches('-');
    let pattern = OPTION.as_ref()?;
    let given: BTreeSet<String> = words(container)
        .flat_map(|(_, word)| pattern.captures_iter(word))
        .map(|found| found[1].to_owned())
        .collect();
    let given = given
        .into_iter()
        .filter(|it| is_close(plain, it.trim_start_matches('-')));
    let given = only(given).filter(|it| it.trim_start_matches('-') != plain)?;
    let field = field_of(container, &given)?;
    Some(Complaint {
        says: format!(
            "is not given the option --{plain}, which its program requires; {field} has {given}"
        ),
        why: format!("{field} must hold the options that the program requires"),
        confidence: 85,
        option,
    })
}

/// An option that the program does not know.
fn unknown(container: &Container, log: &str) -> Option<Complaint> {
    let (option, field) = log.lines().find_map(|line| {
        let option = unknown_option(line)?;
        let field = field_of(container, &option)?;
        Some((option, field))
    })?;
    let known: BTreeSet<String> = OPTION
        .iter()
        .flat_map(|pattern| pattern.captures_iter(log))
        .map(|found| found[1].trim_end_matches(['.', '-']).to_owned())
        .filter(|known| *known != option)
        .collect();
    let close = closest(&option, known).filter(|_| option.len() > 3);
    let hint = close.map(|close| format!("; its usage has {close}"));
    Some(Complaint {
        says: format!(
            "is given the option {option} in {field}, which its program does not know{}",
            hint.unwrap_or_default()
        ),
        why: format!("{field} must hold options that the program knows"),
        confidence: 90,
        option,
    })
}

fn unknown_option(line: &str) -> Option<String> {
    let letter = LETTER.as_ref()?.captures(line);
    if let Some(letter) = letter {
        return Some(format!("-{}", &letter["option"]));
    }
    let found = UNKNOWN.as_ref()?.captures(line)?;
    Some(found["option"].trim_end_matches(['.', '-']).to_owned())
}

/// The field of the container in which the option stands. One that stands nowhere there is an
/// entrypoint's or a script's, of which nothing is known.
fn field_of(container: &Container, option: &str) -> Option<String> {
    let is_letter = option.len() == 2;
    // cobra and Go's flag take one dash for two
    let plain = option.trim_start_matches('-');
    let is_option = |part: &str| {
        let Some(name) = part.strip_prefix('-') else {
            return false;
        };
        let bare = name.trim_start_matches('-');
        let bare = bare.split_once('=').map_or(bare, |(name, _)| name);
        bare == plain || (is_letter && !name.starts_with('-') && name.contains(plain))
    };
    let is_in = |word: &str| {
        word.split([' ', ';', '\n', '&', '|', '"', '\''])
            .any(is_option)
    };
    let (field, _) = words(container).find(|(_, word)| is_in(word))?;
    Some(field)
}
