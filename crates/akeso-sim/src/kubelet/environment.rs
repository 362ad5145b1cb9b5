//! The variables that a container is started with.

use std::collections::BTreeMap;

use akeso_core::cluster::Key;
use k8s_openapi::api::core::v1::{
    ConfigMap, Container, EnvFromSource, EnvVarSource, Pod, Secret, Service,
};

use crate::store::Store;

type Variables = BTreeMap<String, String>;

/// The variables of a container, or why the kubelet cannot make them, in its words.
pub(super) fn environment(
    store: &Store,
    pod: &Pod,
    container: &Container,
) -> Result<Variables, String> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let links = pod
        .spec
        .as_ref()
        .is_none_or(|spec| spec.enable_service_links != Some(false));
    let mut variables = if links {
        service_links(store, namespace)
    } else {
        Variables::new()
    };
    for source in container.env_from.iter().flatten() {
        variables.extend(from_source(store, namespace, source)?);
    }
    for env in container.env.iter().flatten() {
        let value = match &env.value_from {
            Some(source) => match from_reference(store, pod, namespace, source)? {
                Some(value) => value,
                None => continue,
            },
            None => expanded(env.value.as_deref().unwrap_or_default(), &variables),
        };
        variables.insert(env.name.clone(), value);
    }
    Ok(variables)
}

/// `$(NAME)` stands for the value of a variable that was defined before.
fn expanded(value: &str, variables: &Variables) -> String {
    variables
        .iter()
        .fold(value.to_owned(), |text, (name, value)| {
            text.replace(&format!("$({name})"), value)
        })
}

/// The variables that Docker links once made, for every Service that has an address.
fn service_links(store: &Store, namespace: &str) -> Variables {
    let mut variables = Variables::new();
    for service in store.list::<Service>(namespace) {
        let Some(spec) = &service.spec else { continue };
        let Some(ip) = spec
            .cluster_ip
            .as_deref()
            .filter(|ip| !ip.is_empty() && *ip != "None")
        else {
            continue;
        };
        let name = service.metadata.name.as_deref().unwrap_or_default();
        let prefix = name.to_uppercase().replace('-', "_");
        variables.insert(format!("{prefix}_SERVICE_HOST"), ip.to_owned());
        let Some(port) = spec.ports.iter().flatten().next().map(|port| port.port) else {
            continue;
        };
        variables.insert(format!("{prefix}_SERVICE_PORT"), port.to_string());
        variables.insert(format!("{prefix}_PORT"), format!("tcp://{ip}:{port}"));
    }
    variables
}

pub(super) fn config_map(store: &Store, namespace: &str, name: &str) -> Option<Variables> {
    let map = store.get::<ConfigMap>(&Key::new(namespace, name))?;
    Some(map.data.clone().unwrap_or_default())
}

pub(super) fn secret(store: &Store, namespace: &str, name: &str) -> Option<Variables> {
    let secret = store.get::<Secret>(&Key::new(namespace, name))?;
    let text = |(key, bytes): (&String, &k8s_openapi::ByteString)| {
        (key.clone(), String::from_utf8_lossy(&bytes.0).into_owned())
    };
    Some(secret.data.iter().flatten().map(text).collect())
}

/// The `.dockerconfigjson` of each of the pod's pull secrets.
pub(super) fn credentials(store: &Store, pod: &Pod) -> Vec<String> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let spec = pod.spec.as_ref();
    let secrets = spec.and_then(|spec| spec.image_pull_secrets.as_ref());
    let names = secrets.into_iter().flatten().map(|it| it.name.as_str());
    docker_configs(store, namespace, names)
}

/// The `.dockerconfigjson` of each of these Secrets.
pub(crate) fn docker_configs<'a>(
    store: &Store,
    namespace: &str,
    names: impl Iterator<Item = &'a str>,
) -> Vec<String> {
    names
        .filter_map(|name| secret(store, namespace, name)?.remove(".dockerconfigjson"))
        .collect()
}

fn from_source(
    store: &Store,
    namespace: &str,
    source: &EnvFromSource,
) -> Result<Variables, String> {
    let (found, what, name, optional) = if let Some(map) = &source.config_map_ref {
        (
            config_map(store, namespace, &map.name),
            "configmap",
            &map.name,
            map.optional,
        )
    } else if let Some(from) = &source.secret_ref {
        (
            secret(store, namespace, &from.name),
            "secret",
            &from.name,
            from.optional,
        )
    } else {
        return Ok(Variables::new());
    };
    let prefix = source.prefix.as_deref().unwrap_or_default();
    match found {
        Some(all) => Ok(all
            .into_iter()
            .map(|(key, value)| (format!("{prefix}{key}"), value))
            .collect()),
        None if optional == Some(true) => Ok(Variables::new()),
        None => Err(format!("{what} \"{name}\" not found")),
    }
}

/// The value that a reference stands for; nothing if it is optional and not there.
fn from_reference(
    store: &Store,
    pod: &Pod,
    namespace: &str,
    source: &EnvVarSource,
) -> Result<Option<String>, String> {
    let (found, what, kind, name, key, optional) = if let Some(from) = &source.config_map_key_ref {
        (
            config_map(store, namespace, &from.name),
            "configmap",
            "ConfigMap",
            &from.name,
            &from.key,
            from.optional,
        )
    } else if let Some(from) = &source.secret_key_ref {
        (
            secret(store, namespace, &from.name),
            "secret",
            "Secret",
            &from.name,
            &from.key,
            from.optional,
        )
    } else if let Some(field) = &source.field_ref {
        return Ok(Some(downward(pod, &field.field_path)));
    } else {
        return Ok(None);
    };
    let missing = match found {
        None => format!("{what} \"{name}\" not found"),
        Some(mut all) => match all.remove(key) {
            Some(value) => return Ok(Some(value)),
            None => format!("couldn't find key {key} in {kind} {namespace}/{name}"),
        },
    };
    if optional == Some(true) {
        Ok(None)
    } else {
        Err(missing)
    }
}

fn downward(pod: &Pod, path: &str) -> String {
    let value = match path {
        "metadata.name" => pod.metadata.name.clone(),
        "metadata.namespace" => pod.metadata.namespace.clone(),
        "metadata.uid" => pod.metadata.uid.clone(),
        "spec.nodeName" => pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        "status.podIP" => pod.status.as_ref().and_then(|status| status.pod_ip.clone()),
        _ => None,
    };
    value.unwrap_or_default()
}
