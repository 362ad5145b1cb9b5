//! Autoscalers that cannot do their work, as their conditions say
//! (<https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale-walkthrough/#appendix-horizontal-pod-autoscaler-status-conditions>).

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{
    autoscaling::v2::{HorizontalPodAutoscaler, HorizontalPodAutoscalerCondition as Condition},
    core::v1::{Container, PodSpec},
};

use super::{Flaw, Look, Symptom, TIME_TO_MEET, is_left_alone, on_support, written, youngest};
use crate::{
    act::Resource,
    cluster::{Controller, Support, Workload, in_namespace, is_ready, ready_since},
    evidence::{Answer, Question, Usage},
    plan::requests::{WARM_UP, peaks},
    similar::closest,
    workload::{ContainerRef, ContainerRole, WorkloadKind, WorkloadRef},
};

/// A pod has no metrics for a minute or two after its start, and metrics-server none after its own.
const TIME_TO_MEASURE: SignedDuration = SignedDuration::from_mins(3);
/// What pods use when they are warm has been measured by then.
const TIME_TO_KNOW: SignedDuration = SignedDuration::from_mins(6);
const _: () = assert!(TIME_TO_KNOW.as_secs() > WARM_UP.as_secs());
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
fn condition<'a>(
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

fn message(condition: &Condition) -> &str {
    let message = condition.message.as_deref().unwrap_or_default();
    message.strip_prefix(PREFIX).unwrap_or(message)
}

/// The workload that it scales, if that is of a watched kind and there.
fn target<'a>(look: &Look<'a>, scaler: &HorizontalPodAutoscaler) -> Option<Workload<'a>> {
    target_of(look.workload, scaler)
}

fn target_of<'a>(
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

/// The resource of which a request is missing, by the controller's words, and the container.
fn missing_request(said: &str) -> Option<(&str, Option<&str>)> {
    let (_, missing) = said.split_once("missing request for ")?;
    let mut words = missing.split(' ');
    let resource = words.next()?;
    Some(match (words.next(), words.next(), words.next()) {
        (Some("in"), Some("container"), Some(name)) => (resource, Some(name)),
        _ => (resource, None),
    })
}

/// Whether a container requests a resource: a limit is the request where there is none
/// (<https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#requests-and-limits>).
fn requests(container: &Container, resource: &str) -> bool {
    let resources = container.resources.as_ref();
    let lists = resources.map(|it| [it.requests.as_ref(), it.limits.as_ref()]);
    let mut lists = lists.into_iter().flatten().flatten();
    lists.any(|list| list.contains_key(resource))
}

/// Whether a container has got its request since the controller has looked.
fn has_by_now(target: &Workload<'_>, name: &str, resource: &str) -> bool {
    let spec = target.pod_spec();
    let mut containers = spec.into_iter().flat_map(lasting);
    containers.any(|(_, it)| it.name == name && requests(it, resource))
}

/// The containers that run as long as their pod does, of which an autoscaler reckons.
fn lasting(spec: &PodSpec) -> impl Iterator<Item = (ContainerRole, &Container)> {
    let init = spec.init_containers.iter().flatten();
    let sidecars = init.filter(|it| it.restart_policy.as_deref() == Some("Always"));
    let sidecars = sidecars.map(|it| (ContainerRole::Init, it));
    let main = spec.containers.iter().map(|it| (ContainerRole::Main, it));
    main.chain(sidecars)
}

/// What keeps an autoscaler from scaling a workload whose template can be changed.
#[derive(Debug)]
pub(crate) struct Lacking {
    /// The autoscaler's name.
    pub(crate) scaler: String,
    /// What is not requested.
    pub(crate) resource: Resource,
    /// By which containers.
    pub(crate) containers: Vec<ContainerRef>,
    /// Since when.
    since: Timestamp,
}

/// What an autoscaler lacks to scale a workload, if that is what its condition tells, and nobody
/// but the workload's own template could say it.
fn lacking(scaler: &HorizontalPodAutoscaler, target: &Workload<'_>) -> Option<Lacking> {
    if !matches!(
        target.controller,
        Controller::Deployment(_) | Controller::StatefulSet(_)
    ) {
        return None;
    }
    let (inactive, since) = condition(scaler, "ScalingActive", "False")?;
    let (resource, _) = missing_request(message(inactive))?;
    let resource = Resource::named(resource)?;
    let name = resource.as_str();
    // of all containers, or of one
    let mut metrics = scaler.spec.metrics.iter().flatten();
    let of = metrics.find_map(|metric| {
        let all = metric.resource.as_ref();
        let all = all.map(|it| (&it.name, &it.target, None));
        let one = metric.container_resource.as_ref();
        let one = one.map(|it| (&it.name, &it.target, Some(&it.container)));
        let (of, target, container) = all.or(one)?;
        (of == name && target.type_ == "Utilization").then_some(container)
    })?;
    let lacks = |it: &Container| of.is_none_or(|only| it.name == *only) && !requests(it, name);
    let containers: Vec<_> = lasting(target.pod_spec()?)
        .filter(|(_, it)| lacks(it))
        .map(|(role, it)| ContainerRef {
            name: it.name.clone(),
            role,
        })
        .collect();
    // a webhook may have added one
    let is_known = |name: &str| containers.iter().any(|it| it.name == name);
    let specs = target.pods.iter().filter_map(|pod| pod.spec.as_ref());
    let mut of_pods = specs.flat_map(lasting).filter(|(_, it)| lacks(it));
    let is_all = !containers.is_empty() && of_pods.all(|(_, it)| is_known(&it.name));
    is_all.then(|| Lacking {
        scaler: scaler.metadata.name.clone().unwrap_or_default(),
        resource,
        containers,
        since,
    })
}

/// What the use of a workload's pods tells of a request that is missing.
pub(crate) enum Told {
    /// All of them have been measured for long enough.
    Enough,
    /// They have not run for long.
    Soon,
    /// Nothing, and why.
    Nothing(String),
}

impl Lacking {
    /// What an autoscaler lacks to scale this workload.
    pub(crate) fn of(workload: &Workload<'_>) -> Option<Self> {
        let mut scalers = workload.autoscalers();
        scalers.find_map(|scaler| lacking(scaler, workload))
    }

    /// The same of an autoscaler's own object, and what it is to scale.
    pub(crate) fn of_scaler<'a>(workload: &Workload<'a>) -> Option<(Workload<'a>, Self)> {
        let Controller::Support(Support::HorizontalPodAutoscaler(scaler)) = workload.controller
        else {
            return None;
        };
        let target = target_of(workload, scaler)?;
        let lacking = lacking(scaler, &target)?;
        Some((target, lacking))
    }

    /// Whether it has been so for as long as this.
    pub(crate) fn has_lasted(&self, time: SignedDuration, now: Timestamp) -> bool {
        self.since.checked_add(time).is_ok_and(|until| until <= now)
    }

    /// The most that each of the containers was measured to use; or why that is not known.
    pub(crate) fn peaks(&self, target: &Workload<'_>, usage: &Usage) -> Result<Vec<u64>, String> {
        let names: Vec<_> = self.containers.iter().map(|it| it.name.as_str()).collect();
        peaks(usage, &target.pods, &names, self.resource)
    }

    /// What is told by what was measured.
    pub(crate) fn told(&self, target: &Workload<'_>, usage: &Usage, now: Timestamp) -> Told {
        if !is_running(target) {
            return Told::Nothing("not all of its pods are ready".to_owned());
        }
        if known_at(target).is_none_or(|at| at > now) {
            return Told::Soon;
        }
        let names: Vec<_> = self.containers.iter().map(|it| it.name.as_str()).collect();
        // that they are idle is no reason not to look after it
        match peaks(usage, &target.pods, &names, Resource::Memory) {
            Ok(_) => Told::Enough,
            Err(why) => Told::Nothing(why),
        }
    }
}

/// Whether all of its pods are ready, and of one revision.
fn is_running(target: &Workload<'_>) -> bool {
    target.is_well() && target.old_pods.is_empty() && target.pods.iter().all(|pod| is_ready(pod))
}

/// From when on the use of its pods, which are ready, is known.
fn known_at(target: &Workload<'_>) -> Option<Timestamp> {
    let ready = target.pods.iter().filter_map(|pod| ready_since(pod)).max();
    ready?.checked_add(TIME_TO_KNOW).ok()
}

/// What its containers use, where that may be asked.
pub(crate) fn usage_in(workload: &Workload<'_>) -> Question {
    Question::Usage {
        namespace: workload.reference.namespace.clone(),
    }
}

/// A workload that its autoscaler cannot scale for a missing request, which is told by what its
/// containers use. Where that is not known, only the autoscaler is looked at.
pub(super) fn unscaled(look: &Look<'_>) -> Vec<Symptom> {
    needs_requests(look).into_iter().collect()
}

fn needs_requests(look: &Look<'_>) -> Option<Symptom> {
    let workload = look.workload;
    let lacking = Lacking::of(workload)?;
    if !is_running(workload) || !look.has_come(known_at(workload)?) {
        return None;
    }
    let Answer::Usage(usage) = look.ask(usage_in(workload))? else {
        return None;
    };
    let Told::Enough = lacking.told(workload, usage, look.now) else {
        return None;
    };
    let names: Vec<_> = lacking.containers.iter().map(ToString::to_string).collect();
    let message = format!(
        "cannot be scaled by HorizontalPodAutoscaler {}, whose target is a percentage of resources.requests.{}: {} has none",
        lacking.scaler,
        lacking.resource,
        names.join(", ")
    );
    Some(on_support(
        Flaw::NoRequests,
        "FailedGetResourceMetric",
        message,
    ))
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
