//! While a person looks after one workload (`akeso diagnose`), every step on it asks, and nothing
//! else is changed.

use super::{Decision, Request, Ruling};
use crate::{cluster::Workload, policy::Settings};

/// The rule's name. What it asks is answered for as long as the workload stays as it is: no level
/// answers in that person's place afterwards.
pub const ATTENDED: &str = "attended";

pub(super) fn rule(request: &Request<'_>) -> Option<Ruling> {
    request.settings.attended.as_ref()?;
    let asks = || {
        let why = "a person looks after it, and is asked before every step";
        Ruling::new(Decision::Ask, ATTENDED, why)
    };
    Some(leaves_alone(request.workload, request.settings).unwrap_or_else(asks))
}

/// Why nothing is changed on a workload that is not the one that is looked after.
pub(super) fn leaves_alone(workload: &Workload<'_>, settings: &Settings) -> Option<Ruling> {
    let chosen = settings.attended.as_ref()?;
    (*chosen != workload.reference).then(|| {
        let why = format!("a person looks after {chosen}, and nothing else is changed meanwhile");
        Ruling::new(Decision::Refuse, ATTENDED, why)
    })
}
