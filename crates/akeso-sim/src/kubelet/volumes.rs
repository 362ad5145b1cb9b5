//! Volumes that are made of configuration, or are directories of the node, of which there are none,
//! and claims that another node has; of others it is taken for granted that they can be mounted.

use akeso_core::cluster::Key;
use k8s_openapi::api::core::v1::{KeyToPath, PersistentVolumeClaim, Pod, Volume};

use super::{
    environment::{config_map, secret},
    process::memory_limit,
};
use crate::{scheduler::claims, store::Store, warnings::Saying};

/// What the kubelet says of the pod's volumes that cannot be mounted; nothing if all can.
pub(super) fn failed(store: &Store, pod: &Pod) -> Vec<Saying> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let volumes = pod
        .spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten());
    let why_not = |volume: &Volume| {
        let name = &volume.name;
        let why = why_not(store, namespace, volume)?;
        let message = format!("MountVolume.SetUp failed for volume \"{name}\" : {why}");
        Some(Saying::warning("FailedMount", message, "kubelet"))
    };
    let attached = volumes
        .clone()
        .filter_map(|volume| attached(store, pod, volume));
    let made = volumes.filter_map(why_not);
    attached.chain(made).chain(token(pod)).collect()
}

/// A pod's token lies in memory, and has no more of that than the limits of the pod's containers.
fn token(pod: &Pod) -> Option<Saying> {
    const LEAST: u64 = 4096;
    let containers = &pod.spec.as_ref()?.containers;
    let limits: Option<Vec<_>> = containers.iter().map(memory_limit).collect();
    let all: u64 = limits?.iter().map(|limit| limit.get()).sum();
    let message = "MountVolume.SetUp failed for volume \"kube-api-access-abcde\" : write /var/lib/kubelet/pods/1/ca.crt: no space left on device";
    (all < LEAST).then(|| Saying::warning("FailedMount", message.to_owned(), "kubelet"))
}

/// What the attach controller says of a volume that only one node may have
/// (<https://kubernetes.io/docs/concepts/storage/persistent-volumes/#access-modes>).
fn attached(store: &Store, pod: &Pod, volume: &Volume) -> Option<Saying> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let name = &volume.persistent_volume_claim.as_ref()?.claim_name;
    let claim = store.get::<PersistentVolumeClaim>(&Key::new(namespace, name))?;
    let spec = claim.spec.as_ref()?;
    let mut modes = spec.access_modes.iter().flatten();
    if !modes.all(|mode| mode.starts_with("ReadWriteOnce")) {
        return None;
    }
    // who came first has it
    let age = |pod: &Pod| {
        let made = pod.metadata.creation_timestamp.clone();
        (made, pod.metadata.name.clone())
    };
    let node = |pod: &Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    let has_it = |other: &&Pod| {
        other.metadata.namespace.as_deref() == Some(namespace)
            && age(other) < age(pod)
            && !super::is_over(other)
            && node(other).is_some_and(|it| node(pod) != Some(it))
            && claims(other).any(|claim| claim == name)
    };
    let other = store.all::<Pod>().find(has_it)?;
    let message = format!(
        "Multi-Attach error for volume \"{}\" Volume is already used by pod(s) {}",
        spec.volume_name.as_deref()?,
        other.metadata.name.as_deref()?
    );
    Some(Saying::warning(
        "FailedAttachVolume",
        message,
        "attachdetach-controller",
    ))
}

/// Why a volume cannot be made, in the kubelet's words.
fn why_not(store: &Store, namespace: &str, volume: &Volume) -> Option<String> {
    if let Some(host) = &volume.host_path
        && host.type_.as_deref() == Some("Directory")
    {
        let path = &host.path;
        return Some(format!(
            "hostPath type check failed: {path} is not a directory"
        ));
    }
    let map = volume.config_map.iter();
    let map = map.filter_map(|it| {
        let found = config_map(store, namespace, &it.name).map(|all| all.into_keys().collect());
        lacks("configmap", &it.name, it.optional, it.items.as_ref(), found)
    });
    let of_secret = volume.secret.iter();
    let of_secret = of_secret.filter_map(|it| {
        let name = it.secret_name.as_deref().unwrap_or_default();
        let found = secret(store, namespace, name).map(|all| all.into_keys().collect());
        lacks("secret", name, it.optional, it.items.as_ref(), found)
    });
    if let Some(why) = map.chain(of_secret).next() {
        return Some(why);
    }
    let sources = volume.projected.iter();
    let sources = sources.flat_map(|it| it.sources.iter().flatten());
    let whys: Vec<_> = sources
        .filter_map(|source| {
            if let Some(it) = &source.config_map {
                let found = config_map(store, namespace, &it.name);
                let found = found.map(|all| all.into_keys().collect());
                return lacks("configmap", &it.name, it.optional, it.items.as_ref(), found);
            }
            let it = source.secret.as_ref()?;
            let found = secret(store, namespace, &it.name).map(|all| all.into_keys().collect());
            lacks("secret", &it.name, it.optional, it.items.as_ref(), found)
        })
        .collect();
    match whys.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        several => Some(format!("[{}]", several.join(", "))),
    }
}

fn lacks(
    kind: &str,
    name: &str,
    optional: Option<bool>,
    items: Option<&Vec<KeyToPath>>,
    found: Option<Vec<String>>,
) -> Option<String> {
    if optional == Some(true) {
        return None;
    }
    let Some(keys) = found else {
        return Some(format!("{kind} \"{name}\" not found"));
    };
    let mut items = items.into_iter().flatten();
    let item = items.find(|item| !keys.contains(&item.key))?;
    Some(if kind == "configmap" {
        format!("configmap references non-existent config key: {}", item.key)
    } else {
        format!("references non-existent secret key: {}", item.key)
    })
}
