//! The program dies, wherever it may, and is started again.

use std::collections::{BTreeMap, BTreeSet};

use akeso_core::{
    engine::Engine,
    journal::{Entry, Fact, Outcome},
};
use akeso_sim::{Death, Flawless, Simulation, scenario::Scenario};
use jiff::SignedDuration;

use crate::{
    outcomes::{assert_none, broken_rules, failures, left_behind, report},
    scenarios::{images, scenarios},
};

/// Runs a scenario whose program dies once and starts again after a while.
pub fn run_with_death(
    scenario: &Scenario,
    images: &[String],
    death: Death,
    down_for: SignedDuration,
) -> Simulation {
    let mut simulation = scenario.prepare(images, Box::new(Flawless)).unwrap();
    simulation.dies(death);
    let is_played = scenario.play(&mut simulation).is_ok();
    let end = simulation.cluster.after(scenario.expect.within);
    simulation.run_until_or(end, |_| {}, Simulation::is_down);
    assert!(simulation.is_down(), "{}: no {death:?}", scenario.name);
    start_again(&mut simulation, scenario, down_for);
    if !is_played {
        // what was to follow waited for a workload that only Akeso could heal
        scenario.play(&mut simulation).unwrap();
    }
    let end = simulation.cluster.after(scenario.expect.within * 2);
    simulation.run_until(end, |_| {});
    simulation
}

pub fn start_again(simulation: &mut Simulation, scenario: &Scenario, down_for: SignedDuration) {
    let up = simulation.cluster.after(down_for);
    simulation.run_until(up, |_| {});
    let engine = Engine::restore(scenario.settings(), &simulation.journal).unwrap();
    simulation.restart(engine);
}

/// Changes that were not taken back, though nobody else was in the way.
pub fn lost_rollbacks(journal: &[Entry]) -> Vec<String> {
    let lost = journal.iter().filter_map(|entry| match &entry.fact {
        Fact::RolledBack {
            attempt, outcome, ..
        } if !matches!(outcome, Outcome::Done { .. }) => {
            Some(format!("{attempt} was not taken back: {outcome:?}"))
        }
        _ => None,
    });
    lost.collect()
}

/// Whether the change that was lost with the program was not the first of its plan. What is
/// broken is explained anew then, and healed on another way.
pub fn is_planned_anew(journal: &[Entry]) -> bool {
    let mut later_steps = BTreeSet::new();
    journal.iter().any(|entry| match &entry.fact {
        Fact::Intended { attempt, step, .. } if *step > 0 => {
            later_steps.insert(*attempt);
            false
        }
        Fact::Applied {
            attempt, outcome, ..
        } => matches!(outcome, Outcome::Failed { .. }) && later_steps.contains(attempt),
        _ => false,
    })
}

#[test]
fn wherever_the_program_dies_the_next_one_brings_it_to_the_same_end() {
    let images = images();
    let (mut wrong, mut runs) = (BTreeMap::new(), 0);
    for scenario in scenarios() {
        let whole = scenario.run(&images).unwrap();
        let mut deaths = Vec::new();
        for entry in &whole.journal {
            deaths.push(Death::Written(entry.seq));
            if matches!(
                entry.fact,
                Fact::Intended { .. } | Fact::RollbackIntended { .. }
            ) {
                deaths.push(Death::Reached(entry.seq));
            }
        }
        for death in deaths {
            for down_for in [0, 45].map(SignedDuration::from_secs) {
                let simulation = run_with_death(&scenario, &images, death, down_for);
                runs += 1;
                let mut found = broken_rules(&scenario, &simulation);
                found.extend(left_behind(&scenario, &simulation));
                found.extend(lost_rollbacks(&simulation.journal));
                if !is_planned_anew(&simulation.journal) {
                    found.extend(failures(&scenario, &simulation));
                }
                if !found.is_empty() {
                    let title = format!("{} {death:?}, down for {down_for:#}", scenario.name);
                    wrong.insert(
                        (scenario.name.clone(), runs),
                        report(&title, &found, &simulation),
                    );
                }
            }
        }
    }
    assert!(runs > 300, "only {runs} deaths");
    assert_none(&wrong, runs);
}
