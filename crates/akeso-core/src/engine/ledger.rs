//! The fold of the journal: every incident, what was learned, what was spent.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Incident, State};
use crate::{
    gate,
    journal::{Entry, Fact, Verdict},
    learn::Patterns,
    retention::Segment,
    workload::{AttemptId, IncidentId, WorkloadRef},
};

/// What the journal says, summed up.
#[derive(Debug, Default)]
pub struct Ledger {
    incidents: BTreeMap<IncidentId, Incident>,
    open: BTreeMap<WorkloadRef, IncidentId>,
    failures: BTreeMap<WorkloadRef, Vec<Timestamp>>,
    set_back: BTreeMap<WorkloadRef, Timestamp>,
    patterns: Patterns,
    last_incident: u64,
    last_attempt: u64,
}

impl Ledger {
    /// Takes in the next entry.
    pub fn fold(&mut self, entry: &Entry) {
        let at = entry.at;
        match &entry.fact {
            Fact::Opened {
                incident,
                workload,
                symptoms,
            } => {
                self.last_incident = self.last_incident.max(incident.0);
                self.open.insert(workload.clone(), *incident);
                self.incidents.insert(
                    *incident,
                    Incident {
                        id: *incident,
                        workload: workload.clone(),
                        opened: at,
                        updated: at,
                        symptoms: symptoms.clone(),
                        diagnoses: Vec::new(),
                        plan: None,
                        ruling: None,
                        gated: 0,
                        attempts: Vec::new(),
                        state: State::Observed,
                    },
                );
            }
            Fact::Intended { attempt, .. } => self.last_attempt = self.last_attempt.max(attempt.0),
            Fact::Judged {
                incident,
                attempt,
                verdict,
                ..
            } => self.count(*incident, *attempt, *verdict, at),
            Fact::RolledBack {
                incident, attempt, ..
            } => self.count_taken_back(*incident, *attempt, at),
            Fact::Learned {
                fingerprint,
                action,
                ..
            } => self.patterns.succeeded(fingerprint, action, at),
            Fact::Forgotten { fingerprint } => self.patterns.forget(fingerprint),
            Fact::Closed { incident, .. } => self.open.retain(|_, open| open != incident),
            // set-backs and failures count for an hour: what is sealed is days old
            Fact::Sealed {
                patterns,
                last_incident,
                last_attempt,
                ..
            } => {
                self.patterns.replace(patterns);
                self.last_incident = self.last_incident.max(*last_incident);
                self.last_attempt = self.last_attempt.max(*last_attempt);
            }
            Fact::Diagnosed { .. }
            | Fact::Planned { .. }
            | Fact::Gated { .. }
            | Fact::Applied { .. }
            | Fact::RollbackIntended { .. }
            | Fact::Asked { .. }
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

    /// A failed attempt counts against its workload and against the pattern it came from.
    fn count(&mut self, incident: IncidentId, attempt: AttemptId, verdict: Verdict, at: Timestamp) {
        let Some(incident) = self.incidents.get(&incident) else {
            return;
        };
        match verdict {
            Verdict::NotHealed | Verdict::Worse => {
                let failures = self.failures.entry(incident.workload.clone()).or_default();
                add_failure(failures, at);
                if let Some(attempt) = incident.attempt(attempt) {
                    self.patterns
                        .failed(&attempt.diagnosis.fingerprint, &attempt.step.action, at);
                }
            }
            Verdict::Superseded => {
                self.set_back.insert(incident.workload.clone(), at);
            }
            Verdict::Healed | Verdict::Partly => {}
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
            Some(Verdict::NotHealed | Verdict::Worse) => {} // counted when it was judged
            None | Some(Verdict::Healed | Verdict::Partly | Verdict::Superseded) => {
                let failures = self.failures.entry(incident.workload.clone()).or_default();
                add_failure(failures, at);
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

    /// When attempts on a workload failed.
    pub fn failures(&self, workload: &WorkloadRef) -> &[Timestamp] {
        self.failures
            .get(workload)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// When somebody else last set back what Akeso had changed on a workload.
    pub fn set_back(&self, workload: &WorkloadRef) -> Option<Timestamp> {
        self.set_back.get(workload).copied()
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

    /// The fact that the journal through `segment` is sealed, with the fold of all of it.
    pub(super) fn sealed(&self, segment: &Segment) -> Fact {
        Fact::Sealed {
            through: segment.last,
            through_hash: segment.hash.clone(),
            patterns: self.patterns.iter().cloned().collect(),
            last_incident: self.last_incident,
            last_attempt: self.last_attempt,
        }
    }

    /// Forgets the incidents that are over; the journal still has them.
    pub fn drop_closed(&mut self) {
        self.incidents.retain(|_, incident| !incident.is_closed());
    }
}

fn add_failure(failures: &mut Vec<Timestamp>, at: Timestamp) {
    failures.retain(|failed| at.duration_since(*failed) < gate::CLOSED_FOR);
    failures.push(at);
}
