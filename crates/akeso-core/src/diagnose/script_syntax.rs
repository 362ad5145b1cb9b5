//! Fault `script-syntax`: a shell or Python cannot read the script that it is given.

use std::sync::LazyLock;

use k8s_openapi::api::core::v1::Container;
use regex::Regex;

use super::{
    Diagnosis, Examination, Family, Fault, last_lines, latest, unknown_crash, words::words,
};
use crate::observe::{Sign, Symptom};

pub(super) const FAULT: Fault = Fault {
    name: "script-syntax",
    family: Family::Command,
    signs: "the shell or Python says that the script has a syntax error (exit codes 1 and 2)",
    does: "puts the last good revision back, where one is proven; else names the line, the field or file it stands in, and what is wrong",
    never: "mends a script",
    diagnose,
};

/// `sh: 1: Syntax error: end of file unexpected`, `sh: syntax error: unexpected "fi"`,
/// `/start.sh: line 3: syntax error near unexpected token`. Only a shell or a file says so.
static SHELL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(?P<who>(?:ba|da|a|z|k)?sh|\S*/\S+|\S+\.sh): (?:-c: )?(?:line )?(?:(?P<line>\d+): )?(?P<why>[Ss]yntax error.*)$").ok()
});
/// Where Python stumbled: `  File "<string>", line 1`.
static PLACE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"^ *File "(?P<who>[^"]+)", line (?P<line>\d+)$"#).ok());
static PYTHON: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(?P<why>(?:SyntaxError|IndentationError|TabError): .+)$").ok());
/// What a shell is told its script with.
static INLINE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^-[a-z]*c$").ok());

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Crash(crash) = &symptom.sign else {
        return None;
    };
    if !matches!(crash.exit_code, 1 | 2) {
        return None;
    }
    let container = examination.container(symptom)?;
    let log = examination.crash_log(symptom)?;
    let error = of_shell(log).or_else(|| of_python(log))?;
    let is_inline = matches!(
        error.who,
        "<string>" | "sh" | "bash" | "ash" | "dash" | "zsh" | "ksh"
    );
    let script = if is_inline {
        inline_script(container).unwrap_or_else(|| "the script that it is given".to_owned())
    } else {
        error.who.to_owned()
    };
    let line = error.line.map(|line| format!("line {line} of "));
    let says = format!(
        "runs a script with a syntax error in {}{script}: {}",
        line.unwrap_or_default(),
        error.why
    );
    let why = format!("the script ({script}) must be mended");
    let remedy = unknown_crash::remedy(examination, symptom, crash, why);
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 90, remedy)
            .with_evidence(last_lines(log, 4)),
    )
}

struct SyntaxError<'l> {
    /// The shell, or the file that it read.
    who: &'l str,
    line: Option<&'l str>,
    why: &'l str,
}

/// A shell says so last; bash shows the line behind it.
fn of_shell(log: &str) -> Option<SyntaxError<'_>> {
    let pattern = SHELL.as_ref()?;
    let mut last = latest(log);
    let found = last
        .by_ref()
        .take(2)
        .find_map(|line| pattern.captures(line.trim()))?;
    Some(SyntaxError {
        who: found.name("who")?.as_str(),
        line: found.name("line").map(|line| line.as_str()),
        why: found.name("why")?.as_str(),
    })
}

/// Python says so last. With a traceback it is what the program read that is wrong, or a module.
fn of_python(log: &str) -> Option<SyntaxError<'_>> {
    let mut last = latest(log);
    let why = PYTHON
        .as_ref()?
        .captures(last.next()?)?
        .name("why")?
        .as_str();
    let place = last
        .take(4)
        .find_map(|line| PLACE.as_ref()?.captures(line))?;
    if log.contains("Traceback (most recent call last)") {
        return None;
    }
    Some(SyntaxError {
        who: place.name("who")?.as_str(),
        line: place.name("line").map(|line| line.as_str()),
        why,
    })
}

/// The field that holds the script of `sh -c SCRIPT`.
fn inline_script(container: &Container) -> Option<String> {
    let pattern = INLINE.as_ref()?;
    let mut words = words(container).skip_while(|(_, word)| !pattern.is_match(word));
    words.next()?;
    words.next().map(|(field, _)| field)
}
