//! What the engine asks for: its requests reach the API server, and the answers come back, a
//! little later.

mod answers;
mod changes;
#[cfg(test)]
mod tests;

use akeso_core::{
    engine::{ChangeRequest, Event},
    evidence::Question,
    journal::Outcome,
    workload::{AttemptId, IncidentId, WorkloadRef},
};
use jiff::SignedDuration;

use crate::{Accepted, world::World};
use answers::answer;
pub(crate) use changes::{Read, change};
use changes::{has_arrived, not_made};

/// How long a request or its answer is on its way.
pub(crate) const ON_THE_WAY: SignedDuration = SignedDuration::from_millis(10);

/// A request on its way to whom it is for, or an answer on its way back.
#[derive(Debug)]
pub(crate) enum Request {
    Ask {
        incident: IncidentId,
        namespace: String,
        question: Question,
    },
    Change {
        attempt: AttemptId,
        workload: WorkloadRef,
        request: ChangeRequest,
    },
    Settle {
        attempt: AttemptId,
        workload: WorkloadRef,
        request: ChangeRequest,
    },
    Reply(Event),
}

/// Does what is asked for: an answer is told by the event that is returned, beside the change that
/// was made.
pub(crate) fn serve(world: &mut World, request: Request) -> (Event, Option<Accepted>) {
    let make = |world: &mut World, attempt, workload: WorkloadRef, request: ChangeRequest| {
        let outcome = change(world, &workload, &request);
        let made = matches!(outcome, Outcome::Done { .. }).then(|| Accepted {
            at: world.now,
            attempt,
            workload,
            request,
        });
        (Event::Outcome(attempt, outcome), made)
    };
    match request {
        Request::Ask {
            incident,
            namespace,
            question,
        } => {
            let answer = answer(world, &namespace, &question);
            (Event::Answered(incident, question, answer), None)
        }
        Request::Change {
            attempt,
            workload,
            request,
        } => make(world, attempt, workload, request),
        // as the hands do it: taking a change back is completed, a change is not made now
        Request::Settle {
            attempt,
            workload,
            request,
        } => match has_arrived(world, &workload, &request) {
            Some(done) => (Event::Outcome(attempt, done), None),
            None if request.takes_back() => make(world, attempt, workload, request),
            None => (Event::Outcome(attempt, not_made()), None),
        },
        Request::Reply(event) => (event, None),
    }
}
