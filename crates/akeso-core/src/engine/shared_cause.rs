//! What several incidents have in common: much that breaks at once, or a node. Actions on what it
//! concerns pause, and one incident tells of it.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;

use super::{Engine, State};
use crate::{
    journal::{End, Fact, SharedCause},
    workload::{IncidentId, WorkloadRef},
};

/// A node that is new is not ready at first, and nothing runs on it yet.
const TIME_TO_JOIN: SignedDuration = SignedDuration::from_mins(5);

impl Engine {
    /// Opens the shared incidents that there is cause for, and closes those that are over.
    pub(super) fn judge_shared_causes(&mut self, now: Timestamp) {
        if !self.is_synced {
            return;
        }
        self.judge_storm(now);
        self.judge_nodes(now);
    }

    fn judge_storm(&mut self, now: Timestamp) {
        let storm = self.settings.policy.storm;
        if let Some((id, ends)) = self.storm() {
            if ends <= now {
                let quiet = storm.quiet_for;
                self.close_shared(id, format!("nothing more has broken for {quiet:#}"), now);
            }
            return;
        }
        let since = now.checked_sub(storm.within).unwrap_or(Timestamp::MIN);
        let broken = self.recorder.ledger.broken_since(since);
        let of = broken + self.well.len();
        let share = broken.saturating_mul(100);
        // of one workload alone, nothing can be concluded
        let is_storm = self.settings.attended.is_none()
            && broken >= usize::try_from(storm.at_least.max(1)).unwrap_or(usize::MAX)
            && share > of.saturating_mul(usize::from(storm.share_percent));
        if is_storm {
            self.open_shared(SharedCause::Storm { broken, of }, now);
        }
    }

    /// The storm that is on, and when it ends if nothing more breaks.
    fn storm(&self) -> Option<(IncidentId, Timestamp)> {
        let mut shared = self.recorder.ledger.shared();
        let (id, storm) = shared.find(|(_, it)| matches!(it.cause, SharedCause::Storm { .. }))?;
        let last = self.recorder.ledger.last_newly_broken(storm.opened);
        let quiet_for = self.settings.policy.storm.quiet_for;
        let ends = last
            .unwrap_or(storm.opened)
            .max(storm.opened)
            .checked_add(quiet_for);
        Some((id, ends.unwrap_or(Timestamp::MAX)))
    }

    pub(super) fn storm_ends(&self) -> Option<Timestamp> {
        self.storm().map(|(_, ends)| ends)
    }

    fn judge_nodes(&mut self, now: Timestamp) {
        let known: Vec<_> = self
            .recorder
            .ledger
            .shared()
            .filter_map(|(id, shared)| match &shared.cause {
                SharedCause::Node { name, .. } => Some((id, name.clone())),
                SharedCause::Storm { .. } => None,
            })
            .collect();
        let lost: Vec<_> = self
            .cluster
            .nodes
            .values()
            .filter_map(|node| not_ready(node, now))
            .collect();
        for (id, name) in &known {
            if !lost.iter().any(|(lost, _)| lost == name) {
                self.close_shared(*id, format!("the node {name} is ready again, or gone"), now);
            }
        }
        for (name, why) in lost {
            if !known.iter().any(|(_, known)| *known == name) {
                self.open_shared(SharedCause::Node { name, why }, now);
            }
        }
    }

    fn open_shared(&mut self, cause: SharedCause, now: Timestamp) {
        let incident = self.recorder.ledger.next_incident();
        self.recorder
            .record(Fact::SharedOpened { incident, cause }, now);
        let open: Vec<_> = self.watched().map(|incident| incident.id).collect();
        for incident in open {
            self.advance(incident, now);
        }
    }

    fn close_shared(&mut self, incident: IncidentId, why: String, now: Timestamp) {
        let end = End::dismissed(why);
        self.recorder.record(Fact::Closed { incident, end }, now);
        self.release_joined(incident, now);
    }

    /// What waited for an incident that is over goes on.
    pub(super) fn release_joined(&mut self, incident: IncidentId, now: Timestamp) {
        let ledger = &self.recorder.ledger;
        let joined = ledger
            .open()
            .filter(|it| matches!(it.state, State::Joined { into, .. } if into == incident));
        let joined: Vec<_> = joined.map(|it| it.workload.clone()).collect();
        for workload in joined {
            self.look_at(&workload, now);
        }
    }

    /// The shared incident that concerns a workload, and what it is, for people.
    pub(super) fn shared_cause(&self, workload: &WorkloadRef) -> Option<(IncidentId, String)> {
        let mut shared = self
            .recorder
            .ledger
            .shared()
            .filter(|(_, shared)| match &shared.cause {
                SharedCause::Storm { .. } => true,
                SharedCause::Node { name, .. } => self.is_on_node(workload, name),
            });
        shared
            .next()
            .map(|(id, shared)| (id, shared.cause.to_string()))
    }

    fn is_on_node(&self, workload: &WorkloadRef, node: &str) -> bool {
        self.cluster.workload(workload).is_some_and(|workload| {
            let mut pods = workload.pods.iter().chain(&workload.old_pods);
            pods.any(|pod| {
                pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(node)
            })
        })
    }
}

/// The name of a node that is not ready, and what its condition says
/// (<https://kubernetes.io/docs/reference/node/node-status/#condition>).
fn not_ready(node: &Node, now: Timestamp) -> Option<(String, String)> {
    let made = node.metadata.creation_timestamp.as_ref();
    if made.is_some_and(|made| now.duration_since(made.0) < TIME_TO_JOIN) {
        return None;
    }
    let conditions = node.status.as_ref()?.conditions.as_ref()?;
    let ready = conditions
        .iter()
        .find(|condition| condition.type_ == "Ready")?;
    if ready.status == "True" || node.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let why = [ready.reason.as_deref(), ready.message.as_deref()];
    let why: Vec<_> = why.into_iter().flatten().collect();
    Some((node.metadata.name.clone()?, why.join(": ")))
}
