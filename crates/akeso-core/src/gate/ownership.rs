//! What somebody else reconciles is not fought over: the change would be set back.

use super::{Decision, Request, Ruling};
use crate::act::Action;

/// Labels and annotations by which the GitOps tools mark what they manage: Argo CD
/// (<https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/>) and Flux
/// (<https://fluxcd.io/flux/faq/>).
const MARKS: [(&str, &str); 4] = [
    ("argocd.argoproj.io/tracking-id", "Argo CD"),
    ("argocd.argoproj.io/instance", "Argo CD"),
    ("kustomize.toolkit.fluxcd.io/name", "Flux"),
    ("helm.toolkit.fluxcd.io/name", "Flux"),
];

pub(super) fn rule(request: &Request<'_>) -> Option<Ruling> {
    if matches!(request.step.action, Action::RestartPod(_)) {
        return None; // changes nothing that an owner keeps
    }
    if let Some(owner) = request.workload.foreign_owner() {
        let why = format!(
            "{} {} ({}) owns it and would set the change back: change it there",
            owner.kind, owner.name, owner.api_version
        );
        return Some(Ruling::new(Decision::Ask, "owned", why));
    }
    let (_, tool) = MARKS
        .iter()
        .find(|(mark, _)| request.workload.mark(mark).is_some())?;
    Some(Ruling::new(
        Decision::Ask,
        "gitops",
        format!("{tool} manages it and would set the change back: change it in the source"),
    ))
}
