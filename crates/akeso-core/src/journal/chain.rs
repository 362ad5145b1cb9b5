//! The hash chain: each entry's hash is over the hash before it and the entry's canonical form.

use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Entry, Fact};
use crate::digest::hex;

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
    use crate::{journal::End, workload::IncidentId};
    use proptest::prelude::*;

    fn chain_of(count: u8) -> Vec<Entry> {
        let mut chain = Chain::default();
        (0..count)
            .map(|n| {
                let end = End::dismissed(format!("number {n}"));
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
