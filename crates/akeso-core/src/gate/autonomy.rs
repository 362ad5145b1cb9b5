//! The autonomy level: what acts by itself, and what asks.

use super::{Decision, Request, Ruling};
use crate::{
    act::ActionKind,
    plan::{Origin, Proof},
    policy::{Autonomy, Consent},
};

/// By this name it is told that the level has decided.
pub(super) const NAME: &str = "autonomy";
/// What is said under `observe`.
pub(super) const ONLY_OBSERVES: &str = "observe only: nothing is changed";

pub(super) fn only_observes() -> Ruling {
    Ruling::new(Decision::Refuse, NAME, ONLY_OBSERVES)
}

/// Under `observe`, nothing else matters.
pub(super) fn observe(request: &Request<'_>) -> Option<Ruling> {
    (request.effective().autonomy == Autonomy::Observe).then(only_observes)
}

/// Why a step asks that only a language model suggests.
fn only_suggested(request: &Request<'_>, level: Autonomy) -> Option<&'static str> {
    let step = request.step;
    if step.origin != Origin::Model {
        return None;
    }
    match level {
        Autonomy::Observe | Autonomy::Full => None,
        Autonomy::Cautious => Some("cautious: what only a model suggests asks first"),
        Autonomy::Standard if step.proof == Proof::Placeholder => {
            Some("standard: a value that only a model suggests asks first")
        }
        Autonomy::Standard => match step.action.kind() {
            ActionKind::FixImageName
            | ActionKind::UpdateEnv
            | ActionKind::IncreaseMemory
            | ActionKind::RestartPod => None,
            ActionKind::RollbackToRevision
            | ActionKind::FixReference
            | ActionKind::FixProbe
            | ActionKind::FixNodeSelector
            | ActionKind::FixService
            | ActionKind::FixIngress
            | ActionKind::FixClaim
            | ActionKind::AddPullSecret
            | ActionKind::GrantAccess
            | ActionKind::SetRequest
            | ActionKind::RerunJob
            | ActionKind::ExtendProbe => Some("standard: what only a model suggests asks first"),
        },
    }
}

pub(super) fn rule(request: &Request<'_>) -> Option<Ruling> {
    rule_at(request, request.effective().autonomy)
}

/// What the rule says where the level is this one.
pub(super) fn rule_at(request: &Request<'_>, level: Autonomy) -> Option<Ruling> {
    let effective = request.effective();
    let action = request.step.action.kind();
    let treatment = request.step.action.treatment();
    // a right and a credential are never given without a word, however often that was right
    let has_earned_it = effective.promote_after.is_some()
        && request.spent.promoted.contains(&action)
        && !action.is_opt_in()
        && !treatment.brings_credential();
    // that it was right where a playbook proposed it says nothing of a model's idea
    if let Some(why) = only_suggested(request, level)
        && effective.consent != Some(Consent::Never)
    {
        return Some(Ruling::new(Decision::Ask, NAME, why));
    }
    let ask = |why: &str| (!has_earned_it).then(|| Ruling::new(Decision::Ask, NAME, why));
    match effective.consent {
        Some(Consent::Never) => {
            let why = format!("the policy says that {action} is never done");
            return Some(Ruling::new(Decision::Refuse, "action", why));
        }
        Some(Consent::Ask) => return ask(&format!("the policy says that {action} asks first")),
        Some(Consent::Act) => return None,
        None => {}
    }
    let proof = request.step.proof;
    match level {
        Autonomy::Observe => Some(only_observes()),
        Autonomy::Cautious if treatment.acts_when_cautious(proof) => None,
        Autonomy::Cautious => {
            ask("cautious: only proven images and doubled memory act by themselves")
        }
        Autonomy::Standard if treatment.brings_credential() => {
            match effective.credential_placeholders {
                Some(Consent::Act) => None,
                Some(Consent::Ask | Consent::Never) | None => {
                    ask("standard: a credential that the workload did not have before asks first")
                }
            }
        }
        Autonomy::Standard => {
            let why = treatment.needs_confirmation()?;
            if proof == Proof::Confirmed {
                return None;
            }
            ask(&format!("standard: {why}"))
        }
        Autonomy::Full => None,
    }
}
