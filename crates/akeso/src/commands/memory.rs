//! `akeso memory`: what was learned.

use std::{io::Write, process::ExitCode};

use akeso_core::{
    engine::{Effect, Engine, Ledger},
    journal::Entry,
    learn::Pattern,
    policy::Settings,
};
use anyhow::bail;
use jiff::Timestamp;
use serde_json::json;

use super::{incidents::ledger, open_store, store_path};
use crate::{
    cli::{Format, Global, Memory},
    store::Reader,
};

/// Lists, shows or forgets patterns.
pub fn run(global: &Global, arguments: &Memory) -> anyhow::Result<ExitCode> {
    match arguments {
        Memory::List => list(global, &ledger(global)?)?,
        Memory::Show { id } => {
            let ledger = ledger(global)?;
            writeln!(std::io::stdout(), "{:#}", as_json(find(&ledger, id)?))?;
        }
        Memory::Forget { id } => forget(global, id)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The journal entries among effects.
pub fn entries(effects: Vec<Effect>) -> Vec<Entry> {
    effects
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::Journal(entry) => Some(entry),
            _ => None,
        })
        .collect()
}

fn find<'a>(ledger: &'a Ledger, id: &str) -> anyhow::Result<&'a Pattern> {
    match ledger
        .patterns()
        .iter()
        .find(|pattern| pattern.fingerprint.id() == id)
    {
        Some(pattern) => Ok(pattern),
        None => bail!("there is no pattern `{id}`; `akeso memory list` lists those there are"),
    }
}

fn as_json(pattern: &Pattern) -> serde_json::Value {
    let mut value = json!(pattern);
    if let Some(members) = value.as_object_mut() {
        members.insert("id".to_owned(), json!(pattern.fingerprint.id()));
    }
    value
}

fn list(global: &Global, ledger: &Ledger) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut patterns = ledger.patterns().iter().peekable();
    if global.output == Format::Text && patterns.peek().is_none() {
        writeln!(out, "Nothing has been learned yet.")?;
    }
    for pattern in patterns {
        match global.output {
            Format::Json => writeln!(out, "{}", as_json(pattern))?,
            Format::Text => writeln!(
                out,
                "{}  {:<22} {} healed, {} failed  {}\n          {}",
                pattern.fingerprint.id(),
                pattern.action.name(),
                pattern.successes,
                pattern.failures,
                pattern.fingerprint,
                pattern.action.treatment().summary()
            )?,
        }
    }
    Ok(())
}

fn forget(global: &Global, id: &str) -> anyhow::Result<()> {
    let path = store_path(global);
    Reader::open(&path)?; // there must be one
    let mut store = open_store(global, &path)?;
    let journal = store.journal()?;
    let mut engine = Engine::restore_after(journal.sealed, Settings::default(), &journal.entries)?;
    let fingerprint = find(engine.ledger(), id)?.fingerprint.clone();
    store.append(&entries(engine.forget(&fingerprint, Timestamp::now())))?;
    writeln!(std::io::stdout(), "Forgotten: {fingerprint}")?;
    Ok(())
}
