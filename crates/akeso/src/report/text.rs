//! The article's layout: rules of `=` and `-`, `ITERATION #n - time`, `[OBSERVE] [PLAN] [ACT]
//! [VERIFY] [LEARN]`.
//!
//! The article looked at its pods in rounds; Akeso is told at once. What happens together is
//! shown as one iteration, each incident in one piece.

mod facts;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
};

use akeso_core::{
    engine::{Ledger, State},
    journal::{End, Entry, Fact},
    learn::Level,
    workload::IncidentId,
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::Reporter;
pub use facts::{beside, state_words};

const WIDTH: usize = 70;
/// What happens within this time of each other is one iteration.
const TOGETHER: SignedDuration = SignedDuration::from_millis(300);

/// What was healed this long before the start may be opened again.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(48);

/// Prints the journal in the article's layout.
pub struct Text<W> {
    out: W,
    interval: std::time::Duration,
    ledger: Ledger,
    iteration: u32,
    blocks: BTreeMap<IncidentId, String>,
    last: Timestamp,
    /// The time of the last entry that was there before.
    begun: Timestamp,
    /// How many patterns were known at the start.
    known: usize,
    /// Blocks whose end has not come yet are not shown.
    unfinished: BTreeSet<IncidentId>,
}

impl<W: Write> Text<W> {
    /// A reporter that writes to `out`.
    pub fn new(out: W, interval: std::time::Duration, journal: &[Entry]) -> Self {
        let mut ledger = Ledger::default();
        for entry in journal {
            ledger.fold(entry);
        }
        let begun = journal.last().map_or(Timestamp::MIN, |entry| entry.at);
        let since = begun.checked_sub(LOOK_BACK).unwrap_or(Timestamp::MIN);
        ledger.drop_closed(since);
        Self {
            known: learned(&ledger),
            out,
            interval,
            ledger,
            iteration: 0,
            blocks: BTreeMap::new(),
            last: Timestamp::UNIX_EPOCH,
            begun,
            unfinished: BTreeSet::new(),
        }
    }

    fn print(&mut self, text: &str) {
        if let Err(error) = self
            .out
            .write_all(text.as_bytes())
            .and_then(|()| self.out.flush())
        {
            tracing::debug!(%error, "nobody reads the output");
        }
    }

    fn header(&mut self, at: Timestamp) -> String {
        self.iteration += 1;
        let local = at
            .to_zoned(TimeZone::system())
            .strftime("%Y-%m-%d %H:%M:%S");
        let rule = "=".repeat(WIDTH);
        format!(
            "\n{rule}\nITERATION #{} - {local}\n{rule}\n\n[OBSERVE] Checking pod status...\n",
            self.iteration
        )
    }

    fn footer(&self) -> String {
        let rule = "=".repeat(WIDTH);
        format!(
            "\n{rule}\nWaiting {} seconds until next check...\n{rule}\n",
            self.interval.as_secs()
        )
    }

    fn flush(&mut self) {
        let finished: Vec<_> = self
            .blocks
            .keys()
            .filter(|id| !self.unfinished.contains(id))
            .copied()
            .collect();
        if finished.is_empty() {
            return;
        }
        let mut text = self.header(self.last);
        line!(text, "Result: Found {} issue(s)", finished.len());
        let count = finished.len();
        for (index, id) in finished.into_iter().enumerate() {
            let rule = "-".repeat(WIDTH);
            line!(text, "\n{rule}\nISSUE #{} of {count}\n{rule}", index + 1);
            if let Some(incident) = self.ledger.get(id) {
                text.push_str(&facts::title(incident));
            }
            text.push_str(&self.blocks.remove(&id).unwrap_or_default());
        }
        text.push_str(&self.footer());
        self.print(&text);
    }
}

impl<W: Write + Send> Reporter for Text<W> {
    fn entry(&mut self, entry: &Entry) {
        if entry.at.duration_since(self.last) > TOGETHER {
            self.flush();
        }
        self.last = entry.at;
        self.ledger.fold(entry);
        if let Some((id, text)) = facts::beside(&entry.fact) {
            self.blocks.entry(id).or_default().push_str(&text);
        }
        let Some(id) = entry.fact.incident() else {
            return;
        };
        if let Fact::SharedOpened { cause, .. } = &entry.fact {
            let text = format!(
                "\nNeeds a person: {cause}\n   Begin with: {}\n",
                cause.command()
            );
            self.blocks.entry(id).or_default().push_str(&text);
        }
        let Some(incident) = self.ledger.get(id).cloned() else {
            return;
        };
        let Some((text, is_finished)) = facts::tell(&entry.fact, &incident) else {
            return;
        };
        self.blocks.entry(id).or_default().push_str(&text);
        if is_finished {
            self.unfinished.remove(&id);
        } else {
            self.unfinished.insert(id);
        }
    }

    fn begun(&mut self, at: Timestamp) {
        // what is broken is told of as soon as its cause is known
        if self.ledger.open().next().is_none() {
            self.rechecked(at);
        }
    }

    fn quiet(&mut self) {
        self.flush();
    }

    fn rechecked(&mut self, at: Timestamp) {
        self.flush();
        let shared = self.ledger.shared();
        let shared = shared.map(|(id, shared)| format!("  {id} {}", shared.cause));
        let open: Vec<String> = self
            .ledger
            .open()
            .map(|incident| {
                format!(
                    "  {} {}: {}",
                    incident.id,
                    incident.workload,
                    state_words(&incident.state)
                )
            })
            .chain(shared)
            .collect();
        let mut text = self.header(at);
        if open.is_empty() {
            text.push_str("Result: All pods are healthy\n");
        } else {
            line!(
                text,
                "Result: Found {} known issue(s)\n{}",
                open.len(),
                open.join("\n")
            );
        }
        text.push_str(&self.footer());
        self.print(&text);
    }

    fn close(&mut self) {
        self.unfinished.clear();
        self.flush();
        let incidents: Vec<_> = self
            .ledger
            .incidents()
            .filter(|incident| incident.plan.is_some() && incident.updated > self.begun)
            .collect();
        let healed = incidents
            .iter()
            .filter(|i| i.state == State::Closed(End::Healed))
            .count();
        let waiting = incidents
            .iter()
            .filter(|i| {
                matches!(
                    i.state,
                    State::AwaitingApproval { .. } | State::Escalated { .. }
                )
            })
            .count();
        let attempts: Vec<_> = incidents
            .iter()
            .flat_map(|incident| &incident.attempts)
            .filter(|attempt| !attempt.is_trial())
            .collect();
        let rolled_back = attempts
            .iter()
            .filter(|attempt| attempt.is_taken_back())
            .count();
        let rule = "=".repeat(WIDTH);
        let mut text = format!("\n{rule}\nSUMMARY\n{rule}\n");
        for incident in &incidents {
            let took = incident.updated.duration_since(incident.opened).as_secs();
            line!(
                text,
                "{:<44} {} ({took} s)",
                incident.workload.to_string(),
                state_words(&incident.state)
            );
        }
        line!(
            text,
            "\nIssues:            {} ({healed} healed, {waiting} waiting for a person)\nActions:           {} ({rolled_back} taken back)\nPatterns learned:  {}\n{rule}",
            incidents.len(),
            attempts.len(),
            learned(&self.ledger).saturating_sub(self.known)
        );
        self.print(&text);
    }
}

/// How many failures Akeso has learned to heal.
fn learned(ledger: &Ledger) -> usize {
    let patterns = ledger.patterns().iter();
    patterns
        .filter(|it| it.fingerprint.level() == Level::Program && it.successes > 0)
        .count()
}
