//! Evidence: logs, keys, bounds, what is used, objects that are not watched.

use std::{collections::BTreeMap, time::Duration};

use akeso_core::{
    evidence::{Answer, Bounds, Life, ListedKind, Objects, Question},
    for_each_listed_kind,
    quantity::{Bytes, MilliCpu},
};
use futures::AsyncReadExt;
use k8s_openapi::{
    api::{
        core::v1::{ConfigMap, LimitRange, Pod, ResourceQuota, ServiceAccount},
        networking::v1::{IngressClass, NetworkPolicy},
        rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
        storage::v1::StorageClass,
    },
    apimachinery::pkg::api::resource::Quantity,
};
use kube::{
    Api, Client,
    api::{ListParams, LogParams},
    core::ApiResource,
};

use crate::{registry::Registry, secrets, usage::usage};

/// How many lines of a log are read, and how many bytes at most.
const LOG_LINES: i64 = 200;
const LOG_BYTES: i64 = 256 * 1024;
/// A question that takes longer than this has no answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers a question; what cannot be found out is said to be unknown.
pub(crate) async fn answer(
    client: &Client,
    registry: &Registry,
    namespace: &str,
    question: &Question,
) -> Answer {
    let answer = async {
        match question {
            Question::Logs {
                pod,
                container,
                life,
            } => logs(client, namespace, pod, container, *life).await,
            Question::Image {
                reference,
                pull_secrets,
            } => Ok(registry
                .ask(client, namespace, reference, pull_secrets)
                .await),
            Question::Keys => keys(client, namespace).await,
            Question::Bounds => bounds(client, namespace).await,
            Question::Certificate { namespace, secret } => {
                secrets::certificate(client, namespace, secret).await
            }
            Question::Usage { namespace } => usage(client, namespace).await,
            Question::Objects { kind, namespace } => objects(client, *kind, namespace).await,
        }
    };
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => Answer::Unknown {
            why: error.to_string(),
        },
        Err(_) => Answer::Unknown {
            why: format!("no answer within {} s", PATIENCE.as_secs()),
        },
    }
}

async fn logs(
    client: &Client,
    namespace: &str,
    pod: &str,
    container: &str,
    life: Life,
) -> kube::Result<Answer> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let parameters = LogParams {
        container: Some(container.to_owned()),
        previous: life == Life::Previous,
        tail_lines: Some(LOG_LINES),
        limit_bytes: Some(LOG_BYTES),
        ..LogParams::default()
    };
    match pods.log_stream(pod, &parameters).await {
        Ok(mut stream) => {
            let mut bytes = Vec::new();
            stream
                .read_to_end(&mut bytes)
                .await
                .map_err(kube::Error::ReadEvents)?;
            // what programs print need not be text, and the limit may fall inside a character; their
            // colours would hide words, and what else moves a terminal is not for ours
            let text = String::from_utf8_lossy(&bytes);
            let plain = anstream::adapter::strip_str(&text).to_string();
            Ok(Answer::Logs(plain))
        }
        // "previous terminated container not found", "is waiting to start": there is none
        Err(kube::Error::Api(status)) if matches!(status.code, 400 | 404) => {
            Ok(Answer::Logs(String::new()))
        }
        Err(error) => Err(error),
    }
}

async fn keys(client: &Client, namespace: &str) -> kube::Result<Answer> {
    let all = ListParams::default();
    let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let (config_maps, mut keys) =
        tokio::try_join!(config_maps.list(&all), secrets::keys(client, namespace))?;
    for map in config_maps {
        let name = map.metadata.name.unwrap_or_default();
        if name != "kube-root-ca.crt" {
            keys.config_maps.insert(
                name,
                map.data.into_iter().flatten().map(|(key, _)| key).collect(),
            );
        }
    }
    Ok(Answer::Keys(keys))
}

fn memory(list: Option<&BTreeMap<String, Quantity>>, name: &str) -> Option<Bytes> {
    Bytes::parse(&list?.get(name)?.0).ok()
}

async fn bounds(client: &Client, namespace: &str) -> kube::Result<Answer> {
    let all = ListParams::default();
    let ranges: Api<LimitRange> = Api::namespaced(client.clone(), namespace);
    let quotas: Api<ResourceQuota> = Api::namespaced(client.clone(), namespace);
    let (ranges, quotas) = tokio::try_join!(ranges.list(&all), quotas.list(&all))?;
    let items: Vec<_> = ranges
        .into_iter()
        .filter_map(|range| range.spec)
        .flat_map(|spec| spec.limits)
        .collect();
    let containers = || items.iter().filter(|item| item.type_ == "Container");
    let least = |a: Option<Bytes>, b: Option<Bytes>| [a, b].into_iter().flatten().min();
    Ok(Answer::Bounds(Bounds {
        container_max: items
            .iter()
            .filter(|item| matches!(item.type_.as_str(), "Container" | "Pod"))
            .fold(None, |max, item| {
                least(max, memory(item.max.as_ref(), "memory"))
            }),
        quota_left: quotas.into_iter().filter_map(|quota| quota.status).fold(
            None,
            |left, status| {
                let hard = memory(status.hard.as_ref(), "limits.memory");
                let used = memory(status.used.as_ref(), "limits.memory").unwrap_or(Bytes::new(0));
                least(left, hard.map(|hard| hard.less(used)))
            },
        ),
        // the quantity is a plain number: parsed as bytes of a thousandth it keeps its fraction
        max_limit_to_request: containers()
            .filter_map(|item| {
                MilliCpu::parse(&item.max_limit_request_ratio.as_ref()?.get("memory")?.0).ok()
            })
            .map(MilliCpu::get)
            .min(),
        min_memory: containers()
            .filter_map(|item| memory(item.min.as_ref(), "memory"))
            .max(),
        min_cpu: containers()
            .filter_map(|item| MilliCpu::parse(&item.min.as_ref()?.get("cpu")?.0).ok())
            .max(),
    }))
}

macro_rules! api {
    (namespaced, $client:ident, $namespace:ident) => {
        Api::namespaced($client.clone(), $namespace)
    };
    (cluster, $client:ident, $namespace:ident) => {
        Api::all($client.clone())
    };
}

macro_rules! per_kind {
    ($($kind:ident => $scope:ident,)*) => {
        /// The API resource of a kind that is listed when it is asked for.
        pub(crate) fn listed_resource(kind: ListedKind) -> ApiResource {
            match kind {
                $(ListedKind::$kind => ApiResource::erase::<$kind>(&()),)*
            }
        }

        async fn objects(client: &Client, kind: ListedKind, namespace: &str) -> kube::Result<Answer> {
            let all = ListParams::default();
            Ok(Answer::Objects(match kind {
                $(ListedKind::$kind => {
                    let api: Api<$kind> = api!($scope, client, namespace);
                    Objects::$kind(api.list(&all).await?.items)
                })*
            }))
        }
    };
}
for_each_listed_kind!(per_kind);
