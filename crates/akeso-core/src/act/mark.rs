//! What Akeso writes on objects to know them again: `attempt-7-3f9a2c`.
//!
//! A workload outlives the store. An attempt's number alone would be the next store's as well: its
//! marks, its trial pods and the answers of people that are still there would be taken for ours. So
//! a mark says of which journal the number is.
//!
//! The journal's name is taken from the hash of its first entry, which holds when something was
//! opened, to the nanosecond, and the uid of what: no other journal begins with it. It needs no
//! randomness, which this crate does not have, and no fact of its own, so that journals that were
//! begun before have their name too. What an attempt of theirs wrote without it is read from the
//! change that is in the journal.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{journal::Entry, workload::AttemptId};

/// So many hexadecimal digits: of 5,000 stores of one cluster two have the same with a chance of a
/// half, and then their attempts would have to have the same number on the same workload.
const DIGITS: usize = 6;

/// The name of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreId(String);

impl StoreId {
    /// The name of the journal of which this is the first entry, or the first that is known.
    pub fn of(first: &Entry) -> Self {
        Self(first.hash.chars().take(DIGITS).collect())
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An attempt, by the number that it has in its journal and by the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    attempt: AttemptId,
    store: Option<StoreId>,
}

impl Mark {
    /// The mark of a journal's attempt.
    pub const fn new(attempt: AttemptId, store: Option<StoreId>) -> Self {
        Self { attempt, store }
    }

    /// The attempt that a mark of this journal is of; nothing if it is of another.
    pub fn read(text: &str, store: &StoreId) -> Option<AttemptId> {
        let attempt: AttemptId = text.strip_suffix(&format!("-{store}"))?.parse().ok()?;
        // a number alone parses as well
        (Self::new(attempt, Some(store.clone())).to_string() == text).then_some(attempt)
    }

    /// What stands behind `-trial-` in the name of a trial pod.
    pub(super) fn suffix(&self) -> String {
        match &self.store {
            Some(store) => format!("{}-{store}", self.attempt.0),
            None => self.attempt.0.to_string(),
        }
    }
}

impl From<AttemptId> for Mark {
    fn from(attempt: AttemptId) -> Self {
        Self::new(attempt, None)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.store {
            Some(store) => write!(f, "{}-{store}", self.attempt),
            None => self.attempt.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_in_the_journal_that_it_is_of_and_in_no_other() {
        let store = StoreId("3f9a2c".to_owned());
        let mark = Mark::new(AttemptId(7), Some(store.clone()));
        assert_eq!(mark.to_string(), "attempt-7-3f9a2c");
        assert_eq!(mark.suffix(), "7-3f9a2c");
        assert_eq!(Mark::read("attempt-7-3f9a2c", &store), Some(AttemptId(7)));
        for other in [
            "attempt-7",
            "attempt-7-3f9a2d",
            "attempt-7-3f9a2c-taken-back",
            "7-3f9a2c",
            "attempt-07-3f9a2c",
            "attempt--3f9a2c",
            "",
        ] {
            assert_eq!(Mark::read(other, &store), None, "{other}");
        }
        assert_eq!(Mark::from(AttemptId(7)).to_string(), "attempt-7");
    }
}
