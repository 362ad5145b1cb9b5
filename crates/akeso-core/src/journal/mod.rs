//! The journal: everything that was seen, decided and done, append-only and hash-chained.
//!
//! Audit, learning, reports and the text on the terminal are read from it; nothing else stores
//! state twice. Each entry's hash is SHA-256 over the hash before it and the entry's JSON with its
//! keys in order, so that an entry which is changed, removed or moved breaks the chain.

mod chain;

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use chain::{Broken, Chain, canonical, hash_of};

use crate::{
    act::{Action, ActionKind, Change, PatchOp, StoreId},
    cluster::GoodRevision,
    consult::{Advised, Prompt, Spend},
    diagnose::Diagnosis,
    engine::Earned,
    gate::Ruling,
    learn::{Fingerprint, Pattern},
    observe::Symptom,
    plan::{Plan, Step},
    workload::{AttemptId, IncidentId, WorkloadRef},
};

/// One entry of the journal. Serialised, it is one line of `-o json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub fact: Fact,
    /// The hash of the entry before it; 64 zeros for the first.
    pub previous: String,
    /// Its own hash.
    pub hash: String,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "kebab-case")]
pub enum Fact {
    /// A workload is broken: an incident is opened.
    Opened {
        /// The incident.
        incident: IncidentId,
        /// The workload.
        workload: WorkloadRef,
        /// What was seen.
        symptoms: Vec<Symptom>,
        /// The uid of its object: one of the same name that is made later is another workload.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uid: Option<String>,
        /// Whether the workload was well before, and Akeso saw it.
        was_well: bool,
        /// The revision that was good until this one replaced it, which no object tells.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        good: Option<GoodRevision>,
    },
    /// Much breaks at once, or a node does: actions on what it concerns pause until this incident,
    /// which the others share, is over.
    SharedOpened {
        /// The incident that they share.
        incident: IncidentId,
        /// What they have in common.
        cause: SharedCause,
    },
    /// An incident waits for another one with the same cause.
    Joined {
        /// The incident.
        incident: IncidentId,
        /// The one that it waits for.
        into: IncidentId,
        /// What of it is waited for.
        until: Until,
        /// What they have in common, for people.
        why: String,
    },
    /// What was planned is dropped, and the workload is looked at anew.
    Reconsidered {
        /// The incident.
        incident: IncidentId,
        /// Why, for people.
        why: String,
    },
    /// What an attempt had healed is broken again: its incident is open again.
    Reopened {
        /// The incident.
        incident: IncidentId,
        /// The attempt that had healed it.
        attempt: AttemptId,
        /// Why, for people.
        why: String,
    },
    /// The causes were found.
    Diagnosed {
        /// The incident.
        incident: IncidentId,
        /// The causes; the plan is for the first.
        diagnoses: Vec<Diagnosis>,
    },
    /// A language model is asked; it is only after this entry is on disk.
    Consulted {
        /// The incident.
        incident: IncidentId,
        /// The model's name.
        model: String,
        /// The failure; its answer holds for the same failure of the same program.
        failure: Fingerprint,
        /// What it is sent, without secrets.
        prompt: Prompt,
        /// What the call costs at most.
        most: Spend,
        /// Why its answer before this was refused, if this is the one more that it is allowed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
        /// Who wants to know, if it is a person's question.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// What came of that.
    Advised {
        /// The incident.
        incident: IncidentId,
        /// What it said, or why it did not.
        advised: Advised,
        /// What the call has cost.
        spend: Spend,
    },
    /// A plan was made.
    Planned {
        /// The incident.
        incident: IncidentId,
        /// The plan.
        plan: Plan,
    },
    /// The gate decided on a step.
    Gated {
        /// The incident.
        incident: IncidentId,
        /// The step's place in the plan, from 0.
        step: usize,
        /// The decision.
        ruling: Ruling,
    },
    /// A change will be made; it is made only after this entry is on disk.
    Intended {
        /// The incident.
        incident: IncidentId,
        /// The attempt.
        attempt: AttemptId,
        /// The step's place in the plan, from 0.
        step: usize,
        /// The exact change and how it is taken back.
        change: Change,
        /// How many pods were ready before it.
        ready_before: usize,
    },
    /// The API server's answer to an attempt.
    Applied {
        /// The incident.
        incident: IncidentId,
        /// The attempt.
        attempt: AttemptId,
        /// The answer.
        outcome: Outcome,
    },
    /// Whether an attempt helped.
    Judged {
        /// The incident.
        incident: IncidentId,
        /// The attempt.
        attempt: AttemptId,
        /// The verdict.
        verdict: Verdict,
        /// Why, for people.
        why: String,
        /// Who has changed the same fields, if somebody has.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// A change will be taken back; it is only after this entry is on disk.
    RollbackIntended {
        /// The incident.
        incident: IncidentId,
        /// The attempt that is taken back.
        attempt: AttemptId,
        /// The patch that takes it back; none for a trial, whose pod is removed.
        patch: Vec<PatchOp>,
    },
    /// The API server's answer to taking a change back.
    RolledBack {
        /// The incident.
        incident: IncidentId,
        /// The attempt.
        attempt: AttemptId,
        /// The answer.
        outcome: Outcome,
    },
    /// A trial pod was left over: nobody had been told that it was there, or its removal was
    /// refused. It is removed; only after this entry is on disk.
    TrialSwept {
        /// The attempt that it was.
        attempt: AttemptId,
        /// The workload whose change was tried.
        workload: WorkloadRef,
        /// The pod's name.
        pod: String,
    },
    /// A verified heal taught a pattern.
    Learned {
        /// The incident.
        incident: IncidentId,
        /// The failure.
        fingerprint: Fingerprint,
        /// What helped.
        action: Action,
    },
    /// A person had a pattern forgotten.
    Forgotten {
        /// The failure, with every narrower one.
        fingerprint: Fingerprint,
        /// The only action that is meant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        action: Option<ActionKind>,
    },
    /// A person had patterns taken in that were learned elsewhere.
    Imported {
        /// Where: the name of the other journal, or of the file.
        from: String,
        /// What was learned there.
        patterns: Vec<Pattern>,
        /// If it was the article's memory file, that file: it holds more than patterns.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        article: Option<Value>,
    },
    /// An action that asks in a namespace acts there by itself from here on.
    Promoted {
        /// The incident by which it has earned that.
        incident: IncidentId,
        /// The namespace.
        namespace: String,
        /// The action.
        action: ActionKind,
        /// So many approved uses have healed in a row.
        uses: u32,
    },
    /// It asks again.
    Demoted {
        /// The incident by which it has lost that.
        incident: IncidentId,
        /// The namespace.
        namespace: String,
        /// The action.
        action: ActionKind,
        /// Why.
        why: String,
    },
    /// A step waits for a person's consent.
    Asked {
        /// The incident.
        incident: IncidentId,
        /// The question.
        question: Box<Proposal>,
    },
    /// A person has consented to a step.
    Consented {
        /// The incident.
        incident: IncidentId,
        /// The attempt that was proposed.
        attempt: AttemptId,
        /// Who.
        by: String,
    },
    /// A person has declined a step.
    Declined {
        /// The incident.
        incident: IncidentId,
        /// The attempt that was proposed.
        attempt: AttemptId,
        /// Who.
        by: String,
    },
    /// A person wants an attempt taken back.
    Recalled {
        /// The incident.
        incident: IncidentId,
        /// The attempt.
        attempt: AttemptId,
        /// Who.
        by: String,
    },
    /// A person must act.
    Escalated {
        /// The incident.
        incident: IncidentId,
        /// Why Akeso does not.
        why: String,
        /// The command to begin with.
        command: String,
        /// When Akeso looks at it again by itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// The incident is over.
    Closed {
        /// The incident.
        incident: IncidentId,
        /// How it ended.
        end: End,
    },
    /// The oldest entries were taken out of the store. This entry holds what the whole journal
    /// amounts to here, so that the fold of what is left is the fold of everything.
    Sealed {
        /// The last entry that was taken out.
        through: u64,
        /// Its hash.
        through_hash: String,
        /// Everything that was learned so far.
        patterns: Vec<Pattern>,
        /// What actions have earned in namespaces.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        standings: Vec<Earned>,
        /// The article's memory files that were taken in, by name.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        articles: BTreeMap<String, Value>,
        /// The journal's name, which is that of its first entry.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        store: Option<StoreId>,
        /// How many incidents were numbered so far.
        last_incident: u64,
        /// How many attempts were numbered so far.
        last_attempt: u64,
    },
}

/// What an incident waits for when another one goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Until {
    /// That what is tried there has a verdict.
    Verdict,
    /// That it is over.
    End,
}

/// What several incidents have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "kebab-case")]
pub enum SharedCause {
    /// Many workloads that were well have broken within minutes.
    Storm {
        /// So many.
        broken: usize,
        /// Of so many.
        of: usize,
    },
    /// A node is not ready.
    Node {
        /// Its name.
        name: String,
        /// What its condition says.
        why: String,
    },
}

impl fmt::Display for SharedCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storm { broken, of } => write!(
                f,
                "{broken} of {of} workloads have broken within minutes: look for what they have in common"
            ),
            Self::Node { name, why } => write!(f, "the node {name} is not ready: {why}"),
        }
    }
}

impl SharedCause {
    /// The command to begin with.
    pub fn command(&self) -> String {
        match self {
            Self::Storm { .. } => {
                "kubectl get nodes; kubectl get events -A --sort-by=.lastTimestamp | tail -50"
                    .to_owned()
            }
            Self::Node { name, .. } => format!("kubectl describe node {name}"),
        }
    }
}

/// A step that a person is asked about: what is executed is exactly this.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// The attempt that it becomes; `akeso approve` takes it.
    pub attempt: AttemptId,
    /// The attempt's mark; the annotation `akeso.dev/approve` takes it. None in the journals of
    /// builds that took the attempt alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    /// The step's place in the plan, from 0.
    pub place: usize,
    /// The step.
    pub step: Step,
    /// The exact change.
    pub change: Change,
    /// The digest of the spec that it was decided on.
    pub decided_on: String,
    /// The change in lines for people: `spec.replicas: 2 -> 3`.
    pub diff: Vec<String>,
    /// The command that does the same by hand.
    pub command: String,
    /// Where to change it instead, if somebody else would set it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead: Option<String>,
    /// Until when it can be answered.
    pub expires: Timestamp,
}

/// The API server's answer to a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It is made.
    Done {
        /// The generation that the workload has by it, where it has one.
        generation: Option<i64>,
    },
    /// Somebody else changed the object first; nothing was done.
    Conflict {
        /// The API server's words.
        why: String,
    },
    /// Admission, quota or permission is against it; nothing was done.
    Refused {
        /// The API server's words.
        why: String,
    },
    /// The API server could not be asked; nothing was done.
    Failed {
        /// What went wrong.
        why: String,
    },
}

/// Whether an attempt helped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The workload is well, and stayed so for the window.
    Healed,
    /// What the attempt was for is gone, and something else has come to light.
    Partly,
    /// It did not help.
    NotHealed,
    /// Fewer pods are ready than before.
    Worse,
    /// Somebody else changed the same fields.
    Superseded,
    /// A trial pod with the change became ready and stayed so: the workload may follow.
    Passed,
}

/// How an incident ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "kebab-case")]
pub enum End {
    /// Akeso's change healed it, verified.
    Healed,
    /// It went away without Akeso, or was no fault.
    Dismissed {
        /// Why, for people.
        why: String,
        /// If there was a step that was only observed: what a person has done in its place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        came: Option<Came>,
    },
}

/// What was done on a workload that Akeso only observed, beside the step that it would have taken.
/// Whether it helped is not told by that, nor who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Came {
    /// The same.
    Same,
    /// What the step would have changed was changed, to something else: twice the memory, not four
    /// times.
    OtherValue,
    /// Something else of the workload was changed.
    SomethingElse,
    /// Nothing of the workload was changed: it went away by itself, or by what was done elsewhere.
    Unchanged,
    /// The action leaves nothing on the workload by which that could be told, or the workload is
    /// gone.
    Unknown,
}

impl End {
    /// Without anything having been done, or anything to tell of it.
    pub fn dismissed(why: impl Into<String>) -> Self {
        Self::Dismissed {
            why: why.into(),
            came: None,
        }
    }
}

impl Proposal {
    /// What an annotation must hold to answer it.
    pub fn mark(&self) -> String {
        let number = || self.attempt.to_string();
        self.mark.clone().unwrap_or_else(number)
    }
}

impl Fact {
    /// The incident that it is about.
    pub const fn incident(&self) -> Option<IncidentId> {
        match self {
            Self::Opened { incident, .. }
            | Self::Diagnosed { incident, .. }
            | Self::Consulted { incident, .. }
            | Self::Planned { incident, .. }
            | Self::Gated { incident, .. }
            | Self::Intended { incident, .. }
            | Self::Applied { incident, .. }
            | Self::Judged { incident, .. }
            | Self::RollbackIntended { incident, .. }
            | Self::RolledBack { incident, .. }
            | Self::Learned { incident, .. }
            | Self::SharedOpened { incident, .. }
            | Self::Joined { incident, .. }
            | Self::Reconsidered { incident, .. }
            | Self::Reopened { incident, .. }
            | Self::Asked { incident, .. }
            | Self::Consented { incident, .. }
            | Self::Declined { incident, .. }
            | Self::Recalled { incident, .. }
            | Self::Escalated { incident, .. }
            | Self::Closed { incident, .. } => Some(*incident),
            Self::TrialSwept { .. }
            | Self::Forgotten { .. }
            | Self::Imported { .. }
            // they come when their incident may be over
            | Self::Advised { .. }
            | Self::Promoted { .. }
            | Self::Demoted { .. }
            | Self::Sealed { .. } => None,
        }
    }
}
