//! What people say by a command: they consent, decline, ask, or have a change taken back.

use jiff::Timestamp;

use super::{Attempt, Engine, Incident, Request, State};
use crate::{
    cluster::Key,
    consult::Spend,
    journal::{End, Fact},
    workload::{AttemptId, IncidentId},
};

impl Engine {
    /// A person has said something. What is about nothing that is open is left unsaid.
    pub(super) fn take_request(&mut self, request: &Request, now: Timestamp) {
        let (incident, attempt) = match request {
            Request::Consent { attempt, .. } | Request::Decline { attempt, .. } => {
                let asked = self.recorder.ledger.open().find(|incident| {
                    matches!(&incident.state, State::AwaitingApproval { question } if question.attempt == *attempt)
                });
                (asked.map(|incident| incident.id), *attempt)
            }
            Request::Ask {
                incident,
                question,
                by,
            } => {
                if self.why_not_ask(*incident).is_none() {
                    self.turn(*incident, now, |turn| turn.pass_on(question, by));
                }
                return;
            }
            Request::TakeBack {
                incident, attempt, ..
            } => {
                let is_free = self.make_room_for(incident, *attempt, now);
                (Some(incident.id).filter(|_| is_free), *attempt)
            }
        };
        if let Some(id) = incident {
            self.live.entry(id).or_default();
            self.turn(id, now, |turn| turn.take_request(request, attempt));
            self.advance(id, now);
        }
    }

    /// Why a question about an incident cannot be passed on to a language model, if so.
    pub fn why_not_ask(&self, incident: IncidentId) -> Option<String> {
        let settings = &self.settings;
        if settings.model.is_none() {
            return Some("no language model is set up: give --model, and its key".to_owned());
        }
        let ledger = &self.recorder.ledger;
        let open = ledger.get(incident).filter(|it| !it.is_closed());
        let Some(open) = open.filter(|it| !it.diagnoses.is_empty()) else {
            return Some(format!("{incident} is not open, or has no cause yet"));
        };
        let namespace = &open.workload.namespace;
        let labels = self.cluster.namespaces.get(&Key::new("", namespace));
        let labels = labels.and_then(|it| it.metadata.labels.as_ref());
        let allowed = settings.policy.effective(None, namespace, labels).model;
        if !allowed || settings.protects(namespace).is_some() {
            return Some(format!(
                "no model may be shown what fails in the namespace {namespace}"
            ));
        }
        if let Some(why) = &self.store_failure {
            return Some(format!("the journal cannot be written: {why}"));
        }
        let limits = &settings.policy.model;
        let calls = ledger.calls();
        let why = calls.why_not(Spend::default(), limits, self.now)?;
        Some(why.words(limits, calls.spent(self.now)))
    }

    /// An incident that is over is about to be opened again: one that is open on the same workload
    /// is dismissed. Not while something is being done for that one, nor if there is nothing to
    /// take back.
    fn make_room_for(&mut self, again: &Incident, attempt: AttemptId, now: Timestamp) -> bool {
        let ledger = &mut self.recorder.ledger;
        let open = ledger.open_incident(&again.workload);
        let Some(open) = open.filter(|open| *open != again.id) else {
            ledger.take_in(again.clone());
            return true;
        };
        let is_busy = |it: &Incident| it.state.is_between_change_and_verdict();
        let again = ledger.get(again.id).unwrap_or(again);
        let can_be_recalled = again.attempt(attempt).is_some_and(Attempt::can_be_recalled);
        if !can_be_recalled || ledger.get(open).is_some_and(is_busy) {
            return false;
        }
        let again = again.clone();
        let why = format!("a person has a change of {} taken back", again.id);
        let (incident, end) = (open, End::dismissed(why));
        self.recorder.ledger.take_in(again);
        self.live.remove(&open);
        self.recorder.record(Fact::Closed { incident, end }, now);
        true
    }
}
