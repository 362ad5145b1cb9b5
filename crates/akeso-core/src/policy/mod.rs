//! What the operator has chosen: the policy (`akeso.yaml`), and what else the rim knows before it
//! starts. Every value has a default, which docs/policy.md names.

mod budgets;
mod namespaces;
mod window;

use std::{collections::BTreeMap, fmt, sync::Arc};

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    act::ActionKind,
    consult::Limits,
    gate::Decision,
    quantity::{Bytes, MilliCpu},
    workload::WorkloadRef,
};

pub use budgets::{Budgets, ClusterBudget, NamespaceBudget, Storm, WorkloadBudget};
pub use namespaces::{AUTONOMY_LABEL, Effective, Glob, InvalidGlob, NamespaceRule};
pub use window::{InvalidWindow, Window, freeze, time_zones};

/// How much Akeso does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Autonomy {
    /// Says what it would do; changes nothing.
    Observe,
    /// Image and memory fixes act, with conservative ceilings; everything else asks.
    Cautious,
    /// Every reversible, proven fix acts; credentials ask.
    Standard,
    /// Everything that the gates allow acts.
    Full,
}

/// What the operator has said of one action, whatever the autonomy level says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consent {
    /// It is never done.
    Never,
    /// A person is asked first.
    Ask,
    /// It is done, where no other rule is against it.
    Act,
}

/// Whether every change is tried on one pod first, where that can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Canary {
    /// It is, for workloads of several replicas.
    #[default]
    Auto,
    /// It is not.
    Off,
}

/// The policy: the form of `akeso.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    /// How much Akeso does by itself.
    pub autonomy: Autonomy,
    /// What is said of single actions.
    pub actions: BTreeMap<ActionKind, Consent>,
    /// What differs in some namespaces; the first rule that matches says it.
    pub namespaces: Vec<NamespaceRule>,
    /// The only namespaces in which anything is changed; all, if none is named.
    pub allowed_namespaces: Vec<Glob>,
    /// Namespaces in which nothing is changed, beside [`PROTECTED`] and Akeso's own.
    pub protected_namespaces: Vec<Glob>,
    /// Whether the label `akeso.dev/autonomy` of a namespace may raise its level; it may always
    /// lower it.
    pub trust_namespace_labels: bool,
    /// What nothing is raised beyond.
    pub ceilings: Ceilings,
    /// How much may be tried.
    pub budgets: Budgets,
    /// When actions pause because too much breaks at once.
    pub storm: Storm,
    /// Times in which nothing is changed.
    pub freeze: Vec<Window>,
    /// Rules of the operator's own.
    pub gates: Vec<Expression>,
    /// Whether a change is tried on one pod first.
    pub canary: Canary,
    /// What becomes of steps that ask.
    pub approvals: Approvals,
    /// How long after a heal the same fault counts as its failure.
    pub regression_within: SignedDuration,
    /// What a language model may be asked, and for how much.
    pub model: Limits,
}

/// Nothing is changed in these namespaces unless `allowedNamespaces` names them in full.
pub const PROTECTED: [&str; 4] = [
    "kube-system",
    "kube-public",
    "kube-node-lease",
    "akeso-system",
];

impl Default for Policy {
    fn default() -> Self {
        Self {
            autonomy: Autonomy::Standard,
            actions: BTreeMap::new(),
            namespaces: Vec::new(),
            allowed_namespaces: Vec::new(),
            protected_namespaces: Vec::new(),
            trust_namespace_labels: false,
            ceilings: Ceilings::default(),
            budgets: Budgets::default(),
            storm: Storm::default(),
            freeze: Vec::new(),
            gates: Vec::new(),
            canary: Canary::Auto,
            approvals: Approvals::default(),
            regression_within: SignedDuration::from_hours(24),
            model: Limits::default(),
        }
    }
}

impl Policy {
    /// Whether an action is named somewhere as one that is to be done, or asked for.
    pub fn names(&self, action: ActionKind) -> bool {
        let everywhere = std::iter::once(&self.actions);
        let all = everywhere.chain(self.namespaces.iter().map(|rule| &rule.actions));
        let mut said = all.filter_map(|actions| actions.get(&action));
        said.any(|consent| matches!(consent, Consent::Ask | Consent::Act))
    }
}

/// What nothing is raised beyond. What is higher already may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Ceilings {
    /// A container's memory request or limit.
    pub memory: Bytes,
    /// A container's CPU request or limit; no bound if absent.
    pub cpu: Option<MilliCpu>,
    /// A workload's replicas; no bound if absent.
    pub replicas: Option<u32>,
}

impl Default for Ceilings {
    fn default() -> Self {
        Self {
            memory: Bytes::mebi(4096),
            cpu: None,
            replicas: None,
        }
    }
}

/// What becomes of steps that ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Approvals {
    /// How long a question stands.
    pub expire_after: SignedDuration,
    /// So many approved and verified uses in a row, and an action that asks in a namespace acts there
    /// by itself; never, if absent or 0.
    pub promote_after: Option<u32>,
}

impl Default for Approvals {
    fn default() -> Self {
        Self {
            expire_after: SignedDuration::from_hours(24),
            promote_after: None,
        }
    }
}

/// A rule of the operator's own: an expression of the Common Expression Language
/// (<https://cel.dev>) over a step, which decides where it is true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expression {
    /// Its name, shown as the rule that decided.
    pub name: String,
    /// The expression.
    pub when: String,
    /// What is decided where it is true: `ask` or `refuse`.
    pub decision: Decision,
    /// Why, for people.
    #[serde(default)]
    pub why: String,
}

/// An expression that can be evaluated; the core knows none itself.
pub trait Condition: fmt::Debug + Send + Sync {
    /// Whether it is true of a step ([`gate::facts`](crate::gate::facts)); or why that cannot be
    /// said.
    fn holds(&self, facts: &Value) -> Result<bool, String>;
}

/// A rule of the operator's own, ready to be asked.
#[derive(Debug, Clone)]
pub struct OwnGate {
    /// The rule.
    pub rule: Expression,
    /// Its expression.
    pub condition: Arc<dyn Condition>,
}

/// All that the engine is given beside the cluster and the time.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The policy.
    pub policy: Policy,
    /// Its rules of the operator's own, ready to be asked.
    pub gates: Vec<OwnGate>,
    /// The only namespace that is watched; all if none is named.
    pub namespace: Option<String>,
    /// The only workload that is looked after, by a person who is asked before every step; the
    /// incidents of all others stay as they are in the journal.
    pub attended: Option<WorkloadRef>,
    /// The namespace in which Akeso itself runs.
    pub own_namespace: Option<String>,
    /// Actions for which a permission is missing, with the words that tell which.
    pub not_permitted: BTreeMap<ActionKind, String>,
    /// The name of the language model that is set up, if one is.
    pub model: Option<String>,
    /// Which permission is missing for trial pods, if one is.
    pub trials_not_permitted: Option<String>,
}

impl Settings {
    /// The default settings at another autonomy level.
    pub fn at(autonomy: Autonomy) -> Self {
        let policy = Policy {
            autonomy,
            ..Policy::default()
        };
        Self {
            policy,
            ..Self::default()
        }
    }

    /// Whether a namespace is watched.
    pub fn watches(&self, namespace: &str) -> bool {
        self.namespace
            .as_deref()
            .is_none_or(|only| only == namespace)
    }

    /// Whether a workload is looked after.
    pub fn attends(&self, workload: &WorkloadRef) -> bool {
        let is_chosen = |chosen| chosen == workload;
        self.watches(&workload.namespace) && self.attended.as_ref().is_none_or(is_chosen)
    }

    /// Whether a language model may be shown what fails in a namespace.
    pub fn may_consult(&self, namespace: &str, labels: Option<&BTreeMap<String, String>>) -> bool {
        self.model.is_some()
            && self.policy.effective(None, namespace, labels).model
            && self.protects(namespace).is_none()
    }

    /// Why nothing is changed in a namespace, if so.
    pub fn protects(&self, namespace: &str) -> Option<String> {
        let policy = &self.policy;
        let is_named = policy
            .allowed_namespaces
            .iter()
            .any(|glob| glob.is_exactly(namespace));
        let matches = |globs: &[Glob]| globs.iter().any(|glob| glob.matches(namespace));
        if matches(&policy.protected_namespaces) {
            return Some(format!("the policy protects the namespace {namespace}"));
        }
        if !is_named && self.own_namespace.as_deref() == Some(namespace) {
            return Some(format!("Akeso itself runs in the namespace {namespace}"));
        }
        if !is_named && PROTECTED.contains(&namespace) {
            return Some(format!("nothing is changed in the namespace {namespace}"));
        }
        let is_allowed =
            policy.allowed_namespaces.is_empty() || matches(&policy.allowed_namespaces);
        (!is_allowed).then(|| {
            format!(
                "the namespace {namespace} is not among those in which the policy allows changes"
            )
        })
    }
}
