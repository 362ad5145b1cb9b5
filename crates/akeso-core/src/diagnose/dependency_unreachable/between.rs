//! What stands between a workload and a Service that is there.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    core::v1::{Pod, PodSpec},
    networking::v1::NetworkPolicy,
};

use super::{
    super::Examination,
    policies,
    unreachable::{Failure, Unreachable},
};
use crate::cluster::{in_namespace, is_ready, selects, service_meant};

/// The workload's own DNS settings, or a
/// `NetworkPolicy`; an empty text if nothing does. None if what it takes to know that has not come yet.
pub(super) fn between(examination: &Examination<'_>, found: &Unreachable) -> Option<String> {
    let workload = examination.workload;
    let own = workload.reference.namespace.as_str();
    let cluster = workload.cluster();
    let service = service_meant(cluster, own, &found.host)
        .and_then(|key| Some((cluster.services.get(&key)?, key)));
    let (Some((service, key)), Some(template)) = (service, workload.template()) else {
        return Some(String::new());
    };
    let no_labels = BTreeMap::new();
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
