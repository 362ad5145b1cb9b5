//! What somebody else reconciles is not fought over: the change would be set back.

use super::{Decision, Request, Ruling};
use crate::{
    act::Action,
    cluster::{Controller, Workload},
};

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
    if let Some(why) = pods_stay(request.workload) {
        return Some(Ruling::new(Decision::Ask, "update-strategy", why));
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

/// Why the workload's controller would not replace its pods after a change.
fn pods_stay(workload: &Workload<'_>) -> Option<&'static str> {
    let (strategy, partition) = match workload.controller {
        Controller::StatefulSet(set) => {
            let strategy = set.spec.update_strategy.as_ref()?;
            let partition = strategy
                .rolling_update
                .as_ref()
                .and_then(|update| update.partition);
            (strategy.type_.as_deref(), partition)
        }
        Controller::DaemonSet(set) => (set.spec.update_strategy.as_ref()?.type_.as_deref(), None),
        Controller::Deployment(_)
        | Controller::ReplicaSet(_)
        | Controller::CronJob(_)
        | Controller::Job(_)
        | Controller::Pod(_) => return None,
    };
    if strategy == Some("OnDelete") {
        return Some("its update strategy is OnDelete: somebody wants to replace its pods by hand");
    }
    (partition.unwrap_or(0) > 0)
        .then_some("its rollout is held back by a partition: somebody steers it by hand")
}
