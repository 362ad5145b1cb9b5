//! What the engine wants done. Executed by the rim, in this order and no other.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    act::{Change, PatchOp, RERUN, TRIAL},
    cluster::Kind,
    consult::Prompt,
    evidence::Question,
    journal::Entry,
    workload::{AttemptId, IncidentId, WorkloadRef},
};

/// What the rim is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Write an entry to the journal, on disk, before anything that follows.
    Journal(Entry),
    /// Find the answer to a question; it must be answered, if only with [`Answer::Unknown`](crate::evidence::Answer::Unknown).
    Gather {
        /// The incident that wants to know; none where an object cannot be judged without it.
        incident: Option<IncidentId>,
        /// Where.
        namespace: String,
        /// What.
        question: Question,
    },
    /// Free a prompt of what the Secrets of a namespace hold, which only the rim can see; it must be
    /// told, if only that it cannot be done.
    Redact {
        /// The incident.
        incident: IncidentId,
        /// Where the Secrets are.
        namespace: String,
        /// The prompt.
        prompt: Prompt,
    },
    /// Ask a model; what came of it must be told.
    Consult {
        /// The incident.
        incident: IncidentId,
        /// What it is sent, as the journal has it.
        prompt: Prompt,
    },
    /// Make a change; its outcome must be told.
    Apply {
        /// The attempt.
        attempt: AttemptId,
        /// The workload.
        workload: WorkloadRef,
        /// What to send.
        request: ChangeRequest,
    },
    /// An intent was journalled and the program ended before its outcome was: read the object and
    /// tell the outcome.
    Settle {
        /// The attempt.
        attempt: AttemptId,
        /// The workload.
        workload: WorkloadRef,
        /// What was to be sent.
        request: ChangeRequest,
    },
    /// Tell the workload's owner, as a Kubernetes Event on the workload.
    Announce {
        /// The workload.
        workload: WorkloadRef,
        /// Its uid, by which `kubectl describe` finds the Event.
        uid: Option<String>,
        /// What about.
        reason: Announcement,
        /// In a sentence.
        note: String,
    },
}

/// A request to the API server that changes something.
#[derive(Debug, Clone, PartialEq)]
pub enum ChangeRequest {
    /// A JSON Patch of the workload, dry-run first.
    Patch(Vec<PatchOp>),
    /// The eviction of a pod of the workload.
    Evict {
        /// The pod's name.
        pod: String,
        /// Its uid.
        uid: String,
    },
    /// An object is made, dry-run first.
    Create {
        /// What it is known by.
        made: Made,
        /// The object.
        object: Value,
    },
    /// It is removed, if it bears its mark.
    Remove(Made),
    /// A Role and a `RoleBinding` are made, dry-run first.
    Grant(Granted),
    /// They are removed, if they bear this mark and are still as they were made.
    Revoke(Granted),
}

/// An object of Akeso's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// What it is.
    pub what: Product,
    /// Its name.
    pub name: String,
    /// The mark that it bears as its label.
    pub mark: String,
}

/// What Akeso makes beside a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// A pod with a change that is tried.
    TrialPod,
    /// A Job that is run again.
    Rerun,
}

impl Product {
    /// Its kind.
    pub const fn kind(self) -> Kind {
        match self {
            Self::TrialPod => Kind::Pod,
            Self::Rerun => Kind::Job,
        }
    }

    /// The label that bears the mark.
    pub const fn label(self) -> &'static str {
        match self {
            Self::TrialPod => TRIAL,
            Self::Rerun => RERUN,
        }
    }
}

/// A Role and a `RoleBinding` of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Granted {
    /// Their name.
    pub name: String,
    /// The mark that they bear as their label [`GRANT`](crate::act::GRANT).
    pub mark: String,
    /// The Role.
    pub role: Value,
    /// The `RoleBinding`.
    pub binding: Value,
}

/// Behind the attempt's mark in that of a patch that takes the attempt back.
const TAKEN_BACK: &str = "-taken-back";

impl ChangeRequest {
    /// The request that makes a change.
    pub(super) fn making(change: &Change) -> Self {
        match change {
            Change::Patch { forward, .. } => Self::Patch(forward.clone()),
            Change::Evict { pod, uid } => Self::Evict {
                pod: pod.clone(),
                uid: uid.clone(),
            },
            Change::Trial { name, pod: object } => Self::Create {
                made: made(change, Product::TrialPod, name),
                object: object.clone(),
            },
            Change::Rerun { name, job: object } => Self::Create {
                made: made(change, Product::Rerun, name),
                object: object.clone(),
            },
            Change::Grant {
                name,
                role,
                binding,
            } => Self::Grant(granted(change, name, role, binding)),
        }
    }

    /// The request that takes a change back, with a mark of its own; an eviction has none.
    pub(super) fn taking_back(attempt: AttemptId, change: &Change) -> Option<Self> {
        match change {
            Change::Patch { inverse, .. } => {
                let forward = change
                    .mark()
                    .map_or_else(|| attempt.to_string(), str::to_owned);
                let mark = PatchOp::mark(&(forward + TAKEN_BACK));
                Some(Self::Patch(inverse.iter().cloned().chain([mark]).collect()))
            }
            Change::Evict { .. } => None,
            Change::Grant {
                name,
                role,
                binding,
            } => Some(Self::Revoke(granted(change, name, role, binding))),
            Change::Trial { name, .. } => Some(Self::Remove(made(change, Product::TrialPod, name))),
            Change::Rerun { name, .. } => Some(Self::Remove(made(change, Product::Rerun, name))),
        }
    }

    /// What the annotation [`LAST_ATTEMPT`](crate::act::LAST_ATTEMPT) holds once the patch is made.
    pub fn mark(&self) -> Option<&str> {
        match self {
            Self::Patch(operations) => operations.iter().find_map(PatchOp::as_mark),
            Self::Evict { .. }
            | Self::Create { .. }
            | Self::Remove(_)
            | Self::Grant(_)
            | Self::Revoke(_) => None,
        }
    }

    /// Whether it takes an attempt back.
    pub fn takes_back(&self) -> bool {
        match self {
            Self::Patch(_) => self.mark().is_some_and(|mark| mark.ends_with(TAKEN_BACK)),
            Self::Remove(_) | Self::Revoke(_) => true,
            Self::Evict { .. } | Self::Create { .. } | Self::Grant(_) => false,
        }
    }
}

fn made(change: &Change, what: Product, name: &str) -> Made {
    Made {
        what,
        name: name.to_owned(),
        mark: change.mark().unwrap_or_default().to_owned(),
    }
}

fn granted(change: &Change, name: &str, role: &Value, binding: &Value) -> Granted {
    Granted {
        name: name.to_owned(),
        mark: change.mark().unwrap_or_default().to_owned(),
        role: role.clone(),
        binding: binding.clone(),
    }
}

/// The reasons of Akeso's Kubernetes Events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the reason of the same name")]
pub enum Announcement {
    Remediating,
    Remediated,
    RolledBack,
    NeedsAttention,
}
