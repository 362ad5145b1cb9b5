//! What a person is shown: the cause with its evidence, the plan, the change as a diff, and what
//! comes of it.

use akeso_core::{
    consult::Advised,
    diagnose::{Diagnosis, Remedy},
    engine::{Attempt, Incident},
    journal::{End, Fact, Outcome, Proposal, Verdict},
    plan::{Canary, Plan},
    severity::Severity,
    verify::Awaits,
    workload::WorkloadRef,
};
use anstyle::{AnsiColor, Style};
use jiff::{Timestamp, Unit};

use crate::report::line;

/// A line of a list is cut here, so that it stays one on a narrow terminal.
const WIDTH: usize = 96;

/// Something that is broken, to be chosen.
#[derive(Debug)]
pub struct Candidate {
    /// What is broken.
    pub workload: WorkloadRef,
    /// How bad it is.
    pub severity: Severity,
    /// Why, as far as that is known.
    pub cause: String,
}

impl Candidate {
    /// In one line, for a list; `width` is that of the longest name.
    pub fn line(&self, width: usize) -> String {
        let (name, severity) = (self.workload.kubectl(), self.severity.as_str());
        let text = format!("{name:<width$}  {severity:<8}  {}", self.cause);
        if text.chars().count() <= WIDTH {
            return text;
        }
        let mut cut: String = text.chars().take(WIDTH - 1).collect();
        cut.push('…');
        cut
    }
}

/// The colour of a severity.
pub fn colour(severity: Severity) -> Style {
    let colour = match severity {
        Severity::Critical => AnsiColor::Red,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Info => AnsiColor::Cyan,
    };
    colour.on_default().bold()
}

/// A heading.
pub fn heading(text: &str) -> String {
    let bold = Style::new().bold();
    format!("\n{bold}{text}{bold:#}\n")
}

/// The causes, with what they rest on.
pub fn diagnoses(diagnoses: &[Diagnosis]) -> String {
    let mut text = heading("Diagnosis");
    for (index, diagnosis) in diagnoses.iter().enumerate() {
        let also = if index == 0 { "" } else { "also: " };
        line!(
            text,
            "  {also}{} ({} %, {})",
            diagnosis.cause,
            diagnosis.confidence,
            diagnosis.fault
        );
        for line in &diagnosis.evidence {
            line!(text, "    | {line}");
        }
        for line in &diagnosis.changed_before {
            line!(text, "    changed before: {line}");
        }
        if let Some(culprit) = &diagnosis.caused_by {
            line!(
                text,
                "    {culprit} has broken it: mend that first, akeso diagnose -n {} {}",
                culprit.namespace,
                culprit.kubectl()
            );
        }
        if let Remedy::Wait { why } = &diagnosis.remedy {
            line!(text, "    nothing is done yet: {why}");
        }
    }
    text
}

/// The steps of a plan, in order.
pub fn plan(plan: &Plan) -> String {
    let mut text = heading("Plan");
    for (index, step) in plan.steps.iter().enumerate() {
        let first = if index == 0 {
            "first"
        } else {
            "if that does not help"
        };
        line!(text, "  {first}: {}", step.action.treatment().summary());
        line!(text, "    {}", step.reasoning);
    }
    if plan.steps.is_empty() {
        line!(text, "  nothing: {}", plan.advice.why);
    }
    match &plan.canary {
        Canary::TrialPod => line!(text, "  Each step is tried on one pod first."),
        Canary::Nothing { why } => line!(text, "  It is not tried on one pod first: {why}."),
        Canary::NoStep => {}
    }
    text
}

/// What is asked about: the exact change.
pub fn proposal(question: &Proposal) -> String {
    let mut text = heading("Proposed change");
    line!(text, "  {}", question.step.action.treatment().summary());
    for line in &question.diff {
        text.push_str(&diff_line(line));
    }
    line!(text, "  by hand: {}", question.command);
    if let Some(instead) = &question.instead {
        line!(text, "  better change it there: {instead}");
    }
    text
}

/// A line of a diff in colours. What is replaced is shown as what goes and what comes.
fn diff_line(line: &str) -> String {
    let (red, green) = (AnsiColor::Red.on_default(), AnsiColor::Green.on_default());
    let yellow = AnsiColor::Yellow.on_default();
    let replaced = line.strip_prefix("~ ").and_then(|rest| {
        let (path, values) = rest.split_once(": ")?;
        // of values with an arrow in them nobody can tell which is which
        let (old, new) = values
            .split_once(" -> ")
            .filter(|(_, new)| !new.contains(" -> "))?;
        Some((path, old, new))
    });
    let mut text = String::new();
    match replaced {
        Some((path, old, new)) => {
            line!(text, "    {red}- {path}: {old}{red:#}");
            line!(text, "    {green}+ {path}: {new}{green:#}");
        }
        None if line.starts_with('+') => line!(text, "    {green}{line}{green:#}"),
        None if line.starts_with('-') => line!(text, "    {red}{line}{red:#}"),
        None => line!(text, "    {yellow}{line}{yellow:#}"),
    }
    text
}

/// What is waited for after a change, and for how long.
pub fn awaits(awaits: &Awaits, now: Timestamp) -> String {
    let until = |at: Timestamp| {
        let left = at
            .duration_since(now)
            .round(Unit::Second)
            .unwrap_or_default();
        format!("until {} UTC ({left:#})", at.strftime("%H:%M:%S"))
    };
    match awaits {
        Awaits::Well { lacks, until: None } => format!("waiting for it to become well: {lacks}"),
        Awaits::Well {
            lacks,
            until: Some(at),
        } => format!("waiting for it to become well, {}: {lacks}", until(*at)),
        Awaits::Steady { until: at } => format!("well; must stay so {}", until(*at)),
    }
}

/// What a fact about the incident means for a person who looks on.
pub fn told(fact: &Fact, incident: &Incident) -> Option<String> {
    let of = |attempt| incident.attempt(attempt);
    let summary = |attempt| {
        let action = of(attempt).map(|it| it.step.action.treatment().summary());
        action.unwrap_or_default()
    };
    let green = AnsiColor::Green.on_default().bold();
    let red = AnsiColor::Red.on_default().bold();
    Some(match fact {
        Fact::Intended { attempt, .. } if of(*attempt).is_some_and(Attempt::is_trial) => {
            format!("{attempt}: on one pod first: {}", summary(*attempt))
        }
        Fact::Intended { attempt, .. } => format!("{attempt}: {}", summary(*attempt)),
        Fact::Applied { outcome, .. } => match outcome {
            Outcome::Done { .. } => "the change is made".to_owned(),
            Outcome::Conflict { why } => {
                format!("not made, somebody else was first: {why}; looking again")
            }
            Outcome::Refused { why } => format!("the API server refuses it: {why}"),
            Outcome::Failed { why } => format!("not made: {why}; looking again"),
        },
        Fact::Judged { verdict, why, .. } => match verdict {
            Verdict::Healed => format!("{green}healed{green:#}: {why}"),
            Verdict::Partly => format!("partly: {why}"),
            Verdict::NotHealed => format!("{red}not healed{red:#}: {why}"),
            Verdict::Worse => format!("{red}worse{red:#}: {why}"),
            Verdict::Passed => format!("passed: {why}"),
            Verdict::Superseded => format!("superseded: {why}"),
        },
        Fact::RollbackIntended { attempt, .. } if of(*attempt).is_some_and(Attempt::is_trial) => {
            "removing the trial pod".to_owned()
        }
        Fact::RollbackIntended { attempt, .. } => {
            format!("taking {attempt} back: {}", summary(*attempt))
        }
        Fact::RolledBack {
            attempt, outcome, ..
        } => match outcome {
            Outcome::Done { .. } if of(*attempt).is_some_and(Attempt::is_trial) => return None,
            Outcome::Done { .. } => format!("{attempt} is taken back"),
            Outcome::Conflict { why } | Outcome::Refused { why } | Outcome::Failed { why } => {
                format!("{red}{attempt} is not taken back{red:#}: {why}")
            }
        },
        Fact::Learned { action, .. } => {
            format!("learned: {action} helps here", action = action.name())
        }
        Fact::Reconsidered { why, .. } | Fact::Reopened { why, .. } => why.clone(),
        Fact::Joined { into, why, .. } => format!("waits for {into}: {why}"),
        Fact::Closed {
            end: End::Dismissed { why, .. },
            ..
        } => format!("over: {why}"),
        Fact::Consulted { model, .. } => format!("asking {model}"),
        Fact::Advised { advised, .. } => match advised {
            Advised::Answered { answer } => format!("the model thinks: {}", answer.cause),
            Advised::Told { words } => format!("the model says: {}", words.replace('\n', "\n  ")),
            Advised::Refused { why } => format!("the model's answer is refused: {why}"),
            Advised::Failed { why } => format!("the model does not answer: {why}"),
        },
        // shown in full when the turn is the person's
        Fact::Opened { .. }
        | Fact::SharedOpened { .. }
        | Fact::Diagnosed { .. }
        | Fact::Planned { .. }
        | Fact::Gated { .. }
        | Fact::Asked { .. }
        | Fact::Consented { .. }
        | Fact::Declined { .. }
        | Fact::Recalled { .. }
        | Fact::Escalated { .. }
        | Fact::TrialSwept { .. }
        | Fact::Forgotten { .. }
        | Fact::Imported { .. }
        | Fact::Promoted { .. }
        | Fact::Demoted { .. }
        | Fact::Closed {
            end: End::Healed, ..
        }
        | Fact::Sealed { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use akeso_core::workload::WorkloadKind;
    use jiff::SignedDuration;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn what_is_replaced_is_shown_as_what_goes_and_what_comes() {
        assert_eq!(
            plain(&diff_line("~ spec.image: nginx:latst -> nginx:latest")),
            "    - spec.image: nginx:latst\n    + spec.image: nginx:latest\n"
        );
        assert_eq!(
            plain(&diff_line("~ spec.args: a -> b -> c")),
            "    ~ spec.args: a -> b -> c\n"
        );
        assert_eq!(plain(&diff_line("+ spec.env: x")), "    + spec.env: x\n");
    }

    #[test]
    fn what_goes_is_red_and_what_comes_is_green() {
        let text = diff_line("~ spec.image: nginx:latst -> nginx:latest");
        let (old, new) = text.split_once('\n').unwrap();
        assert!(
            old.contains("\u{1b}[31m- ") && new.contains("\u{1b}[32m+ "),
            "{text:?}"
        );
    }

    #[test]
    fn the_progress_says_what_is_waited_for_and_until_when() {
        let now = Timestamp::UNIX_EPOCH;
        let until = now + SignedDuration::from_secs(42);
        let steady = awaits(&Awaits::Steady { until }, now);
        assert_eq!(steady, "well; must stay so until 00:00:42 UTC (42s)");
        let lacks = "0 of 1 pods are ready".to_owned();
        let open = awaits(&Awaits::Well { lacks, until: None }, now);
        assert_eq!(open, "waiting for it to become well: 0 of 1 pods are ready");
    }

    #[test]
    fn a_line_of_the_list_stays_one_line() {
        let candidate = Candidate {
            workload: WorkloadRef {
                kind: WorkloadKind::Deployment,
                namespace: "shop".into(),
                name: "web".into(),
            },
            severity: Severity::Critical,
            cause: "the image is not there; ".repeat(20),
        };
        let line = candidate.line(16);
        assert!(
            line.starts_with("deployment/web    critical  the image"),
            "{line}"
        );
        assert_eq!(line.chars().count(), WIDTH);
    }
}
