//! Fault `missing-reference`: a ConfigMap, a Secret or a key of one that the container refers to
//! is not there. What an object holds decides how the program behaves, so a reference is corrected
//! only where nothing else can have been meant (see [`Missing::slip`]).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use k8s_openapi::api::core::v1::Container;
use regex::{Captures, Regex};

use super::{Diagnosis, Examination, Family, Fault, Remedy, undo};
use crate::{
    act::{Action, FixReference, Referred},
    evidence::{Keys, Question},
    observe::{Sign, Symptom},
    plan::{Advice, Origin, Proof, Step},
    similar::{is_close, is_misspelt, only},
};

pub(super) const FAULT: Fault = Fault {
    name: "missing-reference",
    family: Family::Configuration,
    signs: "a ConfigMap, a Secret or a key that the container refers to does not exist (`CreateContainerConfigError`)",
    does: "puts the last good revision back, where one is proven; else corrects the reference where exactly one name is close, differs by a slip of the finger, has every key that is needed or is used by nobody else; names the field and what is missing",
    never: "makes up a ConfigMap, a Secret or a key; takes another letter or number in a name for a slip; a Secret that the workload did not have asks first under `standard`",
    diagnose,
};

/// The kubelet's words for an object: `configmap "settings" not found`.
pub(super) static NO_OBJECT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?i)\b(configmap|secret) "([^"]+)" not found"#).ok());
/// ... and for a key: `couldn't find key HOST in ConfigMap shop/settings`.
static NO_KEY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)find key (?P<key>\S+) in (configmap|secret) [^/\s]+/([^\s,]+)").ok()
});

/// What is missing, in the kubelet's words.
pub(super) struct Missing {
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
    let keys = examination.ask(Question::Keys)?.keys();
    let fields = missing.fields(container);
    let by = if fields.is_empty() {
        String::new()
    } else {
        format!(", which {} refers to", fields.join(" and "))
    };
    let namespace = &examination.workload.reference.namespace;
    let hint = keys.and_then(|keys| missing.meant(examination, keys));
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
        let command = missing.command(namespace);
        let why = format!("create {what}, or let the pod template refer to what exists");
        let slip = || missing.slip(examination, keys?);
        undo::or_step(examination, slip, Advice { why, command })
    };
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 95, remedy)
            .with_detail(&missing.detail())
            .with_evidence([symptom.message.clone()]),
    )
}

impl Missing {
    pub(super) fn object(is_map: bool, name: &str) -> Self {
        Self {
            is_map,
            name: name.to_owned(),
            key: None,
        }
    }

    pub(super) fn key(is_map: bool, name: &str, key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            ..Self::object(is_map, name)
        }
    }

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

    /// What tells it from another that is missing.
    pub(super) fn detail(&self) -> String {
        match &self.key {
            Some(key) => format!("{}/{key}", self.name),
            None => self.name.clone(),
        }
    }

    /// How to see what there is instead.
    pub(super) fn command(&self, namespace: &str) -> String {
        let kind = if self.is_map { "configmap" } else { "secret" };
        match &self.key {
            // describing a Secret shows its keys and no values
            Some(_) => format!("kubectl -n {namespace} describe {kind} {}", self.name),
            None => format!("kubectl -n {namespace} get {kind}s"),
        }
    }

    pub(super) fn to_text(&self) -> String {
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

    pub(super) fn is_there_by_now(&self, keys: &Keys) -> bool {
        self.objects(keys)
            .get(&self.name)
            .is_some_and(|has| self.key.as_ref().is_none_or(|key| has.contains(key)))
    }

    /// The correction of the reference, where nothing else can have been meant: exactly one name is
    /// close of those that have every key needed; it differs by a slip of the finger only; and where
    /// no key is named, nobody else uses it.
    pub(super) fn slip(&self, examination: &Examination<'_>, keys: &Keys) -> Option<Step> {
        let objects = self.objects(keys);
        let needed = self.needed(examination);
        let names: Vec<&String> = if self.key.is_some() {
            objects.get(&self.name)?.iter().collect()
        } else {
            let whole = objects.iter().filter(|(_, has)| needed.is_subset(has));
            whole.map(|(name, _)| name).collect()
        };
        let wanted = self.key.as_ref().unwrap_or(&self.name);
        let to = only(names.into_iter().filter(|name| is_close(wanted, name)))?;
        let fix = self.fix(to);
        let why = match &self.key {
            // a key that is in use under its own name is not the one that is missing
            Some(_) if fix.is_used(examination.workload) => return None,
            Some(_) => format!("it is the only key of {} that is close", self.name),
            None if !needed.is_empty() => format!(
                "it is the only name that is close and has what is needed: {}",
                listed(&needed)
            ),
            None if fix.is_used_by_others(examination.workload) => return None,
            None => "it is the only name that is close, and nobody else uses it".to_owned(),
        };
        is_misspelt(wanted, to).then_some(Step {
            action: Action::FixReference(fix),
            reasoning: why,
            origin: Origin::Playbook,
            proof: Proof::Bounded,
        })
    }

    fn fix(&self, to: &str) -> FixReference {
        FixReference {
            object: self.kind(),
            key_of: self.key.as_ref().map(|_| self.name.clone()),
            from: self.key.as_ref().unwrap_or(&self.name).clone(),
            to: to.to_owned(),
        }
    }

    /// The keys that the object must have, if it is the object that is missing.
    fn needed(&self, examination: &Examination<'_>) -> BTreeSet<String> {
        match self.key {
            Some(_) => BTreeSet::new(),
            None => self.fix("").keys_needed(examination.workload),
        }
    }

    const fn kind(&self) -> Referred {
        if self.is_map {
            Referred::ConfigMap
        } else {
            Referred::Secret
        }
    }

    const fn objects<'k>(&self, keys: &'k Keys) -> &'k BTreeMap<String, BTreeSet<String>> {
        if self.is_map {
            &keys.config_maps
        } else {
            &keys.secrets
        }
    }

    /// What is there and may have been meant; it must have the keys that are needed.
    pub(super) fn meant(&self, examination: &Examination<'_>, keys: &Keys) -> Option<String> {
        let objects = self.objects(keys);
        if let Some(key) = &self.key {
            let has = objects.get(&self.name)?;
            let close: Vec<_> = has.iter().filter(|other| is_close(key, other)).collect();
            return Some(match close.as_slice() {
                [one] => format!("did you mean its key {one}?"),
                _ if has.is_empty() => "it has no keys".to_owned(),
                _ => format!("it has {}", listed(has)),
            });
        }
        let needed = self.needed(examination);
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
