//! While many workloads break, or the node of this one does, that cause comes first.

use super::{Decision, Request, Ruling};

pub(super) fn rule(request: &Request<'_>) -> Option<Ruling> {
    let cause = request.shared_cause?;
    Some(Ruling::new(
        Decision::Wait,
        "shared-cause",
        format!("actions pause: {cause}"),
    ))
}
