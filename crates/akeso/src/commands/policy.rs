//! `akeso policy`: checks a policy file, and explains what was decided.

mod explain;

use std::{io::Write, path::Path, process::ExitCode};

use akeso_core::policy::freeze;
use jiff::Timestamp;
use serde_json::json;

use crate::{
    cli::{Format, Global, Policy},
    policy_file::{PolicyFile, Unusable, load, summary},
};

/// Checks a file, or explains an incident.
pub fn run(global: &Global, arguments: &Policy) -> anyhow::Result<ExitCode> {
    match arguments {
        Policy::Check { file } => check(global, file),
        Policy::Explain { id, policy } => explain::run(global, *id, policy.as_deref()),
    }
}

/// Exit code 0: it can be used, 1: something in it is wrong; that it cannot be read is an error.
fn check(global: &Global, path: &Path) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let now = Timestamp::now();
    match (load(path), global.output) {
        (Ok(file), Format::Text) => {
            writeln!(out, "{} can be used. In effect:\n", path.display())?;
            write!(out, "{}", summary(&file.policy, now))?;
            Ok(ExitCode::SUCCESS)
        }
        (Ok(file), Format::Json) => {
            writeln!(out, "{}", as_json(path, &file, now))?;
            Ok(ExitCode::SUCCESS)
        }
        (Err(Unusable::Wrong { path, findings }), format) => {
            match format {
                Format::Text => findings
                    .iter()
                    .try_for_each(|finding| writeln!(out, "{}", finding.in_file(&path)))?,
                Format::Json => writeln!(
                    out,
                    "{}",
                    json!({"file": path, "usable": false, "findings": findings})
                )?,
            }
            Ok(ExitCode::FAILURE)
        }
        (Err(unreadable @ Unusable::Unreadable { .. }), _) => Err(unreadable.into()),
    }
}

fn as_json(path: &Path, file: &PolicyFile, now: Timestamp) -> serde_json::Value {
    let frozen = freeze(&file.policy.freeze, now)
        .map(|(window, until)| json!({"window": window.name, "until": until}));
    json!({
        "file": path,
        "usable": true,
        "findings": [],
        "policy": file.policy,
        "frozen": frozen,
    })
}
