//! The autonomy level: what acts by itself, and what asks.

use super::{Decision, Request, Ruling};
use crate::{
    act::{Action, Found, UpdateEnv, Variable},
    plan::Proof,
    policy::{Autonomy, Consent},
};

/// Under `cautious`, memory may grow by this factor at most.
const CAUTIOUS_GROWTH: u64 = 2;

pub(super) fn only_observes() -> Ruling {
    Ruling::new(
        Decision::Refuse,
        "autonomy",
        "observe only: nothing is changed",
    )
}

/// Under `observe`, nothing else matters.
pub(super) fn observe(request: &Request<'_>) -> Option<Ruling> {
    (request.effective().autonomy == Autonomy::Observe).then(only_observes)
}

pub(super) fn rule(request: &Request<'_>) -> Option<Ruling> {
    let effective = request.effective();
    let action = request.step.action.kind();
    let ask = |why: &str| Some(Ruling::new(Decision::Ask, "autonomy", why));
    match effective.consent {
        Some(Consent::Never) => {
            let why = format!("the policy says that {action} is never done");
            return Some(Ruling::new(Decision::Refuse, "action", why));
        }
        Some(Consent::Ask) => return ask(&format!("the policy says that {action} asks first")),
        Some(Consent::Act) => return None,
        None => {}
    }
    match effective.autonomy {
        Autonomy::Observe => Some(only_observes()),
        Autonomy::Cautious => match &request.step.action {
            Action::FixImageName(_) if request.step.proof == Proof::Confirmed => None,
            Action::IncreaseMemory(action) if action.to <= action.from.times(CAUTIOUS_GROWTH) => {
                None
            }
            Action::FixImageName(_)
            | Action::IncreaseMemory(_)
            | Action::UpdateEnv(_)
            | Action::RestartPod(_)
            | Action::RollbackToRevision(_) => {
                ask("cautious: only proven images and doubled memory act by themselves")
            }
        },
        Autonomy::Standard => match &request.step.action {
            Action::UpdateEnv(action) if brings_credential(action) => {
                match effective.credential_placeholders {
                    Some(Consent::Act) => None,
                    Some(Consent::Ask | Consent::Never) | None => ask(
                        "standard: a credential that the workload did not have before asks first",
                    ),
                }
            }
            Action::FixImageName(_) if request.step.proof != Proof::Confirmed => {
                ask("standard: a name that is only alike is no proof")
            }
            Action::UpdateEnv(_)
            | Action::FixImageName(_)
            | Action::IncreaseMemory(_)
            | Action::RestartPod(_)
            | Action::RollbackToRevision(_) => None,
        },
        Autonomy::Full => None,
    }
}

fn brings_credential(action: &UpdateEnv) -> bool {
    let mut new = action
        .variables
        .iter()
        .filter(|variable| variable.found != Found::PreviousRevision);
    new.any(Variable::is_credential)
}
