//! `akeso approve`, `akeso reject`, `akeso rollback`: what a person decides. The monitor that runs on
//! the store does it; without one, the next does.

use std::{
    io::Write,
    process::ExitCode,
    thread::sleep,
    time::{Duration, Instant},
};

use akeso_core::{
    engine::{Ledger, State},
    journal::{Outcome, Proposal},
    workload::{AttemptId, IncidentId},
};
use anyhow::bail;

use super::{incidents::ledger, person, store_path};
use crate::{
    cli::{Decided, Global},
    store::{Requests, Wish, is_written},
};

/// How long a command waits for the monitor to take its request.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(100);

/// Leaves a request for the monitor, if there is something to be decided under this id.
pub fn run(global: &Global, wish: Wish, arguments: &Decided) -> anyhow::Result<ExitCode> {
    let path = store_path(global);
    let ledger = ledger(global)?;
    let attempt = match wish {
        Wish::Approve | Wish::Reject => asked(&ledger, &arguments.id)?.attempt,
        Wish::Rollback => kept(&ledger, &arguments.id)?,
    };
    let requests = Requests::open(&path)?;
    let id = requests.leave(wish, attempt, &person())?;
    let mut out = std::io::stdout().lock();
    if !is_written(&path) {
        writeln!(
            out,
            "Noted for {attempt}. No monitor runs on this store: the next `akeso monitor` does it."
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(answer) = requests.answered(id)? {
            writeln!(out, "{attempt}: {answer}")?;
            return Ok(ExitCode::SUCCESS);
        }
        sleep(LOOK);
    }
    writeln!(
        out,
        "Noted for {attempt}. The monitor has not taken it yet."
    )?;
    Ok(ExitCode::SUCCESS)
}

/// The question of this attempt, or of this incident.
fn asked<'a>(ledger: &'a Ledger, id: &str) -> anyhow::Result<&'a Proposal> {
    let questions: Vec<_> = ledger
        .open()
        .filter_map(|incident| match &incident.state {
            State::AwaitingApproval { question } => Some((incident.id, &**question)),
            _ => None,
        })
        .collect();
    let attempt: Option<AttemptId> = id.parse().ok();
    let incident: Option<IncidentId> = id.parse().ok().filter(|_| id.starts_with("incident-"));
    let found = questions
        .iter()
        .find(|(of, question)| Some(*of) == incident || Some(question.attempt) == attempt);
    if let Some((_, question)) = found {
        return Ok(question);
    }
    let waiting: Vec<_> = questions
        .iter()
        .map(|(_, question)| question.attempt.to_string())
        .collect();
    if waiting.is_empty() {
        bail!("nothing waits under `{id}`: no step waits for a decision");
    }
    bail!(
        "nothing waits under `{id}`; what does: {}",
        waiting.join(", ")
    )
}

/// The attempt, if its change is in the cluster and can be taken back.
fn kept(ledger: &Ledger, id: &str) -> anyhow::Result<AttemptId> {
    let wanted: AttemptId = id
        .parse()
        .map_err(|why| anyhow::anyhow!("{why}; `akeso incidents show ID` lists the attempts"))?;
    let attempt = ledger.incidents().find_map(|it| it.attempt(wanted));
    let Some(attempt) = attempt else {
        bail!("there is no {wanted}; `akeso incidents show ID` lists the attempts of an incident");
    };
    if attempt.is_taken_back() {
        bail!("{wanted} has been taken back already");
    }
    match &attempt.outcome {
        Some(Outcome::Done { .. }) => {}
        Some(Outcome::Conflict { .. } | Outcome::Refused { .. } | Outcome::Failed { .. })
        | None => {
            bail!("the change of {wanted} was not made, so there is nothing to take back")
        }
    }
    if attempt.inverse().is_none() {
        bail!(
            "{wanted} cannot be taken back: {}",
            attempt.step.action.treatment().summary()
        );
    }
    Ok(wanted)
}
