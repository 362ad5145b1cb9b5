//! Fault `missing-reference`: a ConfigMap, a Secret or a key of one that the container refers to
//! is not there. Whether a name that is close was meant is a question for a person: what it holds
//! decides how the program behaves.

use std::{collections::BTreeSet, sync::LazyLock};

use k8s_openapi::api::core::v1::Container;
use regex::{Captures, Regex};

use super::{Diagnosis, Examination, Family, Fault, Remedy, undo};
use crate::{
    evidence::{Answer, Keys, Question},
    observe::{Sign, Symptom},
    plan::Advice,
};

pub(super) const FAULT: Fault = Fault {
    name: "missing-reference",
    family: Family::Configuration,
    signs: "a ConfigMap, a Secret or a key that the container refers to does not exist (`CreateContainerConfigError`)",
    does: "puts the last good revision back, where its pods are ready; else names the field, what is missing, and the one that is there and close to it",
    never: "makes up a ConfigMap, a Secret or a key, or refers to another one",
    diagnose,
};

/// The kubelet's words for an object: `configmap "settings" not found`.
static NO_OBJECT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?i)\b(configmap|secret) "([^"]+)" not found"#).ok());
/// ... and for a key: `couldn't find key HOST in ConfigMap shop/settings`.
static NO_KEY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)find key (?P<key>\S+) in (configmap|secret) [^/\s]+/([^\s,]+)").ok()
});

/// What is missing, in the kubelet's words.
struct Missing {
    is_map: bool,
    name: String,
    key: Option<String>,
}

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Config = &symptom.sign else {
        return None;
    };
    let missing = Missing::of(&symptom.message)?;
    let container = examination.container(symptom)?;
    // a Secret that is not for programs (of TLS, of a registry) is not listed: that one is not
    // among them proves nothing, that one is among them does
    let keys = match examination.ask(Question::Keys)? {
        Answer::Keys(keys) => Some(keys),
        Answer::Logs(_)
        | Answer::Image(_)
        | Answer::Bounds(_)
        | Answer::Objects(_)
        | Answer::Unknown { .. } => None,
    };
    let fields = missing.fields(container);
    let by = if fields.is_empty() {
        String::new()
    } else {
        format!(", which {} refers to", fields.join(" and "))
    };
    let namespace = &examination.workload.reference.namespace;
    let hint = keys.and_then(|keys| missing.meant(container, keys));
    let what = missing.to_text();
    let says = format!(
        "cannot be configured: {what} does not exist in namespace {namespace}{by}{}",
        hint.as_ref()
            .map(|hint| format!("; {hint}"))
            .unwrap_or_default()
    );
    let remedy = if keys.is_some_and(|keys| missing.is_there_by_now(keys)) {
        Remedy::Wait {
            why: format!("{what} is there by now; the kubelet tries again"),
        }
    } else {
        let kind = if missing.is_map {
            "configmap"
        } else {
            "secret"
        };
        let command = match &missing.key {
            // describing a Secret shows its keys and no values
            Some(_) => format!("kubectl -n {namespace} describe {kind} {}", missing.name),
            None => format!("kubectl -n {namespace} get {kind}s"),
        };
        let why = format!("create {what}, or let the pod template refer to what exists");
        undo::or_person(examination, Advice { why, command })
    };
    let detail = match &missing.key {
        Some(key) => format!("{}/{key}", missing.name),
        None => missing.name.clone(),
    };
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 95, remedy)
            .with_detail(&detail)
            .with_evidence([symptom.message.clone()]),
    )
}

impl Missing {
    fn of(message: &str) -> Option<Self> {
        let read = |found: &Captures<'_>, kind: usize| Self {
            is_map: found[kind].eq_ignore_ascii_case("configmap"),
            name: found[kind + 1].to_owned(),
            key: found.name("key").map(|key| key.as_str().to_owned()),
        };
        let object = NO_OBJECT.as_ref()?.captures(message);
        let key = || NO_KEY.as_ref()?.captures(message);
        object
            .map(|found| read(&found, 1))
            .or_else(|| key().map(|found| read(&found, 2)))
    }

    fn to_text(&self) -> String {
        let kind = if self.is_map { "ConfigMap" } else { "Secret" };
        match &self.key {
            Some(key) => format!("the key {key} of {kind} {}", self.name),
            None => format!("{kind} {}", self.name),
        }
    }

    /// The variables that are read from keys of the object: variable and key.
    fn variables<'c>(&self, container: &'c Container) -> Vec<(&'c str, &'c str)> {
        let variables = container.env.iter().flatten().filter_map(|env| {
            let from = env.value_from.as_ref()?;
            let (name, key, optional) = if self.is_map {
                let map = from.config_map_key_ref.as_ref()?;
                (&map.name, &map.key, map.optional)
            } else {
                let secret = from.secret_key_ref.as_ref()?;
                (&secret.name, &secret.key, secret.optional)
            };
            (*name == self.name && optional != Some(true))
                .then_some((env.name.as_str(), key.as_str()))
        });
        variables.collect()
    }

    /// The fields of the container that refer to what is missing.
    fn fields(&self, container: &Container) -> Vec<String> {
        let sources = container.env_from.iter().flatten().enumerate();
        let sources = sources.filter_map(|(place, source)| {
            let (name, optional, field) = if self.is_map {
                let map = source.config_map_ref.as_ref()?;
                (&map.name, map.optional, "configMapRef")
            } else {
                let secret = source.secret_ref.as_ref()?;
                (&secret.name, secret.optional, "secretRef")
            };
            // `envFrom` takes the keys that there are: it never misses one
            let is_it = self.key.is_none() && *name == self.name && optional != Some(true);
            is_it.then(|| format!("envFrom[{place}].{field}"))
        });
        let variables = self.variables(container).into_iter();
        let variables = variables
            .filter(|(_, key)| self.key.as_deref().is_none_or(|missing| missing == *key))
            .map(|(variable, _)| format!("env {variable} (valueFrom)"));
        sources.chain(variables).collect()
    }

    fn is_there_by_now(&self, keys: &Keys) -> bool {
        let objects = if self.is_map {
            &keys.config_maps
        } else {
            &keys.secrets
        };
        objects
            .get(&self.name)
            .is_some_and(|has| self.key.as_ref().is_none_or(|key| has.contains(key)))
    }

    /// What is there and may have been meant.
    fn meant(&self, container: &Container, keys: &Keys) -> Option<String> {
        let objects = if self.is_map {
            &keys.config_maps
        } else {
            &keys.secrets
        };
        if let Some(key) = &self.key {
            let has = objects.get(&self.name)?;
            let close: Vec<_> = has.iter().filter(|other| is_close(key, other)).collect();
            return Some(match close.as_slice() {
                [one] => format!("did you mean its key {one}?"),
                _ if has.is_empty() => "it has no keys".to_owned(),
                _ => format!("it has {}", listed(has)),
            });
        }
        let needed: BTreeSet<_> = self
            .variables(container)
            .into_iter()
            .map(|(_, key)| key.to_owned())
            .collect();
        let close = objects
            .iter()
            .filter(|(name, _)| is_close(&self.name, name));
        let (whole, lacking): (Vec<_>, Vec<_>) = close.partition(|(_, has)| needed.is_subset(has));
        let [(name, _)] = whole.as_slice() else {
            return None; // none, or nobody knows which
        };
        let mut hint = format!("did you mean {name}");
        if !needed.is_empty() {
            hint.push_str(", which has all the keys needed");
        }
        hint.push('?');
        for (name, has) in lacking {
            let lacks: BTreeSet<_> = needed.difference(has).cloned().collect();
            hint = format!("{hint} ({name} lacks {})", listed(&lacks));
        }
        Some(hint)
    }
}

fn listed(names: &BTreeSet<String>) -> String {
    const MOST: usize = 8;
    let mut shown: Vec<&str> = names.iter().take(MOST).map(String::as_str).collect();
    if names.len() > MOST {
        shown.push("...");
    }
    shown.join(", ")
}

/// Whether one may be a slip for the other: a letter or two, or only its case and its separators.
fn is_close(wanted: &str, name: &str) -> bool {
    let plain = |text: &str| text.to_lowercase().replace(['_', '.'], "-");
    let (wanted, name) = (plain(wanted), plain(name));
    let allowed = (wanted.len() / 3).clamp(1, 3);
    strsim::damerau_levenshtein(&wanted, &name) <= allowed
}
