//! `akeso audit`: whether the journal is what was written, and what was done by whom and why.

mod change;
mod export;
mod row;

use std::{io::Write, path::Path, process::ExitCode};

use serde_json::json;

use super::{signing_key, store_path};
use crate::{
    cli::{Audit, Format, Global},
    report::line,
    store::{
        HeadFile, Reader,
        signing::PublicKey,
        verify::{Finding, Whole, verify},
    },
};

/// Verifies or exports.
pub fn run(global: &Global, arguments: &Audit) -> anyhow::Result<ExitCode> {
    match arguments {
        Audit::Verify { public_key } => check(global, public_key.as_deref()),
        Audit::Export { format, since } => {
            let journal = Reader::open(&store_path(global))?.journal()?;
            let out = std::io::BufWriter::new(std::io::stdout().lock());
            export::export(&journal.entries, *since, *format, out)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Exit code 0: the journal is whole, 1: it is not.
fn check(global: &Global, public_key: Option<&Path>) -> anyhow::Result<ExitCode> {
    let store = store_path(global);
    let signing_key = signing_key(global);
    let key = match public_key {
        Some(path) => Some(PublicKey::read(path)?),
        None => PublicKey::of_signing_key(&signing_key)?,
    };
    let head = HeadFile::of(&store, &signing_key);
    let finding = verify(&Reader::open(&store)?, key.as_ref(), &head)?;
    let mut out = std::io::stdout().lock();
    match (global.output, &finding) {
        (Format::Text, Finding::Whole(whole)) => {
            write!(out, "{}", in_words(whole, key.as_ref(), &head))?;
        }
        (Format::Text, Finding::Broken { seq, flaw }) => writeln!(out, "Entry {seq} {flaw}.")?,
        (Format::Json, Finding::Whole(whole)) => writeln!(
            out,
            "{}",
            json!({
                "whole": true,
                "entries": whole.entries,
                "sealed_segments": whole.segments,
                "sealed_through": whole.sealed_through,
                "unsigned": whole.unsigned,
                "key": key.as_ref().map(PublicKey::id),
                "from": whole.from,
                "to": whole.to,
                "end_is_known": whole.has_head,
            })
        )?,
        (Format::Json, Finding::Broken { seq, flaw }) => writeln!(
            out,
            "{}",
            json!({"whole": false, "entry": seq, "flaw": flaw.name(), "why": flaw.to_string()})
        )?,
    }
    Ok(match finding {
        Finding::Whole(_) => ExitCode::SUCCESS,
        Finding::Broken { .. } => ExitCode::from(1),
    })
}

fn in_words(whole: &Whole, key: Option<&PublicKey>, head: &HeadFile) -> String {
    let plural = |count: u64, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {many}"),
    };
    let entries = plural(whole.entries, "entry", "entries");
    let behind = match whole.segments {
        0 => String::new(),
        count => format!(
            " behind {} (through entry {})",
            plural(count, "sealed segment", "sealed segments"),
            whole.sealed_through
        ),
    };
    let by = match key {
        Some(key) if whole.unsigned < whole.entries + whole.sealed_through => {
            format!(", signed by {}", key.id())
        }
        Some(_) | None => ", not signed".to_owned(),
    };
    let when = match (&whole.from, &whole.to) {
        (Some(from), Some(to)) => format!(", from {from} to {to}"),
        (None, _) | (_, None) => String::new(),
    };
    let mut text = format!("{entries}{behind}, chain whole{by}{when}\n");
    if whole.unsigned > 0 {
        line!(
            text,
            "The oldest {} unsigned: written before there were signatures.",
            plural(whole.unsigned, "entry is", "entries are")
        );
    }
    if !whole.has_head {
        line!(
            text,
            "Whether entries were removed from the end cannot be told: there is no head at {}.",
            head.path().display()
        );
    }
    text
}
