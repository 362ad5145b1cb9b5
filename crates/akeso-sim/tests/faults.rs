//! The engine stays safe, and comes to an end, whatever goes wrong around it: its program dies, the
//! watches are late or break, requests fail, and others change the same objects.
//!
//! `AKESO_SEED=17 cargo test -p akeso-sim --test faults` replays one seed of the random faults and
//! prints its journal.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::{Path, PathBuf},
};

use akeso_core::{
    act::{Change, PatchOp},
    cluster::Kind,
    engine::{ChangeRequest, Effect, Engine, Event, State},
    evidence::Answer,
    journal::{Chain, Entry, Fact, Outcome},
    workload::WorkloadRef,
};
use akeso_sim::{
    Accepted, Death, Flawless, LateWatches, Network, Passage, SimCluster, Simulation,
    listed_images,
    scenario::{Expects, Scenario, check, facts, unhealthy},
};
use jiff::SignedDuration;
use serde_json::json;

/// How many seeds of random faults are run.
const SEEDS: u64 = 400;
/// After the last fault, a workload is well or with a person within this time.
const AFTERMATH: SignedDuration = SignedDuration::from_mins(20);
/// Between a change in the cluster and its event a few calls may be idle, but a program must not
/// be kept busy by them: a second of it is a thousand.
const MOST_IDLE_TICKS: usize = 100;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn images() -> Vec<String> {
    let list = std::fs::read_to_string(root().join("devcluster/images.json")).unwrap();
    listed_images(&list).unwrap()
}

/// Every folder of `scenarios/`, and what only the simulation can bring about.
fn scenarios() -> Vec<Scenario> {
    let mut all = Scenario::load_all(&root().join("scenarios")).unwrap();
    all.extend([placeholder_in_vain(), memory_in_vain(), two_faults()]);
    all
}

fn made_up(name: &str, container: &str, behaviour: &str, expect: &str) -> Scenario {
    let manifest = format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}}}, spec: {{selector: {{matchLabels: {{app: {name}}}}}, \
         template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{containers: [{{name: app, image: nginx, {container}}}]}}}}}}}}"
    );
    Scenario {
        name: name.to_owned(),
        manifest,
        then: None,
        behaviour: Some(format!("containers: {{{name}/app: {behaviour}}}")),
        expect: serde_saphyr::from_str(expect).unwrap(),
    }
}

/// A placeholder that does not help is taken back, and a person is told.
fn placeholder_in_vain() -> Scenario {
    made_up(
        "placeholder-in-vain",
        "resources: {}",
        "{requires: [DB_HOST], missing: {log: ['ERROR: DB_HOST is not set'], exit: 1}, exits: {after: 1s, code: 3, log: [flux at 7]}}",
        "{summary: s, autonomy: full, within: 300s, workloads: {Deployment/placeholder-in-vain: {outcome: diagnose, \
         actions: [update_env], end: {/spec/template/spec/containers/0/env: null}}}}",
    )
}

/// Memory is never enough: the growth ends, and a person is told.
fn memory_in_vain() -> Scenario {
    made_up(
        "memory-in-vain",
        "resources: {requests: {memory: 64Mi}, limits: {memory: 128Mi}}",
        "{memory: {start: 100Mi, step: 1Gi, every: 1s, peak: 100Gi}}",
        "{summary: s, autonomy: full, within: 600s, workloads: {Deployment/memory-in-vain: {outcome: diagnose}}}",
    )
}

/// Two faults, one behind the other: an image that does not exist, and a variable that is missing.
fn two_faults() -> Scenario {
    let mut scenario = made_up(
        "one-behind-the-other",
        "resources: {}",
        "{requires: [DB_HOST], missing: {log: ['ERROR: DB_HOST is not set'], exit: 1}}",
        "{summary: s, autonomy: full, within: 120s, workloads: {Deployment/one-behind-the-other: {outcome: heal, \
         actions: [fix_image_name, update_env]}}}",
    );
    scenario.manifest = scenario
        .manifest
        .replace("image: nginx,", "image: 'nginx:latst',");
    scenario
}

// ---- what must hold whatever happens

/// Every rule of safety that is broken, a line each.
fn broken_rules(scenario: &Scenario, simulation: &Simulation) -> Vec<String> {
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
            ChangeRequest::Create { trial, .. } => Some(format!("trial pod of {trial}")),
            // a pod that is gone can be removed once more
            ChangeRequest::Remove { trial, .. } => Some(format!(
                "removal of the trial pod of {trial} at {}",
                accepted.at
            )),
        };
        match what {
            Some(what) => *times.entry(what).or_default() += 1,
            None => broken.push(format!("a patch without a mark: {accepted:?}")),
        }
        if !is_intended(&simulation.journal, accepted) {
            broken.push(format!("it is not in the journal: {accepted:?}"));
        }
    }
    let twice = times.iter().filter(|(_, times)| **times > 1);
    broken.extend(twice.map(|(what, times)| format!("{what} reached the cluster {times} times")));
    for (workload, expected) in scenario.workloads(&scenario.name).unwrap() {
        let changes = accepted_of(simulation, &workload);
        if expected.outcome == Expects::LeaveAlone && changes > 0 {
            broken.push(format!("{workload} was changed and was to be left alone"));
        }
        if expected.actions.is_empty()
            && matches!(expected.outcome, Expects::Ask | Expects::Diagnose)
            && changes > 0
            && scenario.name != "memory-in-vain"
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

fn accepted_of(simulation: &Simulation, workload: &WorkloadRef) -> usize {
    let all = simulation.cluster.accepted().iter();
    all.filter(|accepted| accepted.workload == *workload)
        .count()
}

/// Whether the journal announced exactly this change, by then.
fn is_intended(journal: &[Entry], accepted: &Accepted) -> bool {
    let before = journal.iter().filter(|entry| entry.at <= accepted.at);
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
                    (Change::Trial { pod, .. }, ChangeRequest::Create { pod: sent, .. }) => {
                        pod == sent
                    }
                    (Change::Patch { .. } | Change::Evict { .. } | Change::Trial { .. }, _) => {
                        false
                    }
                }
        }
        Fact::RollbackIntended { attempt, patch, .. } => {
            *attempt == accepted.attempt
                && match &accepted.request {
                    ChangeRequest::Patch(sent) => {
                        sent.starts_with(patch) && sent.len() == patch.len() + 1
                    }
                    ChangeRequest::Remove { trial, .. } => trial == attempt && patch.is_empty(),
                    ChangeRequest::Evict { .. } | ChangeRequest::Create { .. } => false,
                }
        }
        _ => false,
    })
}

/// Broken workloads that are neither well nor with a person.
fn left_behind(scenario: &Scenario, simulation: &Simulation) -> Vec<String> {
    let workloads = scenario.workloads(&scenario.name).unwrap();
    let left = workloads.into_iter().filter_map(|(workload, expected)| {
        let (kind, name) = (workload.kind, &workload.name);
        let object = simulation
            .cluster
            .object(kind.as_str(), &scenario.name, name);
        let why = unhealthy(kind, object.as_ref())?;
        let open = simulation.engine.ledger().open_incident(&workload);
        let state = open
            .and_then(|id| simulation.engine.ledger().get(id))
            .map(|it| &it.state);
        let is_with_a_person = matches!(
            state,
            Some(State::Escalated { .. } | State::AwaitingApproval { .. })
        );
        (expected.outcome != Expects::LeaveAlone && !is_with_a_person)
            .then(|| format!("{workload} is {state:?}, and {why}"))
    });
    left.collect()
}

/// What did not come out as the scenario expects. An intent that never reached the cluster is no
/// action.
fn failures(scenario: &Scenario, simulation: &Simulation) -> Vec<String> {
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
        let (kind, name) = (workload.kind.as_str(), &workload.name);
        let object = simulation.cluster.object(kind, &scenario.name, name);
        let mut expected = expected.clone();
        if scenario.name == "memory-in-vain" {
            expected.actions = vec!["increase_memory".to_owned(); made.len()];
        }
        check(&workload, &expected, &journal, object.as_ref())
    });
    failures.collect()
}

fn report(title: &str, wrong: &[String], simulation: &Simulation) -> String {
    format!(
        "== {title}\n{}\n{}",
        wrong.join("\n"),
        facts(&simulation.journal)
    )
}

/// Shows one report of each scenario, and the title of every other.
fn assert_none(reports: &BTreeMap<(String, usize), String>, of: usize) {
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

// ---- the program dies

/// Runs a scenario whose program dies once and starts again after a while.
fn run_with_death(
    scenario: &Scenario,
    images: &[String],
    death: Death,
    down_for: SignedDuration,
) -> Simulation {
    let mut simulation = scenario.prepare(images, Box::new(Flawless)).unwrap();
    simulation.dies(death);
    scenario.play(&mut simulation).unwrap();
    let end = simulation.cluster.after(scenario.expect.within);
    simulation.run_until_or(end, |_| {}, Simulation::is_down);
    assert!(simulation.is_down(), "{}: no {death:?}", scenario.name);
    start_again(&mut simulation, scenario, down_for);
    let end = simulation.cluster.after(scenario.expect.within * 2);
    simulation.run_until(end, |_| {});
    simulation
}

fn start_again(simulation: &mut Simulation, scenario: &Scenario, down_for: SignedDuration) {
    let up = simulation.cluster.after(down_for);
    simulation.run_until(up, |_| {});
    let engine = Engine::restore(scenario.settings(), &simulation.journal).unwrap();
    simulation.restart(engine);
}

/// Changes that were not taken back, though nobody else was in the way.
fn lost_rollbacks(journal: &[Entry]) -> Vec<String> {
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
fn is_planned_anew(journal: &[Entry]) -> bool {
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

// ---- the watches are late

#[test]
fn it_makes_no_difference_whether_a_change_is_seen_before_or_after_its_outcome() {
    let images = images();
    let (mut wrong, mut runs) = (BTreeMap::new(), 0);
    for scenario in scenarios() {
        for millis in [0, 15, 50, 500] {
            let late = LateWatches(SignedDuration::from_millis(millis));
            let mut simulation = scenario.prepare(&images, Box::new(late)).unwrap();
            scenario.play(&mut simulation).unwrap();
            let end = simulation.cluster.after(scenario.expect.within);
            simulation.run_until(end, |_| {});
            runs += 1;
            let mut found = broken_rules(&scenario, &simulation);
            found.extend(failures(&scenario, &simulation));
            if !found.is_empty() {
                let title = format!("{} with watches {millis} ms late", scenario.name);
                wrong.insert(
                    (scenario.name.clone(), runs),
                    report(&title, &found, &simulation),
                );
            }
        }
    }
    assert_none(&wrong, runs);
}

// ---- no end of guesses

#[test]
fn a_guess_that_is_taken_back_is_a_failed_attempt_and_three_are_enough() {
    let scenario = placeholder_in_vain();
    let mut simulation = scenario.prepare(&images(), Box::new(Flawless)).unwrap();
    scenario.play(&mut simulation).unwrap();
    let (workload, _) = scenario.workloads(&scenario.name).unwrap().remove(0);
    for round in 0..6 {
        let at = simulation.cluster.after(SignedDuration::from_mins(2));
        simulation.run_until(at, |_| {});
        // each time that somebody has changed the workload, it is looked at anew
        let touch = json!([{"op": "add", "path": "/spec/template/metadata/annotations", "value": {"round": round.to_string()}}]);
        let touch: Vec<PatchOp> = serde_json::from_value(touch).unwrap();
        let touched = simulation.cluster.patch(&workload, &touch);
        assert!(matches!(touched, Outcome::Done { .. }), "{touched:?}");
    }
    let end = simulation.cluster.after(SignedDuration::from_mins(2));
    simulation.run_until(end, |_| {});
    let changes = simulation.cluster.accepted().iter();
    let tried = changes
        .filter(|change| !change.request.takes_back())
        .count();
    assert_eq!(tried, 3, "{}", facts(&simulation.journal));
    assert_eq!(accepted_of(&simulation, &workload), 6);
}

// ---- faults by seed

/// The generator splitmix64.
#[derive(Debug, Clone)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    fn happens(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn millis(&mut self, most: u64) -> SignedDuration {
        SignedDuration::from_millis(i64::try_from(self.below(most + 1)).unwrap())
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}

/// A network that loses, repeats and delays, beside people who work on the same objects.
#[derive(Debug)]
struct Unreliable {
    dice: Dice,
    /// How often a change may still go wrong. Some runs have more than Akeso's patience is for.
    faults: u64,
}

impl Network for Unreliable {
    fn delays(&mut self, event: &Event) -> Vec<SignedDuration> {
        let dice = &mut self.dice;
        let delay = match event {
            Event::Answered(..) if dice.happens(10) => dice.millis(25_000),
            Event::Outcome(..) if dice.happens(20) => dice.millis(10_000),
            _ if dice.happens(30) => dice.millis(800),
            _ => SignedDuration::ZERO,
        };
        let again = dice.happens(10).then(|| delay + dice.millis(300));
        std::iter::once(delay).chain(again).collect()
    }

    fn passage(&mut self, effect: &Effect, cluster: &mut SimCluster) -> Passage {
        match effect {
            Effect::Gather {
                incident, question, ..
            } if self.dice.happens(5) => {
                let why = "cannot be asked".to_owned();
                let answer = Answer::Unknown { why };
                Passage::Answered(Event::Answered(*incident, question.clone(), answer))
            }
            Effect::Apply {
                attempt, workload, ..
            } if self.faults > 0 && self.dice.happens(50) => {
                self.faults -= 1;
                if self.dice.happens(50) {
                    let why = "the API server cannot be reached".to_owned();
                    let outcome = Outcome::Failed { why };
                    Passage::Answered(Event::Outcome(*attempt, outcome))
                } else {
                    meddle(&mut self.dice, cluster, workload);
                    Passage::Arrives
                }
            }
            _ => Passage::Arrives,
        }
    }
}

/// Somebody else works on the same object.
fn meddle(dice: &mut Dice, cluster: &mut SimCluster, workload: &WorkloadRef) {
    let number = dice.below(1_000);
    let (path, value) = match dice.below(3) {
        // who scales up what was switched off wants it to run
        0 if workload.name != "scaled-to-zero" => ("/spec/replicas", 1 + number % 3),
        0 | 1 => ("/spec/revisionHistoryLimit", 5 + number % 50),
        _ => ("/spec/minReadySeconds", number % 3),
    };
    let operations = json!([{"op": "add", "path": path, "value": value}]);
    let operations: Vec<PatchOp> = serde_json::from_value(operations).unwrap();
    // what the kind does not have is not changed
    let _: Outcome = cluster.patch(workload, &operations);
}

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
