//! The autonomy level: what acts by itself, and what asks.

use super::{Decision, Request, Ruling};
use crate::{
    act::{Action, Found, UpdateEnv, Variable},
    plan::Proof,
    settings::Autonomy,
};

/// Under `cautious`, memory may grow by this factor at most.
const CAUTIOUS_GROWTH: u64 = 2;

pub(super) fn rule(request: &Request<'_>) -> Option<Ruling> {
    let ask = |why: &str| Some(Ruling::new(Decision::Ask, "autonomy", why));
    match request.settings.autonomy {
        Autonomy::Observe => Some(Ruling::new(
            Decision::Refuse,
            "autonomy",
            "observe only: nothing is changed",
        )),
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
                ask("standard: a credential that the workload did not have before asks first")
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
