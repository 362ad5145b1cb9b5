//! What people say by a command: they consent, decline, or have a change taken back.

use jiff::Timestamp;

use super::{Attempt, Engine, Incident, Request, State};
use crate::{
    journal::{End, Fact},
    workload::AttemptId,
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
