//! `akeso incidents`: what the journal says of them.

use std::{io::Write, process::ExitCode};

use akeso_core::{
    engine::{Incident, Ledger, State},
    journal::{Entry, Fact, Outcome},
    workload::IncidentId,
};
use anyhow::Context;

use super::store_path;
use crate::{
    cli::{Format, Global, Incidents},
    report::{beside, line, state_words},
    store::Reader,
};

/// The fold of a store's journal.
pub fn ledger(global: &Global) -> anyhow::Result<Ledger> {
    Ok(fold(&Reader::open(&store_path(global))?.journal()?.entries))
}

fn fold(entries: &[Entry]) -> Ledger {
    let mut ledger = Ledger::default();
    for entry in entries {
        ledger.fold(entry);
    }
    ledger
}

/// Lists or shows incidents.
pub fn run(global: &Global, arguments: &Incidents) -> anyhow::Result<ExitCode> {
    let entries = Reader::open(&store_path(global))?.journal()?.entries;
    let ledger = fold(&entries);
    match arguments {
        Incidents::List { all } => list(global, &ledger, *all)?,
        Incidents::Show { id, prompt: false } => show(global, &ledger, *id)?,
        Incidents::Show { id, prompt: true } => {
            find(&ledger, *id)?;
            consultations(global, &entries, *id)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(global: &Global, ledger: &Ledger, all: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let incidents: Vec<_> = ledger
        .incidents()
        .filter(|incident| all || !incident.is_closed())
        .collect();
    match global.output {
        Format::Json => {
            for incident in incidents {
                writeln!(out, "{}", serde_json::to_string(incident)?)?;
            }
        }
        Format::Text if incidents.is_empty() && ledger.shared().next().is_none() => {
            writeln!(out, "No incident{}.", if all { "" } else { " is open" })?;
        }
        Format::Text => {
            for (id, shared) in ledger.shared() {
                writeln!(out, "{:<14} {}", id.to_string(), shared.cause)?;
            }
            for incident in incidents {
                writeln!(
                    out,
                    "{:<14} {:<48} {:<30} {}",
                    incident.id.to_string(),
                    incident.workload.to_string(),
                    state_words(&incident.state),
                    incident
                        .diagnoses
                        .first()
                        .map(|d| d.fault.as_str())
                        .unwrap_or_default()
                )?;
            }
        }
    }
    Ok(())
}

fn find(ledger: &Ledger, id: IncidentId) -> anyhow::Result<&Incident> {
    ledger.get(id).with_context(|| {
        format!("there is no {id}; `akeso incidents list --all` lists those there are")
    })
}

/// What a model was sent about an incident, and what came of it.
fn consultations(global: &Global, entries: &[Entry], id: IncidentId) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let is_about_it = |entry: &&Entry| match &entry.fact {
        Fact::Consulted { incident, .. } | Fact::Advised { incident, .. } => *incident == id,
        _ => false,
    };
    let mut told = 0;
    for entry in entries.iter().filter(is_about_it) {
        told += 1;
        match (global.output, &entry.fact) {
            (Format::Json, fact) => writeln!(out, "{}", serde_json::to_string(fact)?)?,
            (Format::Text, Fact::Consulted { model, prompt, .. }) => writeln!(
                out,
                "{}: {model} was sent:\n\n{}\n\n{}\n",
                entry.at, prompt.system, prompt.user
            )?,
            (Format::Text, fact) => {
                let told = beside(fact).map(|(_, text)| text).unwrap_or_default();
                writeln!(out, "{}: {}", entry.at, told.trim())?;
            }
        }
    }
    if told == 0 && global.output == Format::Text {
        writeln!(out, "No model was asked about {id}.")?;
    }
    Ok(())
}

fn show(global: &Global, ledger: &Ledger, id: IncidentId) -> anyhow::Result<()> {
    let incident = find(ledger, id)?;
    let mut out = std::io::stdout().lock();
    match global.output {
        Format::Json => writeln!(out, "{}", serde_json::to_string(incident)?)?,
        Format::Text => write!(out, "{}", details(incident))?,
    }
    Ok(())
}

fn details(incident: &Incident) -> String {
    let mut text = format!(
        "{}: {}\nState:   {}\nOpened:  {}\nUpdated: {}\n",
        incident.id,
        incident.workload,
        state_words(&incident.state),
        incident.opened,
        incident.updated
    );
    for symptom in &incident.symptoms {
        line!(text, "Seen:    {symptom}");
    }
    for diagnosis in &incident.diagnoses {
        line!(
            text,
            "Cause:   {} ({} %)",
            diagnosis.cause,
            diagnosis.confidence
        );
        for line in &diagnosis.evidence {
            line!(text, "         | {line}");
        }
    }
    if let Some(plan) = &incident.plan {
        for (index, step) in plan.steps.iter().enumerate() {
            line!(
                text,
                "Step {}:  {}: {}",
                index + 1,
                step.action.treatment().summary(),
                step.reasoning
            );
        }
        line!(
            text,
            "Else:    {}\n         {}",
            plan.advice.why,
            plan.advice.command
        );
    }
    if let State::AwaitingApproval { question } = &incident.state {
        line!(
            text,
            "Asks:    {} (until {})",
            question.attempt,
            question.expires
        );
        for line in &question.diff {
            line!(text, "         {line}");
        }
        line!(
            text,
            "         akeso approve {0}   or   akeso reject {0}",
            question.attempt
        );
        line!(
            text,
            "         or, on the workload, the annotation akeso.dev/approve: {0}   (or reject)",
            question.mark()
        );
        line!(text, "         {}", question.command);
        if let Some(instead) = &question.instead {
            line!(text, "         better change it there: {instead}");
        }
    }
    if let Some(ruling) = &incident.ruling {
        line!(
            text,
            "Gate:    {:?} by {}: {}",
            ruling.decision,
            ruling.rule,
            ruling.why
        );
    }
    for attempt in &incident.attempts {
        let verdict = match (attempt.verdict, &attempt.outcome) {
            (Some(verdict), _) => format!("{verdict:?}"),
            (
                None,
                Some(
                    Outcome::Conflict { why } | Outcome::Refused { why } | Outcome::Failed { why },
                ),
            ) => format!("was not made: {why}"),
            (None, Some(Outcome::Done { .. }) | None) => "not judged yet".to_owned(),
        };
        let taken_back = if attempt.is_taken_back() {
            ", taken back"
        } else {
            ""
        };
        line!(
            text,
            "{}: {}: {verdict}{taken_back}",
            attempt.id,
            attempt.step.action.treatment().summary()
        );
    }
    text
}
