//! What the metrics API has measured
//! (<https://kubernetes.io/docs/tasks/debug/debug-cluster/resource-metrics-pipeline/>).

use std::collections::BTreeMap;

use akeso_core::{
    evidence::{Answer, PodUsage, Usage, Used},
    quantity::{Bytes, MilliCpu},
};
use jiff::Timestamp;
use kube::{
    Api, Client,
    api::{DynamicObject, ListParams},
    core::{ApiResource, GroupVersionKind},
};
use serde::Deserialize;

/// A pod's metrics, as far as they are of interest.
#[derive(Debug, Deserialize)]
struct Measured {
    timestamp: Timestamp,
    #[serde(default)]
    containers: Vec<Container>,
}

#[derive(Debug, Deserialize)]
struct Container {
    name: String,
    usage: BTreeMap<String, String>,
}

/// The API resource of what is measured of pods.
pub(crate) fn pod_metrics() -> ApiResource {
    let kind = GroupVersionKind::gvk("metrics.k8s.io", "v1beta1", "PodMetrics");
    ApiResource::from_gvk_with_plural(&kind, "pods")
}

/// What the containers of a namespace use. Where nothing measures it, that is unknown.
pub(crate) async fn usage(client: &Client, namespace: &str) -> kube::Result<Answer> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &pod_metrics());
    let pods = match api.list(&ListParams::default()).await {
        Ok(list) => list.items,
        Err(kube::Error::Api(status)) => {
            let said = status.message.trim();
            let why = format!(
                "the metrics API (metrics.k8s.io) answers {}: {said}",
                status.code
            );
            return Ok(Answer::Unknown { why });
        }
        Err(error) => return Err(error),
    };
    let mut usage = Usage::default();
    let here = |pod: &DynamicObject| pod.metadata.namespace.as_deref() == Some(namespace);
    for pod in pods.into_iter().filter(here) {
        if let (Some(name), Some(measured)) = (pod.metadata.name, read(pod.data)) {
            usage.pods.insert(name, measured);
        }
    }
    Ok(Answer::Usage(usage))
}

/// What was measured of one pod; nothing unless all of it can be read.
fn read(data: serde_json::Value) -> Option<PodUsage> {
    let measured: Measured = serde_json::from_value(data).ok()?;
    let mut containers = BTreeMap::new();
    for container in measured.containers {
        let used = Used {
            cpu: MilliCpu::parse(container.usage.get("cpu")?).ok()?,
            memory: Bytes::parse(container.usage.get("memory")?).ok()?,
        };
        if containers.insert(container.name, used).is_some() {
            return None;
        }
    }
    Some(PodUsage {
        at: measured.timestamp,
        containers,
    })
}
