//! A pod's status, as the kubelet tells it.

use k8s_openapi::{
    api::core::v1::{ContainerState, ContainerStatus, HostIP, Pod, PodCondition, PodIP, PodStatus},
    apimachinery::pkg::apis::meta::v1::Time,
};

use super::{ContainerLife, PodLife, Role};
use crate::registry::Registry;

/// Sets a condition; the time of its transition stays while its status does.
pub(crate) fn set_condition(conditions: &mut Vec<PodCondition>, mut new: PodCondition, now: &Time) {
    let known = conditions.iter_mut().find(|known| known.type_ == new.type_);
    new.last_transition_time = Some(now.clone());
    let Some(known) = known else {
        conditions.push(new);
        return;
    };
    if known.status == new.status {
        new.last_transition_time
            .clone_from(&known.last_transition_time);
    }
    *known = new;
}

/// The status of a pod whose containers live so.
pub(super) fn status(pod: &Pod, life: &PodLife, now: &Time) -> PodStatus {
    let mut status = pod.status.clone().unwrap_or_default();
    let spec = pod.spec.clone().unwrap_or_default();
    let initialized = life.is_initialized();
    let phase = phase(life, spec.restart_policy.as_deref().unwrap_or("Always"));
    let of = |role: Role| {
        life.containers
            .iter()
            .filter(move |(r, _)| *r == role)
            .map(|(_, c)| container_status(c))
            .collect::<Vec<_>>()
    };
    let (init, main) = (of(Role::Init), of(Role::Main));
    let is_over = matches!(phase, "Succeeded" | "Failed");
    let running_sidecars = life.sidecars().all(|sidecar| sidecar.shown.ready);
    let unready: Vec<_> = main
        .iter()
        .filter(|status| !status.ready)
        .map(|status| status.name.clone())
        .collect();
    let is_ready = unready.is_empty() && initialized && running_sidecars && !is_over;
    let reason = if phase == "Succeeded" {
        "PodCompleted"
    } else {
        "ContainersNotReady"
    };
    let message = (phase != "Succeeded")
        .then(|| format!("containers with unready status: [{}]", unready.join(" ")));
    let condition =
        |type_: &str, holds: bool, reason: &str, message: Option<String>| PodCondition {
            type_: type_.to_owned(),
            status: if holds { "True" } else { "False" }.to_owned(),
            reason: (!holds).then(|| reason.to_owned()),
            message: message.filter(|_| !holds),
            ..PodCondition::default()
        };
    let conditions = status.conditions.get_or_insert_default();
    let waiting_init: Vec<_> = init
        .iter()
        .filter(|status| !status.ready)
        .map(|status| status.name.clone())
        .collect();
    let incomplete = format!(
        "containers with incomplete status: [{}]",
        waiting_init.join(" ")
    );
    set_condition(
        conditions,
        condition("PodReadyToStartContainers", life.has_sandbox, "", None),
        now,
    );
    set_condition(
        conditions,
        condition(
            "Initialized",
            initialized,
            "ContainersNotInitialized",
            Some(incomplete),
        ),
        now,
    );
    set_condition(
        conditions,
        condition("Ready", is_ready, reason, message.clone()),
        now,
    );
    set_condition(
        conditions,
        condition("ContainersReady", is_ready, reason, message),
        now,
    );
    status.observed_generation = pod.metadata.generation;
    status.phase = Some(phase.to_owned());
    status.container_statuses = Some(main);
    status.init_container_statuses = (!init.is_empty()).then_some(init);
    status.pod_ip = Some(life.ip.clone());
    status.pod_ips = Some(vec![PodIP {
        ip: life.ip.clone(),
    }]);
    status.host_ip = Some("10.0.0.1".to_owned());
    status.host_ips = Some(vec![HostIP {
        ip: "10.0.0.1".to_owned(),
    }]);
    status.start_time.get_or_insert_with(|| now.clone());
    status
}

fn container_status(life: &ContainerLife) -> ContainerStatus {
    let shown = &life.shown;
    let full = Registry::full_name(&life.image);
    let last = shown.last.clone().map(|terminated| ContainerState {
        terminated: Some(terminated),
        ..ContainerState::default()
    });
    // an init container that is done counts as ready
    let done = life.final_code() == Some(0);
    ContainerStatus {
        name: life.name.clone(),
        image: if shown.pulled {
            full.clone()
        } else {
            life.image.clone()
        },
        image_id: if shown.pulled {
            format!("{full}@sha256:sim")
        } else {
            String::new()
        },
        container_id: life
            .log()
            .map(|_| format!("containerd://{:064x}", shown.restarts + 1)),
        ready: shown.ready || (life.is_init && done),
        started: Some(shown.started),
        restart_count: shown.restarts,
        state: Some(shown.state.clone()),
        last_state: Some(last.unwrap_or_default()),
        ..ContainerStatus::default()
    }
}

/// The phase, by the kubelet's rules (`getPhase` in `pkg/kubelet/kubelet_pods.go`).
fn phase(life: &PodLife, restart_policy: &str) -> &'static str {
    if life.has_failed_init() {
        return "Failed";
    }
    if !life.is_initialized() {
        return "Pending";
    }
    let mut running = 0;
    let mut codes = Vec::new();
    for container in life.main() {
        let shown = &container.shown;
        let ended = shown.state.terminated.as_ref().or_else(|| {
            shown
                .last
                .as_ref()
                .filter(|_| shown.state.waiting.is_some())
        });
        if shown.state.running.is_some() {
            running += 1;
        } else if let Some(ended) = ended {
            codes.push(ended.exit_code);
        } else {
            return "Pending";
        }
    }
    if running > 0 || restart_policy == "Always" {
        return "Running";
    }
    match (codes.iter().all(|code| *code == 0), restart_policy) {
        (true, _) => "Succeeded",
        (false, "Never") => "Failed",
        (false, _) => "Running",
    }
}
