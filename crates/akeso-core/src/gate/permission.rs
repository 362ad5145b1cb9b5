//! What the API server would not let Akeso do is not begun: only that action is off.

use super::{Decision, Request, Ruling};

pub(super) fn rule(request: &Request<'_>) -> Option<Ruling> {
    let action = request.step.action.kind();
    let missing = request.settings.not_permitted.get(&action)?;
    let why = format!(
        "{action} is off, for a permission is missing: {missing}; `akeso rbac` prints the role"
    );
    Some(Ruling::new(Decision::Refuse, "permission", why))
}
