//! A network that loses, repeats and delays, beside people who work on the same objects.

use akeso_core::{
    act::PatchOp,
    engine::{Effect, Event},
    evidence::Answer,
    journal::Outcome,
    workload::WorkloadRef,
};
use akeso_sim::{Network, Passage, SimCluster};
use jiff::SignedDuration;
use serde_json::json;

use crate::dice::Dice;

/// A network that loses, repeats and delays, beside people who work on the same objects.
#[derive(Debug)]
pub struct Unreliable {
    pub dice: Dice,
    /// How often a change may still go wrong. Some runs have more than Akeso's patience is for.
    pub faults: u64,
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
pub fn meddle(dice: &mut Dice, cluster: &mut SimCluster, workload: &WorkloadRef) {
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
