//! One row of the audit: who did or decided what, why, and what it made of what.

use akeso_core::{
    act::ActionKind,
    consult::Advised,
    engine::{Incident, Ledger},
    gate::Decision,
    journal::{End, Entry, Fact, Outcome, Verdict},
    workload::AttemptId,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::change;

/// Akeso itself.
const AKESO: &str = "akeso";
/// Somebody at the command line, whom the journal does not name.
const PERSON: &str = "person";

/// A row. What is not said of a fact is empty.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// When.
    pub at: Timestamp,
    /// The entry that says so.
    pub seq: u64,
    /// Who.
    pub who: String,
    /// The workload it was about.
    pub workload: String,
    /// The incident it was about.
    pub incident: String,
    /// The attempt it was about.
    pub attempt: String,
    /// What was done or decided: the journal's word.
    pub fact: &'static str,
    /// With which action.
    pub action: String,
    /// Why.
    pub why: String,
    /// Values by their JSON pointer, before.
    pub before: Value,
    /// And after.
    pub after: Value,
    /// What came of it.
    pub outcome: String,
    /// The entry's hash.
    pub hash: String,
}

/// The row of an entry, if it did or decided something; `ledger` has folded it.
pub fn of(entry: &Entry, ledger: &Ledger) -> Option<Row> {
    let incident = entry.fact.incident().and_then(|id| ledger.get(id));
    let mut row = Row {
        at: entry.at,
        seq: entry.seq,
        who: AKESO.to_owned(),
        workload: incident
            .map(|incident| incident.workload.to_string())
            .unwrap_or_default(),
        incident: entry
            .fact
            .incident()
            .map(|id| id.to_string())
            .unwrap_or_default(),
        attempt: String::new(),
        fact: "",
        action: String::new(),
        why: String::new(),
        before: Value::Null,
        after: Value::Null,
        outcome: String::new(),
        hash: entry.hash.clone(),
    };
    match &entry.fact {
        // what was seen and thought, not done; the steps that come of it say why
        Fact::Opened { .. } | Fact::Diagnosed { .. } | Fact::Planned { .. } => return None,
        Fact::SharedOpened { cause, .. } => {
            row.fact = "shared-opened";
            row.why = cause.to_string();
        }
        Fact::Joined { why, .. } => {
            row.fact = "joined";
            row.why.clone_from(why);
        }
        Fact::Reconsidered { why, .. } => {
            row.fact = "reconsidered";
            row.why.clone_from(why);
        }
        Fact::Reopened { attempt, why, .. } => {
            row.fact = "reopened";
            row.attempt(incident, *attempt);
            row.why.clone_from(why);
        }
        Fact::Gated { step, ruling, .. } => {
            let step = incident
                .and_then(|incident| incident.plan.as_ref())
                .and_then(|plan| plan.steps.get(*step));
            row.fact = "gated";
            row.action = step
                .map(|step| step.action.name().to_owned())
                .unwrap_or_default();
            row.why = format!("{}: {}", ruling.rule, ruling.why);
            decision(ruling.decision).clone_into(&mut row.outcome);
        }
        Fact::Intended {
            attempt, change, ..
        } => {
            row.fact = "intended";
            row.attempt(incident, *attempt);
            row.why = incident
                .and_then(|incident| incident.attempt(*attempt))
                .map(|attempt| attempt.step.reasoning.clone())
                .unwrap_or_default();
            (row.before, row.after) = change::of_change(change);
        }
        Fact::Applied {
            attempt, outcome, ..
        } => {
            row.fact = "applied";
            row.attempt(incident, *attempt);
            row.outcome(outcome);
        }
        Fact::Judged {
            attempt,
            verdict,
            why,
            ..
        } => {
            row.fact = "judged";
            row.attempt(incident, *attempt);
            row.why.clone_from(why);
            judgement(*verdict).clone_into(&mut row.outcome);
        }
        Fact::RollbackIntended { attempt, patch, .. } => {
            row.fact = "rollback-intended";
            row.attempt(incident, *attempt);
            row.why = incident
                .and_then(|incident| incident.attempt(*attempt)?.verdict)
                .map(|verdict| format!("the attempt was judged {}", judgement(verdict)))
                .unwrap_or_default();
            (row.before, row.after) = change::of_patch(patch);
        }
        Fact::RolledBack {
            attempt, outcome, ..
        } => {
            row.fact = "rolled-back";
            row.attempt(incident, *attempt);
            row.outcome(outcome);
        }
        Fact::TrialSwept {
            attempt,
            workload,
            pod,
        } => {
            row.fact = "trial-swept";
            row.attempt = attempt.to_string();
            row.workload = workload.to_string();
            row.why = format!("the trial pod {pod} was left over");
        }
        Fact::Learned {
            fingerprint,
            action,
            ..
        } => {
            row.fact = "learned";
            action.name().clone_into(&mut row.action);
            row.why = fingerprint.to_string();
        }
        Fact::Forgotten {
            fingerprint,
            action,
        } => {
            row.fact = "forgotten";
            action
                .map_or("", ActionKind::as_str)
                .clone_into(&mut row.action);
            PERSON.clone_into(&mut row.who);
            row.why = fingerprint.to_string();
        }
        Fact::Consulted {
            model, failure, by, ..
        } => {
            row.fact = "consulted";
            if let Some(by) = by {
                row.who.clone_from(by);
            }
            row.why = format!("{model} is asked of {failure}");
        }
        Fact::Advised { advised, .. } => {
            row.fact = "advised";
            row.why = match advised {
                Advised::Answered { answer } => answer.cause.clone(),
                Advised::Told { .. } => "it answered a person's question".to_owned(),
                Advised::Refused { why } => format!("its answer is refused: {why}"),
                Advised::Failed { why } => format!("it did not answer: {why}"),
            };
        }
        Fact::Promoted {
            namespace,
            action,
            uses,
            ..
        } => {
            row.fact = "promoted";
            action.as_str().clone_into(&mut row.action);
            row.why = format!("{uses} approved uses have healed in namespace {namespace}");
        }
        Fact::Demoted {
            namespace,
            action,
            why,
            ..
        } => {
            row.fact = "demoted";
            action.as_str().clone_into(&mut row.action);
            row.why = format!("in namespace {namespace}: {why}");
        }
        Fact::Imported { from, patterns, .. } => {
            row.fact = "imported";
            PERSON.clone_into(&mut row.who);
            row.why = format!("{} patterns of {from}", patterns.len());
        }
        Fact::Asked { question, .. } => {
            row.fact = "asked";
            row.attempt = question.attempt.to_string();
            question.step.action.name().clone_into(&mut row.action);
            row.why.clone_from(&question.step.reasoning);
            (row.before, row.after) = change::of_change(&question.change);
        }
        Fact::Consented { attempt, by, .. } => row.person("consented", incident, *attempt, by),
        Fact::Declined { attempt, by, .. } => row.person("declined", incident, *attempt, by),
        Fact::Recalled { attempt, by, .. } => row.person("recalled", incident, *attempt, by),
        Fact::Escalated { why, .. } => {
            row.fact = "escalated";
            row.why.clone_from(why);
        }
        Fact::Closed { end, .. } => {
            row.fact = "closed";
            match end {
                End::Healed => "healed".clone_into(&mut row.outcome),
                End::Dismissed { why, .. } => {
                    "dismissed".clone_into(&mut row.outcome);
                    row.why.clone_from(why);
                }
            }
        }
        Fact::Sealed { through, .. } => {
            row.fact = "sealed";
            row.why = format!("retention: the entries through {through} were taken out");
        }
    }
    Some(row)
}

impl Row {
    /// What a person has said of an attempt.
    fn person(
        &mut self,
        fact: &'static str,
        incident: Option<&Incident>,
        attempt: AttemptId,
        by: &str,
    ) {
        self.fact = fact;
        self.attempt(incident, attempt);
        by.clone_into(&mut self.who);
    }

    fn attempt(&mut self, incident: Option<&Incident>, id: AttemptId) {
        self.attempt = id.to_string();
        self.action = incident
            .and_then(|incident| incident.attempt(id))
            .map(|attempt| attempt.step.action.name().to_owned())
            .unwrap_or_default();
    }

    fn outcome(&mut self, outcome: &Outcome) {
        let (name, why) = match outcome {
            Outcome::Done { .. } => ("done", ""),
            Outcome::Conflict { why } => ("conflict", why.as_str()),
            Outcome::Refused { why } => ("refused", why.as_str()),
            Outcome::Failed { why } => ("failed", why.as_str()),
        };
        name.clone_into(&mut self.outcome);
        why.clone_into(&mut self.why);
    }
}

const fn decision(decision: Decision) -> &'static str {
    match decision {
        Decision::Execute => "execute",
        Decision::Ask => "ask",
        Decision::Wait => "wait",
        Decision::Refuse => "refuse",
    }
}

const fn judgement(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Healed => "healed",
        Verdict::Partly => "partly",
        Verdict::NotHealed => "not-healed",
        Verdict::Worse => "worse",
        Verdict::Superseded => "superseded",
        Verdict::Passed => "passed",
    }
}
