//! What people say by a command: they consent, decline, or have a change taken back.

use jiff::Timestamp;

use super::{Engine, Incident, Request, State};
use crate::journal::{End, Fact};

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
                self.make_room_for(incident, now);
                (Some(incident.id), *attempt)
            }
        };
        if let Some(id) = incident {
            self.live.entry(id).or_default();
            self.turn(id, now, |turn| turn.take_request(request, attempt));
            self.advance(id, now);
        }
    }

    /// An incident that is over is about to be opened again: one that is open on the same workload
    /// is dismissed, unless something is being done for it.
    fn make_room_for(&mut self, again: &Incident, now: Timestamp) {
        let ledger = &mut self.recorder.ledger;
        let open = ledger.open_incident(&again.workload);
        let Some(open) = open.filter(|open| *open != again.id) else {
            ledger.take_in(again.clone());
            return;
        };
        let is_idle = |it: &Incident| !it.state.is_between_change_and_verdict();
        if ledger.get(open).is_some_and(is_idle) {
            ledger.take_in(again.clone());
            let why = format!("a person has a change of {} taken back", again.id);
            let end = End::Dismissed { why };
            self.live.remove(&open);
            self.recorder.record(
                Fact::Closed {
                    incident: open,
                    end,
                },
                now,
            );
        }
    }
}
