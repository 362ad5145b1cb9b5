//! What goes wrong in the run of a seed, and when.

use std::{cell::RefCell, rc::Rc};

use akeso_core::{
    cluster::Kind,
    engine::{Engine, Event},
};
use akeso_sim::{Death, SimCluster, Simulation, StoreState, scenario::Scenario};
use jiff::SignedDuration;
use serde_json::json;

use crate::{
    deaths::start_again,
    dice::Dice,
    invariants::Run,
    model::Stranger,
    network::Unreliable,
    people::{Others, interfere, meddle, speak},
    policies::Rules,
    world::World,
};

/// After the last fault, a workload is well or with a person within this time.
const AFTERMATH: SignedDuration = SignedDuration::from_mins(20);
/// In a made-up cluster, several may have to wait for one another.
const LONG_AFTERMATH: SignedDuration = SignedDuration::from_mins(75);
const NODES: [&str; 2] = ["node1", "node2"];

fn network(dice: &mut Dice) -> Unreliable {
    Unreliable {
        faults: *dice.one_of(&[0, 1, 2, 3, 8]),
        may_be_unread: dice.happens(30),
        meddled: Rc::new(RefCell::new(Vec::new())),
        dice: Dice(dice.roll()),
    }
}

/// A death with one of the next entries.
fn death(dice: &mut Dice, simulation: &Simulation) -> Death {
    let written = simulation.journal.len() + simulation.unwritten().count();
    let seq = written as u64 + 1 + dice.below(4);
    *dice.one_of(&[Death::Written(seq), Death::Reached(seq)])
}

/// One of the scenarios, with faults.
pub fn scenario_run<'a>(
    seed: u64,
    all: &'a [Scenario],
    images: &[String],
) -> (&'a Scenario, Simulation) {
    let mut dice = Dice(seed);
    let scenario = dice.one_of(all);
    let network = network(&mut dice);
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
                let death = death(&mut dice, &simulation);
                simulation.dies(death);
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
    (scenario, simulation)
}

/// A made-up cluster, with faults.
pub fn made_up_run(seed: u64, images: &[String]) -> Run {
    let mut dice = Dice(seed);
    let world = World::thrown(&mut dice);
    // dice of its own, so that a seed without a model is what it was
    let mut of_model = Dice(!seed);
    let rules = Rules {
        has_model: of_model.happens(40),
        ..Rules::thrown(&mut dice, &world)
    };
    let network = network(&mut dice);
    let meddled = Rc::clone(&network.meddled);
    let mut cluster = SimCluster::new(images.iter().cloned());
    cluster.set_node(NODES[1], "4", "16Gi");
    world.make_namespaces(&mut cluster);
    world.behave(&mut cluster);
    let engine = Engine::new(rules.settings());
    let mut run = Run {
        simulation: Simulation::over(Box::new(network), cluster, engine),
        rules: vec![(1, rules)],
        others: Others::default(),
        meddled: Vec::new(),
        world,
    };
    run.simulation.set_model(Box::new(Stranger(of_model)));
    play(&mut run, &mut dice);
    for _ in 0..dice.below(14) {
        let longest = if dice.happens(8) { 7_200_000 } else { 60_000 };
        pass(&mut run, &mut dice, longest);
        go_wrong(&mut run, &mut dice);
    }
    settle(&mut run, &mut dice);
    run.meddled.clone_from(&meddled.borrow());
    run
}

/// Applies what there is, and the second revisions when the first have had time to become well.
fn play(run: &mut Run, dice: &mut Dice) {
    for made in &run.world.workloads {
        for manifest in &made.manifests {
            let cluster = &mut run.simulation.cluster;
            // a quota may be against a pod
            drop(cluster.apply_yaml(&made.reference.namespace, &manifest.to_string()));
        }
        run.others.note(&run.simulation.cluster, &made.reference);
    }
    pass(run, dice, 90_000);
    for made in &run.world.workloads {
        if let Some(then) = &made.then {
            let cluster = &mut run.simulation.cluster;
            drop(cluster.apply_yaml(&made.reference.namespace, &then.to_string()));
            run.others.note(&run.simulation.cluster, &made.reference);
        }
    }
}

/// Lets so many milliseconds pass at most. A program that dies is started again.
fn pass(run: &mut Run, dice: &mut Dice, longest: u64) {
    let at = run.simulation.cluster.now() + dice.millis(longest);
    run.simulation.run_until_or(at, |_| {}, Simulation::is_down);
    if run.simulation.is_down() {
        let up = run.simulation.cluster.now() + dice.millis(60_000);
        restart(run, up);
    }
}

fn restart(run: &mut Run, up: jiff::Timestamp) {
    let simulation = &mut run.simulation;
    simulation.run_until(up, |_| {});
    let rules = run.rules.last().unwrap().1.clone();
    let engine = Engine::restore(rules.settings(), &simulation.journal).unwrap();
    // entries that were never written are as good as none
    let next = simulation.journal.len() as u64 + 1;
    run.rules.retain(|(from, _)| *from < next);
    run.rules.push((next, rules));
    simulation.restart(engine);
}

/// One thing goes wrong, or somebody does something.
fn go_wrong(run: &mut Run, dice: &mut Dice) {
    let simulation = &mut run.simulation;
    let kind = *dice.one_of(Kind::ALL);
    match dice.below(20) {
        0 | 1 => simulation.lose_watch(kind),
        2 | 3 => simulation.list_anew(kind),
        4..=6 => {
            let death = death(dice, simulation);
            simulation.dies(death);
        }
        7..=9 => interfere(dice, simulation, &run.world, &mut run.others),
        10..=13 => speak(dice, simulation),
        14 => {
            let is_ready = dice.happens(50);
            let node: &str = dice.one_of::<&str>(&NODES);
            simulation.cluster.set_node_ready(node, is_ready);
        }
        15 => {
            let store = *dice.one_of(&[StoreState::Full, StoreState::Writable]);
            simulation.set_store(store);
        }
        16 => {
            let ahead = dice.millis(1_200_000) - SignedDuration::from_mins(10);
            simulation.set_clock(ahead);
        }
        17 => {
            let rules = Rules {
                has_model: run.rules.last().is_some_and(|(_, rules)| rules.has_model),
                ..Rules::thrown(dice, &run.world)
            };
            let written = simulation.journal.len() + simulation.unwritten().count();
            let settings = Box::new(rules.settings());
            run.rules.push((written as u64 + 1, rules));
            simulation.say(Event::Configured(settings));
        }
        18 => {
            let namespace = &dice.one_of(&run.world.namespaces).name;
            let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"A": "b"}});
            simulation
                .cluster
                .apply_yaml(namespace, &map.to_string())
                .unwrap();
        }
        _ => simulation.cluster.cut_off_registry(),
    }
}

/// Everything works again, and time passes until all that can become well has.
fn settle(run: &mut Run, dice: &mut Dice) {
    let simulation = &mut run.simulation;
    simulation.set_store(StoreState::Writable);
    simulation.cluster.reconnect_registry();
    if dice.happens(50) {
        simulation.set_clock(SignedDuration::ZERO);
    }
    for node in NODES {
        simulation.cluster.set_node_ready(node, true);
    }
    for kind in Kind::ALL {
        simulation.list_anew(*kind);
    }
    for _ in 0..2 {
        let end = run.simulation.cluster.after(LONG_AFTERMATH);
        run.simulation
            .run_until_or(end, |_| {}, Simulation::is_down);
        if !run.simulation.is_down() {
            recheck(run);
            return;
        }
        let up = run.simulation.cluster.after(SignedDuration::from_secs(3));
        restart(run, up);
    }
}

/// Everything is looked at again, as often as it takes to get by the last faults of the network.
fn recheck(run: &mut Run) {
    for _ in 0..12 {
        run.simulation.say(Event::Recheck);
        let end = run.simulation.cluster.after(SignedDuration::from_secs(30));
        run.simulation.run_until(end, |_| {});
    }
}
