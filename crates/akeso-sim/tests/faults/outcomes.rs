//! What must hold of a run of a scenario: nothing unsafe was done, and it came out as it must.

use std::collections::{BTreeMap, BTreeSet};

use akeso_core::{
    act::Change,
    engine::{ChangeRequest, Product, State},
    journal::{Chain, Fact},
    workload::WorkloadRef,
};
use akeso_sim::{
    Accepted, Simulation,
    scenario::{Expects, Scenario, check, facts, unhealthy},
};

/// Between a change in the cluster and its event a few calls may be idle, but a program must not
/// be kept busy by them: a second of it is a thousand.
pub const MOST_IDLE_TICKS: usize = 100;
/// So many runs that went wrong are shown in full.
pub const MOST_SHOWN: usize = 12;

/// Every rule of safety that is broken, a line each.
pub fn broken_rules(scenario: &Scenario, simulation: &Simulation) -> Vec<String> {
    let mut broken = journalled(simulation);
    for (workload, expected) in scenario.workloads(&scenario.name).unwrap() {
        let changes = accepted_of(simulation, &workload);
        if expected.outcome == Expects::LeaveAlone && changes > 0 {
            broken.push(format!("{workload} was changed and was to be left alone"));
        }
        if expected.actions.is_empty()
            && matches!(expected.outcome, Expects::Ask | Expects::Diagnose)
            && changes > 0
            && scenario.name != "memory-in-vain"
            // where people leave it one replica, nothing is tried on another pod first
            && expected.trials == 0
        {
            broken.push(format!("{workload} was changed and only a person may"));
        }
    }
    if simulation.idle_ticks() > MOST_IDLE_TICKS {
        let idle = simulation.idle_ticks();
        broken.push(format!("it was called {idle} times and had nothing to do"));
    }
    broken
}

/// The chain is whole, and each change that reached the cluster was announced in the journal before
/// and reached it once; every breach of that, a line each.
pub fn journalled(simulation: &Simulation) -> Vec<String> {
    let mut broken = Vec::new();
    let mut chain = Chain::default();
    for entry in &simulation.journal {
        if let Err(error) = chain.follow(entry) {
            broken.push(format!("the chain is broken: {error}"));
            break;
        }
    }
    let mut attempts = BTreeSet::new();
    for entry in &simulation.journal {
        if let Fact::Intended { attempt, .. } = &entry.fact
            && !attempts.insert(*attempt)
        {
            broken.push(format!("{attempt} is intended twice"));
        }
    }
    let mut times = BTreeMap::<String, usize>::new();
    for accepted in simulation.cluster.accepted() {
        let what = match &accepted.request {
            ChangeRequest::Patch(_) => accepted.request.mark().map(str::to_owned),
            ChangeRequest::Evict { uid, .. } => Some(format!("eviction of {uid}")),
            ChangeRequest::Create { made, .. } => Some(format!("creation of {}", made.mark)),
            // what is gone can be removed once more
            ChangeRequest::Remove(made) => {
                Some(format!("removal of {} at {}", made.mark, accepted.at))
            }
            ChangeRequest::Grant(granted) => Some(format!("right of {}", granted.mark)),
            ChangeRequest::Revoke(granted) => Some(format!(
                "removal of the right of {} at {}",
                granted.mark, accepted.at
            )),
        };
        match what {
            Some(what) => *times.entry(what).or_default() += 1,
            None => broken.push(format!("a patch without a mark: {accepted:?}")),
        }
        if !is_intended(simulation, accepted) {
            broken.push(format!("it is not in the journal: {accepted:?}"));
        }
    }
    let twice = times.iter().filter(|(_, times)| **times > 1);
    broken.extend(twice.map(|(what, times)| format!("{what} reached the cluster {times} times")));
    broken
}

/// The changes that reached the workload itself; a trial pod is none.
pub fn accepted_of(simulation: &Simulation, workload: &WorkloadRef) -> usize {
    let all = simulation.cluster.accepted().iter();
    all.filter(|accepted| accepted.workload == *workload)
        .filter(|accepted| match &accepted.request {
            ChangeRequest::Patch(_)
            | ChangeRequest::Evict { .. }
            | ChangeRequest::Grant(_)
            | ChangeRequest::Revoke(_) => true,
            ChangeRequest::Create { made, .. } | ChangeRequest::Remove(made) => {
                made.what != Product::TrialPod
            }
        })
        .count()
}

/// Whether the journal announced exactly this change, by then.
pub fn is_intended(simulation: &Simulation, accepted: &Accepted) -> bool {
    let entries = simulation.journal.iter().zip(&simulation.written_at);
    let before = entries.filter(|(_, at)| **at <= accepted.at);
    let before = before.map(|(entry, _)| entry);
    before.map(|entry| &entry.fact).any(|fact| match fact {
        Fact::Intended {
            attempt, change, ..
        } => {
            *attempt == accepted.attempt
                && match (change, &accepted.request) {
                    (Change::Patch { forward, .. }, ChangeRequest::Patch(sent)) => forward == sent,
                    (Change::Evict { uid, .. }, ChangeRequest::Evict { uid: sent, .. }) => {
                        uid == sent
                    }
                    (
                        Change::Trial { pod: object, .. } | Change::Rerun { job: object, .. },
                        ChangeRequest::Create { object: sent, .. },
                    ) => object == sent,
                    (Change::Grant { role, binding, .. }, ChangeRequest::Grant(sent)) => {
                        *role == sent.role && *binding == sent.binding
                    }
                    (
                        Change::Patch { .. }
                        | Change::Evict { .. }
                        | Change::Trial { .. }
                        | Change::Rerun { .. }
                        | Change::Grant { .. },
                        _,
                    ) => false,
                }
        }
        Fact::RollbackIntended { attempt, patch, .. } => {
            *attempt == accepted.attempt
                && match &accepted.request {
                    ChangeRequest::Patch(sent) => {
                        sent.starts_with(patch) && sent.len() == patch.len() + 1
                    }
                    ChangeRequest::Remove(made) => {
                        made.mark.starts_with(&format!("{attempt}-")) && patch.is_empty()
                    }
                    ChangeRequest::Revoke(granted) => {
                        granted.mark.starts_with(&format!("{attempt}-")) && patch.is_empty()
                    }
                    ChangeRequest::Evict { .. }
                    | ChangeRequest::Create { .. }
                    | ChangeRequest::Grant(_) => false,
                }
        }
        Fact::TrialSwept { attempt, pod, .. } => {
            *attempt == accepted.attempt
                && matches!(&accepted.request, ChangeRequest::Remove(made) if made.name == *pod)
        }
        _ => false,
    })
}

/// Broken workloads that are neither well nor with a person.
pub fn left_behind(scenario: &Scenario, simulation: &Simulation) -> Vec<String> {
    let workloads = scenario.workloads(&scenario.name).unwrap();
    let left = workloads.into_iter().filter_map(|(workload, expected)| {
        let kind = workload.kind;
        // what the cluster has cleared away needs nobody any more
        let object = simulation.cluster.as_it_runs(&workload)?;
        let why = unhealthy(kind, Some(&object))?;
        let state_of = |id| simulation.engine.ledger().get(id).map(|it| &it.state);
        let open = simulation.engine.ledger().open_incident(&workload);
        let state = open.and_then(state_of);
        // what has broken it may be with a person as well
        let decides = match state {
            Some(State::Joined { into, .. }) => state_of(*into),
            other => other,
        };
        let is_with_a_person = matches!(
            decides,
            Some(State::Escalated { .. } | State::AwaitingApproval { .. })
        );
        let waits =
            expected.outcome == Expects::Wait && matches!(state, Some(State::Waiting { .. }));
        (expected.outcome != Expects::LeaveAlone && !is_with_a_person && !waits)
            .then(|| format!("{workload} is {state:?}, and {why}"))
    });
    left.collect()
}

/// What did not come out as the scenario expects. An intent that never reached the cluster is no
/// action.
pub fn failures(scenario: &Scenario, simulation: &Simulation) -> Vec<String> {
    let made: BTreeSet<_> = simulation
        .cluster
        .accepted()
        .iter()
        .map(|it| it.attempt)
        .collect();
    let journal: Vec<_> = simulation
        .journal
        .iter()
        .filter(|entry| match &entry.fact {
            Fact::Intended { attempt, .. } => made.contains(attempt),
            _ => true,
        })
        .cloned()
        .collect();
    let workloads = scenario.workloads(&scenario.name).unwrap();
    let failures = workloads.into_iter().flat_map(|(workload, expected)| {
        let object = simulation.cluster.as_it_runs(&workload);
        let mut expected = expected.clone();
        if scenario.name == "memory-in-vain" {
            expected.actions = vec!["increase_memory".to_owned(); made.len()];
        }
        check(&workload, &expected, &journal, object.as_ref())
    });
    failures.collect()
}

pub fn report(title: &str, wrong: &[String], simulation: &Simulation) -> String {
    format!(
        "== {title}\n{}\n{}",
        wrong.join("\n"),
        facts(&simulation.journal)
    )
}

/// Shows one report of each scenario, and the title of every other.
pub fn assert_none(reports: &BTreeMap<(String, usize), String>, of: usize) {
    let mut shown = BTreeMap::new();
    for ((scenario, _), report) in reports {
        shown.entry(scenario).or_insert(report.as_str());
    }
    let shown: Vec<_> = shown.into_values().collect();
    let titles: Vec<_> = reports
        .values()
        .filter_map(|it| it.lines().next())
        .collect();
    assert!(
        reports.is_empty(),
        "{} of {of} runs went wrong:\n{}\n{}",
        reports.len(),
        shown.join("\n"),
        titles.join("\n")
    );
}
