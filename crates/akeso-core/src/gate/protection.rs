//! Protected namespaces, and what is marked `akeso.dev/ignore: "true"`.

use super::{Decision, Request, Ruling};
use crate::{
    cluster::Workload,
    observe::{IGNORE, is_ignored},
    policy::Settings,
};

pub(super) fn rule(request: &Request<'_>) -> Option<Ruling> {
    protects(request.workload, request.settings)
}

pub(super) fn protects(workload: &Workload<'_>, settings: &Settings) -> Option<Ruling> {
    if let Some(why) = settings.protects(&workload.reference.namespace) {
        return Some(Ruling::new(Decision::Refuse, "protected-namespace", why));
    }
    is_ignored(workload).then(|| {
        Ruling::new(
            Decision::Refuse,
            "ignored",
            format!("marked with {IGNORE}: \"true\""),
        )
    })
}
