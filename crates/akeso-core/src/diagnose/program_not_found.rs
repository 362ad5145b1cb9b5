//! Fault `program-not-found`: the program that the container is to run is not in its image, or may
//! not be executed. The runtime or the shell says which.

use std::sync::LazyLock;

use k8s_openapi::api::core::v1::Container;
use regex::Regex;

use super::{
    Diagnosis, Examination, Family, Fault, last_lines, latest, undo, unknown_crash, words::words,
    written_path,
};
use crate::{
    observe::{Sign, Symptom},
    plan::Advice,
};

pub(super) const FAULT: Fault = Fault {
    name: "program-not-found",
    family: Family::Command,
    signs: "the runtime or the shell does not find the program, or may not execute it (exit codes 126 and 127)",
    does: "puts the last good revision back, where one is proven; else names the program and the field it stands in",
    never: "changes a command by guessing",
    diagnose,
};

/// The runtime's words: `exec: "serve": executable file not found in $PATH`.
static RUNTIME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"exec: \\?"(?P<program>[^"\\]+)\\?": (?:stat \S+: )?(?P<why>executable file not found in \$PATH|no such file or directory|permission denied)"#).ok()
});
/// A shell's: `sh: 1: serve: not found`, `/start.sh: line 3: serve: command not found`.
static NOT_FOUND: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^\S+: (?:.*: )?(?P<program>[^\s:]+): (?P<why>(?:command )?not found)$").ok()
});
/// ... and `sh: 1: ./serve: Permission denied`.
static DENIED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^\S+: (?:.*: )?(?P<program>[^\s:]+): (?P<why>(?i:permission denied))$").ok()
});

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let container = examination.container(symptom)?;
    let (program, why, lines) = match &symptom.sign {
        Sign::Start => {
            let (program, why) = named(&RUNTIME, &symptom.message)?;
            (program, why, vec![symptom.message.clone()])
        }
        Sign::Crash(crash) => {
            let pattern = match crash.exit_code {
                127 => &NOT_FOUND,
                126 => &DENIED,
                _ => return None,
            };
            if unknown_crash::is_ended_by_probe(examination, symptom) {
                return None;
            }
            // only the last line is about what ended it
            let log = examination.crash_log(symptom)?;
            let last = latest(log).next()?;
            let (program, why) = named(pattern, last.trim())?;
            (program, why, last_lines(log, 4))
        }
        Sign::ImagePull { .. }
        | Sign::OutOfMemory(_)
        | Sign::Config
        | Sign::Mount { .. }
        | Sign::Probe { .. }
        | Sign::Awaits
        | Sign::Unschedulable
        | Sign::RolloutOverdue
        | Sign::PodsRefused
        | Sign::StuckOnOldPod { .. }
        | Sign::JobFailed
        | Sign::JobFlawed { .. }
        | Sign::Evicted
        | Sign::Support { .. } => return None,
    };
    let field = field_of(container, &program);
    let image = container.image.as_deref().unwrap_or_default();
    let says = format!("cannot run `{program}`, named by {field}: {why} (image {image})");
    let spec = examination.workload.pod_spec();
    let mount = spec.and_then(|spec| written_path::mount_of(spec, container, &program));
    let mounted = mount.and_then(|(_, volume)| volume);
    let is_configuration =
        mounted.is_some_and(|volume| volume.config_map.is_some() || volume.secret.is_some());
    let why = if why.to_lowercase().contains("permission denied") && is_configuration {
        format!(
            "the volume {} needs `defaultMode: 0755`, for its files are not executable without it",
            mounted
                .map(|volume| volume.name.as_str())
                .unwrap_or_default()
        )
    } else if why.to_lowercase().contains("permission denied") {
        format!("`{program}` needs its executable bit, or the container another user")
    } else if program.contains(' ') && !is_shell_line(container, &program) {
        format!(
            "{field} must be split: `{program}` is one word, and so the name of one program; each argument is a word of its own"
        )
    } else {
        format!("`{program}` must be in the image {image}, or {field} must name what is")
    };
    let remedy = if let Sign::Crash(crash) = &symptom.sign {
        unknown_crash::remedy(examination, symptom, crash, why)
    } else {
        let command = examination.describe(symptom);
        undo::or_person(examination, Advice { why, command })
    };
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 90, remedy)
            .with_evidence(lines),
    )
}

fn named(pattern: &LazyLock<Option<Regex>>, text: &str) -> Option<(String, String)> {
    let found = pattern.as_ref()?.captures(text)?;
    Some((found["program"].to_owned(), found["why"].to_owned()))
}

/// Whether the words stand in a script, which the shell splits.
fn is_shell_line(container: &Container, program: &str) -> bool {
    !words(container).any(|(_, word)| word == program)
}

/// The field of the container that names the program.
fn field_of(container: &Container, program: &str) -> String {
    let is_in = |word: &str| {
        word == program
            || word
                .split([' ', ';', '\n', '&', '|'])
                .any(|part| part == program)
    };
    let found = words(container).find(|(_, word)| is_in(word));
    found.map_or_else(
        || "the image's own entrypoint or a script".to_owned(),
        |(field, _)| field,
    )
}
