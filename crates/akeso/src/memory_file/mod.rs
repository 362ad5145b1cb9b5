//! Files of what was learned: Akeso's own, by which stores learn from each other, and the article's
//! `agentic_memory.json`. A file comes from anybody: what is not of the form, or makes no sense, is
//! refused as a whole, with the place.

mod article;

use akeso_core::{
    act::Action,
    engine::Ledger,
    learn::{Fingerprint, MOST, Pattern},
};
use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub use article::export as export_article;

/// The form of Akeso's own files.
const FORM: &str = "akeso-memory/1";
/// No file is larger.
const MOST_BYTES: usize = 16 << 20;
/// Nobody has healed so often; what claims it wants to be believed.
const MOST_USES: u32 = 1_000_000;
/// No text in a pattern is longer.
const LONGEST_TEXT: usize = 4_096;
/// One event, as patterns weigh them.
const ONE: u64 = 1_000;

/// What was learned, by whom.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    format: String,
    /// The name of the journal.
    from: String,
    at: Timestamp,
    patterns: Vec<Pattern>,
}

/// What a file holds.
#[derive(Debug)]
pub struct Imported {
    /// Where it was learned: the name of a journal, or of the article's file.
    pub from: String,
    /// What was learned there.
    pub patterns: Vec<Pattern>,
    /// The article's file, which holds more.
    pub article: Option<Value>,
}

/// Everything that was learned, here or elsewhere, in Akeso's own form. What an action wrote is that
/// workload's own, and is left out where no other workload needs it.
pub fn export(ledger: &Ledger, at: Timestamp) -> anyhow::Result<Value> {
    let patterns = ledger.patterns().iter().map(|pattern| Pattern {
        action: pattern.action.clone().filter(is_of_use_elsewhere),
        ..pattern.clone()
    });
    let store = ledger.store().map(ToString::to_string);
    let own = Own {
        format: FORM.to_owned(),
        from: store.unwrap_or_else(|| "an empty store".to_owned()),
        at,
        patterns: patterns.collect(),
    };
    Ok(serde_json::to_value(own)?)
}

const fn is_of_use_elsewhere(action: &Action) -> bool {
    matches!(action, Action::IncreaseMemory(_) | Action::FixImageName(_))
}

/// Reads a file for the store of this name. What the store has learned itself comes home to it in no
/// file.
pub fn read(text: &str, own: Option<&str>, now: Timestamp) -> anyhow::Result<Vec<Imported>> {
    ensure!(
        text.len() <= MOST_BYTES,
        "it is larger than {} MiB, which no memory is",
        MOST_BYTES >> 20
    );
    let value: Value = serde_json::from_str(text).context("it is no JSON")?;
    if value.get("attempts").is_some() {
        let article = article::read(text)?;
        let digest = Sha256::digest(text);
        let from = format!(
            "article-{:02x}{:02x}{:02x}",
            digest[0], digest[1], digest[2]
        );
        let patterns = article.patterns(now);
        return Ok(vec![Imported {
            from,
            patterns,
            article: Some(value),
        }]);
    }
    let Some(format) = value.get("format") else {
        bail!(
            "it is neither Akeso's memory (`format`, `patterns`) nor the article's (`attempts`, `patterns`)"
        );
    };
    ensure!(
        format == FORM,
        "its format is {format}; this build reads \"{FORM}\""
    );
    let file: Own = serde_json::from_str(text)?;
    ensure!(
        file.patterns.len() <= MOST,
        "it has {} patterns; a store keeps {MOST} at most",
        file.patterns.len()
    );
    ensure!(is_plain(&file.from), "from: it is no name of a journal");
    let mut all = std::collections::BTreeMap::<String, Vec<Pattern>>::new();
    for (place, pattern) in file.patterns.into_iter().enumerate() {
        check(&pattern, now).with_context(|| format!("patterns[{place}]"))?;
        let from = pattern.from.clone().unwrap_or_else(|| file.from.clone());
        if Some(from.as_str()) != own {
            all.entry(from).or_default().push(pattern);
        }
    }
    let imported = all.into_iter().map(|(from, patterns)| Imported {
        from,
        patterns,
        article: None,
    });
    Ok(imported.collect())
}

/// Whether a pattern makes sense.
fn check(pattern: &Pattern, now: Timestamp) -> anyhow::Result<()> {
    let Fingerprint {
        fault,
        detail,
        log,
        image,
        command,
        workload,
    } = &pattern.fingerprint;
    let texts = [
        ("fault", Some(fault)),
        ("detail", Some(detail)),
        ("log", Some(log)),
        ("image", image.as_ref()),
        ("command", command.as_ref()),
        ("workload", workload.as_ref()),
    ];
    for (name, text) in texts {
        ensure!(
            text.is_none_or(|text| is_plain(text)),
            "fingerprint.{name}: it is too long, or has control characters"
        );
    }
    let from = pattern.from.as_deref();
    ensure!(
        from.is_none_or(is_plain),
        "from: it is no name of a journal"
    );
    ensure!(!fault.is_empty(), "fingerprint.fault: it is empty");
    for (name, uses, weight) in [
        ("successes", pattern.successes, pattern.helped),
        ("failures", pattern.failures, pattern.failed),
    ] {
        ensure!(
            uses <= MOST_USES,
            "{name}: {uses} is more than anybody has seen"
        );
        ensure!(
            weight <= u64::from(uses) * ONE,
            "{name}: they weigh more than they are"
        );
    }
    ensure!(pattern.last_used <= now, "last_used: it is in the future");
    let action = pattern.action.as_ref();
    ensure!(
        action.is_none_or(is_of_use_elsewhere),
        "action: what it writes is for the workload that it was made for; leave it out"
    );
    Ok(())
}

fn is_plain(text: &str) -> bool {
    text.len() <= LONGEST_TEXT && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests;
