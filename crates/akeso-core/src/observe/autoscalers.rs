//! Autoscalers that cannot do their work, as their conditions say
//! (<https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale-walkthrough/#appendix-horizontal-pod-autoscaler-status-conditions>).

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::autoscaling::v2::{
    HorizontalPodAutoscaler, HorizontalPodAutoscalerCondition as Condition,
};

use super::{
    Flaw, Look, Symptom, TIME_TO_MEET, is_left_alone, on_support,
    unscaled::{has_by_now, missing_request},
    written, youngest,
};
use crate::{
    cluster::{Controller, Support, Workload, in_namespace},
    similar::closest,
    workload::{WorkloadKind, WorkloadRef},
};

/// A pod has no metrics for a minute or two after its start, and metrics-server none after its own.
const TIME_TO_MEASURE: SignedDuration = SignedDuration::from_mins(3);
/// A peak is no shortage.
const PEAK: SignedDuration = SignedDuration::from_mins(15);

pub(super) fn symptoms(look: &Look<'_>) -> Vec<Symptom> {
    let Controller::Support(Support::HorizontalPodAutoscaler(scaler)) = look.workload.controller
    else {
        return Vec::new();
    };
    target_missing(look, scaler)
        .or_else(|| inactive(look, scaler))
        .or_else(|| at_maximum(look, scaler))
        .into_iter()
        .collect()
}

/// How the controller begins to say why it has no metric.
const PREFIX: &str = "the HPA was unable to compute the replica count: ";

/// The condition of a type and status, and since when it is so.
pub(super) fn condition<'a>(
    scaler: &'a HorizontalPodAutoscaler,
    type_: &str,
    status: &str,
) -> Option<(&'a Condition, Timestamp)> {
    let conditions = scaler.status.as_ref()?.conditions.as_ref()?;
    let found = conditions
        .iter()
        .find(|it| it.type_ == type_ && it.status == status)?;
    let since = found.last_transition_time.as_ref();
    let since = since.map_or(Timestamp::MIN, |time| time.0);
    Some((found, since.max(written(&scaler.metadata))))
}

pub(super) fn message(condition: &Condition) -> &str {
    let message = condition.message.as_deref().unwrap_or_default();
    message.strip_prefix(PREFIX).unwrap_or(message)
}

/// The workload that it scales, if that is of a watched kind and there.
fn target<'a>(look: &Look<'a>, scaler: &HorizontalPodAutoscaler) -> Option<Workload<'a>> {
    target_of(look.workload, scaler)
}

pub(super) fn target_of<'a>(
    workload: &Workload<'a>,
    scaler: &HorizontalPodAutoscaler,
) -> Option<Workload<'a>> {
    let target = &scaler.spec.scale_target_ref;
    let kind = SCALED.iter().find(|kind| kind.as_str() == target.kind)?;
    workload.cluster().workload(&WorkloadRef {
        kind: *kind,
        namespace: workload.reference.namespace.clone(),
        name: target.name.clone(),
    })
}

const SCALED: [WorkloadKind; 3] = [
    WorkloadKind::Deployment,
    WorkloadKind::StatefulSet,
    WorkloadKind::ReplicaSet,
];

fn target_missing(look: &Look<'_>, scaler: &HorizontalPodAutoscaler) -> Option<Symptom> {
    let (able, since) = condition(scaler, "AbleToScale", "False")?;
    if able.reason.as_deref() != Some("FailedGetScale") {
        return None;
    }
    let named = &scaler.spec.scale_target_ref;
    let said = message(able);
    let cannot = said.contains("could not find the requested resource");
    let message = if cannot && target(look, scaler).is_none() {
        format!(
            "scales nothing: its spec.scaleTargetRef names {} {}, and a {} cannot be scaled",
            named.kind, named.name, named.kind
        )
    } else if said.contains("no matches for kind") {
        format!(
            "scales nothing: its spec.scaleTargetRef names {} of apiVersion `{}`, which has no such kind",
            named.kind,
            named.api_version.as_deref().unwrap_or_default()
        )
    } else if said.contains("not found") && target(look, scaler).is_none() {
        format!(
            "scales nothing: its spec.scaleTargetRef names {} {}, which does not exist{}",
            named.kind,
            named.name,
            meant(look, scaler)
        )
    } else {
        return None; // the API server could not say
    };
    look.has_lasted(since, TIME_TO_MEET)
        .then(|| on_support(Flaw::ScaleTargetMissing, "FailedGetScale", message))
}

/// What may have been meant: the same name of another kind, or a close one of the same.
fn meant(look: &Look<'_>, scaler: &HorizontalPodAutoscaler) -> String {
    let named = &scaler.spec.scale_target_ref;
    let cluster = look.workload.cluster();
    let namespace = &look.workload.reference.namespace;
    let deployments = in_namespace(&cluster.deployments, namespace)
        .map(|(key, _)| (WorkloadKind::Deployment, key.name.clone()));
    let stateful_sets = in_namespace(&cluster.stateful_sets, namespace)
        .map(|(key, _)| (WorkloadKind::StatefulSet, key.name.clone()));
    let all: Vec<_> = deployments.chain(stateful_sets).collect();
    let of_another_kind = all.iter().find(|(_, name)| *name == named.name);
    let close = || {
        let mut same = all.clone();
        same.retain(|(kind, _)| kind.as_str() == named.kind);
        let close = closest(&named.name, same.into_iter().map(|(_, name)| name))?;
        Some(format!("; there is a {} {close}", named.kind))
    };
    of_another_kind
        .map(|(kind, name)| format!("; there is a {} {name}", kind.as_str()))
        .or_else(close)
        .unwrap_or_default()
}

/// It knows no metric to scale by. What is not well has none either, and shows that itself.
fn inactive(look: &Look<'_>, scaler: &HorizontalPodAutoscaler) -> Option<Symptom> {
    let (inactive, since) = condition(scaler, "ScalingActive", "False")?;
    let target = target(look, scaler)?;
    if is_left_alone(&target) {
        return None;
    }
    let reason = inactive.reason.as_deref().unwrap_or_default();
    let said = message(inactive);
    if reason == "AmbiguousSelector" {
        let message = format!("scales nothing: {said}");
        return look
            .has_lasted(since, TIME_TO_MEET)
            .then(|| on_support(Flaw::AmbiguousAutoscaler, reason, message));
    }
    if !reason.starts_with("FailedGet") {
        return None;
    }
    if let Some((resource, name)) = missing_request(said)
        && !name.is_some_and(|name| has_by_now(&target, name, resource))
    {
        let container = name.map_or_else(
            || "one of its containers".to_owned(),
            |name| format!("its container {name}"),
        );
        let message = format!(
            "cannot scale {}: {container} has no resources.requests.{resource}, of which its target is a percentage",
            target.reference
        );
        return look
            .has_lasted(since, TIME_TO_MEET)
            .then(|| on_support(Flaw::NoRequests, reason, message));
    }
    let since = since.max(youngest(target.pods.iter().copied()));
    let why = container_missing(scaler, &target).unwrap_or_else(|| said.to_owned());
    let message = format!("cannot scale {}: {why}", target.reference);
    (look.awaits(target.is_well()) && look.has_lasted(since, TIME_TO_MEASURE))
        .then(|| on_support(Flaw::NoMetrics, reason, message))
}

/// A metric may be that of one container: which of them no pod of the workload has.
fn container_missing(scaler: &HorizontalPodAutoscaler, target: &Workload<'_>) -> Option<String> {
    let template = target.template()?.spec.as_ref()?;
    let has: Vec<_> = template
        .containers
        .iter()
        .map(|it| it.name.clone())
        .collect();
    let mut metrics = scaler.spec.metrics.iter().flatten();
    let wanted = metrics.find_map(|metric| {
        let metric = metric.container_resource.as_ref()?;
        (!has.contains(&metric.container)).then_some(metric)
    })?;
    // a webhook may add it to each pod
    let mut specs = target.pods.iter().filter_map(|pod| pod.spec.as_ref());
    let has_it = specs.any(|spec| {
        let mut containers = spec.containers.iter();
        containers.any(|it| it.name == wanted.container)
    });
    (!has_it).then(|| {
        format!(
            "its metric is {} of container {}, and the pods have only {}",
            wanted.name,
            wanted.container,
            has.join(", ")
        )
    })
}

/// Its metrics ask for more than it may give, and have for long.
fn at_maximum(look: &Look<'_>, scaler: &HorizontalPodAutoscaler) -> Option<Symptom> {
    let (limited, since) = condition(scaler, "ScalingLimited", "True")?;
    let most = scaler.spec.max_replicas;
    let status = scaler.status.as_ref()?;
    let is_pinned = scaler.spec.min_replicas.unwrap_or(1) >= most;
    if limited.reason.as_deref() != Some("TooManyReplicas")
        || is_pinned
        || status.current_replicas.unwrap_or_default() < most
        || !look.awaits(target(look, scaler)?.is_well())
    {
        return None;
    }
    // the condition is as old as the last change of its status, whatever its reason was
    let changed = status.last_scale_time.as_ref().map(|time| time.0);
    let since = changed.map_or(since, |changed| since.max(changed));
    let target = &scaler.spec.scale_target_ref;
    let message = format!(
        "has {} {} at its spec.maxReplicas of {most} since {since}, and its metrics ask for more",
        target.kind, target.name
    );
    look.has_lasted(since, PEAK)
        .then(|| on_support(Flaw::AtMaximum, "TooManyReplicas", message))
}
