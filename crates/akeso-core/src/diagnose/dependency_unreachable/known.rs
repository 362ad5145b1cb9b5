//! What the cluster knows of a host that a program cannot reach.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PodTemplateSpec, Service};

use super::{
    super::Examination,
    correct,
    unreachable::{Failure, Unreachable},
};
use crate::{
    cluster::{
        Cluster, Controller, Key, Kind, ObjectRef, in_namespace, is_ready, ports_of, ready_since,
        selects, service_meant,
    },
    observe::{Symptom, TIME_TO_MEET, observe, written},
    plan::Step,
    similar::{closest, only},
    workload::{SupportKind, WorkloadKind, WorkloadRef},
};

/// What the cluster knows of a host.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Goes on the sentence of the cause.
    pub(super) says: String,
    pub(super) why: String,
    pub(super) command: Option<String>,
    pub(super) dependency: Option<String>,
    /// Whether the workload names what is not there, so that it is the workload that is wrong.
    pub(super) is_wrong_address: bool,
    /// Whether it is the port that is wrong.
    pub(super) lacks_port: bool,
    /// Whether the cluster itself shows that nobody can answer for the Service that is meant.
    pub(super) is_unanswered: bool,
    /// What is broken itself, so that nobody answers.
    pub(super) caused_by: Option<WorkloadRef>,
    /// Who should answer, and does not.
    pub(super) owners: Vec<WorkloadRef>,
    /// Since when somebody answers.
    pub(super) ready_since: Option<Timestamp>,
    /// The correction of the address, where the cluster shows which was meant.
    pub(super) fix: Option<Step>,
}

pub(super) fn known(examination: &Examination<'_>, found: &Unreachable) -> Known {
    let cluster = examination.workload.cluster();
    let own = &examination.workload.reference.namespace;
    let Some(key) = service_meant(cluster, own, &found.host) else {
        let here = here(cluster, own, &found.host);
        let here = here.map(|name| format!("; the Service {name} is in this namespace, {own}"));
        return Known {
            says: here.unwrap_or_default(),
            why: "the address or what answers there must be mended".to_owned(),
            is_wrong_address: true,
            ..Known::default()
        };
    };
    let (namespace, name) = (&key.namespace, &key.name);
    let dependency = Some(format!("Service {namespace}/{name}"));
    let Some(service) = cluster.services.get(&key) else {
        let similar = similar_service(cluster, &key, found.port)
            .map(|similar| format!("; {similar} exists"))
            .or_else(|| {
                let here = here(cluster, own, &found.host).filter(|_| namespace != own)?;
                Some(format!("; it is in this one, {own}: {here}"))
            })
            .unwrap_or_default();
        return Known {
            says: format!("; no Service {name} is in namespace {namespace}{similar}"),
            why: "either the Service must be made or the address that the program is given mended"
                .to_owned(),
            command: Some(format!("kubectl -n {namespace} get services")),
            dependency,
            is_wrong_address: true,
            is_unanswered: true,
            fix: correct::name(examination, &key, found),
            ..Known::default()
        };
    };
    if let Some(says) = misnamed(examination, found, name) {
        return Known {
            says,
            why: "serviceName cannot be changed: the StatefulSet must be made anew with the right one, or a headless Service of that name be made".to_owned(),
            command: Some(format!("kubectl -n {namespace} get services")),
            dependency,
            is_unanswered: true,
            ..Known::default()
        };
    }
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
            lacks_port: true,
            is_unanswered: true,
            fix: correct::port(examination, &key, service, port),
            ..Known::default()
        };
    }
    let command = Some(format!(
        "kubectl -n {namespace} describe service {name} && kubectl -n {namespace} get networkpolicies"
    ));
    let mut known = Known {
        command,
        dependency,
        ..Known::default()
    };
    let own_pods = |owners: &[WorkloadRef]| owners.contains(&examination.workload.reference);
    match behind(cluster, service) {
        // its pods wait for each other, which nothing but their own program explains
        Behind::Nobody { owners } if own_pods(&owners) => {
            known.says = format!(
                "; the Service {namespace}/{name} leads to its own pods, of which none is ready"
            );
            "the program must find its peers before they are ready, which publishNotReadyAddresses of their Service allows".clone_into(&mut known.why);
        }
        Behind::Unknown => {
            "nothing is known of who answers for this Service".clone_into(&mut known.why);
        }
        Behind::Nobody { owners } => {
            known.is_unanswered = true;
            "the cause lies there: once its pods are ready, this program can start"
                .clone_into(&mut known.why);
            let itself = WorkloadRef {
                kind: WorkloadKind::Support(SupportKind::Service),
                namespace: namespace.clone(),
                name: name.clone(),
            };
            let whose = owners.first();
            let whose = whose.map(|owner| format!(" ({owner})")).unwrap_or_default();
            let culprit = culprit(examination, &itself, &owners);
            known.says = match &culprit {
                Some((culprit, symptom)) if *culprit == itself => {
                    format!("; the {itself} {}", symptom.message)
                }
                Some((culprit, symptom)) => {
                    let container = symptom.container.as_ref();
                    let container = container.map(|it| format!("{it}: ")).unwrap_or_default();
                    let shown = format!("{container}{}", symptom.reason);
                    format!(
                        "; the {itself} has no ready pod, for {culprit} is broken itself ({shown})"
                    )
                }
                None => format!("; the {itself} has no ready pod{whose}"),
            };
            known.caused_by = culprit.map(|(culprit, _)| culprit);
            known.owners = owners;
        }
        Behind::Ready { since } => {
            known.says = format!("; the Service {namespace}/{name} has ready pods");
            let why = match found.failure {
                Failure::Refused => {
                    "its pods do not listen on the Service's targetPort, or came only by now"
                }
                Failure::TimedOut => "a NetworkPolicy may stand between them",
                Failure::NotKnown => {
                    "the cluster's DNS did not know its name, or the Service came only by now"
                }
            };
            why.clone_into(&mut known.why);
            known.ready_since = since;
        }
    }
    known
}

/// The Service of the workload's own namespace that a host is called like which names another one.
fn here<'h>(cluster: &Cluster, own: &str, host: &'h str) -> Option<&'h str> {
    let (name, rest) = host.split_once('.')?;
    let rest = rest.strip_suffix(".cluster.local").unwrap_or(rest);
    let namespace = rest.strip_suffix(".svc").unwrap_or(rest);
    let is_another = namespace != own && !namespace.contains('.');
    let is_here = cluster.services.contains_key(&Key::new(own, name));
    (is_another && is_here).then_some(name)
}

/// The Service that gives the pods of a StatefulSet their names, where that is another than the one
/// under which one of them is looked for.
fn misnamed(examination: &Examination<'_>, found: &Unreachable, service: &str) -> Option<String> {
    let Controller::StatefulSet(set) = examination.workload.controller else {
        return None;
    };
    let governing = set
        .spec
        .service_name
        .as_deref()
        .filter(|it| !it.is_empty())?;
    let own = &examination.workload.reference;
    let (pod, _) = found.host.split_once('.')?;
    let (name, _) = pod.rsplit_once('-')?;
    let key = Key::new(&own.namespace, governing);
    let is_missing = !examination.workload.cluster().services.contains_key(&key);
    (name == own.name && governing != service && is_missing).then(|| {
        format!(
            "; spec.serviceName is {governing}, which no Service is called, and its pods have names of their own only under that: {service} may have been meant"
        )
    })
}

/// What is broken itself among the Service and those who should answer for it, and by what it shows.
fn culprit(
    examination: &Examination<'_>,
    service: &WorkloadRef,
    owners: &[WorkloadRef],
) -> Option<(WorkloadRef, Symptom)> {
    let cluster = examination.workload.cluster();
    let own = &examination.workload.reference;
    let suspects = std::iter::once(service).chain(owners);
    suspects
        .filter(|suspect| *suspect != own)
        .find_map(|suspect| {
            let workload = cluster.workload(suspect)?;
            // a Service shows what is wrong with it only when its pods have had their time to come
            let soon = examination.now.checked_add(TIME_TO_MEET);
            let now = soon.ok().filter(|_| suspect == service);
            let now = now.unwrap_or(examination.now);
            let mut symptoms = observe(&workload, now).symptoms.into_iter();
            let lasting = symptoms.find(|it| it.is_lasting() && it.is_failure())?;
            Some((suspect.clone(), lasting))
        })
}

/// A Service that may have been meant: of a close name, or the only one with this port.
fn similar_service(cluster: &Cluster, wanted: &Key, port: Option<u16>) -> Option<String> {
    let all = || in_namespace(&cluster.services, &wanted.namespace);
    let has_port =
        |service: &Service| port.is_some_and(|port| ports_of(service).contains(&i32::from(port)));
    let only_with_port = || {
        let (key, _) = only(all().filter(|(_, service)| has_port(service)))?;
        Some(key.name.clone())
    };
    closest(&wanted.name, all().map(|(key, _)| key.name.clone())).or_else(only_with_port)
}

enum Behind {
    Ready {
        since: Option<Timestamp>,
    },
    Nobody {
        owners: Vec<WorkloadRef>,
    },
    /// It selects no pods by itself.
    Unknown,
}

/// Since when a ready pod answers for a Service, if one does.
pub(super) fn since(cluster: &Cluster, service: &Service) -> Option<Timestamp> {
    match behind(cluster, service) {
        Behind::Ready { since } => since,
        Behind::Nobody { .. } | Behind::Unknown => None,
    }
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
    let ready = || pods.iter().map(|(_, pod)| *pod).filter(|pod| is_ready(pod));
    if ready().next().is_some() {
        return Behind::Ready {
            since: ready()
                .filter_map(ready_since)
                .min()
                .map(|since| since.max(written(&service.metadata))),
        };
    }
    let of_pods = pods.iter().filter_map(|(key, _)| {
        cluster.root_of(&ObjectRef {
            kind: Kind::Pod,
            namespace: key.namespace.clone(),
            name: key.name.clone(),
        })
    });
    let mut owners: Vec<_> = of_pods.collect();
    owners.dedup();
    // scaled to zero, or its pods are refused
    let makes_such = |template: &PodTemplateSpec| {
        let labels = template.metadata.as_ref().and_then(|it| it.labels.as_ref());
        labels.is_some_and(|labels| {
            selector
                .iter()
                .all(|(key, value)| labels.get(key) == Some(value))
        })
    };
    if owners.is_empty() {
        let deployments = in_namespace(&cluster.deployments, namespace)
            .filter(|(_, it)| makes_such(&it.spec.template))
            .map(|(key, _)| (WorkloadKind::Deployment, key));
        let stateful_sets = in_namespace(&cluster.stateful_sets, namespace)
            .filter(|(_, it)| makes_such(&it.spec.template))
            .map(|(key, _)| (WorkloadKind::StatefulSet, key));
        let all = deployments.chain(stateful_sets);
        owners.extend(all.map(|(kind, key)| WorkloadRef {
            kind,
            namespace: key.namespace.clone(),
            name: key.name.clone(),
        }));
    }
    Behind::Nobody { owners }
}
