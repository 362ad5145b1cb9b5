//! System namespaces, and what is marked `akeso.dev/ignore: "true"`.

use super::{Decision, Request, Ruling};
use crate::observe::{IGNORE, is_ignored};

pub(super) fn rule(request: &Request<'_>) -> Option<Ruling> {
    let namespace = &request.workload.reference.namespace;
    if request.settings.protected_namespaces.contains(namespace) {
        let why = format!("nothing is changed in the namespace {namespace}");
        return Some(Ruling::new(Decision::Refuse, "protected-namespace", why));
    }
    is_ignored(request.workload).then(|| {
        Ruling::new(
            Decision::Refuse,
            "ignored",
            format!("marked with {IGNORE}: \"true\""),
        )
    })
}
