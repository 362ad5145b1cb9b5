//! The one loop: [`Engine::handle`] takes an event and the time, and returns effects.
//!
//! The engine decides and the rim does. Effects are to be executed in the order in which they
//! come; a [`Effect::Journal`] must have reached the disk before the effects behind it begin.
//!
//! **Invariant:** every decision is a [`Fact`] in the journal, and what the engine knows of its
//! incidents is the fold of those facts ([`Ledger`]): a restart that reads the journal back goes
//! on where the one before it stopped.

mod earned;
mod effect;
mod event;
mod incident;
mod ledger;
mod leftovers;
mod people;
mod shared_cause;
mod standing;
mod turn;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, Unit};
use serde_json::Value;

pub use earned::Earned;
pub use effect::{Announcement, ChangeRequest, Effect, Granted, Made, Product};
pub use event::{Event, Request};
pub use incident::{Attempt, Incident, State};
pub use ledger::{Ledger, Shared};
pub use people::NotAmended;

use crate::{
    act::{ActionKind, Change},
    cluster::{Cluster, Key, ObjectRef},
    diagnose::Diagnosis,
    gate::{self, Ruling},
    journal::{Broken, Chain, End, Entry, Fact, Outcome},
    learn::{Fingerprint, Pattern},
    observe::{Symptom, observe},
    policy::Settings,
    retention::Segment,
    verify::Awaits,
    workload::{IncidentId, WorkloadRef},
};
use standing::{Health, Standing};
use turn::{Live, Turn};

/// The mind: what it knows of the cluster and of its incidents.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    cluster: Cluster,
    is_synced: bool,
    recorder: Recorder,
    live: BTreeMap<IncidentId, Live>,
    /// Workloads without an incident that time alone may make ill or well.
    looks: BTreeMap<WorkloadRef, Timestamp>,
    /// Workloads that were well when they were last looked at.
    well: BTreeSet<WorkloadRef>,
    /// What is asked for no incident.
    standing: Standing,
    /// The uids of the trial pods of which the journal says that they were left over.
    swept: BTreeSet<String>,
    /// The time that was told last.
    now: Timestamp,
    /// Why the journal cannot be written, if it cannot.
    store_failure: Option<String>,
}

/// Writes facts down: to the journal, into the ledger.
#[derive(Debug, Default)]
struct Recorder {
    chain: Chain,
    ledger: Ledger,
    effects: Vec<Effect>,
}

impl Recorder {
    fn record(&mut self, fact: Fact, now: Timestamp) {
        let entry = self.chain.append(fact, now);
        self.ledger.fold(&entry);
        self.effects.push(Effect::Journal(entry));
    }
}

impl Engine {
    /// An engine that knows nothing yet.
    pub fn new(settings: Settings) -> Self {
        let recorder = Recorder {
            ledger: Ledger::new(settings.policy.budgets.workload),
            ..Recorder::default()
        };
        Self {
            settings,
            cluster: Cluster::default(),
            is_synced: false,
            recorder,
            live: BTreeMap::new(),
            looks: BTreeMap::new(),
            well: BTreeSet::new(),
            standing: Standing::default(),
            swept: BTreeSet::new(),
            now: Timestamp::MIN,
            store_failure: None,
        }
    }

    /// An engine that goes on where its journal ends.
    pub fn restore<'a>(
        settings: Settings,
        journal: impl IntoIterator<Item = &'a Entry>,
    ) -> Result<Self, Broken> {
        Self::restore_after(Chain::default(), settings, journal)
    }

    /// An engine that goes on where its journal ends, whose oldest entries are sealed: `sealed` is
    /// the chain behind them.
    pub fn restore_after<'a>(
        sealed: Chain,
        settings: Settings,
        journal: impl IntoIterator<Item = &'a Entry>,
    ) -> Result<Self, Broken> {
        let mut engine = Self::new(settings);
        engine.recorder.chain = sealed;
        for entry in journal {
            engine.recorder.chain.follow(entry)?;
            engine.recorder.ledger.fold(entry);
            engine.now = entry.at;
        }
        // not before: what was closed long ago may have been taken back later
        let since = engine.remembers_since();
        engine.recorder.ledger.drop_closed(since);
        let open = engine.recorder.ledger.open();
        for good in open.filter_map(|incident| incident.good.as_ref()) {
            engine.cluster.recall(good);
        }
        Ok(engine)
    }

    /// The fold of the journal.
    pub const fn ledger(&self) -> &Ledger {
        &self.recorder.ledger
    }

    /// The cluster as the engine remembers it.
    pub const fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// When [`Event::Tick`] must come at the latest, if nothing else does.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.live
            .values()
            .filter_map(Live::wake)
            .chain(self.looks.values().copied())
            .chain(self.storm_ends())
            .min()
    }

    /// What an open incident is thought to come from, while it is too early to say so in the
    /// journal: a crash that may have been the last.
    pub fn suspected(&self, incident: IncidentId) -> &[Diagnosis] {
        self.live
            .get(&incident)
            .map(Live::suspected)
            .unwrap_or_default()
    }

    /// What the verification of an incident's change waits for, if one is under way.
    pub fn awaits(&self, incident: IncidentId) -> Option<Awaits> {
        let State::Verifying { attempt } = self.ledger().get(incident)?.state else {
            return None;
        };
        let incident = self.ledger().get(incident)?;
        let (watch, until) = self.live.get(&incident.id)?.watching();
        let not_seen = Awaits::Well {
            lacks: "the watch has not told of the change yet".to_owned(),
            until,
        };
        let changed = match &incident.attempt(attempt)?.change {
            Change::Trial { name, .. } => self.cluster.trial(&incident.workload.namespace, name),
            Change::Patch { .. }
            | Change::Evict { .. }
            | Change::Rerun { .. }
            | Change::Grant { .. } => self.cluster.workload(&incident.workload),
        };
        Some(match (watch, changed) {
            (Some(watch), Some(changed)) => watch.awaits(&changed),
            (None, _) | (_, None) => not_seen,
        })
    }

    /// Heals since then may still turn out to be none.
    fn remembers_since(&self) -> Timestamp {
        let window = self.settings.policy.regression_within;
        self.now.checked_sub(window).unwrap_or(Timestamp::MIN)
    }

    /// Whether everything has been listed, so that what the engine sees is judged.
    pub const fn is_synced(&self) -> bool {
        self.is_synced
    }

    /// Whether every open incident waits for a person, or for nothing but time.
    pub fn is_at_rest(&self) -> bool {
        self.is_synced
            && !self.standing.is_waiting(self.now)
            && self.watched().all(|incident| {
                matches!(
                    incident.state,
                    State::AwaitingApproval { .. }
                        | State::Escalated { .. }
                        | State::Waiting { .. }
                        | State::Joined { .. }
                ) || (incident.state == State::Observed
                    && self.live.get(&incident.id).is_some_and(Live::is_waiting))
            })
    }

    /// The open incidents of what is looked after; the journal may hold others.
    fn watched(&self) -> impl Iterator<Item = &Incident> {
        self.recorder
            .ledger
            .open()
            .filter(|incident| self.settings.attends(&incident.workload))
    }

    /// Writes down that a person had a pattern forgotten.
    pub fn forget(
        &mut self,
        fingerprint: &Fingerprint,
        action: Option<ActionKind>,
        now: Timestamp,
    ) -> Vec<Effect> {
        self.recorder.record(
            Fact::Forgotten {
                fingerprint: fingerprint.clone(),
                action,
            },
            now,
        );
        std::mem::take(&mut self.recorder.effects)
    }

    /// Writes down that a person had patterns taken in that were learned elsewhere.
    pub fn import(
        &mut self,
        (from, patterns, article): (String, Vec<Pattern>, Option<Value>),
        now: Timestamp,
    ) -> Vec<Effect> {
        let fact = Fact::Imported {
            from,
            patterns,
            article,
        };
        self.recorder.record(fact, now);
        std::mem::take(&mut self.recorder.effects)
    }

    /// Writes down that the oldest entries are taken out of the store, and what they amounted to.
    pub fn seal(&mut self, segment: &Segment, now: Timestamp) -> Vec<Effect> {
        let sealed = self.recorder.ledger.sealed(segment);
        self.recorder.record(sealed, now);
        std::mem::take(&mut self.recorder.effects)
    }

    /// Takes in an event and decides. A clock that is set back makes waits longer, and undoes none:
    /// they end at a time, not after one.
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        self.now = now;
        match event {
            Event::Upserted(object) => {
                let reference = object.reference();
                self.cluster.upsert(object);
                self.look_at_root_of(&reference, now);
            }
            Event::Deleted(reference) => {
                let root = self.cluster.root_of(&reference);
                let leaning = self.cluster.leaning_on(&reference);
                self.cluster.remove(&reference);
                for concerned in leaning {
                    self.look_at(&concerned, now);
                }
                if let Some(root) = root {
                    self.well.remove(&root);
                    self.look_at(&root, now);
                }
            }
            Event::Relisted(kind, objects) => {
                self.cluster.clear(kind);
                for object in objects {
                    self.cluster.upsert(object);
                }
                self.look_at_all(now);
            }
            Event::Synced => {
                self.is_synced = true;
                self.resume();
                self.look_at_all(now);
                self.remove_leftover_trials(now);
            }
            Event::Recheck => {
                for question in self.standing.forget(now) {
                    self.cluster.unlearn(&question);
                }
                self.look_at_all(now);
                self.remove_leftover_trials(now);
            }
            Event::Tick => self.tick(now),
            Event::Answered(None, question, answer) => {
                let concerned = self.standing.answered(&question, &answer);
                self.cluster.learn(question, answer);
                for workload in concerned {
                    self.look_at(&workload, now);
                }
            }
            Event::Answered(Some(incident), question, answer) => {
                if let Some(live) = self.live.get_mut(&incident) {
                    live.answer(question, answer);
                    self.advance(incident, now);
                }
            }
            Event::Redacted(incident, prompt) => {
                self.turn(incident, now, |turn| turn.take_prompt(prompt));
                self.advance(incident, now);
                self.forget_if_gone(incident);
            }
            Event::Replied(incident, reply) => {
                self.turn(incident, now, |turn| turn.take_reply(reply));
                self.advance(incident, now);
                self.forget_if_gone(incident);
            }
            Event::Outcome(attempt, outcome) => {
                if let Some(incident) = self.recorder.ledger.incident_of(attempt) {
                    self.turn(incident, now, |turn| turn.take_outcome(attempt, outcome));
                    self.advance(incident, now);
                }
            }
            Event::Requested(request) => self.take_request(&request, now),
            Event::Configured(settings) => {
                self.settings = *settings;
                let budget = self.settings.policy.budgets.workload;
                self.recorder.ledger.count_by(budget);
                self.look_at_all(now);
            }
            Event::StoreFailed(why) => self.store_failure = Some(why),
            Event::StoreRecovered => {
                self.store_failure = None;
                self.look_at_all(now);
            }
        }
        self.judge_shared_causes(now);
        self.settle_standings(now);
        std::mem::take(&mut self.recorder.effects)
    }

    /// Writes down what actions have earned, or lost, by what has just happened.
    fn settle_standings(&mut self, now: Timestamp) {
        let policy = &self.settings.policy;
        let changed = |earned: &Earned| {
            let (incident, action) = (earned.incident, earned.action);
            let namespace = earned.namespace.clone();
            if let Some(why) = earned.lost.clone() {
                return Some(Fact::Demoted {
                    incident,
                    namespace,
                    action,
                    why,
                });
            }
            let known = self.cluster.namespaces.get(&Key::new("", &namespace));
            let labels = known.and_then(|it| it.metadata.labels.as_ref());
            let wanted = policy
                .effective(Some(action), &namespace, labels)
                .promote_after?;
            let has_earned_it = !earned.is_promoted && earned.uses >= wanted;
            (has_earned_it && !action.is_opt_in()).then_some(Fact::Promoted {
                incident,
                namespace,
                action,
                uses: earned.uses,
            })
        };
        let changed: Vec<_> = self.recorder.ledger.earned().filter_map(changed).collect();
        for fact in changed {
            self.recorder.record(fact, now);
        }
    }

    /// After a restart: changes whose outcome is not known are settled by reading the object.
    fn resume(&mut self) {
        let open: Vec<_> = self.watched().cloned().collect();
        for incident in open {
            self.live.entry(incident.id).or_default();
            let Some((attempt, request)) = incident.unsettled() else {
                continue;
            };
            // to complete a take-back is a change as well; a trial pod is Akeso's own
            let workload = self.cluster.workload(&incident.workload);
            let forbidden = workload.and_then(|it| gate::forbids_any_change(&it, &self.settings));
            let is_trial =
                matches!(&request, ChangeRequest::Remove(made) if made.what == Product::TrialPod);
            match forbidden.filter(|_| !is_trial && request.takes_back()) {
                Some(Ruling { why, .. }) => {
                    let outcome = Outcome::Refused { why };
                    let now = self.now;
                    self.turn(incident.id, now, |turn| turn.take_outcome(attempt, outcome));
                }
                None => self.recorder.effects.push(Effect::Settle {
                    attempt,
                    workload: incident.workload.clone(),
                    request,
                }),
            }
        }
    }

    fn tick(&mut self, now: Timestamp) {
        let due: Vec<_> = self
            .live
            .iter()
            .filter(|(_, live)| live.wake().is_some_and(|at| at <= now))
            .map(|(id, _)| *id)
            .collect();
        for incident in due {
            let ledger = &self.recorder.ledger;
            let open = ledger.get(incident).filter(|it| !it.is_closed());
            match open.map(|incident| incident.workload.clone()) {
                Some(workload) => self.look_at(&workload, now),
                None => drop(self.live.remove(&incident)),
            }
        }
        let looks: Vec<_> = self
            .looks
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(workload, _)| workload.clone())
            .collect();
        for workload in looks {
            self.look_at(&workload, now);
        }
    }

    fn look_at_root_of(&mut self, object: &ObjectRef, now: Timestamp) {
        let leaning = self.cluster.leaning_on(object);
        for concerned in self.cluster.root_of(object).into_iter().chain(leaning) {
            self.look_at(&concerned, now);
        }
    }

    fn look_at_all(&mut self, now: Timestamp) {
        let open = self.watched().map(|incident| incident.workload.clone());
        let mut all: Vec<_> = self.cluster.roots().into_iter().chain(open).collect();
        all.sort_unstable();
        all.dedup();
        for workload in all {
            self.look_at(&workload, now);
        }
    }

    /// Observes a workload; opens its incident or moves it on.
    fn look_at(&mut self, reference: &WorkloadRef, now: Timestamp) {
        // what lies in no namespace is not for who looks after one
        let is_elsewhere = reference.namespace.is_empty() && !self.settings.watches("");
        let is_attended = self.settings.attended.is_none() || self.settings.attends(reference);
        if !self.is_synced || is_elsewhere || !is_attended {
            return;
        }
        self.looks.remove(reference);
        let workload = self.cluster.workload(reference);
        let observation = workload.as_ref().map(|it| observe(it, now));
        let mut observation = observation.unwrap_or_default();
        let open = self.recorder.ledger.open_incident(reference);
        let mut wanted = observation.wanted.iter();
        let is_judged = wanted.all(|question| self.cluster.answer(question).is_some());
        let health = open.map_or(Health::Well, |_| Health::Ill);
        let wanted = std::mem::take(&mut observation.wanted);
        let (due, next) = self.standing.ask(wanted, reference, health, now);
        observation.again = observation.again.into_iter().chain(next).min();
        for question in due {
            self.recorder.effects.push(Effect::Gather {
                incident: None,
                namespace: reference.namespace.clone(),
                question,
            });
        }
        if let (Some(incident), false) = (open, is_judged) {
            self.live.entry(incident).or_default().look_again(next);
            return; // after a restart, what is wrong with it may only not be known yet
        }
        if observation.symptoms.is_empty() && open.is_none() {
            if let Some(again) = observation.again {
                self.looks.insert(reference.clone(), again);
            }
            if workload.is_some_and(|workload| workload.is_well()) {
                self.well.insert(reference.clone());
            }
            return;
        }
        let uid = workload
            .as_ref()
            .and_then(|workload| workload.metadata().uid.clone());
        let good = workload
            .filter(|_| open.is_none())
            .and_then(|workload| workload.remembered_revision());
        if !self.reopen(reference, open, &observation.symptoms, now) && open.is_none() {
            let incident = self.recorder.ledger.next_incident();
            let symptoms = observation.symptoms.clone();
            let is_failure = symptoms.iter().any(Symptom::is_failure);
            self.recorder.record(
                Fact::Opened {
                    incident,
                    workload: reference.clone(),
                    symptoms,
                    uid,
                    was_well: is_failure && self.well.remove(reference),
                    good,
                },
                now,
            );
        }
        if let Some(incident) = self.recorder.ledger.open_incident(reference) {
            self.live.entry(incident).or_default().see(observation);
            self.advance(incident, now);
        }
    }

    /// Opens the incident again by which this was healed within the regression window, in place
    /// of one that is new and not explained yet.
    fn reopen(
        &mut self,
        reference: &WorkloadRef,
        open: Option<IncidentId>,
        symptoms: &[Symptom],
        now: Timestamp,
    ) -> bool {
        let ledger = &self.recorder.ledger;
        let is_explained = |id| {
            let open: Option<&Incident> = ledger.get(id);
            open.is_none_or(|it| !it.diagnoses.is_empty() || !it.attempts.is_empty())
        };
        if open.is_some_and(is_explained) {
            return false;
        }
        let since = self.remembers_since();
        let workload = self.cluster.workload(reference);
        let relapse = workload.and_then(|it| ledger.relapse(&it, symptoms, since));
        let Some((incident, attempt)) = relapse else {
            return false;
        };
        let healed = ledger.get(incident).map_or(now, |it| it.updated);
        if let Some(new) = open {
            self.live.remove(&new);
            let why = format!("it is {incident} again");
            let end = End::dismissed(why);
            self.recorder
                .record(Fact::Closed { incident: new, end }, now);
        }
        let ago = now
            .duration_since(healed)
            .round(Unit::Second)
            .unwrap_or_default();
        let why = format!("what {attempt} had healed is broken again after {ago:#}");
        self.recorder.record(
            Fact::Reopened {
                incident,
                attempt,
                why,
            },
            now,
        );
        self.well.remove(reference);
        true
    }

    /// What comes for an incident that was forgotten since leaves nothing behind.
    fn forget_if_gone(&mut self, incident: IncidentId) {
        if self.recorder.ledger.get(incident).is_none() {
            self.live.remove(&incident);
        }
    }

    fn advance(&mut self, incident: IncidentId, now: Timestamp) {
        self.turn(incident, now, |turn| {
            turn.advance();
        });
        let Some(incident) = self.recorder.ledger.get(incident) else {
            return;
        };
        if incident.is_closed() {
            let (id, workload) = (incident.id, incident.workload.clone());
            self.live.remove(&id);
            let since = self.remembers_since();
            self.recorder.ledger.drop_closed(since);
            // what is still broken is a new incident
            self.look_at(&workload, now);
            self.release_joined(id, now);
        }
    }

    fn turn(&mut self, incident: IncidentId, now: Timestamp, act: impl FnOnce(&mut Turn<'_>)) {
        let mut live = self.live.remove(&incident).unwrap_or_default();
        let workload = self
            .recorder
            .ledger
            .get(incident)
            .map(|it| it.workload.clone());
        let shared_cause = workload.and_then(|workload| self.shared_cause(&workload));
        act(&mut Turn {
            id: incident,
            cluster: &self.cluster,
            settings: &self.settings,
            recorder: &mut self.recorder,
            live: &mut live,
            shared_cause,
            store_failure: self.store_failure.as_deref(),
            now,
        });
        self.live.insert(incident, live);
    }
}
