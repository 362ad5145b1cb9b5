//! What becomes of a step that is only observed: what would have been decided on it elsewhere, and
//! what the workload was like, so that what a person does later can be told from it.

use serde::{Deserialize, Serialize};

use super::{Decision, RULES, Request, autonomy, strictest};
use crate::policy::Autonomy;

/// What is noted of a step that `observe` alone has kept from being done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shadow {
    /// What would have been decided under `standard`, by every other rule and what the policy says
    /// of the action. Permissions are left out: who only observes has none.
    pub standard: Decision,
    /// The digest of the workload's spec without its replicas.
    pub spec: String,
}

impl Shadow {
    pub(super) fn of(request: &Request<'_>) -> Self {
        let said = RULES.iter().filter_map(|(name, rule)| match *name {
            "observe" | "permission" => None,
            autonomy::NAME => autonomy::rule_at(request, Autonomy::Standard),
            _ => rule(request),
        });
        let decided = strictest(said.collect());
        Self {
            standard: decided.map_or(Decision::Execute, |ruling| ruling.decision),
            spec: request.workload.spec_digest_but_replicas(),
        }
    }
}
