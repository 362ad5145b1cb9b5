//! Services that reach none of the pods they are meant for. A Service whose pods are not ready is
//! no sign of its own: its workload shows why.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::core::v1::{Container, ContainerPort, Pod, Probe, Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{
    Flaw, Look, Symptom, TIME_TO_MEET, ingresses::backends, is_left_alone, on_support, written,
    youngest,
};
use crate::{
    cluster::{Controller, Key, Support, Workload, in_namespace, is_over, is_ready, selects},
    similar::{self, closest, only},
    workload::{WorkloadKind, WorkloadRef},
};

/// The labels that say what a pod is, and not which one of several.
const IDENTITY: [&str; 5] = [
    "app",
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "k8s-app",
    "name",
];

type Labels = BTreeMap<String, String>;

pub(super) fn symptoms(look: &Look<'_>) -> Vec<Symptom> {
    let Controller::Support(Support::Service(service)) = look.workload.controller else {
        return Vec::new();
    };
    let Some(spec) = &service.spec else {
        return Vec::new();
    };
    if spec.type_.as_deref() == Some("ExternalName") {
        return external_name(look, service, spec).into_iter().collect();
    }
    // an operator that owns a Service also labels the pods that it is for, when it is time
    if look.workload.foreign_owner().is_some() {
        return Vec::new();
    }
    selects_nothing(look, service, spec)
        .into_iter()
        .chain(port_unmatched(look, service, spec))
        .collect()
}

/// A name of the cluster must be there. Of others, and of namespaces that are not watched, nothing
/// is known (<https://kubernetes.io/docs/concepts/services-networking/service/#externalname>).
fn external_name(look: &Look<'_>, service: &Service, spec: &ServiceSpec) -> Option<Symptom> {
    let name = spec.external_name.as_deref()?;
    let services = &look.workload.cluster().services;
    let message = if name.parse::<std::net::Ipv4Addr>().is_ok() {
        // Ingress controllers take the address for what it is, whatever DNS makes of it
        let own = &look.workload.reference;
        let ingresses = in_namespace(&look.workload.cluster().ingresses, &own.namespace);
        let mut backends = ingresses.flat_map(|(_, ingress)| backends(ingress));
        if backends.any(|(_, backend)| backend.name == own.name) {
            return None;
        }
        format!(
            "leads nowhere: its spec.externalName `{name}` is an address, which is taken for a name"
        )
    } else {
        let key = inner_name(name)?;
        let is_known = key.namespace == look.workload.reference.namespace
            || in_namespace(services, &key.namespace).next().is_some();
        if !is_known || services.contains_key(&key) {
            return None;
        }
        let names = in_namespace(services, &key.namespace).map(|(key, _)| &key.name);
        let others = names.filter(|it| **it != look.workload.reference.name);
        let close = closest(&key.name, others.cloned());
        format!(
            "leads nowhere: its spec.externalName `{name}` is Service {} of namespace {}, which does not exist{}",
            key.name,
            key.namespace,
            close
                .map(|it| format!("; there is a Service {it}"))
                .unwrap_or_default()
        )
    };
    look.has_lasted(written(&service.metadata), TIME_TO_MEET)
        .then(|| on_support(Flaw::ExternalNameUnknown, "NoSuchService", message))
}

/// The Service that a name means: `db.shop.svc.cluster.local`.
fn inner_name(name: &str) -> Option<Key> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let inner = name.strip_suffix(".cluster.local").unwrap_or(name);
    let (service, namespace) = inner.strip_suffix(".svc")?.split_once('.')?;
    (!namespace.contains('.')).then(|| Key::new(namespace, service))
}

fn selects_nothing(look: &Look<'_>, service: &Service, spec: &ServiceSpec) -> Option<Symptom> {
    let selector = spec.selector.as_ref().filter(|it| !it.is_empty())?;
    let namespace = &look.workload.reference.namespace;
    if in_namespace(&look.workload.cluster().pods, namespace).any(|(_, pod)| selects(service, pod))
    {
        return None;
    }
    // what it is meant for may come later, and tells nothing of itself to a Service that misses it
    look.awaits(false);
    let Meant {
        workload,
        slip,
        is_reached,
    } = meant(look.workload, selector)?;
    // what another Service reaches may not be what this one is for, unless it is just misspelt, or
    // was for it before
    if is_reached && !slip.is_misspelt && !slip.is_outdated {
        return None;
    }
    let since = youngest(workload.pods.iter().copied())
        .max(written(&service.metadata))
        .max(written(workload.metadata()));
    look.has_lasted(since, TIME_TO_MEET).then(|| {
        let had = if slip.is_outdated {
            ", which an earlier revision had"
        } else {
            ""
        };
        let message = format!(
            "selects no pod: its spec.selector has `{}`{had}, and the pods of {} are labelled `{}`",
            slip.selector, workload.reference, slip.label
        );
        on_support(Flaw::SelectsNothing, "NoPodSelected", message)
    })
}

/// What a selector that matches nothing is meant for.
struct Meant<'a> {
    workload: Workload<'a>,
    /// Where the two differ.
    slip: Slip,
    /// Whether another Service reaches it.
    is_reached: bool,
}

/// The one workload that a selector which matches nothing is meant for.
fn meant<'a>(service: &Workload<'a>, selector: &Labels) -> Option<Meant<'a>> {
    let has_its_name = |workload: &Workload<'_>| workload.reference.name == service.reference.name;
    let mut resembling = Vec::new();
    for workload in workloads(service) {
        let Some(labels) = template_labels(&workload) else {
            continue;
        };
        if matches(selector, labels) {
            return None; // its pods are on their way, or it is scaled to zero
        }
        let earlier = workload.earlier_templates().into_iter();
        let mut earlier = earlier.filter_map(|it| it.metadata.as_ref()?.labels.as_ref());
        let likeness = if earlier.any(|labels| matches(selector, labels)) {
            Likeness::Earlier
        } else if has_its_name(&workload) {
            Likeness::Name
        } else {
            Likeness::None
        };
        if let Some(slip) = slip(selector, labels, likeness) {
            resembling.push((workload, labels, slip));
        }
    }
    let (workload, labels, slip) = only(resembling)?;
    let services = &service.cluster().services;
    let is_reached = in_namespace(services, &service.reference.namespace).any(|(_, other)| {
        let selector = other.spec.as_ref().and_then(|spec| spec.selector.as_ref());
        selector.is_some_and(|selector| !selector.is_empty() && matches(selector, labels))
    });
    let is_there = !is_left_alone(&workload) && workload.is_settled() && !workload.pods.is_empty();
    is_there.then_some(Meant {
        workload,
        slip,
        is_reached,
    })
}

/// The selector that a Service should have by the one workload that it is meant for, if a slip of
/// the finger is all that is wrong with it, or the number of a version that the workload has left.
pub(crate) fn right_selector(service: &Workload<'_>) -> Option<(Labels, Labels, WorkloadRef)> {
    let Controller::Support(Support::Service(object)) = service.controller else {
        return None;
    };
    let selector = object.spec.as_ref()?.selector.as_ref()?;
    let meant = meant(service, selector)?;
    let (slip, is_ready) = (&meant.slip, meant.workload.ready_pods() > 0);
    let is_sure = slip.is_misspelt || (slip.is_outdated && slip.is_by_number());
    (is_sure && is_ready && !meant.is_reached).then(|| {
        let mut right = selector.clone();
        right.remove(&slip.wrong);
        right.insert(slip.right.0.clone(), slip.right.1.clone());
        (selector.clone(), right, meant.workload.reference)
    })
}

/// The port that a Service should send to in place of a name that its pods do not declare, if a slip
/// of the finger is all that is wrong with it: the Service's port, the name that it has, the right one.
pub(crate) fn right_port(service: &Workload<'_>) -> Option<(i32, String, String)> {
    let Controller::Support(Support::Service(object)) = service.controller else {
        return None;
    };
    let pods: Vec<&Pod> = in_namespace(&service.cluster().pods, &service.reference.namespace)
        .map(|(_, pod)| pod)
        .filter(|pod| selects(object, pod) && is_ready(pod))
        .collect();
    let names = |pod: &Pod| -> BTreeSet<String> {
        declared(pod).filter_map(|port| port.name.clone()).collect()
    };
    let all = names(pods.first()?);
    if pods.iter().any(|pod| names(pod) != all) {
        return None;
    }
    let ports = object.spec.as_ref()?.ports.as_deref().unwrap_or_default();
    ports.iter().find_map(|port| {
        let Some(IntOrString::String(name)) = &port.target_port else {
            return None;
        };
        if all.contains(name) {
            return None;
        }
        let right = only(all.iter().filter(|other| similar::is_misspelt(name, other)))?;
        Some((port.port, name.clone(), right.clone()))
    })
}

/// What can be meant by a Service: Jobs and bare pods come and go.
fn workloads<'a>(service: &Workload<'a>) -> Vec<Workload<'a>> {
    let cluster = service.cluster();
    let namespace = &service.reference.namespace;
    let named = |kind, name: &String| WorkloadRef {
        kind,
        namespace: namespace.clone(),
        name: name.clone(),
    };
    let deployments = in_namespace(&cluster.deployments, namespace)
        .map(|(key, _)| named(WorkloadKind::Deployment, &key.name));
    let stateful_sets = in_namespace(&cluster.stateful_sets, namespace)
        .map(|(key, _)| named(WorkloadKind::StatefulSet, &key.name));
    let daemon_sets = in_namespace(&cluster.daemon_sets, namespace)
        .map(|(key, _)| named(WorkloadKind::DaemonSet, &key.name));
    deployments
        .chain(stateful_sets)
        .chain(daemon_sets)
        .filter_map(|reference| cluster.workload(&reference))
        .collect()
}

fn template_labels<'a>(workload: &Workload<'a>) -> Option<&'a Labels> {
    workload.template()?.metadata.as_ref()?.labels.as_ref()
}

fn matches(selector: &Labels, labels: &Labels) -> bool {
    selector
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value))
}

/// The one pair in which a selector and the labels that it is meant for differ.
struct Slip {
    selector: String,
    label: String,
    /// The label of the selector that is wrong.
    wrong: String,
    /// The pair that it should have.
    right: (String, String),
    is_misspelt: bool,
    /// Whether the pods had the label of the selector in an earlier revision.
    is_outdated: bool,
}

impl Slip {
    /// Whether the values are numbers of versions: which of two words is the wrong one, the selector
    /// or the label, nobody can say.
    fn is_by_number(&self) -> bool {
        let has_digit = |text: &str| text.contains(|c: char| c.is_ascii_digit());
        has_digit(&self.selector) && has_digit(&self.right.1)
    }
}

/// What a Service and a workload have in common beside their labels.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Likeness {
    /// Nothing.
    None,
    /// The name.
    Name,
    /// The selector led to an earlier revision.
    Earlier,
}

fn slip(selector: &Labels, labels: &Labels, likeness: Likeness) -> Option<Slip> {
    let mut differing = selector
        .iter()
        .filter(|(key, value)| labels.get(*key) != Some(*value));
    let (key, value) = differing.next()?;
    if differing.next().is_some() {
        return None;
    }
    let (other_key, other) = match labels.get(key) {
        Some(other) => {
            // another value is another thing, unless it is misspelt, or the same by its name or by
            // its other labels
            let is_renamed = match likeness {
                Likeness::None => false,
                Likeness::Name => IDENTITY.contains(&key.as_str()) || selector.len() > 1,
                Likeness::Earlier => true,
            };
            (is_renamed || is_misspelt(value, other)).then_some((key, other))?
        }
        // a label that pods get while they run (`role: primary`) is in no template either
        None => labels.iter().find(|(other, its)| {
            *its == value && !selector.contains_key(*other) && is_misspelt(key, other)
        })?,
    };
    Some(Slip {
        selector: format!("{key}: {value}"),
        label: format!("{other_key}: {other}"),
        wrong: key.clone(),
        right: (other_key.clone(), other.clone()),
        is_misspelt: similar::is_misspelt(value, other) && similar::is_misspelt(key, other_key),
        is_outdated: likeness == Likeness::Earlier,
    })
}

/// Whether one is the other with two letters swapped, or one left out. Another letter or another
/// number makes another name: `cache-a`, `cache-b`; `v1`, `v12`.
fn is_misspelt(one: &str, other: &str) -> bool {
    let letters = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
    let swapped = || {
        let sorted = |text: &str| {
            let mut letters: Vec<char> = text.chars().collect();
            letters.sort_unstable();
            letters
        };
        sorted(one) == sorted(other)
    };
    one.len().min(other.len()) >= 3
        && strsim::damerau_levenshtein(one, other) == 1
        && letters(one) != letters(other)
        && (one.len() != other.len() || swapped())
}

fn port_unmatched(look: &Look<'_>, service: &Service, spec: &ServiceSpec) -> Option<Symptom> {
    // who asks a headless Service gets addresses, and chooses the port himself
    if spec.cluster_ip.as_deref() == Some("None") {
        return None;
    }
    let cluster = look.workload.cluster();
    let pods: Vec<&Pod> = in_namespace(&cluster.pods, &look.workload.reference.namespace)
        .map(|(_, pod)| pod)
        .filter(|pod| selects(service, pod) && !is_over(pod))
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .collect();
    let ports = spec.ports.as_deref().unwrap_or_default();
    let message = ports.iter().find_map(|port| match &port.target_port {
        Some(IntOrString::String(name)) => name_unmatched(port, name, &pods),
        Some(IntOrString::Int(number)) => number_unmatched(port, *number, ports, &pods),
        None => number_unmatched(port, port.port, ports, &pods),
    })?;
    // beside a Service for what the pods declare, one for another port may be meant for just that
    // (`cart-metrics`): only a name that nobody declares leads nowhere for certain
    let is_by_number =
        |port: &ServicePort| !matches!(port.target_port, Some(IntOrString::String(_)));
    let is_another = |other: &Service| other.metadata.name != service.metadata.name;
    let mut all = in_namespace(&cluster.services, &look.workload.reference.namespace);
    let is_beside =
        all.any(|(_, other)| is_another(other) && pods.iter().any(|pod| selects(other, pod)));
    if is_beside && ports.iter().all(is_by_number) {
        return None;
    }
    let is_asleep = |pod: &&Pod| {
        let reference = crate::cluster::ObjectRef {
            kind: crate::cluster::Kind::Pod,
            namespace: look.workload.reference.namespace.clone(),
            name: pod.metadata.name.clone().unwrap_or_default(),
        };
        let root = cluster.root_of(&reference);
        root.and_then(|root| cluster.workload(&root))
            .is_none_or(|workload| is_left_alone(&workload))
    };
    if pods.iter().any(is_asleep) {
        return None;
    }
    let since = youngest(pods.iter().copied()).max(written(&service.metadata));
    look.has_lasted(since, TIME_TO_MEET)
        .then(|| on_support(Flaw::PortUnmatched, "PortUnmatched", message))
}

fn containers(pod: &Pod) -> impl Iterator<Item = &Container> {
    let spec = pod.spec.iter();
    // a sidecar is an init container that stays (KEP-753)
    spec.flat_map(|spec| {
        spec.containers
            .iter()
            .chain(spec.init_containers.iter().flatten())
    })
}

fn declared(pod: &Pod) -> impl Iterator<Item = &ContainerPort> {
    containers(pod).flat_map(|container| container.ports.iter().flatten())
}

fn name_unmatched(port: &ServicePort, name: &str, pods: &[&Pod]) -> Option<String> {
    let all = || pods.iter().flat_map(|pod| declared(pod));
    if pods.is_empty() || all().any(|declared| declared.name.as_deref() == Some(name)) {
        return None;
    }
    let mut names: Vec<String> = all().filter_map(|declared| declared.name.clone()).collect();
    names.sort_unstable();
    names.dedup();
    let meant = closest(name, names.clone()).map(|it| format!("; `{it}` is close"));
    let names = if names.is_empty() {
        "they name no port".to_owned()
    } else {
        format!("they name {}", names.join(", "))
    };
    Some(format!(
        "sends its port {} nowhere: no container of its pods declares a port of the name in \
         targetPort `{name}` ({names}{})",
        port.port,
        meant.unwrap_or_default()
    ))
}

/// What a pod declares says little of where it listens; that it declares one port alone, and
/// answers its readiness probe there, says more.
fn number_unmatched(
    port: &ServicePort,
    target: i32,
    ports: &[ServicePort],
    pods: &[&Pod],
) -> Option<String> {
    if ports.len() != 1 {
        return None;
    }
    let mut found = None;
    for pod in pods {
        let mut all = containers(pod);
        let container = all.next()?;
        let [only] = container.ports.as_deref()? else {
            return None;
        };
        let probed = container.readiness_probe.as_ref().and_then(probed_port)?;
        let is_probed = match probed {
            IntOrString::Int(number) => *number == only.container_port,
            IntOrString::String(name) => only.name.as_ref() == Some(name),
        };
        let is_another = found.is_some_and(|before| before != only.container_port);
        let is_same = only.container_port == target;
        if all.next().is_some() || is_same || is_another || !is_probed || !is_ready(pod) {
            return None;
        }
        found = Some(only.container_port);
    }
    Some(format!(
        "likely sends its port {} to the wrong one: targetPort is {target}, and its pods declare \
         port {} alone and are ready there",
        port.port, found?
    ))
}

fn probed_port(probe: &Probe) -> Option<&IntOrString> {
    let http = probe.http_get.as_ref().map(|it| &it.port);
    http.or_else(|| probe.tcp_socket.as_ref().map(|it| &it.port))
}
