//! The hands of Akeso: Kubernetes watches become the engine's events, and the engine's effects
//! become API calls.
//!
//! **Invariant:** nothing here decides. What is watched is told as it is; what is to be done is
//! done exactly as it was decided, once, or reported as not done.

mod announce;
mod apply;
mod connect;
mod gather;
pub mod permissions;
mod registry;
mod retry;
mod secrets;
mod usage;
mod watch;

use std::sync::Arc;

use akeso_core::engine::{Effect, Event};
use kube::Client;
use tokio::sync::mpsc;

pub use connect::{Access, ConnectError, Connected, Connection, connect, context_name};
pub use registry::{InvalidMirror, Mirrors};
pub use watch::Scope;

pub use akeso_core::FIELD_MANAGER;

/// Executes effects; their outcomes come back as events.
#[derive(Clone)]
pub struct Hands {
    client: Client,
    events: mpsc::UnboundedSender<Event>,
    registry: Arc<registry::Registry>,
    announcer: announce::Announcer,
}

impl Hands {
    /// Starts to watch `scope`; the events, and the outcomes of effects, come through the receiver.
    ///
    /// The channel has no bound of its own: what the API server sends is bounded by the cluster,
    /// and what the engine asks for by its incidents.
    pub fn start(
        client: Client,
        scope: &Scope,
        access: &Access,
        mirrors: Mirrors,
    ) -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (events, receiver) = mpsc::unbounded_channel();
        watch::start(&client, scope, access, &events);
        let hands = Self {
            announcer: announce::Announcer::new(client.clone()),
            registry: Arc::new(registry::Registry::new(mirrors)),
            client,
            events,
        };
        (hands, receiver)
    }

    /// Has the engine told what somebody else has found out.
    pub fn tell(&self, event: Event) {
        if self.events.send(event).is_err() {
            tracing::debug!("an answer came after the end");
        }
    }

    /// Begins to execute an effect. Journal entries, and asking a model, are the caller's.
    pub fn execute(&self, effect: Effect) {
        let hands = self.clone();
        tokio::spawn(async move {
            let event = match effect {
                // the caller's: neither is about the cluster
                Effect::Journal(_) | Effect::Consult { .. } => None,
                Effect::Gather {
                    incident,
                    namespace,
                    question,
                } => {
                    let answer =
                        gather::answer(&hands.client, &hands.registry, &namespace, &question).await;
                    Some(Event::Answered(incident, question, answer))
                }
                Effect::Redact {
                    incident,
                    namespace,
                    prompt,
                } => {
                    let prompt = secrets::removed(&hands.client, &namespace, prompt).await;
                    Some(Event::Redacted(incident, prompt))
                }
                Effect::Apply {
                    attempt,
                    workload,
                    request,
                } => Some(Event::Outcome(
                    attempt,
                    apply::apply(&hands.client, &workload, &request).await,
                )),
                Effect::Settle {
                    attempt,
                    workload,
                    request,
                } => Some(Event::Outcome(
                    attempt,
                    apply::settle(&hands.client, &workload, &request).await,
                )),
                Effect::Announce {
                    workload,
                    uid,
                    reason,
                    note,
                } => {
                    hands
                        .announcer
                        .announce(&workload, uid, reason, &note)
                        .await;
                    None
                }
            };
            if let Some(event) = event {
                hands.tell(event);
            }
        });
    }
}
