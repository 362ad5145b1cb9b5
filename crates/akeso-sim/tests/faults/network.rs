//! A network that loses, repeats and delays, beside people who work on the same objects.

use std::{cell::RefCell, rc::Rc};

use akeso_core::{
    engine::{Effect, Event},
    evidence::Answer,
    journal::Outcome,
    workload::WorkloadRef,
};
use akeso_sim::{Network, Passage, SimCluster};
use jiff::SignedDuration;

use crate::{dice::Dice, people::meddle};

/// A network that loses, repeats and delays, beside people who work on the same objects.
#[derive(Debug)]
pub struct Unreliable {
    pub dice: Dice,
    /// How often a change may still go wrong. Some runs have more than Akeso's patience is for.
    pub faults: u64,
    /// Whether an answer may be lost for good, so that nobody can tell what became of the change.
    pub may_be_unread: bool,
    /// The workloads on which somebody worked while a change was on its way.
    pub meddled: Rc<RefCell<Vec<WorkloadRef>>>,
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
                let failed = |why: &str| {
                    let why = why.to_owned();
                    Event::Outcome(*attempt, Outcome::Failed { why })
                };
                match self.dice.below(8) {
                    0..=2 => Passage::Answered(failed("the API server cannot be reached")),
                    3 | 4 => Passage::AnswerLost(self.dice.millis(20_000)),
                    5 if self.may_be_unread => {
                        let why = "no answer in time; what became of it cannot be read";
                        Passage::Unread(self.dice.millis(90_000), failed(why))
                    }
                    _ => {
                        meddle(&mut self.dice, cluster, workload);
                        self.meddled.borrow_mut().push(workload.clone());
                        Passage::Arrives
                    }
                }
            }
            _ => Passage::Arrives,
        }
    }
}
