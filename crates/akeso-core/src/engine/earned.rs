//! Earned autonomy: an action that asks in a namespace acts there by itself when people have approved
//! it often enough and it has healed each time; it asks again at once when a person says no, or when
//! it has not helped.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    act::ActionKind,
    workload::{AttemptId, IncidentId},
};

/// What an action has earned in a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earned {
    /// The namespace.
    pub namespace: String,
    /// The action.
    pub action: ActionKind,
    /// How often people have approved it and it has healed, since it last did not.
    pub uses: u32,
    /// Whether it acts by itself.
    pub is_promoted: bool,
    /// Why it does not any more, while that is not in the journal yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
    /// The incident by which this has changed last.
    pub incident: IncidentId,
}

/// What every action has earned.
#[derive(Debug, Default)]
pub(super) struct Standings {
    all: BTreeMap<(String, ActionKind), Earned>,
    /// Attempts that a person has approved and that have no verdict yet.
    approved: BTreeSet<AttemptId>,
}

/// An action in a namespace, and the incident that tells of it.
pub(super) type Of<'a> = (&'a str, ActionKind, IncidentId);

impl Standings {
    fn of(&mut self, (namespace, action, incident): Of<'_>) -> &mut Earned {
        let earned = self.all.entry((namespace.to_owned(), action));
        let earned = earned.or_insert_with(|| Earned {
            namespace: namespace.to_owned(),
            action,
            uses: 0,
            is_promoted: false,
            lost: None,
            incident,
        });
        earned.incident = incident;
        earned
    }

    /// A person has approved an attempt.
    pub(super) fn approved(&mut self, attempt: AttemptId) {
        self.approved.insert(attempt);
    }

    /// An attempt has healed.
    pub(super) fn healed(&mut self, attempt: AttemptId, of: Of<'_>) {
        if self.approved.remove(&attempt) {
            let earned = self.of(of);
            earned.uses = earned.uses.saturating_add(1);
        }
    }

    /// An attempt has not helped, or a person does not want it.
    pub(super) fn lost(&mut self, attempt: AttemptId, of: Of<'_>, why: &str) {
        self.approved.remove(&attempt);
        let key = (of.0.to_owned(), of.1);
        if self.all.contains_key(&key) {
            let earned = self.of(of);
            earned.uses = 0;
            if earned.is_promoted {
                earned.lost.get_or_insert_with(|| why.to_owned());
            }
        }
    }

    /// The journal says that it acts by itself from here on, or asks.
    pub(super) fn promoted(&mut self, of: Of<'_>, is_promoted: bool) {
        let earned = self.of(of);
        (earned.is_promoted, earned.lost) = (is_promoted, None);
    }

    /// The actions that act by themselves in a namespace.
    pub(super) fn in_namespace(&self, namespace: &str) -> BTreeSet<ActionKind> {
        let all = self.all.values();
        let there = all.filter(|it| it.namespace == namespace && it.is_promoted);
        there
            .filter(|it| it.lost.is_none())
            .map(|it| it.action)
            .collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Earned> {
        self.all.values()
    }

    /// Puts those of a checkpoint in the place of all.
    pub(super) fn replace(&mut self, all: &[Earned]) {
        let named = |earned: &Earned| ((earned.namespace.clone(), earned.action), earned.clone());
        self.all = all.iter().map(named).collect();
    }
}
