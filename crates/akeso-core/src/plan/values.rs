//! Where the value of a missing variable comes from: the cluster before the defaults.

use crate::{
    act::{EnvValue, Found, Variable},
    cluster::{Controller, Workload, in_namespace},
    evidence::Keys,
    workload::ContainerRef,
};
use k8s_openapi::api::core::v1::{EnvVar, PodSpec};

/// The value for a missing variable of a container: from the previous revision, from sibling
/// workloads, from a ConfigMap or Secret key of the same name, from a Service; else the article's
/// default, marked as a placeholder.
pub fn value_for(
    name: &str,
    container: &ContainerRef,
    workload: &Workload<'_>,
    keys: &Keys,
) -> Variable {
    let from =
        |found: Found, value: Option<Hit>| value.map(|(value, source)| (value, source, found));
    let known = from(
        Found::PreviousRevision,
        from_previous_revision(name, container, workload),
    )
    .or_else(|| from(Found::Sibling, from_siblings(name, workload)))
    .or_else(|| from(Found::Key, from_keys(name, keys)))
    .or_else(|| from(Found::Service, from_service(name, workload)));
    let (value, source, found) = known.unwrap_or_else(|| {
        let source = "nothing in the cluster tells it: a placeholder".to_owned();
        (
            EnvValue::Literal(default_for(name).to_owned()),
            source,
            Found::Nowhere,
        )
    });
    Variable {
        name: name.to_owned(),
        value,
        found,
        source,
    }
}

/// The article's defaults, by the words of the name: `SUPPORT_EMAIL` is no port.
fn default_for(name: &str) -> &'static str {
    let has = |wanted: &str| name.split('_').any(|word| word == wanted);
    if name.contains("PASSWORD") {
        "password123"
    } else if has("HOST") || has("HOSTNAME") {
        "localhost"
    } else if has("PORT") {
        "3306"
    } else {
        "default"
    }
}

type Hit = (EnvValue, String);

fn value_of(env: &EnvVar) -> Option<EnvValue> {
    let from = env.value_from.as_ref();
    if let Some(key) = from.and_then(|from| from.secret_key_ref.as_ref()) {
        return Some(EnvValue::SecretKey {
            name: key.name.clone(),
            key: key.key.clone(),
        });
    }
    if let Some(key) = from.and_then(|from| from.config_map_key_ref.as_ref()) {
        return Some(EnvValue::ConfigMapKey {
            name: key.name.clone(),
            key: key.key.clone(),
        });
    }
    // a value with $(OTHER) in it means something else beside another container's variables
    let literal = env
        .value
        .as_ref()
        .filter(|value| !value.is_empty() && !value.contains("$("))?;
    Some(EnvValue::Literal(literal.clone()))
}

fn variable_in<'a>(name: &str, spec: &'a PodSpec) -> impl Iterator<Item = &'a EnvVar> {
    let name = name.to_owned();
    spec.containers
        .iter()
        .chain(spec.init_containers.iter().flatten())
        .flat_map(|container| container.env.iter().flatten())
        .filter(move |env| env.name == name)
}

fn from_previous_revision(
    name: &str,
    container: &ContainerRef,
    workload: &Workload<'_>,
) -> Option<Hit> {
    let revision = workload.last_good_revision()?;
    let (_, before) = crate::cluster::find_container(revision.template.spec.as_ref()?, container)?;
    let env = before.env.as_ref()?.iter().find(|env| env.name == name)?;
    Some((
        value_of(env)?,
        format!("revision {} of the workload had it", revision.number),
    ))
}

/// Other workloads of the namespace, if they all agree. A credential is taken over only as a
/// reference: what is a secret is not copied from manifest to manifest. What tells a workload
/// from its siblings (its name, its port, the queue or group that it consumes) is its own.
fn from_siblings(name: &str, workload: &Workload<'_>) -> Option<Hit> {
    const OWN: [&str; 8] = [
        "NAME", "ID", "PORT", "GROUP", "QUEUE", "TOPIC", "ROLE", "MODE",
    ];
    if name.split('_').any(|word| OWN.contains(&word)) {
        return None;
    }
    let cluster = workload.cluster();
    let here = &workload.reference;
    let others = cluster
        .roots()
        .into_iter()
        .filter(|other| other.namespace == here.namespace && other != here);
    let mut found: Vec<(EnvValue, String)> = Vec::new();
    for other in others {
        let Some(sibling) = cluster.workload(&other) else {
            continue;
        };
        if matches!(sibling.controller, Controller::Pod(_) | Controller::Job(_))
            || sibling.ready_pods() == 0
        {
            continue; // what does not run well is no example
        }
        let values = sibling
            .pod_spec()
            .into_iter()
            .flat_map(|spec| variable_in(name, spec));
        found.extend(
            values
                .filter_map(value_of)
                .map(|value| (value, format!("{other} has it"))),
        );
    }
    let (value, source) = found.first().cloned()?;
    let agreed = found.iter().all(|(other, _)| *other == value);
    let variable = Variable {
        name: name.to_owned(),
        value: value.clone(),
        found: Found::Sibling,
        source: source.clone(),
    };
    let copied_secret = variable.is_credential() && matches!(value, EnvValue::Literal(_));
    (agreed && !copied_secret).then_some((value, source))
}

/// The one key of the namespace's ConfigMaps and Secrets that has the variable's name.
fn from_keys(name: &str, keys: &Keys) -> Option<Hit> {
    let plain = |text: &str| text.to_uppercase().replace(['-', '.'], "_");
    let matches = |all: &std::collections::BTreeMap<String, std::collections::BTreeSet<String>>| {
        let mut hits = Vec::new();
        for (object, object_keys) in all {
            hits.extend(
                object_keys
                    .iter()
                    .filter(|key| plain(key) == plain(name))
                    .map(|key| (object.clone(), key.clone())),
            );
        }
        hits
    };
    let (maps, secrets) = (matches(&keys.config_maps), matches(&keys.secrets));
    match (maps.as_slice(), secrets.as_slice()) {
        ([(map, key)], []) => {
            let source = format!("ConfigMap {map} has the key {key}");
            Some((
                EnvValue::ConfigMapKey {
                    name: map.clone(),
                    key: key.clone(),
                },
                source,
            ))
        }
        ([], [(secret, key)]) => {
            let source = format!("Secret {secret} has the key {key}");
            Some((
                EnvValue::SecretKey {
                    name: secret.clone(),
                    key: key.clone(),
                },
                source,
            ))
        }
        _ => None, // none, or more than one that it could be
    }
}

/// `REDIS_HOST` and `REDIS_PORT` from a Service `redis`.
fn from_service(name: &str, workload: &Workload<'_>) -> Option<Hit> {
    let (stem, wants_port) = match (name.strip_suffix("_HOST"), name.strip_suffix("_PORT")) {
        (Some(stem), _) => (stem, false),
        (_, Some(stem)) => (stem, true),
        _ => return None,
    };
    let wanted = stem.to_lowercase().replace('_', "-");
    let (key, service) = in_namespace(&workload.cluster().services, &workload.reference.namespace)
        .find(|(key, _)| key.name == wanted)?;
    if !wants_port {
        return Some((
            EnvValue::Literal(key.name.clone()),
            format!("Service {} has that name", key.name),
        ));
    }
    let [port] = service.spec.as_ref()?.ports.as_deref()? else {
        return None;
    };
    Some((
        EnvValue::Literal(port.port.to_string()),
        format!("Service {} listens there", key.name),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn keys(maps: &[(&str, &str)], secrets: &[(&str, &str)]) -> Keys {
        let collect = |pairs: &[(&str, &str)]| {
            let mut all: BTreeMap<String, std::collections::BTreeSet<String>> = BTreeMap::new();
            for (object, key) in pairs {
                all.entry((*object).to_owned())
                    .or_default()
                    .insert((*key).to_owned());
            }
            all
        };
        Keys {
            config_maps: collect(maps),
            secrets: collect(secrets),
            ..Keys::default()
        }
    }

    #[test]
    fn one_key_of_the_name_is_taken_by_reference() {
        let found = from_keys(
            "API_TOKEN",
            &keys(&[], &[("shop", "api-token"), ("shop", "other")]),
        );
        assert_eq!(
            found.unwrap().0,
            EnvValue::SecretKey {
                name: "shop".into(),
                key: "api-token".into()
            }
        );
    }

    #[test]
    fn of_two_keys_of_the_name_none_is_taken() {
        assert_eq!(
            from_keys(
                "API_TOKEN",
                &keys(&[], &[("shop", "API_TOKEN"), ("old-shop", "API_TOKEN")])
            ),
            None
        );
        assert_eq!(
            from_keys(
                "API_TOKEN",
                &keys(&[("a", "API_TOKEN")], &[("b", "API_TOKEN")])
            ),
            None
        );
    }

    #[test]
    fn the_defaults_are_the_articles() {
        assert_eq!(default_for("MYSQL_ROOT_PASSWORD"), "password123");
        assert_eq!(default_for("MYSQL_HOST"), "localhost");
        assert_eq!(default_for("MYSQL_PORT"), "3306");
        assert_eq!(default_for("MODE"), "default");
        assert_eq!(default_for("SUPPORT_EMAIL"), "default");
        assert_eq!(default_for("GHOST_MODE"), "default");
    }
}
