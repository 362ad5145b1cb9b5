//! One incident's turn: from how it stands to what is done next.

mod consult;
mod decide;
mod explain;
mod judge;
mod outcome;
mod person;
mod shadow;
mod trial;

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::PodTemplateSpec;

use super::{Announcement, Effect, Incident, Recorder, State};
use crate::{
    cluster::Cluster,
    diagnose::Diagnosis,
    evidence::{Answer, Evidence, Question},
    gate,
    journal::{End, Fact},
    observe::{Observation, Symptom},
    plan::Advice,
    policy::{Autonomy, Settings},
    verify::Watch,
    workload::IncidentId,
};

/// What is known of an incident beside the journal, and can be found out again.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// Whether its workload has been looked at since the start.
    is_seen: bool,
    symptoms: Vec<Symptom>,
    again: Option<Timestamp>,
    evidence: Evidence,
    asked: BTreeSet<Question>,
    evidence_due: Option<Timestamp>,
    /// The symptoms that say too little yet.
    waited_on: Option<Vec<Symptom>>,
    /// What is thought of them: too early to act on, and so not in the journal.
    suspected: Vec<Diagnosis>,
    retry_at: Option<Timestamp>,
    refusals: u8,
    /// How often in a row the change that is being taken back could not be.
    failed_take_backs: u8,
    layers: u8,
    watch: Option<Watch>,
    watch_at: Option<Timestamp>,
    /// Since when something else is broken than what a person was told of.
    other_since: Option<Timestamp>,
    /// How often what a person was told of has been explained anew.
    looks: u8,
    consultation: consult::Consultation,
    /// Whose question is on its way to a model, while secrets are taken out of it.
    question: Option<String>,
    /// The pod template for which a person was asked.
    template: Option<PodTemplateSpec>,
}

impl Live {
    /// When time alone moves the incident on.
    pub(super) fn wake(&self) -> Option<Timestamp> {
        let sure = |since: Timestamp| since.checked_add(person::SURE_AFTER).ok();
        let sure = self.other_since.and_then(sure);
        let times = [
            self.again,
            self.evidence_due,
            self.retry_at,
            self.watch_at,
            self.consultation.wake(),
            sure,
        ];
        times.into_iter().flatten().min()
    }

    /// Sets when its workload is looked at again.
    pub(super) const fn look_again(&mut self, at: Option<Timestamp>) {
        self.again = at;
    }

    /// How it is watched after a change, and until when at the least.
    pub(super) const fn watching(&self) -> (Option<&Watch>, Option<Timestamp>) {
        (self.watch.as_ref(), self.watch_at)
    }

    /// Whether something is on its way to a model.
    pub(super) const fn is_consulting(&self) -> bool {
        self.question.is_some() || self.consultation.is_under_way()
    }

    pub(super) fn suspected(&self) -> &[Diagnosis] {
        &self.suspected
    }

    /// Whether there is nothing to do but to see how it goes on.
    pub(super) const fn is_waiting(&self) -> bool {
        self.waited_on.is_some()
    }

    pub(super) fn see(&mut self, observation: Observation) {
        self.is_seen = true;
        self.symptoms = observation.symptoms;
        self.again = observation.again;
    }

    /// Takes in an answer. One that comes after its question has been dropped tells of the past.
    pub(super) fn answer(&mut self, question: Question, answer: Answer) {
        if self.asked.contains(&question) {
            self.evidence.insert(question, answer);
        }
    }

    /// Stops to watch how it goes on; a time to look that is left over would wake it without end.
    fn forget_watch(&mut self) {
        self.watch = None;
        self.watch_at = None;
    }

    fn forget_evidence(&mut self) {
        self.evidence.clear();
        self.asked.clear();
        self.evidence_due = None;
        self.consultation = consult::Consultation::default();
    }
}

pub(super) struct Turn<'a> {
    pub id: IncidentId,
    pub cluster: &'a Cluster,
    pub settings: &'a Settings,
    pub recorder: &'a mut Recorder,
    pub live: &'a mut Live,
    /// The shared incident that concerns the workload, and what it is.
    pub shared_cause: Option<(IncidentId, String)>,
    /// Why the journal cannot be written, if it cannot.
    pub store_failure: Option<&'a str>,
    pub now: Timestamp,
}

/// Whether the turn goes on with the next state, or ends here.
enum Next {
    Again,
    Done,
}

impl Turn<'_> {
    /// Moves the incident on as far as it goes now.
    pub fn advance(&mut self) {
        self.live.consultation.forget_past(self.now);
        while let Some(incident) = self.recorder.ledger.get(self.id).cloned() {
            if incident.is_closed() {
                return;
            }
            if !matches!(
                incident.state,
                State::AwaitingApproval { .. } | State::Escalated { .. }
            ) {
                self.live.other_since = None;
            }
            let Some(workload) = self.cluster.workload(&incident.workload) else {
                self.dismiss("the workload is gone");
                return;
            };
            let uid = &workload.metadata().uid;
            if incident.uid.is_some() && uid.is_some() && incident.uid != *uid {
                self.dismiss("the workload was deleted, and one of its name was made");
                return;
            }
            let next = match &incident.state {
                State::Observed | State::Planned { .. } | State::Waiting { .. }
                    if self.joins_shared_cause(&workload) =>
                {
                    Next::Done
                }
                State::Observed => self.explain(&incident, &workload),
                State::Planned { step } => self.decide(&incident, &workload, *step),
                State::Waiting { step } => self.wait(&incident, &workload, *step),
                State::Joined { into, until } => {
                    self.wait_for_another(&incident, &workload, (*into, *until))
                }
                State::Verifying { attempt } => self.verify(&incident, &workload, *attempt),
                State::AwaitingApproval { .. } | State::Escalated { .. } => {
                    self.wait_for_person(&incident, &workload)
                }
                State::RollingBack { attempt } => {
                    self.take_back_again(&incident, &workload, *attempt)
                }
                State::Acting { .. } | State::Closed(_) => Next::Done,
            };
            if matches!(next, Next::Done) {
                return;
            }
        }
    }

    fn record(&mut self, fact: Fact) {
        self.recorder.record(fact, self.now);
    }

    fn announce(&mut self, incident: &Incident, reason: Announcement, note: String) {
        let workload = self.cluster.workload(&incident.workload);
        if reason == Announcement::NeedsAttention && self.settings.attended.is_some() {
            return; // somebody is there, and sees it
        }
        let observes = |workload| gate::level(workload, self.settings) == Autonomy::Observe;
        if workload.as_ref().is_none_or(observes) {
            return; // an Event would be a change as well
        }
        self.recorder.effects.push(Effect::Announce {
            workload: incident.workload.clone(),
            uid: workload.and_then(|workload| workload.metadata().uid.clone()),
            reason,
            note,
        });
    }

    /// Drops what was planned.
    fn reconsider(&mut self, why: &str) {
        self.record(Fact::Reconsidered {
            incident: self.id,
            why: why.to_owned(),
        });
        self.live.forget_evidence();
        self.live.forget_watch();
        self.live.retry_at = None;
    }

    fn dismiss(&mut self, why: &str) {
        let came = self.what_came();
        self.close(End::Dismissed {
            why: why.to_owned(),
            came,
        });
    }

    fn close(&mut self, end: End) {
        self.record(Fact::Closed {
            incident: self.id,
            end,
        });
    }

    fn escalate(&mut self, incident: &Incident, advice: &Advice, until: Option<Timestamp>) {
        self.record(Fact::Escalated {
            incident: self.id,
            why: advice.why.clone(),
            command: advice.command.clone(),
            until,
        });
        self.announce(
            incident,
            Announcement::NeedsAttention,
            format!("{}; begin with: {}", advice.why, advice.command),
        );
        self.live.forget_evidence();
        self.live.forget_watch();
        self.lower_what_was_raised_in_vain();
    }
}
