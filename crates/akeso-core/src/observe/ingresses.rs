//! Ingresses that lead to a Service or a port that is not there, or that nobody serves.

use jiff::SignedDuration;
use k8s_openapi::api::{
    core::v1::Service,
    networking::v1::{Ingress, IngressClass, IngressServiceBackend, ServiceBackendPort},
};

use serde_json::json;

use super::{Flaw, Look, Symptom, TIME_TO_MEET, certificates, on_support, written};
use crate::{
    act::FixIngress,
    cluster::{Controller, Key, Support, Workload, in_namespace},
    evidence::{Answer, ListedKind, Objects, Question},
    similar::{closest, is_misspelt, only},
};

/// A load balancer of a cloud takes minutes to get its address.
const TIME_TO_BALANCE: SignedDuration = SignedDuration::from_mins(5);
/// How a class was named before it was a field.
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
/// Marks the class of what has none.
const DEFAULT_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";
/// With this port the AWS load balancer controller reads an annotation in place of a Service
/// (<https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/ingress/annotations/#actions>).
const BY_ANNOTATION: &str = "use-annotation";

pub(super) fn symptoms(look: &Look<'_>) -> Vec<Symptom> {
    let Controller::Support(Support::Ingress(ingress)) = look.workload.controller else {
        return Vec::new();
    };
    [
        backend_missing(look, ingress),
        class_missing(look, ingress),
        certificates::unusable(look, ingress),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn backend_missing(look: &Look<'_>, ingress: &Ingress) -> Option<Symptom> {
    // where no Service can be seen, that one is missing says nothing
    if look.workload.cluster().services.is_empty() {
        return None;
    }
    let wrong = backends(ingress).into_iter().filter_map(|(path, backend)| {
        let why = missing(look.workload, backend)?;
        Some(format!("leads {path} nowhere: {why}"))
    });
    let wrong: Vec<_> = wrong.collect();
    let is_late = look.has_lasted(written(&ingress.metadata), TIME_TO_MEET);
    (is_late && !wrong.is_empty())
        .then(|| on_support(Flaw::BackendMissing, "BackendMissing", wrong.join("; and ")))
}

/// Whether a controller has given it an address. Not every controller does, so that none says little.
fn has_address(ingress: &Ingress) -> bool {
    let status = ingress.status.as_ref();
    let balancer = status.and_then(|status| status.load_balancer.as_ref());
    let addresses = balancer.and_then(|balancer| balancer.ingress.as_ref());
    addresses.is_some_and(|addresses| !addresses.is_empty())
}

/// A class that no `IngressClass` has is served by nobody; nor is none, where no class is the default
/// (<https://kubernetes.io/docs/concepts/services-networking/ingress/#ingress-class>).
fn class_missing(look: &Look<'_>, ingress: &Ingress) -> Option<Symptom> {
    let class = |ingress: &Ingress| ingress.spec.as_ref()?.ingress_class_name.clone();
    let own = class(ingress);
    let annotations = ingress.metadata.annotations.as_ref();
    let is_of_old = annotations.is_some_and(|it| it.contains_key(CLASS_ANNOTATION));
    let others = || look.workload.cluster().ingresses.iter();
    let mut served = others().filter(|(_, other)| has_address(other));
    let is_served = own.is_some() && served.clone().any(|(_, other)| class(other) == own);
    if is_of_old || is_served || has_address(ingress) {
        return None;
    }
    let question = Question::Objects {
        kind: ListedKind::IngressClass,
        namespace: String::new(),
    };
    let Answer::Objects(Objects::IngressClass(classes)) = look.ask(question)? else {
        return None; // nobody can tell
    };
    let name = |it: &IngressClass| it.metadata.name.clone();
    let (message, time) = if let Some(own) = own {
        if classes.iter().any(|it| name(it).as_ref() == Some(&own)) {
            return None;
        }
        let close = closest(&own, classes.iter().filter_map(name));
        let (there, time) = match close {
            Some(close) => (format!("; there is an IngressClass {close}"), TIME_TO_MEET),
            None if classes.is_empty() => (
                ": the cluster has no IngressClass at all".to_owned(),
                TIME_TO_BALANCE,
            ),
            None => (String::new(), TIME_TO_BALANCE),
        };
        let message = format!(
            "is served by no controller: its spec.ingressClassName is {own}, and no IngressClass has this name{there}"
        );
        (message, time)
    } else {
        let is_default = |it: &IngressClass| {
            let annotations = it.metadata.annotations.as_ref();
            let default = annotations.and_then(|it| it.get(DEFAULT_CLASS));
            default.is_some_and(|it| it == "true")
        };
        if classes.is_empty() || classes.iter().any(is_default) {
            return None;
        }
        // a controller may take what has no class: that it serves others with one says that it does not
        let (key, theirs) = served.find_map(|(key, other)| Some((key, class(other)?)))?;
        let message = format!(
            "is served by no controller: it has no spec.ingressClassName, and no IngressClass is the default; Ingress {}/{}, which has an address, has {theirs}",
            key.namespace, key.name
        );
        (message, TIME_TO_BALANCE)
    };
    look.has_lasted(written(&ingress.metadata), time)
        .then(|| on_support(Flaw::ClassMissing, "NoController", message))
}

/// Every Service that the Ingress leads to, by the host and path.
pub(super) fn backends(ingress: &Ingress) -> Vec<(String, &IngressServiceBackend)> {
    let Some(spec) = &ingress.spec else {
        return Vec::new();
    };
    let default = spec
        .default_backend
        .iter()
        .map(|backend| ("what no rule matches".to_owned(), backend));
    let rules = spec.rules.iter().flatten().flat_map(|rule| {
        let host = rule.host.as_deref().unwrap_or("*");
        let paths = rule.http.iter().flat_map(|http| &http.paths);
        paths.map(move |path| {
            let place = format!("{host}{}", path.path.as_deref().unwrap_or("/"));
            (place, &path.backend)
        })
    });
    default
        .chain(rules)
        .filter_map(|(path, backend)| Some((path, backend.service.as_ref()?)))
        .collect()
}

fn missing(ingress: &Workload<'_>, backend: &IngressServiceBackend) -> Option<String> {
    let cluster = ingress.cluster();
    let namespace = &ingress.reference.namespace;
    let port = backend.port.as_ref();
    if port.and_then(|port| port.name.as_deref()) == Some(BY_ANNOTATION) {
        return None;
    }
    let Some(service) = cluster.services.get(&Key::new(namespace, &backend.name)) else {
        let names = in_namespace(&cluster.services, namespace).map(|(key, _)| key.name.clone());
        let close = closest(&backend.name, names)
            .map(|name| format!("; there is a Service {name}"))
            .unwrap_or_default();
        return Some(format!(
            "its backend is Service {}, which does not exist{close}",
            backend.name
        ));
    };
    port_missing(service, &backend.name, port?)
}

/// What a backend should have that leads nowhere, where only one thing can be meant: the name of the
/// Service, which is misspelt; or the port of one that has only one.
pub(crate) fn right_backend(ingress: &Workload<'_>) -> Option<FixIngress> {
    let Controller::Support(Support::Ingress(object)) = ingress.controller else {
        return None;
    };
    let services = &ingress.cluster().services;
    let namespace = &ingress.reference.namespace;
    let mut wrong = backends(object)
        .into_iter()
        .filter_map(|(_, backend)| Some((backend, missing(ingress, backend)?)));
    let (backend, _) = wrong.next()?;
    let Some(service) = services.get(&Key::new(namespace, &backend.name)) else {
        let names = in_namespace(services, namespace).map(|(key, _)| &key.name);
        let right = only(names.filter(|name| is_misspelt(&backend.name, name)))?;
        return Some(FixIngress {
            port_of: None,
            from: backend.name.clone().into(),
            to: right.clone().into(),
        });
    };
    let [only] = service.spec.as_ref()?.ports.as_deref()? else {
        return None;
    };
    // what is encrypted is not sent to a port that may not be
    let wanted = backend.port.as_ref()?;
    let is_plain = match (&wanted.name, wanted.number) {
        (Some(name), _) => only.name.as_ref().is_some_and(|it| is_misspelt(name, it)),
        (None, Some(number)) => number != 443 && number != 8443,
        (None, None) => false,
    };
    let is_tcp = only.protocol.as_deref().is_none_or(|it| it == "TCP");
    (is_tcp && is_plain).then(|| FixIngress {
        port_of: Some(backend.name.clone()),
        from: json!(backend.port),
        to: json!({"number": only.port}),
    })
}

fn port_missing(service: &Service, name: &str, wanted: &ServiceBackendPort) -> Option<String> {
    let spec = service.spec.as_ref()?;
    if spec.type_.as_deref() == Some("ExternalName") {
        return None; // its ports are somebody else's
    }
    let ports = spec.ports.as_deref().unwrap_or_default();
    let (said, is_there) = match (&wanted.name, wanted.number) {
        (Some(name), _) => (
            name.clone(),
            ports.iter().any(|port| port.name.as_ref() == Some(name)),
        ),
        (None, Some(number)) => (
            number.to_string(),
            ports.iter().any(|port| port.port == number),
        ),
        (None, None) => return None,
    };
    let has: Vec<_> = ports
        .iter()
        .map(|port| match &port.name {
            Some(name) => format!("{} ({name})", port.port),
            None => port.port.to_string(),
        })
        .collect();
    (!is_there).then(|| {
        format!(
            "its backend is port {said} of Service {name}, which has only {}",
            has.join(", ")
        )
    })
}
