//! Whatever goes wrong by chance: each seed is a run of its own.

use std::{collections::BTreeMap, env};

use akeso_core::cluster::Kind;
use akeso_sim::{Death, Simulation, scenario::Scenario};
use jiff::SignedDuration;

use crate::{
    deaths::start_again,
    dice::Dice,
    network::{Unreliable, meddle},
    outcomes::{assert_none, broken_rules, left_behind, report},
    scenarios::{images, scenarios},
};

/// How many seeds of random faults are run.
const SEEDS: u64 = 400;
/// After the last fault, a workload is well or with a person within this time.
const AFTERMATH: SignedDuration = SignedDuration::from_mins(20);

fn run_seed(seed: u64, all: &[Scenario], images: &[String]) -> (String, Simulation, Vec<String>) {
    let mut dice = Dice(seed);
    let scenario = dice.one_of(all);
    let faults = *dice.one_of(&[0, 1, 2, 3, 8]);
    let network = Unreliable {
        dice: Dice(dice.roll()),
        faults,
    };
    let mut simulation = scenario.prepare(images, Box::new(network)).unwrap();
    scenario.play(&mut simulation).unwrap();
    for _ in 0..dice.below(12) {
        let at = simulation.cluster.now() + dice.millis(20_000);
        simulation.run_until_or(at, |_| {}, Simulation::is_down);
        if simulation.is_down() {
            let down_for = dice.millis(30_000);
            start_again(&mut simulation, scenario, down_for);
        }
        let kind = *dice.one_of(Kind::ALL);
        match dice.below(4) {
            0 => simulation.lose_watch(kind),
            1 => simulation.list_anew(kind),
            2 => {
                let seq = simulation.journal.len() as u64 + 1 + dice.below(4);
                let deaths = [Death::Written(seq), Death::Reached(seq)];
                simulation.dies(*dice.one_of(&deaths));
            }
            _ => {
                let workloads = scenario.workloads(&scenario.name).unwrap();
                let (workload, _) = dice.one_of(&workloads).clone();
                meddle(&mut dice, &mut simulation.cluster, &workload);
            }
        }
    }
    for kind in Kind::ALL {
        simulation.list_anew(*kind);
    }
    let end = simulation.cluster.after(AFTERMATH);
    simulation.run_until_or(end, |_| {}, Simulation::is_down);
    if simulation.is_down() {
        start_again(&mut simulation, scenario, SignedDuration::from_secs(3));
        let end = simulation.cluster.after(AFTERMATH);
        simulation.run_until(end, |_| {});
    }
    let mut found = broken_rules(scenario, &simulation);
    found.extend(left_behind(scenario, &simulation));
    let title = format!("AKESO_SEED={seed} ({})", scenario.name);
    (title, simulation, found)
}

#[test]
fn whatever_goes_wrong_by_chance_every_change_is_safe_and_nobody_is_left_behind() {
    let (images, all) = (images(), scenarios());
    if let Ok(seed) = env::var("AKESO_SEED") {
        let (title, simulation, found) = run_seed(seed.parse().unwrap(), &all, &images);
        println!("{}", report(&title, &found, &simulation));
        assert!(found.is_empty(), "{title}: {found:?}");
        return;
    }
    let mut wrong = BTreeMap::new();
    for seed in 0..SEEDS {
        let (title, simulation, found) = run_seed(seed, &all, &images);
        if !found.is_empty() {
            wrong.insert((title.clone(), 0), report(&title, &found, &simulation));
        }
    }
    assert_none(&wrong, usize::try_from(SEEDS).unwrap());
}
