//! Fault `rollout-blocked`: the new pod of a Deployment needs what only its own old pod can give
//! back, a port of the node or a volume for one pod, and the old pod goes only when the new one is
//! ready.

use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Pod},
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{Diagnosis, Examination, Family, Fault, Remedy};
use crate::{
    cluster::Controller,
    observe::{Sign, Symptom},
    plan::Advice,
};

pub(super) const FAULT: Fault = Fault {
    name: "rollout-blocked",
    family: Family::Rollout,
    signs: "no node takes the new pod of a rollout, since the old pod of the same workload holds the `hostPort` or the `ReadWriteOncePod` volume, and no old pod may go before (`maxUnavailable` comes to 0)",
    does: "names what is held, by which pod, and the field that keeps that pod",
    never: "deletes the old pod, which serves, or changes the strategy",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Unschedulable = &symptom.sign else {
        return None;
    };
    let workload = examination.workload;
    let Controller::Deployment(deployment) = workload.controller else {
        return None;
    };
    if may_be_unavailable(deployment)? > 0 {
        return None;
    }
    let new = workload
        .pods
        .iter()
        .find(|pod| pod.metadata.name == symptom.pod)?;
    let is_bound = |pod: &&&Pod| pod.spec.as_ref().is_some_and(|it| it.node_name.is_some());
    let mut old_pods = workload.old_pods.iter().filter(is_bound);
    let (what, holder) = if symptom.message.contains("didn't have free ports") {
        let wanted = host_ports(new);
        let (holder, port) = old_pods.find_map(|old| {
            let mut held = host_ports(old).into_iter();
            Some((old, held.find(|port| wanted.contains(port))?))
        })?;
        (format!("hostPort {}", port.0), holder)
    } else if symptom
        .message
        .contains("ReadWriteOncePod access mode already in-use")
    {
        ("its ReadWriteOncePod volume".to_owned(), old_pods.next()?)
    } else {
        return None;
    };
    let says = format!(
        "cannot roll out: its new pod waits for {what}, which its old pod {} holds, and that pod goes only when the new one is ready (maxUnavailable comes to 0)",
        holder.metadata.name.as_deref().unwrap_or_default()
    );
    let advice = Advice {
        why: "the old pod must be let go before the new one comes: strategy Recreate, or a maxUnavailable of 1".to_owned(),
        command: format!(
            "kubectl -n {} edit {}",
            workload.reference.namespace,
            workload.reference.kubectl()
        ),
    };
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 95, Remedy::Person(advice))
            .with_evidence([symptom.message.clone()]),
    )
}

/// How many pods a rolling update may take away before others are ready: a share is rounded down,
/// and where it and the surge come to 0 it is 1. Nothing where it is no rolling update
/// (<https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#max-unavailable>).
fn may_be_unavailable(deployment: &Deployment) -> Option<i32> {
    let strategy = deployment.spec.strategy.as_ref();
    if strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("Recreate") {
        return None;
    }
    let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
    let replicas = deployment.spec.replicas.unwrap_or(1);
    let of = |value: Option<&IntOrString>, rounding: i32| match value {
        Some(IntOrString::Int(count)) => Some(*count),
        Some(IntOrString::String(share)) => {
            let share: i32 = share.strip_suffix('%')?.parse().ok()?;
            Some((share * replicas + rounding) / 100)
        }
        None => Some((25 * replicas + rounding) / 100),
    };
    let unavailable = of(rolling.and_then(|it| it.max_unavailable.as_ref()), 0)?;
    let surge = of(rolling.and_then(|it| it.max_surge.as_ref()), 99)?;
    Some(if unavailable == 0 && surge == 0 {
        1
    } else {
        unavailable
    })
}

/// The ports of the node that a pod takes, with their protocols.
fn host_ports(pod: &Pod) -> Vec<(i32, &str)> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let ports = containers.flat_map(|container| container.ports.iter().flatten());
    ports
        .filter_map(|port| Some((port.host_port?, port.protocol.as_deref().unwrap_or("TCP"))))
        .collect()
}
