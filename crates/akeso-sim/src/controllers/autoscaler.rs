//! The `HorizontalPodAutoscaler` controller: its conditions, and more replicas where the CPU that the
//! behaviours say is more than its target; what is started is not taken away again. Pods have resource metrics, and there is no other metrics API
//! (<https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/controller/podautoscaler/horizontal.go>).

use akeso_core::{
    cluster::{Key, Kind},
    quantity::MilliCpu,
};
use jiff::SignedDuration;
use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    autoscaling::v2::{HorizontalPodAutoscaler, HorizontalPodAutoscalerCondition, MetricSpec},
    core::v1::PodTemplateSpec,
};

use crate::{agenda::Work, kubelet::usage, world::World};

/// How often it looks.
const SYNC: SignedDuration = SignedDuration::from_secs(15);
const UNABLE: &str = "the HPA was unable to compute the replica count: ";

/// A condition's type, whether it holds, its reason and message.
type Said = (&'static str, bool, &'static str, String);

pub(super) fn reconcile(world: &mut World, key: &Key) {
    let Some(mut scaler) = world.store.get::<HorizontalPodAutoscaler>(key).cloned() else {
        return;
    };
    let mut said = conditions(world, key, &scaler);
    if said
        .iter()
        .any(|(type_, holds, ..)| *type_ == "ScalingActive" && *holds)
    {
        said.push(scale(world, key, &mut scaler));
    }
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

/// Gives the target as many replicas as the use of CPU asks for, and says whether it may not
/// (<https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details>).
fn scale(world: &mut World, key: &Key, scaler: &mut HorizontalPodAutoscaler) -> Said {
    let within = "the desired count is within the acceptable range".to_owned();
    let within = ("ScalingLimited", false, "DesiredWithinRange", within);
    let target = &scaler.spec.scale_target_ref;
    let of_target = Key::new(&key.namespace, &target.name);
    let Some(deployment) = world.store.get::<Deployment>(&of_target).cloned() else {
        return within;
    };
    let current = deployment.spec.replicas.unwrap_or(1);
    let wanted = wanted(world, key, scaler, &deployment)
        .unwrap_or(current)
        .max(current);
    let most = scaler.spec.max_replicas;
    let given = wanted.min(most).max(current);
    let now = world.stamp();
    let status = scaler.status.get_or_insert_default();
    status.current_replicas = Some(current);
    status.desired_replicas = given;
    if given > current {
        status.last_scale_time = Some(now);
        let mut spec = deployment.spec.clone();
        spec.replicas = Some(given);
        world.put(Deployment { spec, ..deployment });
    }
    if wanted <= most {
        return within;
    }
    let why = "the desired replica count is more than the maximum replica count".to_owned();
    ("ScalingLimited", true, "TooManyReplicas", why)
}

/// How many replicas of a Deployment its use of CPU asks for.
fn wanted(
    world: &World,
    key: &Key,
    scaler: &HorizontalPodAutoscaler,
    deployment: &Deployment,
) -> Option<i32> {
    let mut metrics = scaler.spec.metrics.iter().flatten();
    let cpu = metrics.find_map(|it| it.resource.as_ref().filter(|it| it.name == "cpu"))?;
    let target = u64::try_from(cpu.target.average_utilization?).ok()?;
    let spec = deployment.spec.template.spec.as_ref()?;
    let requests = spec.containers.iter().map(|container| {
        let requests = container.resources.as_ref()?.requests.as_ref()?;
        MilliCpu::parse(&requests.get("cpu")?.0)
            .ok()
            .map(MilliCpu::get)
    });
    let requested = requests.sum::<Option<u64>>()?;
    let usage = usage(world, &key.namespace)?;
    let prefix = format!("{}-", deployment.metadata.name.as_ref()?);
    let pods = usage
        .pods
        .iter()
        .filter(|(name, _)| name.starts_with(&prefix));
    let used = pods.map(|(_, pod)| pod.containers.values().map(|it| it.cpu.get()).sum::<u64>());
    let used: u64 = used.sum();
    // within a tenth of its target it is left as it is
    let asked_for = (used * 100).div_ceil((requested * target).max(1));
    let current = u64::try_from(deployment.spec.replicas.unwrap_or(1)).ok()?;
    let is_far = used * 1000 > requested * target * current * 11;
    is_far.then(|| i32::try_from(asked_for).unwrap_or(i32::MAX))
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
