//! Which Service an address means.

use k8s_openapi::api::core::v1::Service;

use super::{Cluster, Key, in_namespace, is_ready, selects};

/// The Service that a host is the name of, whether it exists or not. Of other namespaces only those
/// are judged of which Services are known: they may lie outside of what is watched.
pub(crate) fn service_meant(cluster: &Cluster, own: &str, host: &str) -> Option<Key> {
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

/// The ports of a Service, by number.
pub(crate) fn ports_of(service: &Service) -> Vec<i32> {
    let spec = service.spec.as_ref();
    let ports = spec.and_then(|spec| spec.ports.as_deref());
    ports
        .unwrap_or_default()
        .iter()
        .map(|port| port.port)
        .collect()
}

/// Whether a pod gets a Service's traffic.
pub(crate) fn has_ready_pod(cluster: &Cluster, service: &Service) -> bool {
    let namespace = service.metadata.namespace.as_deref().unwrap_or_default();
    let mut pods = in_namespace(&cluster.pods, namespace);
    pods.any(|(_, pod)| selects(service, pod) && is_ready(pod))
}
