//! What the engine is told: what the watches say, answers, outcomes, and what people say.

use crate::{
    act::Action,
    cluster::{Kind, Object, ObjectRef},
    consult::{Prompt, Reply},
    evidence::{Answer, Question},
    journal::Outcome,
    policy::Settings,
    workload::{AttemptId, IncidentId},
};

use super::Incident;

/// What the engine is told.
#[derive(Debug)]
pub enum Event {
    /// An object is new or has changed.
    Upserted(Object),
    /// An object is gone.
    Deleted(ObjectRef),
    /// All objects of a kind, after a watch had to begin anew.
    Relisted(Kind, Vec<Object>),
    /// Every kind has been listed: from here on the engine judges what it sees.
    Synced,
    /// Look at everything again.
    Recheck,
    /// The time that [`Engine::next_wake`](super::Engine::next_wake) named has come.
    Tick,
    /// An answer to a question of an incident, or of none.
    Answered(Option<IncidentId>, Question, Answer),
    /// A prompt of an incident without what Secrets hold, or why it cannot be had.
    Redacted(IncidentId, Result<Prompt, String>),
    /// What came of asking a model.
    Replied(IncidentId, Reply),
    /// The outcome of a change, or of taking one back.
    Outcome(AttemptId, Outcome),
    /// A person has said something.
    Requested(Request),
    /// The settings are others from here on.
    Configured(Box<Settings>),
    /// The journal cannot be written; why, for people.
    StoreFailed(String),
    /// The journal can be written again, and is whole.
    StoreRecovered,
}

/// What a person can say.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// A step that asks may be executed.
    Consent {
        /// The attempt that was proposed.
        attempt: AttemptId,
        /// Who says so.
        by: String,
    },
    /// A step that asks is not to be executed.
    Decline {
        /// The attempt that was proposed.
        attempt: AttemptId,
        /// Who says so.
        by: String,
    },
    /// What somebody wants to know of an open incident is to be passed on to the language model;
    /// [`Engine::why_not_ask`](super::Engine::why_not_ask) says whether it can be.
    Ask {
        /// The incident.
        incident: IncidentId,
        /// The question.
        question: String,
        /// Who asks.
        by: String,
    },
    /// A step that asks is to be executed with other values; it is asked again.
    Amend {
        /// The attempt that was proposed.
        attempt: AttemptId,
        /// What is to be done instead: the same but for the values that a person may choose.
        action: Box<Action>,
        /// Who says so.
        by: String,
    },
    /// What a person was told of is to be looked at anew.
    Reconsider {
        /// The incident.
        incident: IncidentId,
        /// Who says so.
        by: String,
    },
    /// A change is to be taken back.
    TakeBack {
        /// Its incident, as the journal has it.
        incident: Box<Incident>,
        /// The attempt.
        attempt: AttemptId,
        /// Who says so.
        by: String,
    },
}
