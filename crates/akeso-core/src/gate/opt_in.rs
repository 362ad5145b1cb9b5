//! What is done only where the policy names it: no level is word enough.

use super::{Decision, Request, Ruling};
use crate::{
    act::ActionKind,
    cluster::Workload,
    policy::{Consent, Settings},
};

/// Whether an action may be done or asked for at all, as far as the policy's word goes.
pub fn is_named(action: ActionKind, workload: &Workload<'_>, settings: &Settings) -> bool {
    !action.is_opt_in()
        || matches!(
            said(action, workload, settings),
            Some(Consent::Ask | Consent::Act)
        )
}

fn said(action: ActionKind, workload: &Workload<'_>, settings: &Settings) -> Option<Consent> {
    let namespace = &workload.reference.namespace;
    let labels = workload.namespace_labels();
    let policy = &settings.policy;
    policy.effective(Some(action), namespace, labels).consent
}

pub(super) fn rule(request: &Request<'_>) -> Option<Ruling> {
    let action = request.step.action.kind();
    let is_silent = said(action, request.workload, request.settings).is_none();
    (action.is_opt_in() && is_silent).then(|| {
        let why = format!(
            "whether this is meant is for a person to say: {action} is done only where the policy names it (`actions: {{{action}: ask}}`, or `act`)"
        );
        Ruling::new(Decision::Refuse, "opt-in", why)
    })
}
