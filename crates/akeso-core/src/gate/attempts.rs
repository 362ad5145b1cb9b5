//! A workload on which attempts keep failing is closed for a while, each time for longer; what
//! somebody sets back is not fought over.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Decision, Request, Ruling};
use crate::policy::WorkloadBudget;

/// A change that was set back is not made again without asking for so long.
pub const SET_BACK_FOR: SignedDuration = SignedDuration::from_hours(1);

/// Failed attempts on one workload, and what they led to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Closure {
    /// When attempts failed since it was last closed, oldest first.
    pub failures: Vec<Timestamp>,
    /// When it was closed.
    pub closed: Vec<Timestamp>,
}

impl Closure {
    /// Takes in a failed attempt.
    pub fn failed(&mut self, at: Timestamp, budget: &WorkloadBudget) {
        self.failures
            .retain(|failed| at.duration_since(*failed) < budget.closed_for);
        self.failures.push(at);
        if self.failures.len() >= usize::try_from(budget.failures).unwrap_or(usize::MAX) {
            // what is long past does not make it longer; but as long as it goes on, no closure is
            // shorter than the one before
            let memory = budget.longest.saturating_mul(2);
            let last = self.closed.last();
            if last.is_some_and(|last| at.duration_since(*last) >= memory) {
                self.closed.clear();
            }
            // of a clock that was set back, the later time counts
            let latest = self.failures.iter().max().copied();
            self.closed.push(latest.unwrap_or(at));
            self.failures.clear();
        }
    }

    /// Until when the workload is closed.
    pub fn until(&self, budget: &WorkloadBudget) -> Option<Timestamp> {
        let last = self.closed.last()?;
        let doublings = u32::try_from(self.closed.len() - 1)
            .unwrap_or(u32::MAX)
            .min(30);
        let time = budget.closed_for.saturating_mul(1 << doublings);
        last.checked_add(time.min(budget.longest)).ok()
    }
}

pub(super) fn rule(request: &Request<'_>) -> Option<Ruling> {
    let budget = &request.settings.policy.budgets.workload;
    let until = request.spent.closed.as_ref()?.until(budget)?;
    if until <= request.now {
        return None;
    }
    let why = format!(
        "{} attempts failed: this workload is closed until {until}",
        budget.failures
    );
    Some(Ruling::new(Decision::Refuse, "attempt-budget", why).until(until))
}

pub(super) fn set_back(request: &Request<'_>) -> Option<Ruling> {
    let (at, who) = request.spent.set_back.as_ref()?;
    if request.now.duration_since(*at) >= SET_BACK_FOR {
        return None;
    }
    let why = format!(
        "{who} has set a change of Akeso's back within the last hour: it is not fought over"
    );
    Some(Ruling::new(Decision::Ask, "set-back", why))
}
