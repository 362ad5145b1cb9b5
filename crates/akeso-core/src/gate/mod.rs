//! GATE: the decision on a step, with the rule that made it. One file a rule.
//!
//! **Invariant:** an action reaches the cluster only as an [`Approved`] step, which only this
//! module can make.

mod attempts;
mod autonomy;
mod ownership;
mod protection;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    act::{Change, NotApplicable},
    cluster::Workload,
    plan::Step,
    settings::{Autonomy, Settings},
    workload::AttemptId,
};

pub use attempts::{CLOSED_FOR, MOST_FAILURES};

/// What is decided on a step, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// The decision.
    pub decision: Decision,
    /// The name of the rule that decided.
    pub rule: String,
    /// Why, for people.
    pub why: String,
    /// When a refusal ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// The three decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// The step is executed.
    Execute,
    /// A person is asked.
    Ask,
    /// The step is not executed.
    Refuse,
}

impl Ruling {
    fn new(decision: Decision, rule: &str, why: impl Into<String>) -> Self {
        Self {
            decision,
            rule: rule.to_owned(),
            why: why.into(),
            until: None,
        }
    }
}

/// What a rule may look at.
#[derive(Debug)]
pub struct Request<'a> {
    /// The step.
    pub step: &'a Step,
    /// The workload that it would change.
    pub workload: &'a Workload<'a>,
    /// The operator's settings.
    pub settings: &'a Settings,
    /// When somebody else last set back what Akeso had changed on this workload.
    pub set_back: Option<Timestamp>,
    /// When attempts on this workload failed.
    pub failures: &'a [Timestamp],
    /// The time.
    pub now: Timestamp,
}

type Rule = fn(&Request<'_>) -> Option<Ruling>;

/// The rules, the stricter first: the first that has something to say decides.
const RULES: &[Rule] = &[
    protection::rule,
    attempts::rule,
    ownership::rule,
    autonomy::rule,
];

/// A step that may be executed.
#[derive(Debug)]
pub struct Approved<'a>(&'a Step);

impl Approved<'_> {
    /// The change to the workload as it stands.
    pub fn change(
        &self,
        workload: &Workload<'_>,
        attempt: AttemptId,
    ) -> Result<Change, NotApplicable> {
        self.0.action.treatment().change(workload, attempt)
    }
}

/// Why nothing at all may be changed on a workload, not even taken back.
pub fn forbids_any_change(workload: &Workload<'_>, settings: &Settings) -> Option<Ruling> {
    let observes = settings.autonomy == Autonomy::Observe;
    let ruling = || {
        Ruling::new(
            Decision::Refuse,
            "autonomy",
            "observe only: nothing is changed",
        )
    };
    protection::protects(workload, settings).or_else(|| observes.then(ruling))
}

/// Decides on a step; there is an [`Approved`] step exactly when the decision is to execute.
pub fn decide<'a>(request: &Request<'a>) -> (Ruling, Option<Approved<'a>>) {
    let ruling = RULES
        .iter()
        .find_map(|rule| rule(request))
        .unwrap_or_else(|| {
            Ruling::new(
                Decision::Execute,
                "autonomy",
                "within what the autonomy level allows",
            )
        });
    let approved = (ruling.decision == Decision::Execute).then_some(Approved(request.step));
    (ruling, approved)
}
