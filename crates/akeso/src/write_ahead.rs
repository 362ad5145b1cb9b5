//! The journal before the deed: entries go to disk before the effects behind them are let through.
//!
//! **Invariant:** if the entries cannot be written, no change is let through. They are kept, and
//! writing them is tried again with whatever comes next.

use akeso_core::{engine::Effect, journal::Entry, retention::Segment, workload::AttemptId};
use jiff::Timestamp;

use crate::store::{Store, StoreError};

/// Writes entries, and holds changes back that must not be made without them.
pub struct WriteAhead {
    store: Option<Store>,
    unwritten: Vec<Entry>,
    /// What is done when the entries before it are written: taking changes back, and finding out
    /// what became of one. A change that was decided on meanwhile is old by then, and is not.
    held: Vec<Effect>,
    failure: Option<String>,
}

/// What became of a list of effects.
#[derive(Debug, Default)]
pub struct Passed {
    /// The entries among them.
    pub entries: Vec<Entry>,
    /// The effects that may be executed.
    pub effects: Vec<Effect>,
    /// The changes that are not made.
    pub withheld: Vec<AttemptId>,
}

impl WriteAhead {
    /// Writes to `store`; a scan, which changes nothing, keeps none.
    pub const fn new(store: Option<Store>) -> Self {
        Self {
            store,
            unwritten: Vec::new(),
            held: Vec::new(),
            failure: None,
        }
    }

    /// Why the entries cannot be written, if they cannot.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Writes the journal entries among effects to disk, and says which of the others may be
    /// executed.
    pub fn pass(&mut self, effects: Vec<Effect>) -> Passed {
        let mut passed = Passed::default();
        let mut others = std::mem::take(&mut self.held);
        for effect in effects {
            match effect {
                Effect::Journal(entry) => passed.entries.push(entry),
                other => others.push(other),
            }
        }
        self.unwritten.extend(passed.entries.iter().cloned());
        let is_written = self.write();
        for effect in others {
            match effect {
                Effect::Apply {
                    attempt,
                    ref request,
                    ..
                } if !is_written && !request.takes_back() => passed.withheld.push(attempt),
                Effect::Apply { .. } | Effect::Settle { .. } if !is_written => {
                    self.held.push(effect);
                }
                // what is asked must be on disk first; without it there is no advice
                Effect::Consult { .. } if !is_written => {}
                other => passed.effects.push(other),
            }
        }
        passed
    }

    /// The longest beginning of the journal that is older than `cutoff` and may be taken out.
    pub fn oldest_before(&self, cutoff: Timestamp) -> Result<Option<Segment>, StoreError> {
        match &self.store {
            Some(store) => store.oldest_before(cutoff),
            None => Ok(None),
        }
    }

    fn write(&mut self) -> bool {
        let written = match &mut self.store {
            Some(store) if !self.unwritten.is_empty() => store.append(&self.unwritten),
            Some(_) | None => Ok(()),
        };
        match written {
            Ok(()) => {
                self.unwritten.clear();
                if self.failure.take().is_some() {
                    eprintln!("akeso: the store can be written again");
                }
                true
            }
            Err(error) => {
                let why = error.to_string();
                if self.failure.as_ref() != Some(&why) {
                    eprintln!("akeso: {why}; nothing is changed until it can be");
                }
                self.failure = Some(why);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Reader;
    use akeso_core::{
        engine::{ChangeRequest, Made, Product},
        journal::{Chain, End, Fact},
        workload::{IncidentId, WorkloadKind, WorkloadRef},
    };

    fn effects(chain: &mut Chain) -> Vec<Effect> {
        let fact = Fact::Closed {
            incident: IncidentId(1),
            end: End::Healed,
        };
        let workload = WorkloadRef {
            kind: WorkloadKind::Deployment,
            namespace: "shop".into(),
            name: "web".into(),
        };
        vec![
            Effect::Journal(chain.append(fact, jiff::Timestamp::UNIX_EPOCH)),
            Effect::Apply {
                attempt: AttemptId(1),
                workload,
                request: ChangeRequest::Patch(Vec::new()),
            },
        ]
    }

    #[test]
    fn a_change_is_let_through_when_its_intent_is_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("akeso.db");
        let mut ahead = WriteAhead::new(Some(
            Store::open(&path, &folder.path().join("key.pem")).unwrap(),
        ));
        let passed = ahead.pass(effects(&mut Chain::default()));
        assert_eq!((passed.effects.len(), passed.withheld.len()), (1, 0));
        assert_eq!(
            Reader::open(&path).unwrap().journal().unwrap().entries,
            passed.entries
        );
    }

    #[test]
    fn while_the_store_cannot_be_written_no_change_is_made_and_no_entry_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("akeso.db");
        let store = Store::open(&path, &folder.path().join("key.pem")).unwrap();
        store.refuse_writes(true);
        let mut ahead = WriteAhead::new(Some(store));
        let mut chain = Chain::default();
        let passed = ahead.pass(effects(&mut chain));
        assert_eq!(
            (passed.effects.len(), passed.withheld),
            (0, vec![AttemptId(1)])
        );
        let written = || Reader::open(&path).unwrap().journal().unwrap().entries;
        assert_eq!(written(), []);

        ahead.store.as_ref().unwrap().refuse_writes(false);
        let passed = ahead.pass(effects(&mut chain));
        assert_eq!((passed.effects.len(), passed.withheld.len()), (1, 0));
        assert_eq!(written().len(), 2);
    }

    #[test]
    fn taking_back_waits_for_the_store_and_is_done_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("akeso.db");
        let store = Store::open(&path, &folder.path().join("key.pem")).unwrap();
        let mut ahead = WriteAhead::new(Some(store));
        let mut chain = Chain::default();
        let [
            entry,
            Effect::Apply {
                attempt, workload, ..
            },
        ] = <[Effect; 2]>::try_from(effects(&mut chain)).unwrap()
        else {
            panic!("an entry and a change");
        };
        let request = ChangeRequest::Remove(Made {
            what: Product::TrialPod,
            name: "web-trial-1".into(),
            mark: attempt.to_string(),
        });
        let take_back = Effect::Apply {
            attempt,
            workload,
            request,
        };
        ahead.store.as_ref().unwrap().refuse_writes(true);
        let passed = ahead.pass(vec![entry, take_back.clone()]);
        assert_eq!((passed.effects.len(), passed.withheld.len()), (0, 0));
        assert!(ahead.failure().is_some());

        ahead.store.as_ref().unwrap().refuse_writes(false);
        assert_eq!(ahead.pass(Vec::new()).effects, [take_back]);
        assert!(ahead.failure().is_none() && ahead.pass(Vec::new()).effects.is_empty());
    }
}
