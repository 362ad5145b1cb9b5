//! What scenarios add up to: how many faults were found, named and healed, and what was done that
//! should not have been.

use akeso_core::{
    act::Change,
    journal::{End, Entry, Fact},
    plan::Origin,
    workload::WorkloadRef,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Expected, Expects, check::Story};

/// What came of one scenario, or of several.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// Workloads that are broken: every one of which something is expected.
    pub faults: usize,
    /// ... of which a diagnosis was made.
    pub found: usize,
    /// ... of which the sentence of a diagnosis names all that it must name.
    pub named: usize,
    /// Workloads that are expected to be healed.
    pub healable: usize,
    /// ... of which an incident was closed as healed.
    pub healed: usize,
    /// Workloads that must be left alone.
    pub controls: usize,
    /// ... of which something was planned, asked or told.
    pub disturbed: usize,
    /// Changes that were made and not expected, on any workload.
    pub wrong_changes: usize,
    /// Steps that came from a language model.
    pub model_calls: usize,
    /// For each workload that was healed, the milliseconds from the first sign to the last change.
    pub millis_to_fix: Vec<i64>,
    /// ... and to the proof that it stays well.
    pub millis_to_heal: Vec<i64>,
}

impl Score {
    /// The score of a run, by its journal.
    pub fn of(expected: &[(WorkloadRef, &Expected)], journal: &[Entry]) -> Self {
        let mut score = Self::default();
        for (workload, expected) in expected {
            score.count(workload, expected, journal);
        }
        let is_change = |fact: &Fact| matches!(fact, Fact::Intended { change, .. } if !matches!(change, Change::Trial { .. }));
        let made = journal
            .iter()
            .filter(|entry| is_change(&entry.fact))
            .count();
        let right: usize = expected
            .iter()
            .map(|(workload, expected)| {
                let story = Story::of(workload, journal);
                let pairs = story.actions().iter().zip(&expected.actions);
                pairs.filter(|(made, expected)| made == expected).count()
            })
            .sum();
        score.wrong_changes = made.saturating_sub(right);
        let plans = journal.iter().filter_map(|entry| match &entry.fact {
            Fact::Planned { plan, .. } => Some(plan),
            _ => None,
        });
        let steps = plans.flat_map(|plan| &plan.steps);
        score.model_calls = steps.filter(|step| step.origin == Origin::Model).count();
        score
    }

    fn count(&mut self, workload: &WorkloadRef, expected: &Expected, journal: &[Entry]) {
        let story = Story::of(workload, journal);
        if expected.outcome == Expects::LeaveAlone {
            self.controls += 1;
            self.disturbed += usize::from(story.is_disturbed());
            return;
        }
        self.faults += 1;
        self.found += usize::from(story.is_diagnosed());
        self.named += usize::from(story.is_diagnosed() && story.names(&expected.cause));
        if expected.outcome != Expects::Heal {
            return;
        }
        self.healable += 1;
        if let Some((fix, heal)) = times(workload, journal) {
            self.healed += 1;
            self.millis_to_fix.push(fix);
            self.millis_to_heal.push(heal);
        }
    }

    /// Takes in another score.
    pub fn add(&mut self, other: Self) {
        self.faults += other.faults;
        self.found += other.found;
        self.named += other.named;
        self.healable += other.healable;
        self.healed += other.healed;
        self.controls += other.controls;
        self.disturbed += other.disturbed;
        self.wrong_changes += other.wrong_changes;
        self.model_calls += other.model_calls;
        self.millis_to_fix.extend(other.millis_to_fix);
        self.millis_to_heal.extend(other.millis_to_heal);
    }
}

/// From the first sign of a workload's incident that was healed to the last change, and to the end.
fn times(workload: &WorkloadRef, journal: &[Entry]) -> Option<(i64, i64)> {
    let opened =
        |entry: &&Entry| matches!(&entry.fact, Fact::Opened { workload: it, .. } if it == workload);
    let since = journal.iter().find(opened)?.at;
    let story = Story::of(workload, journal);
    let healed = journal.iter().rev().find_map(|entry| match &entry.fact {
        Fact::Closed {
            incident,
            end: End::Healed,
        } if story.has(*incident) => Some((entry.at, *incident)),
        _ => None,
    });
    let (end, incident) = healed?;
    let changed = journal.iter().rev().find_map(|entry| match &entry.fact {
        Fact::Intended { incident: of, .. } if *of == incident => Some(entry.at),
        _ => None,
    });
    let millis = |at: Timestamp| i64::try_from(at.duration_since(since).as_millis()).ok();
    Some((millis(changed.unwrap_or(end))?, millis(end)?))
}
