//! The defaults that the API server fills in, as far as somebody reads them
//! (<https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/apis/apps/v1/defaults.go> and
//! `pkg/apis/core/v1/defaults.go`).

use k8s_openapi::{
    api::{
        apps::v1::{
            DaemonSetSpec, DaemonSetUpdateStrategy, DeploymentSpec, DeploymentStrategy,
            RollingUpdateDaemonSet, RollingUpdateDeployment, RollingUpdateStatefulSetStrategy,
            StatefulSetSpec, StatefulSetUpdateStrategy,
        },
        batch::v1::{CronJobSpec, JobSpec},
        core::v1::{Container, PodSpec, PodTemplateSpec, Probe},
    },
    apimachinery::pkg::util::intstr::IntOrString,
};

use akeso_core::image_reference::ImageReference;

fn quarter() -> IntOrString {
    IntOrString::String("25%".to_owned())
}

pub(super) fn deployment(spec: &mut DeploymentSpec) {
    spec.replicas.get_or_insert(1);
    spec.revision_history_limit.get_or_insert(10);
    spec.progress_deadline_seconds.get_or_insert(600);
    let strategy = spec
        .strategy
        .get_or_insert_with(DeploymentStrategy::default);
    if strategy
        .type_
        .get_or_insert_with(|| "RollingUpdate".to_owned())
        == "RollingUpdate"
    {
        let update = strategy
            .rolling_update
            .get_or_insert_with(RollingUpdateDeployment::default);
        update.max_surge.get_or_insert_with(quarter);
        update.max_unavailable.get_or_insert_with(quarter);
    }
    template(&mut spec.template);
}

pub(super) fn stateful_set(spec: &mut StatefulSetSpec) {
    spec.replicas.get_or_insert(1);
    spec.revision_history_limit.get_or_insert(10);
    spec.pod_management_policy
        .get_or_insert_with(|| "OrderedReady".to_owned());
    let strategy = spec
        .update_strategy
        .get_or_insert_with(StatefulSetUpdateStrategy::default);
    if strategy
        .type_
        .get_or_insert_with(|| "RollingUpdate".to_owned())
        == "RollingUpdate"
    {
        let update = strategy
            .rolling_update
            .get_or_insert_with(RollingUpdateStatefulSetStrategy::default);
        update.partition.get_or_insert(0);
    }
    template(&mut spec.template);
}

pub(super) fn daemon_set(spec: &mut DaemonSetSpec) {
    spec.revision_history_limit.get_or_insert(10);
    let strategy = spec
        .update_strategy
        .get_or_insert_with(DaemonSetUpdateStrategy::default);
    if strategy
        .type_
        .get_or_insert_with(|| "RollingUpdate".to_owned())
        == "RollingUpdate"
    {
        let update = strategy
            .rolling_update
            .get_or_insert_with(RollingUpdateDaemonSet::default);
        update.max_unavailable.get_or_insert(IntOrString::Int(1));
        update.max_surge.get_or_insert(IntOrString::Int(0));
    }
    template(&mut spec.template);
}

pub(super) fn job(spec: &mut JobSpec) {
    spec.parallelism.get_or_insert(1);
    spec.completions.get_or_insert(1);
    spec.backoff_limit.get_or_insert(6);
    spec.suspend.get_or_insert(false);
    template(&mut spec.template);
}

pub(super) fn cron_job(spec: &mut CronJobSpec) {
    spec.concurrency_policy
        .get_or_insert_with(|| "Allow".to_owned());
    spec.suspend.get_or_insert(false);
    spec.successful_jobs_history_limit.get_or_insert(3);
    spec.failed_jobs_history_limit.get_or_insert(1);
    // a Job's own numbers are filled in when the Job is made
    if let Some(job) = &mut spec.job_template.spec {
        template(&mut job.template);
    }
}

fn template(template: &mut PodTemplateSpec) {
    if let Some(spec) = &mut template.spec {
        pod_spec(spec);
    }
}

fn pod_spec(spec: &mut PodSpec) {
    spec.restart_policy
        .get_or_insert_with(|| "Always".to_owned());
    spec.termination_grace_period_seconds.get_or_insert(30);
    spec.dns_policy
        .get_or_insert_with(|| "ClusterFirst".to_owned());
    spec.scheduler_name
        .get_or_insert_with(|| "default-scheduler".to_owned());
    spec.security_context.get_or_insert_with(Default::default);
    for container in spec
        .containers
        .iter_mut()
        .chain(spec.init_containers.iter_mut().flatten())
    {
        fill_container(container);
    }
}

fn fill_container(container: &mut Container) {
    container.resources.get_or_insert_with(Default::default);
    container
        .termination_message_path
        .get_or_insert_with(|| "/dev/termination-log".to_owned());
    container
        .termination_message_policy
        .get_or_insert_with(|| "File".to_owned());
    let image = container.image.as_deref().and_then(ImageReference::parse);
    let is_latest =
        image.is_some_and(|image| image.digest.is_none() && image.effective_tag() == "latest");
    let policy = if is_latest { "Always" } else { "IfNotPresent" };
    container
        .image_pull_policy
        .get_or_insert_with(|| policy.to_owned());
    let probes = [
        &mut container.readiness_probe,
        &mut container.liveness_probe,
        &mut container.startup_probe,
    ];
    probes.into_iter().flatten().for_each(fill_probe);
}

fn fill_probe(probe: &mut Probe) {
    probe.period_seconds.get_or_insert(10);
    probe.timeout_seconds.get_or_insert(1);
    probe.success_threshold.get_or_insert(1);
    probe.failure_threshold.get_or_insert(3);
}

/// The defaults of a pod itself, beyond those of its template.
pub(crate) fn fill_pod(spec: &mut PodSpec) {
    pod_spec(spec);
    spec.enable_service_links.get_or_insert(true);
    spec.service_account_name
        .get_or_insert_with(|| "default".to_owned());
    for container in spec
        .containers
        .iter_mut()
        .chain(spec.init_containers.iter_mut().flatten())
    {
        let Some(resources) = &mut container.resources else {
            continue;
        };
        let Some(limits) = &resources.limits else {
            continue;
        };
        let requests = resources.requests.get_or_insert_default();
        for (name, limit) in limits {
            requests
                .entry(name.clone())
                .or_insert_with(|| limit.clone());
        }
    }
}
