//! What lies between the engine and the cluster, and what goes wrong there.

use std::fmt;

use akeso_core::{
    cluster::Kind,
    engine::{Effect, Event},
};
use jiff::SignedDuration;

use crate::SimCluster;

/// What becomes of a request of the engine.
#[derive(Debug)]
pub enum Passage {
    /// It reaches the cluster.
    Arrives,
    /// It never does, and this is what the engine is told in the time that an answer takes.
    Answered(Event),
    /// It reaches the cluster, and its answer is lost. The object is read so much later, to see
    /// whether the change is there.
    AnswerLost(SignedDuration),
    /// It reaches the cluster, its answer is lost and the object cannot be read either; this is
    /// what the engine is told then.
    Unread(SignedDuration, Event),
}

/// The way of events to the engine and of requests to the cluster. As it is given here, nothing
/// goes wrong on it.
pub trait Network: fmt::Debug {
    /// How late an event reaches the engine, once for each time that it does. The events of one
    /// kind of objects stay in their order, as those of one watch do.
    fn delays(&mut self, _: &Event) -> Vec<SignedDuration> {
        vec![SignedDuration::ZERO]
    }

    /// What becomes of a request ([`Effect::Gather`], [`Effect::Redact`], [`Effect::Apply`] or
    /// [`Effect::Settle`]).
    /// What is done to the cluster here happens between the decision and the request's arrival.
    fn passage(&mut self, _: &Effect, _: &mut SimCluster) -> Passage {
        Passage::Arrives
    }
}

/// A network on which nothing goes wrong.
#[derive(Debug, Default)]
pub struct Flawless;

impl Network for Flawless {}

/// A network on which what the watches tell comes so much later than the answers to requests.
#[derive(Debug)]
pub struct LateWatches(pub SignedDuration);

impl Network for LateWatches {
    fn delays(&mut self, event: &Event) -> Vec<SignedDuration> {
        let is_of_a_watch = watched_kind(event).is_some();
        vec![if is_of_a_watch {
            self.0
        } else {
            SignedDuration::ZERO
        }]
    }
}

/// The kind whose watch tells of an event.
pub(crate) const fn watched_kind(event: &Event) -> Option<Kind> {
    match event {
        Event::Upserted(object) => Some(object.kind()),
        Event::Deleted(reference) => Some(reference.kind),
        Event::Relisted(kind, _) => Some(*kind),
        Event::Synced
        | Event::Recheck
        | Event::Tick
        | Event::Answered(..)
        | Event::Redacted(..)
        | Event::Replied(..)
        | Event::Outcome(..)
        | Event::Requested(_)
        | Event::Configured(_)
        | Event::StoreFailed(_)
        | Event::StoreRecovered => None,
    }
}
