//! A workload on which attempts keep failing is closed for a while.

use jiff::SignedDuration;

use super::{Decision, Request, Ruling};

/// So many failed attempts within [`CLOSED_FOR`] close a workload.
pub const MOST_FAILURES: usize = 3;
/// How long a workload stays closed after the first of them.
pub const CLOSED_FOR: SignedDuration = SignedDuration::from_hours(1);

pub(super) fn rule(request: &Request<'_>) -> Option<Ruling> {
    let is_fought_over = request
        .set_back
        .is_some_and(|at| request.now.duration_since(at) < CLOSED_FOR);
    if is_fought_over {
        let why =
            "somebody has set a change of Akeso's back within the last hour: it is not fought over";
        return Some(Ruling::new(Decision::Ask, "set-back", why));
    }
    let recent: Vec<_> = request
        .failures
        .iter()
        .filter(|failed| request.now.duration_since(**failed) < CLOSED_FOR)
        .collect();
    let oldest = recent.iter().rev().nth(MOST_FAILURES - 1)?;
    let until = oldest.checked_add(CLOSED_FOR).ok();
    let why = format!(
        "{} attempts failed within an hour: this workload is closed until it has passed",
        recent.len()
    );
    Some(Ruling {
        until,
        ..Ruling::new(Decision::Refuse, "attempt-budget", why)
    })
}
