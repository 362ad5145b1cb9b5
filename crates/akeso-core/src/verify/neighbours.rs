//! Siblings and dependants: a change that heals its workload and harms another one has not helped.
//!
//! That something else breaks at the same time proves nothing. What counts is what the change can
//! have done: a dependant that calls the workload's Services, or a pod of the namespace that finds
//! no room since memory was taken.

use std::collections::BTreeSet;

use crate::{
    act::Action,
    cluster::{Cluster, Workload, in_namespace, ready_since},
    engine::{Attempt, Incident, Ledger, State},
    observe::{Sign, TIME_TO_REACH},
    similar::has_word,
    workload::{SupportKind, WorkloadKind, WorkloadRef},
};

/// Why the change of an attempt is to be taken back for what it did to others.
pub fn harmed(
    cluster: &Cluster,
    ledger: &Ledger,
    workload: &Workload<'_>,
    attempt: &Attempt,
) -> Option<String> {
    let reference = &workload.reference;
    let mut since = ledger.open().filter(|other| {
        other.workload != *reference
            && other.workload.namespace == reference.namespace
            && other.opened > attempt.at
            && other.was_well
    });
    // where nobody was ready before, it is not the change that nobody answered until then
    let called_from = if attempt.ready_before == 0 {
        let first = workload
            .pods
            .iter()
            .filter_map(|pod| ready_since(pod))
            .min();
        first.and_then(|since| since.checked_add(TIME_TO_REACH).ok())
    } else {
        Some(attempt.at)
    };
    let takes_room = matches!(
        attempt.step.action,
        Action::IncreaseMemory(_) | Action::SetRequest(_)
    );
    let services = services(workload);
    since.find_map(|other| {
        let has_no_room = other
            .symptoms
            .iter()
            .any(|symptom| matches!(symptom.sign, Sign::Unschedulable | Sign::PodsRefused));
        if takes_room && has_no_room {
            return Some(format!("{} has no room any more since", other.workload));
        }
        called_from.filter(|from| other.opened > *from)?;
        let theirs = cluster.workload(&other.workload)?;
        let service = services.iter().find(|service| calls(&theirs, service))?;
        Some(format!(
            "{}, which calls its Service {service}, is broken since",
            other.workload
        ))
    })
}

/// What fails with this workload: its Services that nobody answers for any more, and the workloads
/// with an open incident that waits for this one or that call its Services.
pub fn affected(cluster: &Cluster, ledger: &Ledger, incident: &Incident) -> Vec<WorkloadRef> {
    let workload = cluster.workload(&incident.workload);
    let services = workload.as_ref().map(services).unwrap_or_default();
    let is_affected = |other: &&Incident| {
        let waits = matches!(other.state, State::Joined { into, .. } if into == incident.id);
        let is_near = other.workload.namespace == incident.workload.namespace;
        let calls = || {
            let theirs = cluster.workload(&other.workload);
            theirs.is_some_and(|theirs| services.iter().any(|service| calls(&theirs, service)))
        };
        other.id != incident.id && (waits || (is_near && calls()))
    };
    let affected = ledger.open().filter(is_affected);
    let affected = affected.map(|other| other.workload.clone());
    let answers = workload.is_none_or(|workload| workload.ready_pods() > 0);
    let silent = services
        .iter()
        .filter(|_| !answers)
        .map(|name| WorkloadRef {
            kind: WorkloadKind::Support(SupportKind::Service),
            namespace: incident.workload.namespace.clone(),
            name: name.clone(),
        });
    silent.chain(affected).collect()
}

/// The Services that select the workload's pods.
fn services(workload: &Workload<'_>) -> BTreeSet<String> {
    let labels = workload
        .template()
        .and_then(|template| template.metadata.as_ref()?.labels.as_ref());
    let Some(labels) = labels else {
        return BTreeSet::new();
    };
    in_namespace(&workload.cluster().services, &workload.reference.namespace)
        .filter(|(_, service)| {
            let selector = service
                .spec
                .as_ref()
                .and_then(|spec| spec.selector.as_ref());
            selector.is_some_and(|selector| {
                !selector.is_empty() && selector.iter().all(|(k, v)| labels.get(k) == Some(v))
            })
        })
        .map(|(key, _)| key.name.clone())
        .collect()
}

/// Whether a workload's variables or arguments name a Service.
fn calls(workload: &Workload<'_>, service: &str) -> bool {
    let Some(spec) = workload.pod_spec() else {
        return false;
    };
    let containers = spec
        .containers
        .iter()
        .chain(spec.init_containers.iter().flatten());
    containers.into_iter().any(|container| {
        let variables = container
            .env
            .iter()
            .flatten()
            .filter_map(|it| it.value.as_deref());
        let words = container.command.iter().chain(&container.args).flatten();
        variables
            .chain(words.map(String::as_str))
            .any(|text| names(text, service))
    })
}

/// Whether a name stands in a text as a host of its own: `http://cart:80`, `cart.shop`.
fn names(text: &str, service: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    has_word(text, service, |c| is_part(c) || c == '.', is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_named_as_a_host_and_not_as_a_part_of_another_name() {
        assert!(names("http://cart:8080/", "cart") && names("cart.shop.svc", "cart"));
        assert!(names("cart", "cart") && names("--host=cart", "cart"));
        assert!(!names("shopping-cart", "cart") && !names("cart-v2:80", "cart"));
        assert!(!names("other.cart", "cart"));
    }
}
