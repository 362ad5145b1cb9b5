//! Retention: which of the oldest entries may be taken out of the store.
//!
//! It is always the beginning of the journal, and it cuts through no incident: whoever folds what
//! is left finds each incident whole or not at all. The entry that records it
//! ([`Fact::Sealed`]) holds what must outlive it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::{
    journal::{Entry, Fact},
    workload::IncidentId,
};

/// Entries are kept at least so long: the gate's budgets look back an hour, and whoever comes back
/// after a weekend wants to see what happened.
pub const SHORTEST: SignedDuration = SignedDuration::from_hours(48);

/// A run of entries that may be taken out, and what ties it into the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The number of its first entry.
    pub first: u64,
    /// The number of its last entry.
    pub last: u64,
    /// The hash of the entry before the first; 64 zeros where there was none.
    pub previous: String,
    /// The hash of the last entry.
    pub hash: String,
}

/// Looks for the longest beginning of a journal that may be taken out. It is shown every entry, in
/// order, and keeps little of each.
#[derive(Debug)]
pub struct Search {
    cutoff: Timestamp,
    old: Vec<Old>,
    has_young: bool,
    incidents: BTreeMap<IncidentId, Last>,
}

/// An entry of the beginning that is old enough.
#[derive(Debug)]
struct Old {
    seq: u64,
    incident: Option<IncidentId>,
    previous: String,
    hash: String,
    is_checkpoint: bool,
}

/// The last entry about an incident.
#[derive(Debug)]
struct Last {
    seq: u64,
    closes: bool,
}

impl Search {
    /// A search for entries that are older than `cutoff`.
    pub const fn before(cutoff: Timestamp) -> Self {
        Self {
            cutoff,
            old: Vec::new(),
            has_young: false,
            incidents: BTreeMap::new(),
        }
    }

    /// Takes in the next entry.
    pub fn see(&mut self, entry: &Entry) {
        self.has_young |= entry.at >= self.cutoff;
        let incident = entry.fact.incident();
        if let Some(incident) = incident {
            let last = Last {
                seq: entry.seq,
                closes: matches!(entry.fact, Fact::Closed { .. }),
            };
            self.incidents.insert(incident, last);
        }
        if !self.has_young {
            self.old.push(Old {
                seq: entry.seq,
                incident,
                previous: entry.previous.clone(),
                hash: entry.hash.clone(),
                is_checkpoint: matches!(entry.fact, Fact::Sealed { .. }),
            });
        }
    }

    /// What may be taken out, after every entry was seen. Nothing if that is only what earlier
    /// retention wrote down: it would be replaced by as much.
    pub fn segment(&self) -> Option<Segment> {
        let mut needed = 0; // the last entry of all incidents so far
        let mut end = None;
        for (index, old) in self.old.iter().enumerate() {
            match old
                .incident
                .and_then(|incident| self.incidents.get(&incident))
            {
                Some(last) if last.closes => needed = needed.max(last.seq),
                Some(_) => break, // still open
                None => {}
            }
            if needed <= old.seq {
                end = Some(index);
            }
        }
        let taken = self.old.get(..=end?)?;
        let (first, last) = (taken.first()?, taken.last()?);
        taken.iter().any(|old| !old.is_checkpoint).then(|| Segment {
            first: first.seq,
            last: last.seq,
            previous: first.previous.clone(),
            hash: last.hash.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Chain, End};
    use crate::workload::{WorkloadKind, WorkloadRef};
    use proptest::prelude::*;

    fn opened(incident: u64) -> Fact {
        Fact::Opened {
            incident: IncidentId(incident),
            workload: WorkloadRef {
                kind: WorkloadKind::Deployment,
                namespace: "shop".to_owned(),
                name: format!("web-{incident}"),
            },
            symptoms: Vec::new(),
            uid: None,
            was_well: false,
            good: None,
        }
    }

    fn closed(incident: u64) -> Fact {
        Fact::Closed {
            incident: IncidentId(incident),
            end: End::Healed,
        }
    }

    fn checkpoint() -> Fact {
        Fact::Sealed {
            through: 0,
            through_hash: "0".repeat(64),
            patterns: Vec::new(),
            standings: Vec::new(),
            articles: BTreeMap::new(),
            store: None,
            last_incident: 0,
            last_attempt: 0,
        }
    }

    fn hour(hour: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hour)
    }

    /// A journal with an entry an hour.
    fn journal(facts: Vec<Fact>) -> Vec<Entry> {
        let mut chain = Chain::default();
        (0..)
            .zip(facts)
            .map(|(n, fact)| chain.append(fact, hour(n)))
            .collect()
    }

    fn search(journal: &[Entry], cutoff: i64) -> Option<Segment> {
        let mut search = Search::before(hour(cutoff));
        for entry in journal {
            search.see(entry);
        }
        search.segment()
    }

    fn last(facts: Vec<Fact>, cutoff: i64) -> Option<u64> {
        search(&journal(facts), cutoff).map(|segment| segment.last)
    }

    #[test]
    fn what_is_older_than_the_cutoff_may_go_and_nothing_younger() {
        let facts = || vec![opened(1), closed(1), opened(2), closed(2)];
        assert_eq!(last(facts(), 0), None);
        assert_eq!(last(facts(), 2), Some(2));
        assert_eq!(last(facts(), 9), Some(4));
    }

    #[test]
    fn an_incident_that_is_open_or_was_closed_later_stays_whole() {
        assert_eq!(last(vec![opened(1), closed(1), opened(2)], 9), Some(2));
        assert_eq!(last(vec![opened(1), opened(2), closed(2)], 9), None);
        // closed after the cutoff
        assert_eq!(
            last(vec![opened(1), closed(1), opened(2), closed(2)], 3),
            Some(2)
        );
        // two that overlap go together or not at all
        let overlapping = || vec![opened(1), opened(2), closed(1), closed(2)];
        assert_eq!(last(overlapping(), 3), None);
        assert_eq!(last(overlapping(), 4), Some(4));
    }

    #[test]
    fn checkpoints_alone_are_not_worth_another() {
        assert_eq!(last(vec![checkpoint(), checkpoint()], 9), None);
        assert_eq!(last(vec![checkpoint(), opened(1), closed(1)], 9), Some(3));
    }

    #[test]
    fn a_segment_ties_what_was_before_it_to_what_follows() {
        let journal = journal(vec![opened(1), closed(1), opened(2), closed(2)]);
        let segment = search(&journal, 2).unwrap();
        assert_eq!((segment.first, segment.previous), (1, "0".repeat(64)));
        let mut chain = Chain::after(segment.last, segment.hash);
        for entry in &journal[2..] {
            chain.follow(entry).unwrap();
        }
    }

    proptest! {
        #[test]
        fn no_incident_is_cut_through_and_no_more_could_go(
            order in proptest::collection::vec(0_u64..6, 0..24), cutoff in 0_i64..24,
        ) {
            let mut seen = std::collections::BTreeSet::new();
            let facts: Vec<_> = order
                .iter()
                .map(|id| if seen.insert(*id) { opened(*id) } else { closed(*id) })
                .collect();
            let journal = journal(facts);
            let may_go = |count: usize| {
                let (gone, left) = journal.split_at(count);
                gone.iter().all(|entry| entry.at < hour(cutoff)
                    && left.iter().all(|other| other.fact.incident() != entry.fact.incident())
                    && gone.iter().rfind(|other| other.fact.incident() == entry.fact.incident())
                        .is_some_and(|last| matches!(last.fact, Fact::Closed { .. })))
            };
            let longest = (0..=journal.len()).rev().find(|count| may_go(*count)).unwrap_or(0);
            let found = search(&journal, cutoff).map_or(0, |segment| segment.last);
            prop_assert_eq!(found, longest as u64);
        }
    }
}
