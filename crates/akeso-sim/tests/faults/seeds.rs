//! Whatever goes wrong by chance: each seed is a run of its own, every other one in a folder of
//! `scenarios/`, the rest in made-up clusters.

use std::{
    collections::BTreeMap,
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use akeso_sim::{Simulation, scenario::facts};

use crate::{
    chance::{made_up_run, scenario_run},
    outcomes::{MOST_SHOWN, broken_rules, left_behind},
    scenarios::{images, scenarios},
};

/// How many seeds are run unless `AKESO_SEEDS` says otherwise.
const SEEDS: u64 = 2_000;
/// Every so many made-up clusters are run twice, to see whether the journals are the same.
const TWICE: u64 = 40;
const THREADS: u64 = 2;

/// What came of a seed: what it was, what is wrong with it, and its journal.
struct Verdict {
    title: String,
    wrong: Vec<String>,
    journal: String,
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap())
}

fn lines(simulation: &Simulation) -> Vec<String> {
    let entries = simulation.journal.iter();
    entries
        .map(|entry| serde_json::to_string(entry).unwrap())
        .collect()
}

fn run(seed: u64) -> Verdict {
    let images = images();
    if seed.is_multiple_of(2) {
        let all = scenarios();
        let (scenario, simulation) = scenario_run(seed, &all, &images);
        let mut wrong = broken_rules(scenario, &simulation);
        wrong.extend(left_behind(scenario, &simulation));
        return Verdict {
            title: scenario.name.clone(),
            wrong,
            journal: facts(&simulation.journal),
        };
    }
    let run = made_up_run(seed, &images);
    let mut wrong = run.broken();
    if (seed / 2).is_multiple_of(TWICE) {
        let again = made_up_run(seed, &images);
        if lines(&run.simulation) != lines(&again.simulation) {
            wrong.push("a second run wrote another journal".to_owned());
        }
    }
    Verdict {
        title: format!("a made-up cluster under {}", run.rules[0].1.written),
        wrong,
        journal: facts(&run.simulation.journal),
    }
}

/// A run that panics is a run that went wrong.
fn run_caught(seed: u64) -> Verdict {
    catch_unwind(AssertUnwindSafe(|| run(seed))).unwrap_or_else(|_| Verdict {
        title: "it panicked".to_owned(),
        wrong: vec!["it panicked; the message is above".to_owned()],
        journal: String::new(),
    })
}

#[test]
fn whatever_goes_wrong_by_chance_every_change_is_safe_and_nobody_is_left_behind() {
    if let Some(seed) = number("AKESO_SEED") {
        let verdict = run(seed);
        println!("{}\n{}", verdict.title, verdict.journal);
        let wrong = verdict.wrong.join("\n");
        assert!(verdict.wrong.is_empty(), "seed {seed}:\n{wrong}");
        return;
    }
    let seeds = number("AKESO_SEEDS").unwrap_or(SEEDS);
    let mut reports = BTreeMap::new();
    thread::scope(|scope| {
        let threads = (0..THREADS).map(|first| {
            scope.spawn(move || {
                let mine = (0..seeds).filter(move |seed| seed / 2 % THREADS == first);
                let verdicts = mine.map(|seed| (seed, run_caught(seed)));
                let wrong = verdicts.filter(|(_, verdict)| !verdict.wrong.is_empty());
                wrong.collect::<Vec<_>>()
            })
        });
        for thread in threads.collect::<Vec<_>>() {
            reports.extend(thread.join().unwrap());
        }
    });
    let shown: Vec<_> = reports
        .iter()
        .take(MOST_SHOWN)
        .map(|(seed, verdict)| {
            format!(
                "== seed {seed}: {}\n{}\nreplay it: AKESO_SEED={seed} cargo test -p akeso-sim --test faults seeds",
                verdict.title,
                verdict.wrong.join("\n")
            )
        })
        .collect();
    let count = reports.len();
    assert!(
        reports.is_empty(),
        "{count} of {seeds} seeds went wrong:\n{}",
        shown.join("\n")
    );
}
