//! Answers to the engine's questions, from what the cluster holds.

use std::collections::{BTreeMap, BTreeSet};

use akeso_core::{
    certificate::{CERTIFICATE, PRIVATE_KEY, TlsSecret},
    cluster::Key,
    consult::{self, Prompt},
    evidence::{Answer, Bounds, Keys, ListedKind, Objects, Question},
    for_each_listed_kind,
    quantity::{Bytes, MilliCpu},
};
use k8s_openapi::api::{
    core::v1::{ConfigMap, LimitRange, Pod, ResourceQuota, Secret, ServiceAccount},
    networking::v1::{IngressClass, NetworkPolicy},
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
    storage::v1::StorageClass,
};

use crate::{api_server::usage, kubelet, world::World};

pub(super) fn answer(world: &World, namespace: &str, question: &Question) -> Answer {
    match question {
        Question::Logs {
            pod,
            container,
            life,
        } => match kubelet::logs(world, namespace, pod, container, *life) {
            Ok(text) => Answer::Logs(text),
            Err(why) => Answer::Unknown { why },
        },
        Question::Image {
            reference,
            pull_secrets,
        } => {
            let names = pull_secrets.iter().map(String::as_str);
            let credentials = kubelet::docker_configs(&world.store, namespace, names);
            let answer = world.registry.ask(reference, &credentials);
            answer.map_or_else(
                || Answer::Unknown {
                    why: "the registry cannot be reached".to_owned(),
                },
                Answer::Image,
            )
        }
        Question::Keys => Answer::Keys(keys(world, namespace)),
        Question::Bounds => Answer::Bounds(bounds(world, namespace)),
        Question::Certificate { namespace, secret } => certificate(world, namespace, secret),
        Question::Usage { namespace } => kubelet::usage(world, namespace).map_or_else(
            || Answer::Unknown {
                why: "the metrics API (metrics.k8s.io) answers 404: the server could not find the requested resource".to_owned(),
            },
            Answer::Usage,
        ),
        Question::Objects { kind, namespace } => Answer::Objects(objects(world, *kind, namespace)),
    }
}

macro_rules! per_kind {
    ($($kind:ident => $scope:ident,)*) => {
        fn objects(world: &World, kind: ListedKind, namespace: &str) -> Objects {
            match kind {
                $(ListedKind::$kind => {
                    Objects::$kind(world.store.list::<$kind>(namespace).cloned().collect())
                })*
            }
        }
    };
}
for_each_listed_kind!(per_kind);

fn keys(world: &World, namespace: &str) -> Keys {
    let mut keys = Keys::default();
    for map in world.store.list::<ConfigMap>(namespace) {
        let names: BTreeSet<_> = map
            .data
            .iter()
            .flatten()
            .map(|(key, _)| key.clone())
            .collect();
        keys.config_maps
            .insert(map.metadata.name.clone().unwrap_or_default(), names);
    }
    for secret in world.store.list::<Secret>(namespace) {
        if secret.type_.as_deref() == Some("kubernetes.io/dockerconfigjson") {
            let name = secret.metadata.name.clone().unwrap_or_default();
            keys.pull_secrets.insert(name);
            continue;
        }
        let names: BTreeSet<_> = secret
            .data
            .iter()
            .flatten()
            .map(|(key, _)| key.clone())
            .collect();
        keys.secrets
            .insert(secret.metadata.name.clone().unwrap_or_default(), names);
    }
    keys
}

/// The prompt without the values of the namespace's Secrets, as the hands do it.
pub(super) fn without_secrets(world: &World, namespace: &str, prompt: Prompt) -> Prompt {
    let data = world.store.list::<Secret>(namespace);
    let values = data.flat_map(|secret| secret.data.iter().flatten());
    let values: Vec<_> = values.map(|(_, value)| value.0.clone()).collect();
    consult::without_secrets(prompt, values.iter().map(Vec::as_slice))
}

fn certificate(world: &World, namespace: &str, name: &str) -> Answer {
    let Some(secret) = world.store.get::<Secret>(&Key::new(namespace, name)) else {
        return Answer::Certificate(TlsSecret::Missing);
    };
    let value = |key| secret.data.as_ref().and_then(|data| data.get(key));
    let kind = secret.type_.as_deref().unwrap_or("Opaque");
    let certificate = value(CERTIFICATE).map(|pem| pem.0.as_slice());
    let found = TlsSecret::read(kind, certificate, value(PRIVATE_KEY).is_some());
    Answer::Certificate(found)
}

fn bounds(world: &World, namespace: &str) -> Bounds {
    let ranges = world
        .store
        .list::<LimitRange>(namespace)
        .filter_map(|range| range.spec.as_ref());
    let items: Vec<_> = ranges
        .flat_map(|spec| &spec.limits)
        .filter(|item| item.type_ == "Container")
        .collect();
    let used: u64 = world
        .store
        .list::<Pod>(namespace)
        .map(usage)
        .filter_map(|usage: BTreeMap<_, _>| usage.get("limits.memory").copied())
        .sum();
    let quotas = world.store.list::<ResourceQuota>(namespace);
    let hard = quotas.filter_map(|quota| {
        Bytes::parse(&quota.spec.as_ref()?.hard.as_ref()?.get("limits.memory")?.0).ok()
    });
    Bounds {
        container_max: items
            .iter()
            .filter_map(|i| Bytes::parse(&i.max.as_ref()?.get("memory")?.0).ok())
            .min(),
        quota_left: hard.map(|hard| hard.less(Bytes::new(used))).min(),
        max_limit_to_request: items
            .iter()
            .filter_map(|i| {
                MilliCpu::parse(&i.max_limit_request_ratio.as_ref()?.get("memory")?.0).ok()
            })
            .map(MilliCpu::get)
            .min(),
        min_memory: items
            .iter()
            .filter_map(|i| Bytes::parse(&i.min.as_ref()?.get("memory")?.0).ok())
            .max(),
        min_cpu: items
            .iter()
            .filter_map(|i| MilliCpu::parse(&i.min.as_ref()?.get("cpu")?.0).ok())
            .max(),
    }
}
