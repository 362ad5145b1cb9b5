//! Workloads that their autoscaler cannot scale, for its target is a percentage of a request that is
//! missing, where what their pods use has been measured.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{
    autoscaling::v2::HorizontalPodAutoscaler,
    core::v1::{Container, PodSpec},
};

use super::{
    Flaw, Look, Symptom,
    autoscalers::{condition, message, target_of},
    on_support,
};
use crate::{
    act::Resource,
    cluster::{Controller, Support, Workload, is_ready, is_sidecar, ready_since},
    evidence::{Answer, Question, Usage},
    plan::requests::{WARM_UP, peaks},
    workload::{ContainerRef, ContainerRole},
};

/// What pods use when they are warm has been measured by then.
const TIME_TO_KNOW: SignedDuration = SignedDuration::from_mins(6);
const _: () = assert!(TIME_TO_KNOW.as_secs() > WARM_UP.as_secs());

/// A workload that its autoscaler cannot scale for a missing request, which is told by what its
/// containers use. Where that is not known, only the autoscaler is looked at.
pub(super) fn symptoms(look: &Look<'_>) -> Vec<Symptom> {
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

/// The resource of which a request is missing, by the controller's words, and the container.
pub(super) fn missing_request(said: &str) -> Option<(&str, Option<&str>)> {
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
pub(super) fn has_by_now(target: &Workload<'_>, name: &str, resource: &str) -> bool {
    let spec = target.pod_spec();
    let mut containers = spec.into_iter().flat_map(lasting);
    containers.any(|(_, it)| it.name == name && requests(it, resource))
}

/// The containers that run as long as their pod does, of which an autoscaler reckons.
fn lasting(spec: &PodSpec) -> impl Iterator<Item = (ContainerRole, &Container)> {
    let init = spec.init_containers.iter().flatten();
    let sidecars = init.filter(|it| is_sidecar(it));
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
