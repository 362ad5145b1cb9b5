//! Fault `dependency-unreachable`: the program ends, or is never ready, and its log names a host
//! that it cannot reach. Where that is a Service, the cluster knows more: it may not be there, not
//! have the port, or have nobody behind it.

mod policies;
mod unreachable;

use k8s_openapi::api::{
    core::v1::{Pod, PodSpec, PodTemplateSpec, Service},
    networking::v1::NetworkPolicy,
};

use super::{Diagnosis, Examination, Family, Fault, Remedy, last_lines, undo, unknown_crash};
use crate::{
    cluster::{Cluster, Key, Kind, ObjectRef, in_namespace, is_ready, selects},
    observe::{Probe, Sign, Symptom},
    plan::Advice,
    similar::closest,
};
use unreachable::{Failure, Unreachable};

pub(super) const FAULT: Fault = Fault {
    name: "dependency-unreachable",
    family: Family::Network,
    signs: "the program ends or is never ready, and its log names a host that refuses, does not answer or is not known",
    does: "says what the cluster knows of it: no such Service, no such port, no ready pod and whose they would be, a NetworkPolicy or a dnsPolicy that stands between; after a rollout that changed the address, puts the last good revision back, where its pods are ready",
    never: "changes an address to one that looks like it, or restarts the program while its dependency is away",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let crash = match &symptom.sign {
        Sign::Crash(crash) => {
            let lives = symptom.status == "Running" && !crash.repeated;
            if lives || unknown_crash::is_ended_by_probe(examination, symptom) {
                return None; // it runs by now, or another fault says why it ends
            }
            Some(crash)
        }
        Sign::Probe {
            probe: Probe::Readiness,
        } => None,
        Sign::Probe {
            probe: Probe::Liveness | Probe::Startup,
        }
        | Sign::ImagePull { .. }
        | Sign::OutOfMemory(_)
        | Sign::Config
        | Sign::Mount { .. }
        | Sign::Start
        | Sign::Unschedulable
        | Sign::RolloutOverdue
        | Sign::PodsRefused
        | Sign::StuckOnOldPod { .. }
        | Sign::JobFailed
        | Sign::JobFlawed { .. }
        | Sign::Evicted
        | Sign::Support { .. } => return None,
    };
    let log = examination.crash_log(symptom)?;
    let found = unreachable::last_in(log).or_else(|| told_by_probe(examination, symptom))?;
    let namespace = &examination.workload.reference.namespace;
    let mut known = known(examination.workload.cluster(), namespace, &found);
    let between = between(examination, &found)?;
    if !between.is_empty() {
        known.says.push_str(&between);
        "what stands between them must be mended, if they are meant to meet"
            .clone_into(&mut known.why);
    }
    let says = format!(
        "cannot reach {}: {}{}",
        found.address(),
        found.failure.says(),
        known.says
    );
    let advice = Advice {
        why: known.why,
        command: known
            .command
            .unwrap_or_else(|| examination.describe(symptom)),
    };
    let remedy = match crash {
        Some(crash) if !unknown_crash::is_no_accident(examination, symptom, crash) => {
            Remedy::Wait {
                why: "it has ended only a few times so far: what it depends on may be starting"
                    .to_owned(),
            }
        }
        // pods of the revision before may be ready only because they came when it still answered
        Some(_) if known.is_wrong_address => undo::or_person(examination, advice),
        Some(_) | None => Remedy::Person(advice),
    };
    let mut diagnosis = examination
        .diagnosis(&FAULT, symptom, says, 75, remedy)
        .with_detail(&found.address())
        .with_evidence(last_lines(log, 4));
    diagnosis.dependency = known.dependency.or(diagnosis.dependency);
    Some(diagnosis)
}

/// A readiness probe that runs a program may say itself whom the program cannot reach. What the
/// kubelet says of the pod's own address is no such word.
fn told_by_probe(examination: &Examination<'_>, symptom: &Symptom) -> Option<Unreachable> {
    let Sign::Probe { probe } = &symptom.sign else {
        return None;
    };
    let spec = probe.of(examination.container(symptom)?)?;
    spec.exec.as_ref()?;
    let (_, said) = symptom.message.split_once(" probe failed: ")?;
    unreachable::last_in(said)
}

/// What stands between the workload and a Service that is there: its own DNS settings, or a
/// `NetworkPolicy`; an empty text if nothing does. None if what it takes to know that has not come yet.
fn between(examination: &Examination<'_>, found: &Unreachable) -> Option<String> {
    let workload = examination.workload;
    let own = workload.reference.namespace.as_str();
    let cluster = workload.cluster();
    let service = service_meant(cluster, own, &found.host)
        .and_then(|key| Some((cluster.services.get(&key)?, key)));
    let (Some((service, key)), Some(template)) = (service, workload.template()) else {
        return Some(String::new());
    };
    let no_labels = std::collections::BTreeMap::new();
    let labels = template.metadata.as_ref().and_then(|it| it.labels.as_ref());
    let from = policies::End {
        namespace: own,
        labels: labels.unwrap_or(&no_labels),
    };
    match found.failure {
        Failure::Refused => Some(String::new()), // somebody has answered
        Failure::NotKnown => {
            if let Some(says) = template.spec.as_ref().and_then(knows_no_services) {
                return Some(says);
            }
            let all = examination.list::<NetworkPolicy>(own)?.unwrap_or_default();
            let denied = policies::of_names(all, from);
            let says = |names| format!("; {names} does not let it ask the cluster's DNS (port 53)");
            Some(denied.map(says).unwrap_or_default())
        }
        Failure::TimedOut => {
            let outgoing = examination.list::<NetworkPolicy>(own);
            let incoming = examination.list::<NetworkPolicy>(&key.namespace);
            let (outgoing, incoming) = (outgoing?, incoming?);
            let mut pods = in_namespace(&cluster.pods, &key.namespace).map(|(_, pod)| pod);
            let is_its = |pod: &&Pod| selects(service, pod) && is_ready(pod);
            let said = pods.find(is_its).and_then(|pod| {
                let to = policies::End {
                    namespace: &key.namespace,
                    labels: pod.metadata.labels.as_ref()?,
                };
                let port = policies::target_port(service, pod, found.port)?;
                policies::between(
                    cluster,
                    outgoing.unwrap_or_default(),
                    incoming.unwrap_or_default(),
                    (from, to),
                    port,
                )
            });
            Some(said.map(|said| format!("; {said}")).unwrap_or_default())
        }
    }
}

/// Why the pod's own DNS settings know no name of a Service
/// (<https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#pod-s-dns-policy>).
fn knows_no_services(spec: &PodSpec) -> Option<String> {
    let policy = spec.dns_policy.as_deref().unwrap_or("ClusterFirst");
    match policy {
        "Default" => Some(
            "; its dnsPolicy is Default, which asks the node's DNS and knows no Service".to_owned(),
        ),
        "ClusterFirst" if spec.host_network == Some(true) => Some(
            "; with hostNetwork its dnsPolicy ClusterFirst asks the node's DNS, which knows no Service: ClusterFirstWithHostNet would ask the cluster's".to_owned(),
        ),
        "None" => {
            let config = spec.dns_config.as_ref();
            let servers = config.and_then(|config| config.nameservers.as_ref());
            let servers = servers.map(|all| all.join(", ")).unwrap_or_default();
            Some(format!(
                "; its dnsPolicy is None, so only its own nameservers ({servers}) are asked"
            ))
        }
        _ => None,
    }
}

/// What the cluster knows of a host.
#[derive(Debug)]
struct Known {
    /// Goes on the sentence of the cause.
    says: String,
    why: String,
    command: Option<String>,
    dependency: Option<String>,
    /// Whether the workload names what is not there, so that it is the workload that is wrong.
    is_wrong_address: bool,
}

fn known(cluster: &Cluster, own: &str, found: &Unreachable) -> Known {
    let Some(key) = service_meant(cluster, own, &found.host) else {
        return Known {
            says: String::new(),
            why: "the address or what answers there must be mended".to_owned(),
            command: None,
            dependency: None,
            is_wrong_address: true,
        };
    };
    let (namespace, name) = (&key.namespace, &key.name);
    let dependency = Some(format!("Service {namespace}/{name}"));
    let Some(service) = cluster.services.get(&key) else {
        let similar = similar_service(cluster, &key, found.port)
            .map(|similar| format!("; {similar} exists"))
            .unwrap_or_default();
        return Known {
            says: format!("; no Service {name} is in namespace {namespace}{similar}"),
            why: "either the Service must be made or the address that the program is given mended"
                .to_owned(),
            command: Some(format!("kubectl -n {namespace} get services")),
            dependency,
            is_wrong_address: true,
        };
    };
    let ports = ports_of(service);
    if let Some(port) = found.port
        && !ports.is_empty()
        && !ports.contains(&i32::from(port))
    {
        let ports: Vec<_> = ports.iter().map(ToString::to_string).collect();
        return Known {
            says: format!(
                "; the Service {namespace}/{name} has no port {port}, it has {}",
                ports.join(", ")
            ),
            why:
                "either the Service's ports or the address that the program is given must be mended"
                    .to_owned(),
            command: Some(format!("kubectl -n {namespace} describe service {name}")),
            dependency,
            is_wrong_address: true,
        };
    }
    let command = Some(format!(
        "kubectl -n {namespace} describe service {name} && kubectl -n {namespace} get networkpolicies"
    ));
    let (says, why) = match behind(cluster, service) {
        Behind::Unknown => (
            String::new(),
            "nothing is known of who answers for this Service".to_owned(),
        ),
        Behind::Nobody { owner } => {
            let whose = owner.map(|owner| format!(" ({owner})")).unwrap_or_default();
            (
                format!("; the Service {namespace}/{name} has no ready pod{whose}"),
                "the cause lies there: once its pods are ready, this program can start".to_owned(),
            )
        }
        Behind::Ready => (
            format!("; the Service {namespace}/{name} has ready pods"),
            match found.failure {
                Failure::Refused => {
                    "its pods do not listen on the Service's targetPort, or came only by now"
                }
                Failure::TimedOut => "a NetworkPolicy may stand between them",
                Failure::NotKnown => {
                    "the cluster's DNS did not know its name, or the Service came only by now"
                }
            }
            .to_owned(),
        ),
    };
    Known {
        says,
        why,
        command,
        dependency,
        is_wrong_address: false,
    }
}

/// The Service that a host is the name of, whether it exists or not. Of other namespaces only those
/// are judged of which Services are known: they may lie outside of what is watched.
fn service_meant(cluster: &Cluster, own: &str, host: &str) -> Option<Key> {
    let is_its = |service: &Service| {
        let spec = service.spec.as_ref();
        spec.and_then(|spec| spec.cluster_ip.as_deref()) == Some(host)
    };
    let by_address = || {
        let mut services = cluster.services.iter();
        Some(services.find(|(_, service)| is_its(service))?.0.clone())
    };
    if host.parse::<std::net::IpAddr>().is_ok() || host == "localhost" {
        return by_address();
    }
    let is_watched = |namespace: &str| {
        namespace == own || in_namespace(&cluster.services, namespace).next().is_some()
    };
    let inner = host.strip_suffix(".cluster.local").unwrap_or(host);
    let (inner, is_full) = match inner.strip_suffix(".svc") {
        Some(inner) => (inner, true),
        None => (inner, false),
    };
    let labels: Vec<_> = inner.split('.').collect();
    match labels.as_slice() {
        [name] => Some(Key::new(own, name)),
        [name, namespace] if is_watched(namespace) => Some(Key::new(namespace, name)),
        // a pod of a headless Service, in the workload's own namespace
        [_, name] if !is_full && cluster.services.contains_key(&Key::new(own, name)) => {
            Some(Key::new(own, name))
        }
        [_, name, namespace] if is_full && is_watched(namespace) => Some(Key::new(namespace, name)),
        _ => None,
    }
}

/// A Service that may have been meant: of a close name, or the only one with this port.
fn similar_service(cluster: &Cluster, wanted: &Key, port: Option<u16>) -> Option<String> {
    let all = || in_namespace(&cluster.services, &wanted.namespace);
    let has_port =
        |service: &Service| port.is_some_and(|port| ports_of(service).contains(&i32::from(port)));
    let only_with_port = || {
        let mut such = all().filter(|(_, service)| has_port(service));
        let (key, _) = such.next()?;
        such.next().is_none().then(|| key.name.clone())
    };
    closest(&wanted.name, all().map(|(key, _)| key.name.clone())).or_else(only_with_port)
}

fn ports_of(service: &Service) -> Vec<i32> {
    let spec = service.spec.as_ref();
    let ports = spec.and_then(|spec| spec.ports.as_deref());
    ports
        .unwrap_or_default()
        .iter()
        .map(|port| port.port)
        .collect()
}

enum Behind {
    Ready,
    Nobody {
        owner: Option<String>,
    },
    /// It selects no pods by itself.
    Unknown,
}

fn behind(cluster: &Cluster, service: &Service) -> Behind {
    let spec = service.spec.as_ref();
    let selector = spec.and_then(|spec| spec.selector.as_ref());
    let Some(selector) = selector.filter(|selector| !selector.is_empty()) else {
        return Behind::Unknown;
    };
    let namespace = service.metadata.namespace.as_deref().unwrap_or_default();
    let pods: Vec<_> = in_namespace(&cluster.pods, namespace)
        .filter(|(_, pod)| selects(service, pod))
        .collect();
    if pods.iter().any(|(_, pod)| is_ready(pod)) {
        return Behind::Ready;
    }
    let of_pod = pods.first().and_then(|(key, _)| {
        let pod = ObjectRef {
            kind: Kind::Pod,
            namespace: key.namespace.clone(),
            name: key.name.clone(),
        };
        Some(cluster.root_of(&pod)?.to_string())
    });
    // scaled to zero, or its pods are refused
    let makes_such = |template: &PodTemplateSpec| {
        let labels = template.metadata.as_ref().and_then(|it| it.labels.as_ref());
        labels.is_some_and(|labels| {
            selector
                .iter()
                .all(|(key, value)| labels.get(key) == Some(value))
        })
    };
    let of_template = || {
        let deployment = in_namespace(&cluster.deployments, namespace)
            .find(|(_, it)| makes_such(&it.spec.template))
            .map(|(key, _)| format!("Deployment {}/{}", key.namespace, key.name));
        deployment.or_else(|| {
            in_namespace(&cluster.stateful_sets, namespace)
                .find(|(_, it)| makes_such(&it.spec.template))
                .map(|(key, _)| format!("StatefulSet {}/{}", key.namespace, key.name))
        })
    };
    Behind::Nobody {
        owner: of_pod.or_else(of_template),
    }
}
