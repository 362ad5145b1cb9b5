//! Times in which nothing is changed.

use super::{Decision, Request, Ruling};
use crate::policy::freeze;

pub(super) fn rule(request: &Request<'_>) -> Option<Ruling> {
    let (window, until) = freeze(&request.settings.policy.freeze, request.now)?;
    let why = format!(
        "nothing is changed in the window {} ({}), which ends at {until}",
        window.name, window.time_zone
    );
    Some(Ruling::new(Decision::Wait, "freeze", why).until(until))
}
