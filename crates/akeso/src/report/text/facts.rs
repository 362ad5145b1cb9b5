//! Each fact of the journal in the article's words.

use akeso_core::{
    act::{Action, Change},
    consult::Advised,
    engine::{Attempt, Incident, State},
    gate::Decision,
    journal::{End, Fact, Outcome, Verdict},
    plan::{Canary, Step},
    workload::IncidentId,
};

/// What the article prints of an issue.
pub fn title(incident: &Incident) -> String {
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
    match &plan.canary {
        Canary::TrialPod => line!(text, "  Each step is tried on one pod first"),
        Canary::Nothing { why } => line!(text, "  Not tried on one pod first: {why}"),
        Canary::NoStep => {}
    }
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

/// What a fact says of an incident that may be over.
pub fn beside(fact: &Fact) -> Option<(IncidentId, String)> {
    if let Fact::Advised {
        incident, advised, ..
    } = fact
    {
        let text = match advised {
            Advised::Answered { answer } => {
                let steps = answer.steps.len();
                format!("   It answered with {steps} step(s): {}\n", answer.cause)
            }
            Advised::Told { words } => format!("   It answered: {words}\n"),
            Advised::Refused { why } => format!("   Its answer is refused: {why}\n"),
            Advised::Failed { why } => format!("   It did not answer: {why}\n"),
        };
        return Some((*incident, text));
    }
    if let Fact::Promoted {
        incident,
        namespace,
        action,
        uses,
    } = fact
    {
        let text = format!(
            "[LEARN] {action} acts by itself in namespace {namespace} from here on: {uses} approved uses have healed\n"
        );
        return Some((*incident, text));
    }
    let Fact::Demoted {
        incident,
        namespace,
        action,
        why,
    } = fact
    else {
        return None;
    };
    let text = format!("[LEARN] {action} asks again in namespace {namespace}: {why}\n");
    Some((*incident, text))
}

/// What a fact about an incident adds to its block, and whether the block can be shown then.
pub fn tell(fact: &Fact, incident: &Incident) -> Option<(String, bool)> {
    let step_of = |attempt| {
        incident
            .attempt(attempt)
            .map(|attempt| attempt.step.clone())
    };
    Some(match fact {
        Fact::Opened { .. }
        | Fact::SharedOpened { .. }
        | Fact::Diagnosed { .. }
        | Fact::TrialSwept { .. }
        | Fact::Forgotten { .. }
        | Fact::Imported { .. }
        | Fact::Advised { .. }
        | Fact::Promoted { .. }
        | Fact::Demoted { .. }
        | Fact::Sealed { .. } => return None,
        Fact::Consulted {
            model, after, by, ..
        } => {
            let again = after.as_ref().map_or("", |_| " once more");
            (format!("\n[PLAN] Asking {model}{again}...\n"), by.is_some())
        }
        Fact::Planned { .. } => (plan_lines(incident), false),
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
                Decision::Wait => (
                    format!(
                        "\n[ACT] Waiting, {step} ({}: {})\n",
                        ruling.rule, ruling.why
                    ),
                    true,
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
        Fact::Intended {
            change: Change::Trial { name, .. },
            ..
        } => (format!("  On one pod first: {name}\n"), false),
        Fact::Intended { .. } => (String::new(), false),
        Fact::Applied {
            attempt,
            outcome: Outcome::Done { .. },
            ..
        } if incident.attempt(*attempt).is_some_and(Attempt::is_trial) => (
            "   SUCCESS: made the trial pod\n\n[VERIFY] Watching whether it helps...\n".to_owned(),
            true,
        ),
        Fact::Applied {
            attempt, outcome, ..
        } => (
            step_of(*attempt)
                .map(|step| outcome_lines(outcome, &step, incident))
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
                Verdict::Passed => format!("\n[VERIFY] PASSED, {name}: {why}\n"),
                Verdict::Superseded => format!("\n[VERIFY] SUPERSEDED, {name}: {why}\n"),
            };
            (text, true)
        }
        Fact::RollbackIntended { .. } => ("\n[ACT] Taking the change back...\n".to_owned(), false),
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
        Fact::Asked { question, .. } => {
            let mut text = String::new();
            for line in &question.diff {
                line!(text, "     {line}");
            }
            line!(
                text,
                "   To allow it:       akeso approve {0}   (or reject {0})",
                question.attempt
            );
            line!(text, "   To do it yourself: {}", question.command);
            if let Some(instead) = &question.instead {
                line!(text, "   Better change it there: {instead}");
            }
            (text, true)
        }
        Fact::Consented { by, attempt, .. } => (format!("\n{by} has approved {attempt}\n"), false),
        Fact::Declined { by, attempt, .. } => (format!("\n{by} has rejected {attempt}\n"), false),
        Fact::Recalled { by, attempt, .. } => {
            (format!("\n{by} wants {attempt} taken back\n"), false)
        }
        Fact::Joined { into, why, .. } => (format!("\nWaits for {into}: {why}\n"), true),
        Fact::Reconsidered { why, .. } => (format!("\nLooked at anew: {why}\n"), true),
        Fact::Reopened { why, .. } => (format!("\nOpen again: {why}\n"), true),
        Fact::Escalated { why, command, .. } => (
            format!("\nNeeds a person: {why}\n   Begin with: {command}\n"),
            true,
        ),
        Fact::Closed {
            end: End::Healed, ..
        } => (String::new(), true),
        Fact::Closed {
            end: End::Dismissed { why, .. },
            ..
        } => {
            incident.plan.as_ref()?; // nothing was said of it so far
            (format!("\nClosed: {why}\n"), true)
        }
    })
}

/// How an incident stands, in a few words.
pub fn state_words(state: &State) -> &'static str {
    match state {
        State::Observed => "being looked at",
        State::Planned { .. } => "planned",
        State::Waiting { .. } => "waits until it may be changed",
        State::Joined { .. } => "waits for another incident",
        State::AwaitingApproval { .. } => "waits for a person's consent",
        State::Acting { .. } => "being changed",
        State::Verifying { .. } => "being verified",
        State::RollingBack { .. } => "being taken back",
        State::Escalated { .. } => "needs a person",
        State::Closed(End::Healed) => "healed",
        State::Closed(End::Dismissed { .. }) => "went away",
    }
}
