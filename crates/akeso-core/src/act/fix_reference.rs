//! `fix_reference`: a reference of the pod template to a ConfigMap or Secret that does not exist,
//! or to a key that is not in it, gets the name of the one that was meant. What it holds is not
//! looked at, and optional references stay as they are.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Change, NotApplicable, Treatment,
    correction::{Place, replace},
    patch::template_path,
};
use crate::{
    cluster::Workload,
    workload::{AttemptId, WorkloadRef},
};

/// Corrects the name of a ConfigMap or Secret, or of a key of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixReference {
    /// What is referred to.
    pub object: Referred,
    /// The object of which it is a key; none if the object's own name is corrected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_of: Option<String>,
    /// The name that the reference has.
    pub from: String,
    /// The name that it gets.
    pub to: String,
}

/// What a reference leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the Kubernetes kind of the same name")]
pub enum Referred {
    ConfigMap,
    Secret,
}

impl Referred {
    /// Its kind, as written in manifests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }

    /// The member that names the object, of a part of the pod spec that has this key.
    fn name_member(self, key: &str, members: &Map<String, Value>) -> Option<&'static str> {
        match (self, key) {
            (Self::ConfigMap, "configMapKeyRef" | "configMapRef" | "configMap")
            | (Self::Secret, "secretKeyRef" | "secretRef") => Some("name"),
            (Self::Secret, "secret") if members.contains_key("secretName") => Some("secretName"),
            // of a projected volume
            (Self::Secret, "secret") => Some("name"),
            (Self::ConfigMap | Self::Secret, _) => None,
        }
    }
}

impl FixReference {
    /// Whether the workload's pods must have what is called `name`.
    pub(crate) fn uses(&self, workload: &Workload<'_>, name: &str) -> bool {
        !self.places(workload, name).is_empty()
    }

    /// Whether no workload of the namespace must have the object that is called `to`.
    pub(crate) fn is_unused(&self, workload: &Workload<'_>) -> bool {
        let cluster = workload.cluster();
        let here = &workload.reference.namespace;
        let mut all = cluster.roots().into_iter();
        !all.any(|other| {
            other.namespace == *here
                && cluster
                    .workload(&other)
                    .is_some_and(|other| self.uses(&other, &self.to))
        })
    }

    /// The places of the workload's pod spec that have this name, of those that must have it.
    fn places(&self, workload: &Workload<'_>, name: &str) -> Vec<Place> {
        let root = Place::at(workload.reference.kind.pod_spec_path());
        let spec = serde_json::to_value(workload.pod_spec()).unwrap_or_default();
        let mut places = Vec::new();
        root.visit("", &spec, &mut |key, members, place| {
            let Some(named) = self.object.name_member(key, members) else {
                return;
            };
            if members.get("optional") == Some(&Value::Bool(true)) {
                return;
            }
            let has = members.get(named).and_then(Value::as_str);
            let Some(object) = &self.key_of else {
                if has == Some(name) {
                    places.push(place.below(named));
                }
                return;
            };
            if has != Some(object) {
                return;
            }
            if members.get("key").and_then(Value::as_str) == Some(name) {
                places.push(place.below("key"));
            }
            let items = members.get("items").and_then(Value::as_array);
            for (index, item) in items.into_iter().flatten().enumerate() {
                if item.get("key").and_then(Value::as_str) == Some(name) {
                    places.push(place.below("items").below(&index.to_string()).below("key"));
                }
            }
        });
        places
    }

    /// `ConfigMap`, or `key of ConfigMap settings`.
    fn what(&self) -> String {
        match &self.key_of {
            None => self.object.as_str().to_owned(),
            Some(object) => format!("key of {} {object}", self.object.as_str()),
        }
    }
}

impl Treatment for FixReference {
    fn summary(&self) -> String {
        format!(
            "refer to the {} {} in place of {}, which does not exist",
            self.what(),
            self.to,
            self.from
        )
    }

    fn command(&self, workload: &WorkloadRef) -> String {
        format!(
            "kubectl -n {} edit {}  # the {} {} in place of {}",
            workload.namespace,
            workload.kubectl(),
            self.what(),
            self.to,
            self.from
        )
    }

    fn change(&self, workload: &Workload<'_>, attempt: AttemptId) -> Result<Change, NotApplicable> {
        template_path(workload)?;
        let places = self.places(workload, &self.from);
        let values = (&self.from.clone().into(), &self.to.clone().into());
        let field = format!("a reference to the {}", self.what());
        replace(workload, attempt, field, &places, values)
    }

    fn holds(&self, workload: &Workload<'_>) -> bool {
        self.places(workload, &self.from).is_empty() && !self.places(workload, &self.to).is_empty()
    }

    fn brings_credential(&self) -> bool {
        // another key of the same Secret is one that the workload was given already
        self.object == Referred::Secret && self.key_of.is_none()
    }
}
