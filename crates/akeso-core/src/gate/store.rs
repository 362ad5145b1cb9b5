//! What cannot be written down is not done.

use super::{Decision, Request, Ruling};

pub(super) fn rule(request: &Request<'_>) -> Option<Ruling> {
    let why = request.store_failure?;
    let why = format!("nothing is changed while the journal cannot be written: {why}");
    Some(Ruling::new(Decision::Wait, "store", why))
}
