//! What must hold of a made-up cluster, whatever happened in it. Nothing of it is worked out by the
//! code that is tested.

mod changes;
mod ends;
mod journal;
mod permitted;

use akeso_core::workload::WorkloadRef;
use akeso_sim::Simulation;

use crate::{
    outcomes::{MOST_IDLE_TICKS, journalled},
    people::Others,
    policies::Rules,
    world::World,
};

/// A run that is over.
#[derive(Debug)]
pub struct Run {
    pub simulation: Simulation,
    pub world: World,
    /// The policies, each from the entry of this number on.
    pub rules: Vec<(u64, Rules)>,
    pub others: Others,
    /// Workloads on which somebody worked while a change was on its way.
    pub meddled: Vec<WorkloadRef>,
}

impl Run {
    /// The policy that was in force when an entry was written.
    fn rules_at(&self, seq: u64) -> &Rules {
        let mut before = self.rules.iter().rev();
        let found = before.find(|(from, _)| *from <= seq);
        found.map_or(&self.rules[0].1, |(_, rules)| rules)
    }

    /// Every invariant that is broken, a line each.
    pub fn broken(&self) -> Vec<String> {
        let mut broken = journalled(&self.simulation);
        broken.extend(journal::broken(self));
        broken.extend(changes::broken(self));
        broken.extend(permitted::broken(self));
        broken.extend(ends::broken(self));
        let idle = self.simulation.idle_ticks();
        if idle > MOST_IDLE_TICKS {
            broken.push(format!("it was called {idle} times and had nothing to do"));
        }
        broken
    }
}
