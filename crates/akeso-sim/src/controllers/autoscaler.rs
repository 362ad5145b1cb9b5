//! The `HorizontalPodAutoscaler` controller, as far as its conditions go: nothing is under load here,
//! so that it never scales. Pods have resource metrics, and there is no other metrics API
//! (<https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/controller/podautoscaler/horizontal.go>).

use akeso_core::cluster::{Key, Kind};
use jiff::SignedDuration;
use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    autoscaling::v2::{HorizontalPodAutoscaler, HorizontalPodAutoscalerCondition, MetricSpec},
    core::v1::PodTemplateSpec,
};

use crate::{agenda::Work, world::World};

/// How often it looks.
const SYNC: SignedDuration = SignedDuration::from_secs(15);
const UNABLE: &str = "the HPA was unable to compute the replica count: ";

/// A condition's type, whether it holds, its reason and message.
type Said = (&'static str, bool, &'static str, String);

pub(super) fn reconcile(world: &mut World, key: &Key) {
    let Some(mut scaler) = world.store.get::<HorizontalPodAutoscaler>(key).cloned() else {
        return;
    };
    let said = conditions(world, key, &scaler);
    let now = world.stamp();
    let generation = scaler.metadata.generation;
    let status = scaler.status.get_or_insert_default();
    let known = status.conditions.take().unwrap_or_default();
    let conditions = said.into_iter().map(|(type_, holds, reason, message)| {
        let status = if holds { "True" } else { "False" };
        let before = known
            .iter()
            .find(|it| it.type_ == type_ && it.status == status);
        HorizontalPodAutoscalerCondition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message),
            observed_generation: generation,
            last_transition_time: before
                .and_then(|it| it.last_transition_time.clone())
                .or_else(|| Some(now.clone())),
        }
    });
    status.conditions = Some(conditions.collect());
    world.put(scaler);
    world.wake(
        Work::Reconcile(Kind::HorizontalPodAutoscaler, key.clone()),
        SYNC,
    );
}

fn conditions(world: &World, key: &Key, scaler: &HorizontalPodAutoscaler) -> Vec<Said> {
    let target = &scaler.spec.scale_target_ref;
    let of_target = Key::new(&key.namespace, &target.name);
    let (resource, found) = match target.kind.as_str() {
        "Deployment" => {
            let found = world.store.get::<Deployment>(&of_target);
            let found = found.map(|it| (it.spec.replicas, &it.spec.template));
            ("deployments.apps", found)
        }
        "StatefulSet" => {
            let found = world.store.get::<StatefulSet>(&of_target);
            let found = found.map(|it| (it.spec.replicas, &it.spec.template));
            ("statefulsets.apps", found)
        }
        _ => {
            let message = "the HPA controller was unable to get the target's current scale: the server could not find the requested resource".to_owned();
            return vec![("AbleToScale", false, "FailedGetScale", message)];
        }
    };
    let Some((replicas, template)) = found else {
        let message = format!(
            "the HPA controller was unable to get the target's current scale: {resource} \"{}\" not found",
            target.name
        );
        return vec![("AbleToScale", false, "FailedGetScale", message)];
    };
    let able_to = |active| {
        let able = "the HPA controller was able to get the target's current scale".to_owned();
        vec![("AbleToScale", true, "SucceededGetScale", able), active]
    };
    if replicas == Some(0) {
        let why = "scaling is disabled since the replica count of the target is zero".to_owned();
        return able_to(("ScalingActive", false, "ScalingDisabled", why));
    }
    let same = world
        .store
        .list::<HorizontalPodAutoscaler>(&key.namespace)
        .filter(|other| {
            let theirs = &other.spec.scale_target_ref;
            theirs.kind == target.kind && theirs.name == target.name
        });
    let same: Vec<_> = same
        .filter_map(|other| {
            Some(format!(
                "{}/{}",
                key.namespace,
                other.metadata.name.as_ref()?
            ))
        })
        .collect();
    if same.len() > 1 {
        let why = format!(
            "pods by selector app={} are controlled by multiple HPAs: [{}]",
            target.name,
            same.join(" ")
        );
        return able_to(("ScalingActive", false, "AmbiguousSelector", why));
    }
    let mut metrics = scaler.spec.metrics.iter().flatten();
    let failure = metrics.find_map(|metric| failure(key, metric, template));
    let active = match failure {
        Some((reason, why)) => ("ScalingActive", false, reason, format!("{UNABLE}{why}")),
        None => (
            "ScalingActive",
            true,
            "ValidMetricFound",
            "the HPA was able to successfully calculate a replica count".to_owned(),
        ),
    };
    able_to(active)
}

/// Why a metric cannot be had.
fn failure(
    key: &Key,
    metric: &MetricSpec,
    template: &PodTemplateSpec,
) -> Option<(&'static str, String)> {
    if let Some(external) = &metric.external {
        let name = &external.metric.name;
        let why = format!(
            "unable to get external metric {}/{name}/nil: unable to fetch metrics from external metrics API: the server could not find the requested resource (get {name}.external.metrics.k8s.io)",
            key.namespace
        );
        return Some(("FailedGetExternalMetric", why));
    }
    let spec = template.spec.as_ref()?;
    if let Some(wanted) = &metric.container_resource
        && !spec.containers.iter().any(|it| it.name == wanted.container)
    {
        let why = format!(
            "failed to get {} utilization: did not receive metrics for targeted pods (pods might be unready)",
            wanted.name
        );
        return Some(("FailedGetContainerResourceMetric", why));
    }
    let resource = metric.resource.as_ref()?;
    if resource.target.type_ != "Utilization" {
        return None;
    }
    let name = &resource.name;
    let containers = spec.containers.iter();
    let mut without = containers.filter(|container| {
        let resources = container.resources.as_ref();
        let asks = |it: Option<&std::collections::BTreeMap<_, _>>| {
            it.is_some_and(|it| it.contains_key(name))
        };
        // a limit is the request where there is none
        !asks(resources.and_then(|it| it.requests.as_ref()))
            && !asks(resources.and_then(|it| it.limits.as_ref()))
    });
    let container = &without.next()?.name;
    let why = format!(
        "failed to get {name} utilization: missing request for {name} in container {container} of Pod {}-1",
        key.name
    );
    Some(("FailedGetResourceMetric", why))
}
