//! What the engine asks for: its requests reach the API server, and the answers come back, a
//! little later.

mod answers;
mod changes;
#[cfg(test)]
mod tests;

use akeso_core::{
    engine::{ChangeRequest, Event},
    evidence::Question,
    workload::{AttemptId, IncidentId, WorkloadRef},
};
use jiff::SignedDuration;

use crate::world::World;
use answers::answer;
pub(crate) use changes::Read;
use changes::{change, settle};

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

/// Does what is asked for; an answer is told by the event that is returned.
pub(crate) fn serve(world: &mut World, request: Request) -> Event {
    match request {
        Request::Ask {
            incident,
            namespace,
            question,
        } => {
            let answer = answer(world, &namespace, &question);
            Event::Answered(incident, question, answer)
        }
        Request::Change {
            attempt,
            workload,
            request,
        } => Event::Outcome(attempt, change(world, &workload, &request)),
        Request::Settle {
            attempt,
            workload,
            request,
        } => Event::Outcome(attempt, settle(world, &workload, &request)),
        Request::Reply(event) => event,
    }
}
