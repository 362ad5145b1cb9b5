//! What somebody else reconciles is not fought over: the change would be set back.

use super::{Decision, Request, Ruling};
use crate::{
    act::Action,
    cluster::{Controller, Workload},
};

/// Labels and annotations by which the GitOps tools mark what they manage: Argo CD
/// (<https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/>) and Flux
/// (<https://fluxcd.io/flux/faq/>).
const GITOPS: [(&str, &str, &str); 4] = [
    ("argocd.argoproj.io/tracking-id", "Argo CD", "Application"),
    ("argocd.argoproj.io/instance", "Argo CD", "Application"),
    ("kustomize.toolkit.fluxcd.io/name", "Flux", "Kustomization"),
    ("helm.toolkit.fluxcd.io/name", "Flux", "HelmRelease"),
];

/// Annotations that tell which file an object was made from: kustomize's
/// (<https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/buildmetadata/>) and
/// that of kpt and the functions framework.
const ORIGINS: [&str; 3] = [
    "config.kubernetes.io/origin",
    "config.kubernetes.io/path",
    "internal.config.kubernetes.io/path",
];

/// Helm's marks (<https://helm.sh/docs/chart_best_practices/labels/>).
const HELM_RELEASE: &str = "meta.helm.sh/release-name";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

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
    let (tool, source) = gitops(request.workload)?;
    Some(Ruling::new(
        Decision::Ask,
        "gitops",
        format!("{tool} manages it and would set the change back: change it in {source}"),
    ))
}

/// The GitOps tool that manages a workload, and the source in which it is to be changed.
fn gitops(workload: &Workload<'_>) -> Option<(&'static str, String)> {
    let found = GITOPS
        .iter()
        .find_map(|(mark, tool, kind)| Some((*tool, *kind, workload.mark(mark)?)));
    let (tool, kind, value) = found?;
    // Argo CD's tracking id is `application:group/kind:namespace/name`
    let name = value.split(':').next().unwrap_or(value);
    Some((tool, format!("the source of the {kind} {name}")))
}

/// Where a change is to be made instead, if it would be set back here.
pub fn instead(workload: &Workload<'_>) -> Option<String> {
    if let Some(owner) = workload.foreign_owner() {
        let (kind, namespace) = (owner.kind.to_lowercase(), &workload.reference.namespace);
        return Some(format!("kubectl -n {namespace} edit {kind} {}", owner.name));
    }
    let (tool, source) = gitops(workload)?;
    let file = ORIGINS.iter().find_map(|origin| workload.mark(origin));
    // kustomize writes a small YAML document, the others a path
    let file = file.map(|text| text.lines().map(str::trim).collect::<Vec<_>>().join(", "));
    Some(match file {
        Some(file) => format!("{tool}: {source}, file {file}"),
        None => format!("{tool}: {source}"),
    })
}

/// What a person must know of a change that is made here and belongs elsewhere as well.
pub fn drift(workload: &Workload<'_>) -> Option<String> {
    let is_helms = workload.mark(MANAGED_BY) == Some("Helm");
    let release = workload.mark(HELM_RELEASE);
    (is_helms || release.is_some()).then(|| {
        let release = release.map_or_else(
            || "a Helm release".to_owned(),
            |it| format!("the Helm release {it}"),
        );
        format!("it belongs to {release}, whose next upgrade sets it back: change its values too")
    })
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
        | Controller::Pod(_)
        | Controller::Support(_) => return None,
    };
    if strategy == Some("OnDelete") {
        return Some("its update strategy is OnDelete: somebody wants to replace its pods by hand");
    }
    (partition.unwrap_or(0) > 0)
        .then_some("its rollout is held back by a partition: somebody steers it by hand")
}
