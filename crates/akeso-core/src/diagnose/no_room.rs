//! Fault `no-room`: the pod would fit on a node, but other pods have taken the room. That is the
//! cluster's capacity and no fault of the workload.

use k8s_openapi::api::core::v1::Node;

use super::{
    Diagnosis, Examination, Family, Fault, Remedy,
    placement::{Placement, listed, name},
    requests::{allocatable, insufficient, of_pod, shown},
};
use crate::{
    observe::{PENDING_LONG, Symptom},
    plan::Advice,
};

pub(super) const FAULT: Fault = Fault {
    name: "no-room",
    family: Family::Scheduling,
    signs: "no node takes the pod (`Insufficient cpu`, `Insufficient memory`, `Too many pods`), though an empty one would",
    does: "waits five minutes for an autoscaler or for pods to end; then tells what is requested and what is free",
    never: "lowers a request, or evicts other pods",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let place = Placement::of(examination, symptom)?;
    let open = place.open();
    let lacking = insufficient(place.message);
    let is_crowded = place.message.contains("Too many pods");
    if open.is_empty() || (lacking.is_empty() && !is_crowded) {
        return None;
    }
    let spec = place.pod.spec.as_ref()?;
    let mut wants: Vec<String> = lacking
        .iter()
        .map(|resource| format!("{resource} {}", shown(resource, of_pod(spec, resource))))
        .collect();
    let mut names = lacking.clone();
    if is_crowded {
        wants.push("a place for one more pod".to_owned());
        names.push("pods");
    }
    let sees_all = examination.settings.namespace.is_none();
    let nodes = open.iter().map(|node| {
        let has = names.iter().filter_map(|resource| {
            let (most, quantity) = allocatable(node, resource)?;
            Some(if sees_all {
                let left = most.saturating_sub(used(&place, node, resource));
                format!(
                    "{} of {resource} {} free",
                    shown(resource, left),
                    quantity.0
                )
            } else {
                format!("{resource} {} in all", quantity.0)
            })
        });
        format!("{} has {}", name(node), has.collect::<Vec<_>>().join(", "))
    });
    let nodes: Vec<_> = nodes.collect();
    let says = format!(
        "waits for room, as other pods have taken it: its pod wants {}; {}",
        wants.join(", "),
        listed(nodes.iter().map(String::as_str))
    );
    let remedy = if symptom.status == PENDING_LONG {
        Remedy::Person(Advice {
            why: "this is the cluster's capacity and not the workload: add a node, or let others request less; no autoscaler has added one in five minutes".to_owned(),
            command: "kubectl describe nodes".to_owned(),
        })
    } else {
        Remedy::Wait {
            why: "an autoscaler may add a node, or other pods may end".to_owned(),
        }
    };
    let mut diagnosis = examination
        .diagnosis(&FAULT, symptom, says, 90, remedy)
        .with_evidence([symptom.message.clone()]);
    diagnosis.dependency = Some(format!("room on the nodes ({})", names.join(", ")));
    Some(diagnosis)
}

/// What the pods on a node request together.
fn used(place: &Placement<'_>, node: &Node, resource: &str) -> u64 {
    let pods = place.pods_on(node);
    if resource == "pods" {
        return u64::try_from(pods.count()).unwrap_or(u64::MAX);
    }
    pods.filter_map(|pod| Some(of_pod(pod.spec.as_ref()?, resource)))
        .sum()
}
