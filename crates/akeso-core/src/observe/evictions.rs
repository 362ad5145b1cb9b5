//! Pods that the kubelet has evicted. Their controller makes others at once: one eviction is no
//! fault of the workload, the next ones are.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

use super::{CRASH_MEMORY, Look, Sign, Symptom};
use crate::cluster::Controller;

pub(super) fn symptoms(look: &Look<'_>) -> Vec<Symptom> {
    let mut evicted: Vec<_> = look
        .workload
        .pods
        .iter()
        .filter_map(|pod| Some((evicted_at(pod)?, *pod)))
        .filter(|(at, _)| {
            let over = at.checked_add(CRASH_MEMORY).unwrap_or(Timestamp::MAX);
            !look.has_come(over)
        })
        .collect();
    evicted.sort_by_key(|(at, _)| *at);
    // nobody makes a bare pod again
    let least = match look.workload.controller {
        Controller::Pod(_) => 1,
        Controller::Deployment(_)
        | Controller::StatefulSet(_)
        | Controller::DaemonSet(_)
        | Controller::ReplicaSet(_)
        | Controller::CronJob(_)
        | Controller::Job(_)
        | Controller::Support(_) => 2,
    };
    let is_repeated = evicted.len() >= least;
    let newest = evicted.pop().filter(|_| is_repeated);
    let symptom = newest.map(|(_, pod)| Symptom {
        sign: Sign::Evicted,
        pod: pod.metadata.name.clone(),
        container: None,
        status: "Failed".to_owned(),
        reason: "Evicted".to_owned(),
        message: message(pod).trim_end().to_owned(),
    });
    symptom.into_iter().collect()
}

fn message(pod: &Pod) -> &str {
    let status = pod.status.as_ref();
    status
        .and_then(|status| status.message.as_deref())
        .unwrap_or_default()
}

fn evicted_at(pod: &Pod) -> Option<Timestamp> {
    let status = pod.status.as_ref()?;
    let is_evicted =
        status.phase.as_deref() == Some("Failed") && status.reason.as_deref() == Some("Evicted");
    let ends = status.container_statuses.iter().flatten().filter_map(|it| {
        let ended = it.state.as_ref()?.terminated.as_ref()?;
        Some(ended.finished_at.as_ref()?.0)
    });
    let changes = status.conditions.iter().flatten();
    let changes = changes.filter_map(|it| Some(it.last_transition_time.as_ref()?.0));
    ends.chain(changes).max().filter(|_| is_evicted)
}
