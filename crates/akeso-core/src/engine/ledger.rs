//! The fold of the journal: every incident, what was learned, what was spent.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    Earned, Incident, State,
    earned::{Of, Standings},
};
use crate::{
    act::{ActionKind, Mark, StoreId},
    cluster::Workload,
    consult::{self, Calls},
    gate::{Closure, Spent, Use},
    journal::{End, Entry, Fact, SharedCause, Verdict},
    learn::Patterns,
    observe::Symptom,
    plan::Origin,
    policy::{Settings, WorkloadBudget},
    retention::Segment,
    workload::{AttemptId, IncidentId, WorkloadRef},
};

/// What the journal says, summed up.
#[derive(Debug, Default)]
pub struct Ledger {
    incidents: BTreeMap<IncidentId, Incident>,
    open: BTreeMap<WorkloadRef, IncidentId>,
    shared: BTreeMap<IncidentId, Shared>,
    closures: BTreeMap<WorkloadRef, Closure>,
    set_back: BTreeMap<WorkloadRef, (Timestamp, String)>,
    /// When changes were intended within the last hour, and where.
    changes: Vec<(Timestamp, String)>,
    /// When workloads that had been well broke, within the last hour.
    broken: Vec<(Timestamp, WorkloadRef)>,
    patterns: Patterns,
    calls: Calls,
    standings: Standings,
    /// The article's memory files that were taken in.
    articles: BTreeMap<String, Value>,
    /// The journal's name; none before its first entry.
    store: Option<StoreId>,
    last_incident: u64,
    last_attempt: u64,
    budget: WorkloadBudget,
}

/// An incident that others share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// What they have in common.
    pub cause: SharedCause,
    /// When it was opened.
    pub opened: Timestamp,
}

impl Ledger {
    /// A ledger that counts failures by this budget.
    pub fn new(budget: WorkloadBudget) -> Self {
        Self {
            budget,
            ..Self::default()
        }
    }

    /// From here on failures are counted by this budget.
    pub(super) fn count_by(&mut self, budget: WorkloadBudget) {
        self.budget = budget;
    }

    /// Takes in the next entry.
    pub fn fold(&mut self, entry: &Entry) {
        let at = entry.at;
        if entry.seq == 1 {
            self.store = Some(StoreId::of(entry));
        }
        match &entry.fact {
            Fact::Opened {
                incident,
                workload,
                symptoms,
                uid,
                was_well,
                good,
            } => {
                self.last_incident = self.last_incident.max(incident.0);
                self.open.insert(workload.clone(), *incident);
                let opened = Incident {
                    uid: uid.clone(),
                    was_well: *was_well,
                    good: good.clone(),
                    ..Incident::open(*incident, workload, symptoms, at)
                };
                self.incidents.insert(*incident, opened);
                if *was_well {
                    self.broken.retain(|(then, _)| is_recent(*then, at));
                    self.broken.push((at, workload.clone()));
                }
            }
            Fact::SharedOpened { incident, cause } => {
                self.last_incident = self.last_incident.max(incident.0);
                let (cause, opened) = (cause.clone(), at);
                self.shared.insert(*incident, Shared { cause, opened });
            }
            Fact::Intended {
                incident, attempt, ..
            } => {
                self.last_attempt = self.last_attempt.max(attempt.0);
                self.changes.retain(|(then, _)| is_recent(*then, at));
                if let Some(incident) = self.incidents.get(incident) {
                    self.changes.push((at, incident.workload.namespace.clone()));
                }
            }
            Fact::Consented {
                incident, attempt, ..
            } => self.consented(*incident, *attempt),
            Fact::Declined {
                incident,
                attempt,
                by,
            } => self.lose(*incident, *attempt, &format!("{by} has declined it")),
            Fact::Promoted {
                incident,
                namespace,
                action,
                ..
            } => self
                .standings
                .promoted((namespace, *action, *incident), true),
            Fact::Demoted {
                incident,
                namespace,
                action,
                ..
            } => self
                .standings
                .promoted((namespace, *action, *incident), false),
            Fact::Asked { question, .. } => {
                self.last_attempt = self.last_attempt.max(question.attempt.0);
            }
            Fact::Judged {
                incident,
                attempt,
                verdict,
                by,
                ..
            } => {
                self.count(*incident, *attempt, *verdict, by.as_deref(), at);
                self.stand(*incident, *attempt, *verdict);
            }
            Fact::RolledBack {
                incident, attempt, ..
            } => self.count_taken_back(*incident, *attempt, at),
            Fact::Reopened {
                incident, attempt, ..
            } => {
                if let Some(incident) = self.incidents.get(incident) {
                    self.open.insert(incident.workload.clone(), incident.id);
                }
                self.count_failure(*incident, *attempt, at);
                self.lose(*incident, *attempt, "what it had healed is broken again");
            }
            Fact::Recalled {
                incident,
                attempt,
                by,
            } => {
                let why = format!("{by} has taken it back");
                self.lose(*incident, *attempt, &why);
                if let Some(incident) = self.incidents.get(incident) {
                    self.open.insert(incident.workload.clone(), incident.id);
                    self.set_back
                        .insert(incident.workload.clone(), (at, by.clone()));
                }
            }
            Fact::Learned {
                fingerprint,
                action,
                ..
            } => self.patterns.succeeded(fingerprint, action, at),
            Fact::Forgotten {
                fingerprint,
                action,
            } => self.patterns.forget(fingerprint, *action),
            Fact::Imported {
                from,
                patterns,
                article,
            } => {
                self.patterns.import(from, patterns, at);
                if let Some(article) = article {
                    self.articles.insert(from.clone(), article.clone());
                }
            }
            Fact::Closed { incident, .. } => {
                self.open.retain(|_, open| open != incident);
                let over = self.shared.remove(incident).map(|shared| shared.cause);
                if matches!(over, Some(SharedCause::Storm { .. })) {
                    self.broken.clear(); // they are no reason for the next one
                }
            }
            // set-backs and failures count for an hour: what is sealed is days old
            Fact::Sealed {
                patterns,
                standings,
                articles,
                store,
                last_incident,
                last_attempt,
                ..
            } => {
                // a build that gave journals no name yet may have taken the first entry out
                let named = || store.clone().unwrap_or_else(|| StoreId::of(entry));
                self.store.get_or_insert_with(named);
                self.patterns.replace(patterns);
                self.articles.clone_from(articles);
                self.standings.replace(standings);
                self.last_incident = self.last_incident.max(*last_incident);
                self.last_attempt = self.last_attempt.max(*last_attempt);
            }
            Fact::Consulted {
                incident,
                failure,
                most,
                after,
                by,
                ..
            } => {
                let what = match (by, after) {
                    (Some(_), _) => consult::Kind::Question,
                    (None, Some(_)) => consult::Kind::Repair,
                    (None, None) => consult::Kind::Steps,
                };
                self.calls.made(*incident, failure, (*most, what), at);
            }
            Fact::Advised {
                incident,
                advised,
                spend,
            } => self.calls.over(*incident, advised, *spend, at),
            Fact::Diagnosed { .. }
            | Fact::Planned { .. }
            | Fact::Gated { .. }
            | Fact::Applied { .. }
            | Fact::RollbackIntended { .. }
            | Fact::TrialSwept { .. }
            | Fact::Joined { .. }
            | Fact::Reconsidered { .. }
            | Fact::Escalated { .. } => {}
        }
        if let Some(incident) = entry
            .fact
            .incident()
            .and_then(|id| self.incidents.get_mut(&id))
        {
            incident.fold(&entry.fact, at);
        }
    }

    /// A person has consented. What that person has changed first says nothing for what was
    /// proposed.
    fn consented(&mut self, incident: IncidentId, attempt: AttemptId) {
        let state = self.incidents.get(&incident).map(|it| &it.state);
        let is_amended = matches!(state, Some(State::AwaitingApproval { question }) if question.step.origin == Origin::Operator);
        if !is_amended {
            self.standings.approved(attempt);
        }
    }

    /// What a verdict says of an action that asks in a namespace.
    fn stand(&mut self, incident: IncidentId, attempt: AttemptId, verdict: Verdict) {
        match verdict {
            Verdict::Healed => {
                let of = self.action_of(incident, attempt);
                if let Some((namespace, action)) = of {
                    self.standings
                        .healed(attempt, (&namespace, action, incident));
                }
            }
            Verdict::NotHealed | Verdict::Worse => {
                self.lose(incident, attempt, "it has not helped");
            }
            Verdict::Superseded => {
                self.lose(incident, attempt, "somebody has set it back");
            }
            Verdict::Partly | Verdict::Passed => {}
        }
    }

    /// An action has not helped where it was done, or is not wanted there.
    fn lose(&mut self, incident: IncidentId, attempt: AttemptId, why: &str) {
        if let Some((namespace, action)) = self.action_of(incident, attempt) {
            let of: Of<'_> = (&namespace, action, incident);
            self.standings.lost(attempt, of, why);
        }
    }

    /// Where an attempt was made or proposed, and what it was.
    fn action_of(&self, incident: IncidentId, attempt: AttemptId) -> Option<(String, ActionKind)> {
        let incident = self.incidents.get(&incident)?;
        let step = match (&incident.state, incident.attempt(attempt)) {
            (_, Some(attempt)) => &attempt.step,
            (State::AwaitingApproval { question }, None) if question.attempt == attempt => {
                &question.step
            }
            (_, None) => return None,
        };
        Some((incident.workload.namespace.clone(), step.action.kind()))
    }

    /// What actions have earned in namespaces.
    pub fn earned(&self) -> impl Iterator<Item = &Earned> {
        self.standings.iter()
    }

    /// A failed attempt counts against its workload and against the pattern it came from.
    fn count(
        &mut self,
        incident: IncidentId,
        attempt: AttemptId,
        verdict: Verdict,
        by: Option<&str>,
        at: Timestamp,
    ) {
        match verdict {
            Verdict::NotHealed | Verdict::Worse => self.count_failure(incident, attempt, at),
            Verdict::Superseded => {
                if let Some(incident) = self.incidents.get(&incident) {
                    let who = by.unwrap_or("somebody").to_owned();
                    self.set_back.insert(incident.workload.clone(), (at, who));
                }
            }
            Verdict::Healed | Verdict::Partly | Verdict::Passed => {}
        }
    }

    fn count_failure(&mut self, incident: IncidentId, attempt: AttemptId, at: Timestamp) {
        let Some(incident) = self.incidents.get(&incident) else {
            return;
        };
        let closure = self.closures.entry(incident.workload.clone()).or_default();
        closure.failed(at, &self.budget);
        if let Some(attempt) = incident.attempt(attempt) {
            self.patterns
                .failed(&attempt.diagnosis.fingerprint, &attempt.step.action, at);
        }
    }

    /// A guess that was kept for a while and is taken back was a failed attempt all the same.
    fn count_taken_back(&mut self, incident: IncidentId, attempt: AttemptId, at: Timestamp) {
        let Some(incident) = self.incidents.get(&incident) else {
            return;
        };
        match incident
            .attempt(attempt)
            .and_then(|attempt| attempt.verdict)
        {
            // counted when it was judged, or no failure at all
            Some(Verdict::NotHealed | Verdict::Worse | Verdict::Passed) => {}
            None | Some(Verdict::Healed | Verdict::Partly | Verdict::Superseded) => {
                let closure = self.closures.entry(incident.workload.clone()).or_default();
                closure.failed(at, &self.budget);
            }
        }
    }

    /// An incident.
    pub fn get(&self, id: IncidentId) -> Option<&Incident> {
        self.incidents.get(&id)
    }

    /// Every incident, in the order in which they were opened.
    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values()
    }

    /// The incidents that are not over.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.open.values().filter_map(|id| self.incidents.get(id))
    }

    /// The open incident of a workload.
    pub fn open_incident(&self, workload: &WorkloadRef) -> Option<IncidentId> {
        self.open.get(workload).copied()
    }

    /// What was learned.
    pub const fn patterns(&self) -> &Patterns {
        &self.patterns
    }

    /// The article's memory files that were taken in, by name.
    pub const fn articles(&self) -> &BTreeMap<String, Value> {
        &self.articles
    }

    /// The calls of a model.
    pub const fn calls(&self) -> &Calls {
        &self.calls
    }

    /// The incidents that others share and that are not over.
    pub fn shared(&self) -> impl Iterator<Item = (IncidentId, &Shared)> {
        self.shared.iter().map(|(id, shared)| (*id, shared))
    }

    /// What has been tried on a workload and around it. What is under way where nobody watches, in
    /// the journal of a program that watched more, comes to no end and takes no place.
    pub fn spent(&self, workload: &WorkloadRef, settings: &Settings) -> Spent {
        let near = |place: &str| place == workload.namespace;
        let busy = self.open().filter(|incident| {
            incident.workload != *workload
                && incident.takes_a_place()
                && settings.attends(&incident.workload)
        });
        let busy: Vec<_> = busy.map(|it| it.workload.namespace.as_str()).collect();
        let changes = |only: &dyn Fn(&str) -> bool| {
            let chosen = self.changes.iter().filter(|(_, place)| only(place));
            chosen.map(|(at, _)| *at).collect()
        };
        Spent {
            closed: self.closures.get(workload).cloned(),
            set_back: self.set_back.get(workload).cloned(),
            promoted: self.standings.in_namespace(&workload.namespace),
            in_namespace: Use {
                busy: busy.iter().filter(|place| near(place)).count(),
                changes: changes(&near),
            },
            in_cluster: Use {
                busy: busy.len(),
                changes: changes(&|_| true),
            },
        }
    }

    /// How many workloads that had been well have broken since.
    pub(super) fn broken_since(&self, since: Timestamp) -> usize {
        let recent = self.broken.iter().filter(|(at, _)| *at >= since);
        let workloads: BTreeSet<_> = recent.map(|(_, workload)| workload).collect();
        workloads.len()
    }

    /// When the last one of them broke for the first time since then: one that comes and goes is
    /// no news.
    pub(super) fn last_newly_broken(&self, since: Timestamp) -> Option<Timestamp> {
        let mut first = BTreeMap::new();
        for (at, workload) in self.broken.iter().filter(|(at, _)| *at >= since) {
            first.entry(workload).or_insert(*at);
        }
        first.into_values().max()
    }

    /// The attempt by which a workload was healed since, if these symptoms are those of its fault.
    pub(super) fn relapse(
        &self,
        workload: &Workload<'_>,
        symptoms: &[Symptom],
        since: Timestamp,
    ) -> Option<(IncidentId, AttemptId)> {
        let healed = self.incidents.values().rev().find(|incident| {
            incident.workload == workload.reference
                && incident.state == State::Closed(End::Healed)
                && incident.updated >= since
        })?;
        let attempt = healed.attempts.iter().rev().find(|attempt| {
            attempt.is_kept()
                && attempt.verdict == Some(Verdict::Healed)
                && attempt.step.action.treatment().holds(workload)
                && symptoms
                    .iter()
                    .any(|s| s.is_lasting() && s.is_like(&attempt.diagnosis.symptom))
        })?;
        Some((healed.id, attempt.id))
    }

    pub(super) fn incident_of(&self, attempt: AttemptId) -> Option<IncidentId> {
        self.open()
            .find(|incident| incident.attempt(attempt).is_some())
            .map(|incident| incident.id)
    }

    pub(super) const fn next_incident(&self) -> IncidentId {
        IncidentId(self.last_incident + 1)
    }

    pub(super) const fn next_attempt(&self) -> AttemptId {
        AttemptId(self.last_attempt + 1)
    }

    /// The journal's name; none before its first entry.
    pub const fn store(&self) -> Option<&StoreId> {
        self.store.as_ref()
    }

    /// How an attempt is known again in the cluster.
    pub(super) fn mark(&self, attempt: AttemptId) -> Mark {
        Mark::new(attempt, self.store.clone())
    }

    /// The fact that the journal through `segment` is sealed, with the fold of all of it.
    pub(super) fn sealed(&self, segment: &Segment) -> Fact {
        Fact::Sealed {
            through: segment.last,
            through_hash: segment.hash.clone(),
            patterns: self.patterns.iter().cloned().collect(),
            standings: self.standings.iter().cloned().collect(),
            articles: self.articles.clone(),
            store: self.store.clone(),
            last_incident: self.last_incident,
            last_attempt: self.last_attempt,
        }
    }

    /// Forgets the incidents that are over, but for what was healed since then; the journal still
    /// has them.
    pub fn drop_closed(&mut self, since: Timestamp) {
        self.incidents.retain(|_, incident| {
            !incident.is_closed()
                || (incident.state == State::Closed(End::Healed) && incident.updated >= since)
        });
    }

    /// Takes an incident of the journal in again, as it was when it was closed.
    pub(super) fn take_in(&mut self, incident: Incident) {
        self.incidents.entry(incident.id).or_insert(incident);
    }
}

/// Budgets are counted by the hour.
fn is_recent(then: Timestamp, now: Timestamp) -> bool {
    now.duration_since(then) < SignedDuration::from_hours(1)
}
