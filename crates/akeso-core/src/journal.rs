//! The journal: everything that was seen, decided and done, append-only and hash-chained.
//!
//! Audit, learning, reports and the text on the terminal are read from it; nothing else stores
//! state twice. Each entry's hash is SHA-256 over the hash before it and the entry's JSON with its
//! keys in order, so that an entry which is changed, removed or moved breaks the chain.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    act::{Action, Change, PatchOp},
    diagnose::Diagnosis,
    digest::hex,
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
        /// The failure.
        fingerprint: Fingerprint,
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
    },
}

impl Fact {
    /// The incident that it is about.
    pub const fn incident(&self) -> Option<IncidentId> {
        match self {
            Self::Opened { incident, .. }
            | Self::Diagnosed { incident, .. }
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
            Self::Forgotten { .. } | Self::Sealed { .. } => None,
        }
    }
}

/// The end of the chain, to which entries are appended.
#[derive(Debug, Clone)]
pub struct Chain {
    seq: u64,
    hash: String,
}

impl Default for Chain {
    fn default() -> Self {
        Self {
            seq: 0,
            hash: "0".repeat(64),
        }
    }
}

/// Why a chain of entries is not whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A number is missing or out of order.
    #[error(
        "entry {found} follows where entry {expected} should: entries were removed, inserted or moved"
    )]
    Gap {
        /// The number that should follow.
        expected: u64,
        /// The number that does.
        found: u64,
    },
    /// An entry does not follow from the one before it, or is not what was written.
    #[error("entry {seq} is not what was written: it or the entry before it was changed")]
    Changed {
        /// Its number.
        seq: u64,
    },
}

impl Chain {
    /// The chain behind entries that are no longer there: the last of them, and its hash.
    pub const fn after(seq: u64, hash: String) -> Self {
        Self { seq, hash }
    }

    /// The number of the last entry; 0 before the first.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// The hash of the last entry; 64 zeros before the first.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Appends a fact.
    pub fn append(&mut self, fact: Fact, at: Timestamp) -> Entry {
        let seq = self.seq + 1;
        let mut entry = Entry {
            seq,
            at,
            fact,
            previous: self.hash.clone(),
            hash: String::new(),
        };
        entry.hash = hash(&entry);
        self.seq = seq;
        self.hash.clone_from(&entry.hash);
        entry
    }

    /// Follows the chain over an entry that was written before.
    pub fn follow(&mut self, entry: &Entry) -> Result<(), Broken> {
        let expected = self.seq + 1;
        if entry.seq != expected {
            return Err(Broken::Gap {
                expected,
                found: entry.seq,
            });
        }
        if entry.previous != self.hash || entry.hash != hash(entry) {
            return Err(Broken::Changed { seq: entry.seq });
        }
        self.seq = entry.seq;
        self.hash.clone_from(&entry.hash);
        Ok(())
    }
}

fn hash(entry: &Entry) -> String {
    // serialising plain data with string keys cannot fail
    hash_of(serde_json::to_value(entry).unwrap_or_default())
}

/// The hash of an entry's JSON: SHA-256 over the canonical form without the entry's own hash.
pub fn hash_of(mut entry: Value) -> String {
    if let Some(members) = entry.as_object_mut() {
        members.remove("hash");
    }
    hex(&Sha256::digest(canonical(entry)))
}

/// The canonical form: JSON without spaces, keys sorted at every level.
pub fn canonical(value: Value) -> String {
    sorted(value).to_string()
}

/// Sorted by hand: a dependency that switches on `serde_json`'s `preserve_order` must not change
/// what is hashed.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let ordered: std::collections::BTreeMap<_, _> =
                members.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            Value::Object(ordered.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => scalar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chain_of(count: u8) -> Vec<Entry> {
        let mut chain = Chain::default();
        (0..count)
            .map(|n| {
                let end = End::Dismissed {
                    why: format!("number {n}"),
                };
                chain.append(
                    Fact::Closed {
                        incident: IncidentId(u64::from(n)),
                        end,
                    },
                    Timestamp::UNIX_EPOCH,
                )
            })
            .collect()
    }

    fn follow(entries: &[Entry]) -> Result<(), Broken> {
        let mut chain = Chain::default();
        entries.iter().try_for_each(|entry| chain.follow(entry))
    }

    #[test]
    fn an_entry_reads_back_as_it_was_written() {
        for entry in chain_of(3) {
            let line = serde_json::to_string(&entry).unwrap();
            assert_eq!(serde_json::from_str::<Entry>(&line).unwrap(), entry);
        }
    }

    proptest! {
        #[test]
        fn a_whole_chain_is_followed_to_its_end(count in 0_u8..20) {
            prop_assert_eq!(follow(&chain_of(count)), Ok(()));
        }

        #[test]
        fn a_removed_or_swapped_entry_is_found(count in 3_u8..20, at in 0_usize..20, swap in any::<bool>()) {
            let mut entries = chain_of(count);
            let at = at % (entries.len() - 1);
            if swap { entries.swap(at, at + 1); } else { entries.remove(at); }
            prop_assert!(follow(&entries).is_err());
        }

        #[test]
        fn a_changed_entry_is_found_and_named(count in 1_u8..20, at in 0_usize..20) {
            let mut entries = chain_of(count);
            let at = at % entries.len();
            entries[at].fact = Fact::Closed { incident: IncidentId(99), end: End::Healed };
            prop_assert_eq!(follow(&entries), Err(Broken::Changed { seq: entries[at].seq }));
        }
    }
}
