//! What is to be done when: the virtual clock's alarms.

use std::collections::BTreeMap;

use akeso_core::cluster::{Key, Kind};
use jiff::Timestamp;

/// Something that is to be done.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Work {
    /// A request reaches the API server, or its answer comes back; by number.
    Request(u64),
    /// The controller of an object looks at it.
    Reconcile(Kind, Key),
    /// The scheduler looks at a pod.
    Schedule(Key),
    /// The kubelet looks at a pod.
    Kubelet(Key),
}

/// The alarms, each set to its earliest time: whatever is done looks at everything that is due
/// and sets its own next alarm.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    alarms: BTreeMap<Work, Timestamp>,
}

impl Agenda {
    /// Has work done at a time, or before if it is due sooner already.
    pub(crate) fn add(&mut self, work: Work, at: Timestamp) {
        let alarm = self.alarms.entry(work).or_insert(at);
        *alarm = at.min(*alarm);
    }

    /// When there is something to do next.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.alarms.values().min().copied()
    }

    /// Takes out the first thing that is due.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<(Work, Timestamp)> {
        let due = self.alarms.iter().filter(|(_, at)| **at <= now);
        let (work, at) = due.min_by_key(|(_, at)| **at)?;
        let (work, at) = (work.clone(), *at);
        self.alarms.remove(&work);
        Some((work, at))
    }
}
