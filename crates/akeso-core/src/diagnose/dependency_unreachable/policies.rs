//! Whether a `NetworkPolicy` stands between a workload and a Service. What cannot be judged for
//! certain (addresses, ports by name, namespaces that are not known) counts as allowed
//! (<https://kubernetes.io/docs/concepts/services-networking/network-policies/>).

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        core::v1::{Pod, Service},
        networking::v1::{NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort},
    },
    apimachinery::pkg::util::intstr::IntOrString,
};

use crate::cluster::{Cluster, Key, label_selector_matches};

type Labels = BTreeMap<String, String>;

/// A pod as policies see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct End<'a> {
    pub(super) namespace: &'a str,
    pub(super) labels: &'a Labels,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Ingress,
    Egress,
}

/// What a rule lets through.
struct Rule<'a> {
    peers: &'a [NetworkPolicyPeer],
    ports: &'a [NetworkPolicyPort],
}

/// The policies that keep `from` from asking `to` at this port of the pod.
pub(super) fn between(
    cluster: &Cluster,
    outgoing: &[NetworkPolicy],
    incoming: &[NetworkPolicy],
    (from, to): (End<'_>, End<'_>),
    port: i32,
) -> Option<String> {
    let egress = denied(cluster, outgoing, Direction::Egress, (from, to), port);
    let ingress = || denied(cluster, incoming, Direction::Ingress, (to, from), port);
    egress
        .map(|names| format!("{names} does not let it out to there"))
        .or_else(|| ingress().map(|names| format!("{names} does not let it in there")))
}

/// The policies that keep a pod from asking the cluster's DNS.
pub(super) fn of_names(policies: &[NetworkPolicy], from: End<'_>) -> Option<String> {
    let own: Vec<_> = isolating(policies, Direction::Egress, from).collect();
    let mut rules = own
        .iter()
        .flat_map(|policy| rules(policy, Direction::Egress));
    // whom else it lets ask that port does not matter: none is enough to be certain
    let lets_ask = rules.any(|rule| allows_port(rule.ports, 53));
    (!own.is_empty() && !lets_ask).then(|| named(&own))
}

/// The names of the policies that isolate a pod in a direction, if none of them lets the other be.
fn denied(
    cluster: &Cluster,
    policies: &[NetworkPolicy],
    direction: Direction,
    (pod, other): (End<'_>, End<'_>),
    port: i32,
) -> Option<String> {
    let own: Vec<_> = isolating(policies, direction, pod).collect();
    let mut rules = own.iter().flat_map(|policy| rules(policy, direction));
    let is_allowed = rules.any(|rule| {
        let mut peers = rule.peers.iter();
        let is_peer = rule.peers.is_empty()
            || peers.any(|peer| is_meant(cluster, peer, pod.namespace, other));
        is_peer && allows_port(rule.ports, port)
    });
    (!own.is_empty() && !is_allowed).then(|| named(&own))
}

fn named(policies: &[&NetworkPolicy]) -> String {
    let names = policies.iter().map(|policy| {
        let metadata = &policy.metadata;
        let [namespace, name] =
            [&metadata.namespace, &metadata.name].map(|part| part.as_deref().unwrap_or_default());
        format!("{namespace}/{name}")
    });
    format!("NetworkPolicy {}", names.collect::<Vec<_>>().join(", "))
}

fn isolating<'a>(
    policies: &'a [NetworkPolicy],
    direction: Direction,
    pod: End<'_>,
) -> impl Iterator<Item = &'a NetworkPolicy> {
    policies.iter().filter(move |policy| {
        let Some(spec) = &policy.spec else {
            return false;
        };
        let types = spec.policy_types.as_deref().unwrap_or_default();
        let is_of_direction = match direction {
            Direction::Ingress => types.is_empty() || types.iter().any(|it| it == "Ingress"),
            Direction::Egress => {
                let is_named = types.iter().any(|it| it == "Egress");
                is_named || (types.is_empty() && spec.egress.is_some())
            }
        };
        is_of_direction
            && policy.metadata.namespace.as_deref() == Some(pod.namespace)
            && spec
                .pod_selector
                .as_ref()
                .is_none_or(|it| label_selector_matches(Some(it), Some(pod.labels)))
    })
}

fn rules(policy: &NetworkPolicy, direction: Direction) -> Vec<Rule<'_>> {
    let spec = policy.spec.as_ref();
    match direction {
        Direction::Ingress => {
            let rules = spec.and_then(|spec| spec.ingress.as_ref());
            let rules = rules.into_iter().flatten().map(|rule| Rule {
                peers: rule.from.as_deref().unwrap_or_default(),
                ports: rule.ports.as_deref().unwrap_or_default(),
            });
            rules.collect()
        }
        Direction::Egress => {
            let rules = spec.and_then(|spec| spec.egress.as_ref());
            let rules = rules.into_iter().flatten().map(|rule| Rule {
                peers: rule.to.as_deref().unwrap_or_default(),
                ports: rule.ports.as_deref().unwrap_or_default(),
            });
            rules.collect()
        }
    }
}

fn allows_port(ports: &[NetworkPolicyPort], wanted: i32) -> bool {
    ports.is_empty()
        || ports.iter().any(|port| match &port.port {
            None | Some(IntOrString::String(_)) => true,
            Some(IntOrString::Int(first)) => {
                *first == wanted
                    || port
                        .end_port
                        .is_some_and(|last| (*first..=last).contains(&wanted))
            }
        })
}

/// Whether a peer of a policy in `namespace` is this pod, or may be.
fn is_meant(cluster: &Cluster, peer: &NetworkPolicyPeer, namespace: &str, pod: End<'_>) -> bool {
    if peer.ip_block.is_some() {
        return true;
    }
    let is_there = match &peer.namespace_selector {
        None => pod.namespace == namespace,
        Some(selector) => {
            let known = cluster.namespaces.get(&Key::new("", pod.namespace));
            known.is_none_or(|known| {
                label_selector_matches(Some(selector), known.metadata.labels.as_ref())
            })
        }
    };
    is_there
        && peer
            .pod_selector
            .as_ref()
            .is_none_or(|it| label_selector_matches(Some(it), Some(pod.labels)))
}

/// The port of the pod that a port of its Service leads to, where it is a number.
pub(super) fn target_port(service: &Service, pod: &Pod, port: Option<u16>) -> Option<i32> {
    let spec = service.spec.as_ref()?;
    let mut ports = spec.ports.iter().flatten();
    let port = match port {
        Some(wanted) => ports.find(|port| port.port == i32::from(wanted))?,
        None => ports.next()?,
    };
    match &port.target_port {
        None => Some(port.port),
        Some(IntOrString::Int(number)) => Some(*number),
        Some(IntOrString::String(name)) => {
            let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
            let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
            let named = ports.find(|port| port.name.as_deref() == Some(name))?;
            Some(named.container_port)
        }
    }
}
