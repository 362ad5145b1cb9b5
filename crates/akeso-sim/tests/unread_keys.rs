//! Where `ConfigMap`s and Secrets may not be read, only values that would be looked for there, or
//! behind them, are left to a person.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::path::Path;

use akeso_core::{
    engine::{Effect, Event},
    evidence::{Answer, Question},
    journal::Fact,
};
use akeso_sim::{
    Network, Passage, SimCluster, Simulation, listed_images,
    scenario::{Scenario, facts},
};

/// A network behind which nobody tells of `ConfigMap`s and Secrets.
#[derive(Debug)]
struct Forbidden;

impl Network for Forbidden {
    fn passage(&mut self, effect: &Effect, _: &mut SimCluster) -> Passage {
        match effect {
            Effect::Gather {
                incident,
                question: Question::Keys,
                ..
            } => {
                let why = "secrets is forbidden".to_owned();
                let answer = Answer::Unknown { why };
                Passage::Answered(Event::Answered(*incident, Question::Keys, answer))
            }
            _ => Passage::Arrives,
        }
    }
}

fn run(name: &str) -> (Scenario, Simulation) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let list = std::fs::read_to_string(root.join("devcluster/images.json")).unwrap();
    let scenario = Scenario::load(&root.join("scenarios").join(name)).unwrap();
    let images = listed_images(&list).unwrap();
    let mut simulation = scenario.prepare(&images, Box::new(Forbidden)).unwrap();
    scenario.play(&mut simulation).unwrap();
    let end = simulation.cluster.after(scenario.expect.within);
    simulation.run_until(end, |_| {});
    (scenario, simulation)
}

#[test]
fn what_an_earlier_revision_had_is_put_back_without_them() {
    let (scenario, simulation) = run("env-removed");
    let failures = scenario.failures(&simulation).unwrap();
    assert!(
        failures.is_empty(),
        "{failures:?}\n{}",
        facts(&simulation.journal)
    );
}

#[test]
fn no_placeholder_is_made_for_what_they_may_hold() {
    for name in ["env-from-secret", "env-from-service", "mysql-client"] {
        let (_, simulation) = run(name);
        let told = facts(&simulation.journal);
        let has = |is: fn(&Fact) -> bool| simulation.journal.iter().any(|it| is(&it.fact));
        assert!(has(|it| matches!(it, Fact::Escalated { .. })), "{told}");
        assert!(!has(|it| matches!(it, Fact::Intended { .. })), "{told}");
    }
}
