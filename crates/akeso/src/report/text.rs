//! The article's layout: rules of `=` and `-`, `ITERATION #n - time`, `[OBSERVE] [PLAN] [ACT]
//! [VERIFY] [LEARN]`.
//!
//! The article looked at its pods in rounds; Akeso is told at once. What happens together is
//! shown as one iteration, each incident in one piece.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
};

use akeso_core::{
    act::Action,
    engine::{Incident, Ledger, State},
    gate::Decision,
    journal::{End, Entry, Fact, Outcome, Verdict},
    plan::Step,
    workload::IncidentId,
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::Reporter;

const WIDTH: usize = 70;
/// What happens within this time of each other is one iteration.
const TOGETHER: SignedDuration = SignedDuration::from_millis(300);

/// Prints the journal in the article's layout.
pub struct Text<W> {
    out: W,
    interval: std::time::Duration,
    ledger: Ledger,
    iteration: u32,
    blocks: BTreeMap<IncidentId, String>,
    last: Timestamp,
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
        ledger.drop_closed();
        Self {
            known: ledger.patterns().iter().count(),
            out,
            interval,
            ledger,
            iteration: 0,
            blocks: BTreeMap::new(),
            last: Timestamp::UNIX_EPOCH,
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
                text.push_str(&title(incident));
            }
            text.push_str(&self.blocks.remove(&id).unwrap_or_default());
        }
        text.push_str(&self.footer());
        self.print(&text);
    }
}

/// What the article prints of an issue.
fn title(incident: &Incident) -> String {
    let mut text = String::new();
    let symptom = incident
        .diagnoses
        .first()
        .map(|diagnosis| &diagnosis.symptom)
        .or_else(|| incident.symptoms.first());
    line!(text, "Incident:    {} ({})", incident.id, incident.workload);
    if let Some(symptom) = symptom {
        if let Some(pod) = &symptom.pod {
            line!(text, "Pod name:    {pod}");
        }
        line!(
            text,
            "Status:      {}\nReason:      {}",
            symptom.status,
            symptom.reason
        );
    }
    text
}

fn plan_lines(incident: &Incident) -> String {
    let mut text = "\n[PLAN] Creating remediation plan...\n".to_owned();
    if let Some(diagnosis) = incident.diagnoses.first() {
        line!(
            text,
            "Detection: {} ({} %)\n  {}",
            title_case(&diagnosis.fault),
            diagnosis.confidence,
            diagnosis.cause
        );
        for line in &diagnosis.evidence {
            line!(text, "  | {line}");
        }
    }
    let Some(plan) = &incident.plan else {
        return text;
    };
    if plan.steps.is_empty() {
        line!(
            text,
            "\nRemediation plan: nothing, because {}",
            plan.advice.why
        );
        return text;
    }
    let plural = if plan.steps.len() == 1 {
        "step"
    } else {
        "steps"
    };
    if let Some(Action::UpdateEnv(action)) = plan.steps.first().map(|step| &step.action) {
        for variable in &action.variables {
            line!(
                text,
                "  {} = {}{}",
                variable.name,
                variable.shown(),
                if variable.is_placeholder() {
                    " (placeholder)"
                } else {
                    ""
                }
            );
        }
    }
    line!(text, "\nRemediation plan ({} {plural}):", plan.steps.len());
    for (index, step) in plan.steps.iter().enumerate() {
        let origin = serde_json::to_value(step.origin)
            .ok()
            .and_then(|v| v.as_str().map(str::to_owned))
            .unwrap_or_default();
        line!(
            text,
            "  Step {}: {} ({})\n  Reasoning: {} [{origin}]",
            index + 1,
            step.action.name().to_uppercase(),
            step.action.treatment().summary(),
            step.reasoning
        );
    }
    text
}

/// `missing-variable` → `Missing variable`.
fn title_case(fault: &str) -> String {
    let mut words = fault.replace('-', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}

fn outcome_lines(outcome: &Outcome, step: &Step, incident: &Incident) -> String {
    match outcome {
        Outcome::Done { .. } => {
            let added = match &step.action {
                Action::UpdateEnv(action) => {
                    let names: Vec<_> = action
                        .variables
                        .iter()
                        .map(|variable| variable.name.as_str())
                        .collect();
                    format!("   Added environment variables: {}\n", names.join(", "))
                }
                _ => String::new(),
            };
            let what = incident.workload.kind.as_str().to_lowercase();
            format!(
                "   SUCCESS: Updated {what} {}\n{added}\n[VERIFY] Watching whether it helps...\n",
                incident.workload.name
            )
        }
        Outcome::Conflict { why } => format!("   CONFLICT: {why}; looking again\n"),
        Outcome::Refused { why } => format!("   REFUSED: {why}\n"),
        Outcome::Failed { why } => format!("   FAILED: {why}; looking again\n"),
    }
}

impl<W: Write + Send> Reporter for Text<W> {
    fn entry(&mut self, entry: &Entry) {
        if entry.at.duration_since(self.last) > TOGETHER {
            self.flush();
        }
        self.last = entry.at;
        self.ledger.fold(entry);
        let Some(id) = entry.fact.incident() else {
            return;
        };
        let Some(incident) = self.ledger.get(id).cloned() else {
            return;
        };
        let step_of = |attempt| {
            incident
                .attempt(attempt)
                .map(|attempt| attempt.step.clone())
        };
        let (text, is_finished) = match &entry.fact {
            Fact::Opened { .. }
            | Fact::Diagnosed { .. }
            | Fact::Forgotten { .. }
            | Fact::Sealed { .. } => return,
            Fact::Planned { .. } => (plan_lines(&incident), false),
            Fact::Gated { step, ruling, .. } => {
                let total = incident.plan.as_ref().map_or(0, |plan| plan.steps.len());
                let name = incident
                    .plan
                    .as_ref()
                    .and_then(|plan| plan.steps.get(*step))
                    .map(|s| s.action.name().to_uppercase());
                let step = format!("step {}/{total}: {}", step + 1, name.unwrap_or_default());
                match ruling.decision {
                    Decision::Execute => (
                        format!("\n[ACT] Executing remediation plan...\n  Executing {step}\n"),
                        false,
                    ),
                    Decision::Ask => (
                        format!(
                            "\n[ACT] Not executed, {step}: a person must agree ({}: {})\n",
                            ruling.rule, ruling.why
                        ),
                        false,
                    ),
                    Decision::Refuse => (
                        format!(
                            "\n[ACT] Not executed, {step} ({}: {})\n",
                            ruling.rule, ruling.why
                        ),
                        false,
                    ),
                }
            }
            Fact::Intended { .. } => (String::new(), false),
            Fact::Applied {
                attempt, outcome, ..
            } => (
                step_of(*attempt)
                    .map(|step| outcome_lines(outcome, &step, &incident))
                    .unwrap_or_default(),
                true,
            ),
            Fact::Judged {
                verdict,
                why,
                attempt,
                ..
            } => {
                let name = step_of(*attempt)
                    .map(|step| step.action.name())
                    .unwrap_or_default();
                let text = match verdict {
                    Verdict::Healed => format!("\n[VERIFY] HEALED by {name}: {why}\n"),
                    Verdict::Partly => format!("\n[VERIFY] PARTLY by {name}: {why}\n"),
                    Verdict::NotHealed => format!(
                        "\n[VERIFY] NOT HEALED by {name}: {why}\n\n[LEARN] Storing results in memory...\nStored: {name} attempt (success=False)\n"
                    ),
                    Verdict::Worse => format!(
                        "\n[VERIFY] WORSE after {name}: {why}\n\n[LEARN] Storing results in memory...\nStored: {name} attempt (success=False)\n"
                    ),
                    Verdict::Superseded => format!("\n[VERIFY] SUPERSEDED, {name}: {why}\n"),
                };
                (text, true)
            }
            Fact::RollbackIntended { .. } => {
                ("\n[ACT] Taking the change back...\n".to_owned(), false)
            }
            Fact::RolledBack { outcome, .. } => match outcome {
                Outcome::Done { .. } => ("   SUCCESS: taken back\n".to_owned(), true),
                Outcome::Conflict { why } | Outcome::Refused { why } | Outcome::Failed { why } => {
                    (format!("   NOT TAKEN BACK: {why}\n"), true)
                }
            },
            Fact::Learned { action, .. } => (
                format!(
                    "\n[LEARN] Storing results in memory...\nStored: {} attempt (success=True)\n",
                    action.name()
                ),
                true,
            ),
            Fact::Asked { command, .. } => (format!("   To do it yourself: {command}\n"), true),
            Fact::Escalated { why, command, .. } => (
                format!("\nNeeds a person: {why}\n   Begin with: {command}\n"),
                true,
            ),
            Fact::Closed {
                end: End::Healed, ..
            } => (String::new(), true),
            Fact::Closed {
                end: End::Dismissed { why },
                ..
            } => {
                if incident.plan.is_none() {
                    return; // nothing was said of it so far
                }
                (format!("\nClosed: {why}\n"), true)
            }
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
            .filter(|incident| incident.plan.is_some())
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
            self.ledger
                .patterns()
                .iter()
                .count()
                .saturating_sub(self.known)
        );
        self.print(&text);
    }
}

/// How an incident stands, in a few words.
pub fn state_words(state: &State) -> &'static str {
    match state {
        State::Observed => "being looked at",
        State::Planned { .. } => "planned",
        State::AwaitingApproval { .. } => "waits for a person's consent",
        State::Acting { .. } => "being changed",
        State::Verifying { .. } => "being verified",
        State::RollingBack { .. } => "being taken back",
        State::Escalated { .. } => "needs a person",
        State::Closed(End::Healed) => "healed",
        State::Closed(End::Dismissed { .. }) => "went away",
    }
}
