//! An engine that looks after a simulated cluster.

use std::collections::{BTreeMap, BTreeSet};

use akeso_core::{
    cluster::Kind,
    engine::{Effect, Engine, Event},
    journal::{Entry, Outcome},
    workload::AttemptId,
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    Flawless, Model, Network, NoModel, Passage, SimCluster, network::watched_kind,
    requests::ON_THE_WAY, world::later,
};

/// Time must pass between two calls of an engine that always wants to be called now.
const LEAST_STEP: SignedDuration = SignedDuration::from_millis(1);

/// When the engine's program dies. What it has not done by then is never done, what it has not
/// been told by then it is never told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// As soon as the entry of this number is written.
    Written(u64),
    /// When the change that the entry of this number announces has reached the API server, and
    /// before its outcome comes back.
    Reached(u64),
}

/// Whether entries can be written to the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreState {
    /// They can.
    Writable,
    /// They cannot: they are kept until they can, and no change is made meanwhile. What is kept is
    /// lost when the program dies.
    Full,
}

/// Drives an engine over a simulated cluster, on the cluster's virtual time.
#[derive(Debug)]
pub struct Simulation {
    /// The cluster.
    pub cluster: SimCluster,
    /// The engine.
    pub engine: Engine,
    /// Everything that the engine has written to its journal since the simulation began.
    pub journal: Vec<Entry>,
    /// The cluster's time at which each entry was written or, while the store could not be
    /// written, handed over.
    pub written_at: Vec<Timestamp>,
    /// Entries that could not be written yet.
    unwritten: Vec<(Entry, Timestamp)>,
    store: StoreState,
    /// Effects that wait until entries before them are written.
    held: Vec<Effect>,
    has_store_failed: bool,
    /// How much the clock of the engine's program goes before the cluster's.
    clock_ahead: SignedDuration,
    network: Box<dyn Network>,
    model: Box<dyn Model>,
    /// Events on their way to the engine, by when they reach it and the order of their sending.
    on_the_way: BTreeMap<(Timestamp, u64), Event>,
    sent: u64,
    /// When the last event of a kind's watch reaches the engine.
    told_until: BTreeMap<Kind, Timestamp>,
    lost_watches: BTreeSet<Kind>,
    death: Option<Death>,
    is_down: bool,
    ticked: Option<Timestamp>,
    idle_ticks: usize,
}

impl Simulation {
    /// Introduces an engine to a cluster: it is told of everything that is there.
    pub fn new(cluster: SimCluster, engine: Engine) -> Self {
        Self::over(Box::new(Flawless), cluster, engine)
    }

    /// Introduces an engine to a cluster with which it speaks over a network.
    pub fn over(network: Box<dyn Network>, cluster: SimCluster, engine: Engine) -> Self {
        let mut simulation = Self {
            cluster,
            engine,
            journal: Vec::new(),
            written_at: Vec::new(),
            unwritten: Vec::new(),
            store: StoreState::Writable,
            held: Vec::new(),
            has_store_failed: false,
            clock_ahead: SignedDuration::ZERO,
            network,
            model: Box::new(NoModel),
            on_the_way: BTreeMap::new(),
            sent: 0,
            told_until: BTreeMap::new(),
            lost_watches: BTreeSet::new(),
            death: None,
            is_down: false,
            ticked: None,
            idle_ticks: 0,
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
            self.tick(&mut on_entry);
            if next.is_none() {
                self.tell(&mut on_entry);
                return stop(self);
            }
        }
    }

    /// From here on the engine's program dies when `death` comes. The cluster goes on without it.
    pub fn dies(&mut self, death: Death) {
        self.death = Some(death);
    }

    /// Whether the engine's program is dead.
    pub const fn is_down(&self) -> bool {
        self.is_down
    }

    /// The program starts again with an engine that was restored from the journal, which is told
    /// of everything that is there.
    pub fn restart(&mut self, engine: Engine) {
        self.engine = engine;
        self.is_down = false;
        self.lost_watches.clear();
        self.told_until.clear();
        // what is told now is older than the lists
        self.cluster.poll();
        for kind in Kind::ALL {
            self.list_anew(*kind);
        }
        self.handle(Event::Synced, &mut |_| {});
    }

    /// From here on the engine is told nothing of a kind, as when its watch is broken.
    pub fn lose_watch(&mut self, kind: Kind) {
        self.lost_watches.insert(kind);
    }

    /// A kind is listed anew, and watched from there.
    pub fn list_anew(&mut self, kind: Kind) {
        self.tell(&mut |_| {});
        self.lost_watches.remove(&kind);
        self.on_the_way
            .retain(|_, event| watched_kind(event) != Some(kind));
        if !self.is_down {
            self.handle(Event::Relisted(kind, self.cluster.list(kind)), &mut |_| {});
        }
    }

    /// Tells the engine what a person has said, or that its settings are others.
    pub fn say(&mut self, event: Event) {
        self.tell(&mut |_| {});
        if !self.is_down {
            self.handle(event, &mut |_| {});
        }
    }

    /// From here on this model is asked.
    pub fn set_model(&mut self, model: Box<dyn Model>) {
        self.model = model;
    }

    /// From here on the store can be written, or cannot.
    pub fn set_store(&mut self, store: StoreState) {
        self.store = store;
        if !self.is_down {
            self.handle(Event::Recheck, &mut |_| {});
        }
    }

    /// Entries that the engine has handed over and that are not on disk yet.
    pub fn unwritten(&self) -> impl Iterator<Item = &Entry> {
        self.unwritten.iter().map(|(entry, _)| entry)
    }

    /// From here on the clock of the engine's program goes so much before the cluster's; after it,
    /// if that is negative.
    pub fn set_clock(&mut self, ahead: SignedDuration) {
        self.clock_ahead = ahead;
    }

    /// The time as the engine's program has it.
    fn engine_now(&self) -> Timestamp {
        self.cluster.after(self.clock_ahead)
    }

    /// When, by the cluster's time, the engine wants to be called.
    fn next_wake(&self) -> Option<Timestamp> {
        let wake = self.engine.next_wake().filter(|_| !self.is_down)?;
        Some(later(wake, -self.clock_ahead))
    }

    /// How often the engine was called at the time that it had named, did nothing, and wanted to
    /// be called again at once. A program on a real clock would not sleep meanwhile.
    pub const fn idle_ticks(&self) -> usize {
        self.idle_ticks
    }

    /// When something happens next: in the cluster, on the way to the engine, or because the
    /// engine wants to look again.
    fn next_at(&self) -> Option<Timestamp> {
        let now = self.cluster.now();
        let wake = self.next_wake().map(|wake| {
            if self.ticked == Some(now) {
                wake.max(later(now, LEAST_STEP))
            } else {
                wake.max(now)
            }
        });
        let arrival = self.on_the_way.keys().next().map(|(at, _)| (*at).max(now));
        let happens = self.cluster.next_at();
        happens.into_iter().chain(arrival).chain(wake).min()
    }

    fn tick(&mut self, on_entry: &mut impl FnMut(&Entry)) {
        let now = self.cluster.now();
        let is_due = self.next_wake().is_some_and(|wake| wake <= now);
        if !is_due || self.ticked == Some(now) {
            return;
        }
        self.ticked = Some(now);
        let did_something = self.handle(Event::Tick, on_entry);
        if !did_something && self.next_wake().is_some_and(|wake| wake <= now) {
            self.idle_ticks += 1;
        }
    }

    /// Tells the engine what has happened, until it knows all that has reached it by now.
    fn tell(&mut self, on_entry: &mut impl FnMut(&Entry)) {
        loop {
            for event in self.cluster.poll() {
                self.send(event);
            }
            let now = self.cluster.now();
            let Some(first) = self.on_the_way.first_entry().filter(|it| it.key().0 <= now) else {
                return;
            };
            let event = first.remove();
            self.handle(event, on_entry);
        }
    }

    /// Puts an event on its way to the engine.
    fn send(&mut self, event: Event) {
        let kind = watched_kind(&event);
        if self.is_down || kind.is_some_and(|kind| self.lost_watches.contains(&kind)) {
            return;
        }
        let now = self.cluster.now();
        let mut delays = self.network.delays(&event).into_iter();
        let Some(first) = delays.next() else { return };
        let again: Vec<_> = delays
            .filter_map(|delay| Some((delay, same(&event)?)))
            .collect();
        for (delay, event) in std::iter::once((first, event)).chain(again) {
            let mut at = later(now, delay);
            if let Some(kind) = kind {
                let last = self.told_until.entry(kind).or_insert(at);
                at = at.max(*last);
                *last = at;
            }
            self.send_at(at, event);
        }
    }

    fn send_at(&mut self, at: Timestamp, event: Event) {
        self.sent += 1;
        self.on_the_way.insert((at, self.sent), event);
    }

    /// Lets the engine decide, and does it. Says whether there was anything to do.
    fn handle(&mut self, event: Event, on_entry: &mut impl FnMut(&Entry)) -> bool {
        let mut effects = self.engine.handle(event, self.engine_now());
        let does_something = !effects.is_empty();
        let mut dies_when_reached = false;
        loop {
            let mut others = Vec::new();
            for effect in effects {
                let Effect::Journal(entry) = effect else {
                    others.push(effect);
                    continue;
                };
                on_entry(&entry);
                let seq = entry.seq;
                self.unwritten.push((entry, self.cluster.now()));
                self.write();
                if self.death == Some(Death::Written(seq)) {
                    self.go_down();
                    return does_something;
                }
                dies_when_reached |= self.death == Some(Death::Reached(seq));
            }
            self.write();
            let withheld = self.pass(others);
            effects = self.tell_of_store();
            for attempt in withheld {
                let why = "the store cannot be written, so nothing is changed".to_owned();
                let outcome = Event::Outcome(attempt, Outcome::Failed { why });
                effects.extend(self.engine.handle(outcome, self.engine_now()));
            }
            if effects.is_empty() {
                break;
            }
        }
        if dies_when_reached {
            self.cluster.advance_to(self.cluster.after(ON_THE_WAY));
            self.go_down();
        }
        does_something
    }

    /// Executes effects, but for what must not be done without the entries before it; as the
    /// program does it, take-backs are done when these are written, and other changes are not.
    fn pass(&mut self, effects: Vec<Effect>) -> Vec<AttemptId> {
        let is_written = self.unwritten.is_empty();
        let mut withheld = Vec::new();
        let held = if is_written {
            std::mem::take(&mut self.held)
        } else {
            Vec::new()
        };
        for effect in held.into_iter().chain(effects) {
            match &effect {
                Effect::Apply {
                    attempt, request, ..
                } if !is_written && !request.takes_back() => {
                    withheld.push(*attempt);
                }
                Effect::Apply { .. } | Effect::Settle { .. } if !is_written => {
                    self.held.push(effect);
                }
                // what is asked must be on disk first; without it there is no advice
                Effect::Consult { .. } if !is_written => {}
                _ => self.execute(&effect),
            }
        }
        withheld
    }

    /// Tells the engine when the store cannot be written any more, and when it can again.
    fn tell_of_store(&mut self) -> Vec<Effect> {
        let event = match (self.unwritten.is_empty(), self.has_store_failed) {
            (false, false) => Event::StoreFailed("it is full".to_owned()),
            (true, true) => Event::StoreRecovered,
            (true, false) | (false, true) => return Vec::new(),
        };
        self.has_store_failed = !self.has_store_failed;
        self.engine.handle(event, self.engine_now())
    }

    /// Writes what can be written.
    fn write(&mut self) {
        if self.store == StoreState::Full {
            return;
        }
        for (entry, at) in self.unwritten.drain(..) {
            self.journal.push(entry);
            self.written_at.push(at);
        }
    }

    fn execute(&mut self, effect: &Effect) {
        match effect {
            Effect::Gather { .. }
            | Effect::Redact { .. }
            | Effect::Apply { .. }
            | Effect::Settle { .. } => match self.network.passage(effect, &mut self.cluster) {
                Passage::Arrives => self.cluster.execute(effect),
                Passage::Answered(event) => {
                    let at = self.cluster.after(ON_THE_WAY + ON_THE_WAY);
                    self.send_at(at, event);
                }
                Passage::AnswerLost(after) => {
                    self.cluster.execute_unheard(effect, Some(after));
                }
                Passage::Unread(after, event) => {
                    self.cluster.execute_unheard(effect, None);
                    let at = self.cluster.after(after.max(ON_THE_WAY + ON_THE_WAY));
                    self.send_at(at, event);
                }
            },
            Effect::Consult { incident, prompt } => {
                let (after, reply) = self.model.reply(prompt);
                let at = self.cluster.after(after.max(ON_THE_WAY));
                self.send_at(at, Event::Replied(*incident, reply));
            }
            Effect::Announce { .. } | Effect::Journal(_) => self.cluster.execute(effect),
        }
    }

    fn go_down(&mut self) {
        self.death = None;
        self.is_down = true;
        self.unwritten.clear();
        self.held.clear();
        self.has_store_failed = false;
        self.on_the_way.clear();
        self.cluster.hang_up();
    }
}

/// The same event once more.
fn same(event: &Event) -> Option<Event> {
    Some(match event {
        Event::Upserted(object) => Event::Upserted(object.clone()),
        Event::Deleted(reference) => Event::Deleted(reference.clone()),
        Event::Relisted(kind, objects) => Event::Relisted(*kind, objects.clone()),
        Event::Answered(incident, question, answer) => {
            Event::Answered(*incident, question.clone(), answer.clone())
        }
        Event::Outcome(attempt, outcome) => Event::Outcome(*attempt, outcome.clone()),
        Event::Redacted(incident, prompt) => Event::Redacted(*incident, prompt.clone()),
        Event::Replied(incident, reply) => Event::Replied(*incident, reply.clone()),
        Event::Synced
        | Event::Recheck
        | Event::Tick
        | Event::Requested(_)
        | Event::Configured(_)
        | Event::StoreFailed(_)
        | Event::StoreRecovered => return None,
    })
}
