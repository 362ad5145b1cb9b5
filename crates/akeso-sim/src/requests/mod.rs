//! What the engine asks for: its requests reach the API server, and the answers come back, a
//! little later.

mod answers;
mod changes;
#[cfg(test)]
mod tests;

use akeso_core::{
    FIELD_MANAGER,
    cluster::Key,
    consult::Prompt,
    engine::{ChangeRequest, Event},
    evidence::Question,
    journal::Outcome,
    workload::{AttemptId, IncidentId, WorkloadRef},
};
use jiff::SignedDuration;

use crate::{Accepted, store::with_kind, world::World};
use answers::{answer, without_secrets};
pub(crate) use changes::{Read, change};
use changes::{has_arrived, not_made};

/// How long a request or its answer is on its way.
pub(crate) const ON_THE_WAY: SignedDuration = SignedDuration::from_millis(10);

/// A request on its way to whom it is for, or an answer on its way back.
#[derive(Debug)]
pub(crate) enum Request {
    Ask {
        incident: Option<IncidentId>,
        namespace: String,
        question: Question,
    },
    Redact {
        incident: IncidentId,
        namespace: String,
        prompt: Prompt,
    },
    Change {
        attempt: AttemptId,
        workload: WorkloadRef,
        request: ChangeRequest,
        answer: Way,
    },
    Settle {
        attempt: AttemptId,
        workload: WorkloadRef,
        request: ChangeRequest,
    },
    /// The answer to a change was lost: the object is read to see whether it has arrived.
    Find {
        attempt: AttemptId,
        workload: WorkloadRef,
        request: ChangeRequest,
    },
    Reply(Event),
}

/// What becomes of the answer to a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It comes back.
    Clear,
    /// It is lost.
    Lost,
}

/// What comes of a request: the answer, if it comes back, beside the change that was made.
type Served = (Option<Event>, Option<Accepted>);

/// Does what is asked for.
pub(crate) fn serve(world: &mut World, request: Request) -> Served {
    let told = |event: Event| (Some(event), None);
    match request {
        Request::Ask {
            incident,
            namespace,
            question,
        } => {
            let answer = answer(world, &namespace, &question);
            told(Event::Answered(incident, question, answer))
        }
        Request::Redact {
            incident,
            namespace,
            prompt,
        } => {
            let prompt = without_secrets(world, &namespace, prompt);
            told(Event::Redacted(incident, Ok(prompt)))
        }
        Request::Change {
            attempt,
            workload,
            request,
            answer,
        } => {
            let (event, made) = make(world, attempt, workload, request);
            (event.filter(|_| answer == Way::Clear), made)
        }
        // as the hands do it: taking a change back is completed, a change is not made now
        Request::Settle {
            attempt,
            workload,
            request,
        } => match has_arrived(world, &workload, &request) {
            Some(done) => told(Event::Outcome(attempt, done)),
            None if request.takes_back() => make(world, attempt, workload, request),
            None => told(Event::Outcome(attempt, not_made())),
        },
        Request::Find {
            attempt,
            workload,
            request,
        } => {
            let found = has_arrived(world, &workload, &request);
            let why = "no answer in time".to_owned();
            told(Event::Outcome(
                attempt,
                found.unwrap_or(Outcome::Failed { why }),
            ))
        }
        Request::Reply(event) => told(event),
    }
}

fn make(
    world: &mut World,
    attempt: AttemptId,
    workload: WorkloadRef,
    request: ChangeRequest,
) -> Served {
    let read = |world: &World| {
        let key = Key::new(&workload.namespace, &workload.name);
        with_kind(workload.kind.as_str(), Read { world, key }).flatten()
    };
    let before = read(world);
    let outcome = change(world, &workload, &request, FIELD_MANAGER);
    let is_made = matches!(outcome, Outcome::Done { .. });
    let after = read(world).filter(|_| is_made);
    let made = is_made.then_some(Accepted {
        at: world.now,
        attempt,
        workload,
        request,
        before,
        after,
    });
    (Some(Event::Outcome(attempt, outcome)), made)
}
