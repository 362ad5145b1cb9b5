//! `akeso memory`: what was learned.

use std::{io::Write, path::Path, process::ExitCode};

use akeso_core::{
    act::ActionKind,
    engine::{Effect, Engine, Ledger},
    journal::Entry,
    learn::{Fingerprint, Level, Pattern},
    policy::Settings,
};
use anyhow::{Context, bail};
use jiff::Timestamp;
use serde_json::json;

use super::{incidents::ledger, open_store, store_path};
use crate::{
    cli::{Format, Global, Memory, MemoryFormat, Shown},
    memory_file,
    store::Reader,
};

/// Lists, shows, exports, takes in or forgets patterns.
pub fn run(global: &Global, arguments: &Memory) -> anyhow::Result<ExitCode> {
    match arguments {
        Memory::List { level } => list(global, &ledger(global)?, *level)?,
        Memory::Show { id } => {
            let ledger = ledger(global)?;
            writeln!(std::io::stdout(), "{:#}", as_json(find(&ledger, id)?))?;
        }
        Memory::Export { format } => {
            let ledger = ledger(global)?;
            let value = match format {
                MemoryFormat::Akeso => memory_file::export(&ledger, Timestamp::now())?,
                MemoryFormat::Article => memory_file::export_article(&ledger),
            };
            writeln!(std::io::stdout(), "{value:#}")?;
        }
        Memory::Import { file } => import(global, file)?,
        Memory::Forget { id } => forget(global, id)?,
        Memory::Prune { unused_since } => prune(global, *unused_since)?,
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
    match ledger.patterns().iter().find(|pattern| pattern.id() == id) {
        Some(pattern) => Ok(pattern),
        None => bail!("there is no pattern `{id}`; `akeso memory list` lists those there are"),
    }
}

fn as_json(pattern: &Pattern) -> serde_json::Value {
    let mut value = json!(pattern);
    if let Some(members) = value.as_object_mut() {
        members.insert("id".to_owned(), json!(pattern.id()));
        members.insert("level".to_owned(), json!(pattern.fingerprint.level()));
        let confidence = pattern.confidence(Timestamp::now());
        members.insert("confidence".to_owned(), json!(confidence.percent()));
        let is_used = pattern.is_trusted(Timestamp::now());
        members.insert("is_used".to_owned(), json!(is_used));
    }
    value
}

fn is_shown(level: Level, shown: Shown) -> bool {
    match shown {
        Shown::Workload => level == Level::Workload,
        Shown::Program => level == Level::Program,
        Shown::Image => level == Level::Image,
        Shown::Fault => level == Level::Fault,
        Shown::All => true,
    }
}

fn list(global: &Global, ledger: &Ledger, shown: Shown) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let mut out = std::io::stdout().lock();
    let all = ledger.patterns().iter();
    let shown = all.filter(|it| is_shown(it.fingerprint.level(), shown));
    let mut patterns = shown.peekable();
    if global.output == Format::Text && patterns.peek().is_none() {
        writeln!(out, "Nothing has been learned yet.")?;
    }
    for pattern in patterns {
        match global.output {
            Format::Json => writeln!(out, "{}", as_json(pattern))?,
            Format::Text => writeln!(
                out,
                "{}  {:<22} {:<8} {} healed, {} failed, {}{}  {}",
                pattern.id(),
                pattern.kind.as_str(),
                pattern.fingerprint.level().as_str(),
                pattern.successes,
                pattern.failures,
                pattern.confidence(now),
                if pattern.is_trusted(now) {
                    ""
                } else {
                    " (not used)"
                },
                pattern.fingerprint,
            )?,
        }
    }
    Ok(())
}

fn forget(global: &Global, id: &str) -> anyhow::Result<()> {
    forget_all(global, |ledger| {
        let pattern = find(ledger, id)?;
        Ok(vec![(pattern.fingerprint.clone(), pattern.kind)])
    })
}

fn import(global: &Global, file: &Path) -> anyhow::Result<()> {
    let name = file.display();
    let text = if file == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(file)
    };
    let text = text.with_context(|| format!("cannot read {name}"))?;
    let path = store_path(global);
    let mut store = open_store(global, &path)?;
    let journal = store.journal()?;
    let mut engine = Engine::restore_after(journal.sealed, Settings::default(), &journal.entries)?;
    let own = engine.ledger().store().map(ToString::to_string);
    let all = memory_file::read(&text, own.as_deref(), Timestamp::now())
        .with_context(|| format!("{name} is not taken in, nothing of it"))?;
    let mut out = std::io::stdout().lock();
    if all.is_empty() {
        writeln!(
            out,
            "There is nothing in {name} that this store has not learned itself."
        )?;
    }
    for imported in all {
        let (count, from) = (imported.patterns.len(), imported.from.clone());
        let fact = (imported.from, imported.patterns, imported.article);
        store.append(&entries(engine.import(fact, Timestamp::now())))?;
        writeln!(out, "Taken in: {count} patterns of {from}")?;
    }
    Ok(())
}

/// Forgets what was not used since then.
fn prune(global: &Global, since: Timestamp) -> anyhow::Result<()> {
    let is_old = |pattern: &&Pattern| pattern.last_used < since;
    forget_all(global, |ledger| {
        let old = ledger.patterns().iter().filter(is_old);
        // what is old at a level is old at every narrower one
        let named = |pattern: &Pattern| (pattern.fingerprint.clone(), pattern.kind);
        Ok(old.map(named).collect())
    })
}

/// Has the journal say that these are forgotten, with what is narrower.
fn forget_all(
    global: &Global,
    which: impl FnOnce(&Ledger) -> anyhow::Result<Vec<(Fingerprint, ActionKind)>>,
) -> anyhow::Result<()> {
    let path = store_path(global);
    Reader::open(&path)?; // there must be one
    let mut store = open_store(global, &path)?;
    let journal = store.journal()?;
    let mut engine = Engine::restore_after(journal.sealed, Settings::default(), &journal.entries)?;
    let mut out = std::io::stdout().lock();
    for (fingerprint, action) in which(engine.ledger())? {
        let forgotten = engine.forget(&fingerprint, Some(action), Timestamp::now());
        store.append(&entries(forgotten))?;
        writeln!(out, "Forgotten: {action} against {fingerprint}")?;
    }
    Ok(())
}
