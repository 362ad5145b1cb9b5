//! `akeso incidents`: what the journal says of them.

use std::{io::Write, process::ExitCode};

use akeso_core::{
    engine::{Incident, Ledger, State},
    workload::IncidentId,
};
use anyhow::bail;

use super::store_path;
use crate::{
    cli::{Format, Global, Incidents},
    report::{line, state_words},
    store::Reader,
};

/// The fold of a store's journal.
pub fn ledger(global: &Global) -> anyhow::Result<Ledger> {
    let mut ledger = Ledger::default();
    Reader::open(&store_path(global))?
        .journal()?
        .entries
        .iter()
        .for_each(|entry| ledger.fold(entry));
    Ok(ledger)
}

/// Lists or shows incidents.
pub fn run(global: &Global, arguments: &Incidents) -> anyhow::Result<ExitCode> {
    let ledger = ledger(global)?;
    match arguments {
        Incidents::List { all } => list(global, &ledger, *all)?,
        Incidents::Show { id } => show(global, &ledger, *id)?,
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

fn show(global: &Global, ledger: &Ledger, id: IncidentId) -> anyhow::Result<()> {
    let Some(incident) = ledger.get(id) else {
        bail!("there is no {id}; `akeso incidents list --all` lists those there are");
    };
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
        let verdict = attempt.verdict.map_or_else(
            || "not judged yet".to_owned(),
            |verdict| format!("{verdict:?}"),
        );
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
