//! An engine that looks after a simulated cluster.

use akeso_core::{
    engine::{Effect, Engine, Event},
    journal::Entry,
};
use jiff::{SignedDuration, Timestamp};

use crate::{SimCluster, world::later};

/// Time must pass between two calls of an engine that always wants to be called now.
const LEAST_STEP: SignedDuration = SignedDuration::from_millis(1);

/// Drives an engine over a simulated cluster, on the cluster's virtual time.
#[derive(Debug)]
pub struct Simulation {
    /// The cluster.
    pub cluster: SimCluster,
    /// The engine.
    pub engine: Engine,
    /// Everything that the engine has written to its journal since the simulation began.
    pub journal: Vec<Entry>,
    ticked: Option<Timestamp>,
}

impl Simulation {
    /// Introduces an engine to a cluster: it is told of everything that is there.
    pub fn new(cluster: SimCluster, engine: Engine) -> Self {
        let mut simulation = Self {
            cluster,
            engine,
            journal: Vec::new(),
            ticked: None,
        };
        simulation.tell(&mut |_| {});
        simulation.handle(Event::Synced, &mut |_| {});
        simulation
    }

    /// Lets time pass until `at`. `on_entry` sees each new entry of the journal.
    pub fn run_until(&mut self, at: Timestamp, on_entry: impl FnMut(&Entry)) {
        self.run_until_or(at, on_entry, |_| false);
    }

    /// Lets time pass until `at`, or until `stop` says so, which is asked each time that nothing
    /// more happens at once. Returns whether `stop` did.
    pub fn run_until_or(
        &mut self,
        at: Timestamp,
        mut on_entry: impl FnMut(&Entry),
        mut stop: impl FnMut(&Self) -> bool,
    ) -> bool {
        loop {
            self.tell(&mut on_entry);
            if stop(self) {
                return true;
            }
            let next = self.next_at().filter(|next| *next <= at);
            self.cluster.advance_to(next.unwrap_or(at));
            self.tell(&mut on_entry);
            let now = self.cluster.now();
            if self.engine.next_wake().is_some_and(|wake| wake <= now) && self.ticked != Some(now) {
                self.ticked = Some(now);
                self.handle(Event::Tick, &mut on_entry);
            }
            if next.is_none() {
                self.tell(&mut on_entry);
                return stop(self);
            }
        }
    }

    /// When something happens next: in the cluster, or because the engine wants to look again.
    fn next_at(&self) -> Option<Timestamp> {
        let now = self.cluster.now();
        let wake = self.engine.next_wake().map(|wake| {
            if self.ticked == Some(now) {
                wake.max(later(now, LEAST_STEP))
            } else {
                wake.max(now)
            }
        });
        self.cluster.next_at().into_iter().chain(wake).min()
    }

    /// Tells the engine what has happened, until it knows all.
    fn tell(&mut self, on_entry: &mut impl FnMut(&Entry)) {
        loop {
            let events = self.cluster.poll();
            if events.is_empty() {
                return;
            }
            for event in events {
                self.handle(event, on_entry);
            }
        }
    }

    fn handle(&mut self, event: Event, on_entry: &mut impl FnMut(&Entry)) {
        let now = self.cluster.now();
        for effect in self.engine.handle(event, now) {
            match effect {
                Effect::Journal(entry) => {
                    on_entry(&entry);
                    self.journal.push(entry);
                }
                Effect::Gather { .. }
                | Effect::Apply { .. }
                | Effect::Settle { .. }
                | Effect::Announce { .. } => {
                    self.cluster.execute(&effect);
                }
            }
        }
    }
}
