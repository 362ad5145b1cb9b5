//! GATE: the decision on a step, with the rule that made it. One file a rule.
//!
//! **Invariant:** an action reaches the cluster only as an [`Approved`] step, which only this
//! module can make.

mod attempts;
mod attended;
mod autonomy;
mod autoscaler;
mod budgets;
mod ceilings;
mod freeze;
mod opt_in;
mod own;
mod ownership;
mod permission;
mod protection;
mod shadow;
mod shared_cause;
mod store;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    act::{ActionKind, Change, Mark},
    cluster::Workload,
    plan::Step,
    policy::{Autonomy, Effective, Settings},
};

pub use attempts::Closure;
pub use attended::ATTENDED;
pub use opt_in::is_named;
pub use own::facts;
pub use ownership::{drift, instead};
pub use shadow::Shadow;

/// What is decided on a step, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// The decision.
    pub decision: Decision,
    /// The name of the rule that decided.
    pub rule: String,
    /// Why, for people.
    pub why: String,
    /// When a refusal or a wait ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// What every rule said, in the order in which they are asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// What `observe` alone has kept from being done. None in the journals of builds that did not
    /// note it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadow>,
}

/// What one rule said of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The rule's name.
    pub rule: String,
    /// What it would decide; `execute` where it has nothing against the step.
    pub decision: Decision,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// The decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// The step is executed.
    Execute,
    /// A person is asked.
    Ask,
    /// The step is executed when what is against it has passed.
    Wait,
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
            checks: Vec::new(),
            shadow: None,
        }
    }

    /// Whether it was `observe` that has decided.
    pub fn only_observes(&self) -> bool {
        // a rule of the operator's own may have the same name
        self.decision == Decision::Refuse
            && self.rule == autonomy::NAME
            && self.why == autonomy::ONLY_OBSERVES
    }

    fn until(self, until: Timestamp) -> Self {
        Self {
            until: Some(until),
            ..self
        }
    }
}

/// What a rule may look at.
#[derive(Debug)]
pub struct Request<'a> {
    /// The step.
    pub step: &'a Step,
    /// What it would change.
    pub change: &'a Change,
    /// The workload that it would change.
    pub workload: &'a Workload<'a>,
    /// The operator's settings.
    pub settings: &'a Settings,
    /// What has been tried before.
    pub spent: &'a Spent,
    /// What the workload shares with others that are broken, for people.
    pub shared_cause: Option<&'a str>,
    /// Why the journal cannot be written, if it cannot.
    pub store_failure: Option<&'a str>,
    /// Whether a person has consented to exactly this change.
    pub consent: Consented,
    /// The time.
    pub now: Timestamp,
}

/// Whether a person has consented to a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consented {
    /// Nobody has been asked, or has answered.
    No,
    /// Somebody has: what asks is answered. What refuses or waits is not.
    Yes,
}

/// What has been tried, on the workload and around it.
#[derive(Debug, Clone, Default)]
pub struct Spent {
    /// Until when the workload is closed, after attempts that failed.
    pub closed: Option<Closure>,
    /// When somebody else last set back what Akeso had changed on this workload, and who.
    pub set_back: Option<(Timestamp, String)>,
    /// The actions that have earned it to act by themselves in the workload's namespace.
    pub promoted: BTreeSet<ActionKind>,
    /// In the workload's namespace.
    pub in_namespace: Use,
    /// In the cluster.
    pub in_cluster: Use,
}

/// How much is being changed.
#[derive(Debug, Clone, Default)]
pub struct Use {
    /// So many other workloads are between a change and its verdict.
    pub busy: usize,
    /// When changes were made within the last hour, oldest first.
    pub changes: Vec<Timestamp>,
}

impl Request<'_> {
    /// What the policy says of this step's action in its namespace.
    pub fn effective(&self) -> Effective {
        self.settings.policy.effective(
            Some(self.step.action.kind()),
            &self.workload.reference.namespace,
            self.workload.namespace_labels(),
        )
    }
}

/// A rule: its name, and what it has to say.
type Rule = (&'static str, fn(&Request<'_>) -> Option<Ruling>);

/// The rules, the stricter first. A refusal decides; if there is none, the first that has something
/// to say.
const RULES: &[Rule] = &[
    ("protection", protection::rule),
    ("observe", autonomy::observe),
    ("opt-in", opt_in::rule),
    ("permission", permission::rule),
    ("ceilings", ceilings::rule),
    ("attempts", attempts::rule),
    ("own-gates", own::rule),
    ("autonomy", autonomy::rule),
    ("set-back", attempts::set_back),
    ("ownership", ownership::rule),
    ("autoscaler", autoscaler::rule),
    ("attended", attended::rule),
    ("store", store::rule),
    ("shared-cause", shared_cause::rule),
    ("freeze", freeze::rule),
    ("budgets", budgets::rule),
];

/// A change that may be made.
#[derive(Debug)]
pub struct Approved(Change);

impl Approved {
    /// The change.
    pub fn into_change(self) -> Change {
        self.0
    }

    /// The same change, tried on a pod of its own first.
    pub fn as_trial(&self, workload: &Workload<'_>, mark: &Mark) -> Option<Self> {
        crate::act::trial(workload, &self.0, mark).map(Self)
    }
}

/// Why nothing at all may be changed on a workload, not even taken back.
pub fn forbids_any_change(workload: &Workload<'_>, settings: &Settings) -> Option<Ruling> {
    protection::protects(workload, settings)
        .or_else(|| attended::leaves_alone(workload, settings))
        .or_else(|| (level(workload, settings) == Autonomy::Observe).then(autonomy::only_observes))
}

/// The autonomy level that holds for a workload.
pub fn level(workload: &Workload<'_>, settings: &Settings) -> Autonomy {
    let namespace = &workload.reference.namespace;
    let labels = workload.namespace_labels();
    settings.policy.effective(None, namespace, labels).autonomy
}

/// What decides of all that was said: a refusal, which a person who is asked could not answer; if
/// there is none, what was said first.
fn strictest(said: Vec<Ruling>) -> Option<Ruling> {
    let refusal = said
        .iter()
        .position(|ruling| ruling.decision == Decision::Refuse);
    said.into_iter().nth(refusal.unwrap_or(0))
}

/// Decides on a step; there is an [`Approved`] change exactly when the decision is to execute.
pub fn decide(request: &Request<'_>) -> (Ruling, Option<Approved>) {
    let said: Vec<_> = RULES
        .iter()
        .map(|(name, rule)| {
            let ruling = rule(request);
            let is_answered = |ruling: &Ruling| {
                ruling.decision == Decision::Ask && request.consent == Consented::Yes
            };
            (*name, ruling.filter(|ruling| !is_answered(ruling)))
        })
        .collect();
    let checks = said
        .iter()
        .map(|(name, ruling)| Check {
            rule: ruling
                .as_ref()
                .map_or(*name, |ruling| &ruling.rule)
                .to_owned(),
            decision: ruling.as_ref().map_or(Decision::Execute, |r| r.decision),
            why: ruling.as_ref().map(|r| r.why.clone()).unwrap_or_default(),
        })
        .collect();
    let decided = strictest(said.into_iter().filter_map(|(_, ruling)| ruling).collect());
    let allowed = || {
        let why = match request.consent {
            Consented::Yes => "a person has consented".to_owned(),
            Consented::No => format!("within what {} allows", request.effective().source),
        };
        let drift = drift(request.workload).map(|drift| format!("; {drift}"));
        let why = why + drift.as_deref().unwrap_or_default();
        Ruling::new(Decision::Execute, autonomy::NAME, why)
    };
    let decided = decided.unwrap_or_else(allowed);
    let ruling = Ruling {
        checks,
        shadow: decided.only_observes().then(|| Shadow::of(request)),
        ..decided
    };
    let approved = (ruling.decision == Decision::Execute).then(|| Approved(request.change.clone()));
    (ruling, approved)
}
