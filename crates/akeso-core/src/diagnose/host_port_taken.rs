//! Fault `host-port-taken`: the pod wants a port of its node, and another pod has it.

use k8s_openapi::api::core::v1::{ContainerPort, PodSpec};

use super::{
    Diagnosis, Examination, Family, Fault,
    placement::{Placement, listed, name},
};
use crate::observe::Symptom;

pub(super) const FAULT: Fault = Fault {
    name: "host-port-taken",
    family: Family::Scheduling,
    signs: "no node takes the pod, for a `hostPort` of it is taken on each",
    does: "names the port and who has it; says where it is a replica of the workload itself; after a rollout that changed it and has passed its progress deadline, puts the last good revision back, where one is proven",
    never: "changes a port, or ends who has it",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let place = Placement::of(examination, symptom)?;
    if !place.message.contains("didn't have free ports") {
        return None;
    }
    let wanted: Vec<_> = place.pod.spec.iter().flat_map(host_ports).collect();
    let first = wanted.first()?;
    let open = place.open();
    let holders: Vec<_> = open
        .iter()
        .flat_map(|node| place.pods_on(node).map(|pod| (name(node), pod)))
        .filter_map(|(node, pod)| {
            let mut held = pod.spec.iter().flat_map(host_ports);
            let port = held.find(|held| wanted.iter().any(|it| collide(it, held)))?;
            Some((node, pod, port))
        })
        .collect();
    let says = if holders.is_empty() {
        let ports: Vec<_> = wanted.iter().map(|it| text(it)).collect();
        format!(
            "fits on no node: hostPort {} is taken on every node that may take it, by pods that are not seen here",
            ports.join(", ")
        )
    } else {
        let holders = holders.iter().map(|(node, pod, port)| {
            let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
            let name = pod.metadata.name.as_deref().unwrap_or_default();
            format!("{} on {node} by pod {namespace}/{name}", text(port))
        });
        let holders: Vec<_> = holders.collect();
        format!(
            "fits on no node: its hostPort is taken: {}",
            listed(holders.iter().map(String::as_str))
        )
    };
    let workload = examination.workload;
    let mut own = workload.pods.iter().chain(&workload.old_pods);
    let is_own = own.any(|own| {
        let mut holders = holders.iter();
        holders.any(|(_, pod, _)| pod.metadata.uid == own.metadata.uid)
    });
    let why = if is_own {
        format!(
            "with a hostPort only one pod of it can stand on a node, so {} replica(s) and the one more of a rolling update want as many nodes; a Service needs no hostPort",
            workload.desired()
        )
    } else {
        format!(
            "hostPort {} must be another, or who has it must go; a Service needs no hostPort",
            text(first)
        )
    };
    let diagnosis = examination.refused(&FAULT, symptom, &says, &why);
    Some(diagnosis.undone_if_changed(examination, |spec| {
        host_ports(spec).cloned().collect::<Vec<_>>()
    }))
}

fn host_ports(spec: &PodSpec) -> impl Iterator<Item = &ContainerPort> {
    let init = spec.init_containers.iter().flatten();
    let containers = spec.containers.iter().chain(init);
    let ports = containers.flat_map(|container| container.ports.iter().flatten());
    ports.filter(|port| port.host_port.is_some_and(|port| port > 0))
}

fn collide(one: &ContainerPort, other: &ContainerPort) -> bool {
    let protocol = |port: &ContainerPort| port.protocol.clone().unwrap_or_else(|| "TCP".into());
    let address = |port: &ContainerPort| port.host_ip.clone().filter(|ip| ip != "0.0.0.0");
    let is_one_address = match (address(one), address(other)) {
        (Some(one), Some(other)) => one == other,
        (None, _) | (_, None) => true,
    };
    one.host_port == other.host_port && protocol(one) == protocol(other) && is_one_address
}

fn text(port: &ContainerPort) -> String {
    let protocol = port.protocol.as_deref().unwrap_or("TCP");
    format!("{}/{protocol}", port.host_port.unwrap_or_default())
}
