//! `fix_reference`: a reference of the pod template to a ConfigMap, a Secret or a Service that does
//! not exist, or to a key or a port that is not in it, gets the name of the one that was meant. What
//! a ConfigMap or a Secret holds is not looked at, and optional references stay as they are.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Volume;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Change, NotApplicable, Treatment,
    address::Address,
    correction::{Place, Replaced, replace, replace_each},
    patch::template_path,
};
use crate::{
    cluster::Workload,
    workload::{AttemptId, WorkloadRef},
};

/// Corrects the name of a ConfigMap, Secret or Service, or of a key or a port of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixReference {
    /// What is referred to.
    pub object: Referred,
    /// The object of which it is a key, or a port; none if the object's own name is corrected.
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
    Service,
}

impl Referred {
    /// Its kind, as written in manifests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
            Self::Service => "Service",
        }
    }

    /// The member that names the object, of a part of the pod spec that has this key.
    fn name_member(self, key: &str, members: &Map<String, Value>) -> Option<&'static str> {
        match (self, key) {
            (Self::Secret, "secret") if members.contains_key("secretName") => Some("secretName"),
            // `secret` as well, of a projected volume
            (Self::ConfigMap, "configMapKeyRef" | "configMapRef" | "configMap")
            | (Self::Secret, "secretKeyRef" | "secretRef" | "secret") => Some("name"),
            // programs are told of a Service in values of their own
            (Self::ConfigMap | Self::Secret | Self::Service, _) => None,
        }
    }
}

impl FixReference {
    /// Whether the workload's pods must have what is called `to`.
    pub(crate) fn is_used(&self, workload: &Workload<'_>) -> bool {
        !self.places(workload, &self.to).is_empty()
    }

    /// Whether a workload of the namespace must have what is called `to`.
    pub(crate) fn is_used_by_others(&self, workload: &Workload<'_>) -> bool {
        let cluster = workload.cluster();
        let here = &workload.reference.namespace;
        let mut all = cluster.roots().into_iter();
        all.any(|other| {
            other.namespace == *here
                && cluster
                    .workload(&other)
                    .is_some_and(|other| self.is_used(&other))
        })
    }

    /// The keys that the workload's pods must find in the object that is called `from`.
    pub(crate) fn keys_needed(&self, workload: &Workload<'_>) -> BTreeSet<String> {
        let mut needed = BTreeSet::new();
        self.visit(workload, &mut |object, members, _, _| {
            if object == self.from {
                needed.extend(keys(members).map(|(_, key)| key.to_owned()));
            }
        });
        needed.extend(self.files_mounted(workload));
        needed
    }

    /// The keys of a volume made of all that is in `from` which are mounted as files of their own
    /// (`subPath`).
    fn files_mounted(&self, workload: &Workload<'_>) -> Vec<String> {
        let Some(spec) = workload.pod_spec() else {
            return Vec::new();
        };
        let is_of = |volume: &&Volume| {
            let map = volume.config_map.as_ref();
            let map = map.map(|it| (Some(&it.name), &it.items, it.optional));
            let secret = volume.secret.as_ref();
            let secret = secret.map(|it| (it.secret_name.as_ref(), &it.items, it.optional));
            let source = match self.object {
                Referred::ConfigMap => map,
                Referred::Secret => secret,
                Referred::Service => None,
            };
            source.is_some_and(|(name, items, optional)| {
                name == Some(&self.from) && items.is_none() && optional != Some(true)
            })
        };
        let volumes: Vec<_> = spec.volumes.iter().flatten().filter(is_of).collect();
        let init = spec.init_containers.iter().flatten();
        let mounts = init
            .chain(&spec.containers)
            .flat_map(|container| container.volume_mounts.iter().flatten());
        mounts
            .filter(|mount| volumes.iter().any(|volume| volume.name == mount.name))
            .filter_map(|mount| mount.sub_path.clone())
            .filter(|path| !path.is_empty())
            .collect()
    }

    /// The places of the workload's pod spec that have this name, of those that must have it.
    fn places(&self, workload: &Workload<'_>, name: &str) -> Vec<Place> {
        let mut places = Vec::new();
        self.visit(
            workload,
            &mut |object, members, place, named| match &self.key_of {
                None if object == name => places.push(place.below(named)),
                Some(of) if object == of => {
                    let keys = keys(members).filter(|(_, key)| *key == name);
                    places.extend(keys.map(|(below, _)| {
                        below
                            .iter()
                            .fold(place.clone(), |place, key| place.below(key))
                    }));
                }
                None | Some(_) => {}
            },
        );
        places
    }

    /// Calls `visit` with each reference that must lead to an object: the object's name, the
    /// reference, its place, and its member that names the object.
    fn visit(
        &self,
        workload: &Workload<'_>,
        visit: &mut impl FnMut(&str, &Map<String, Value>, &Place, &'static str),
    ) {
        let spec = serde_json::to_value(workload.pod_spec()).unwrap_or_default();
        let root = Place::at(workload.reference.kind.pod_spec_path());
        root.visit("", &spec, &mut |key, members, place| {
            if members.get("optional") == Some(&Value::Bool(true)) {
                return;
            }
            if let Some(named) = self.object.name_member(key, members)
                && let Some(object) = members.get(named).and_then(Value::as_str)
            {
                visit(object, members, place, named);
            }
        });
    }

    /// What is in the variables of the workload's containers in place of what is called `from`.
    fn addresses(&self, workload: &Workload<'_>, from: &str, to: &str) -> Vec<Replaced> {
        let address = match &self.key_of {
            None => Address::Host(from),
            Some(host) => Address::Port { host, port: from },
        };
        let namespace = &workload.reference.namespace;
        let root = Place::at(workload.reference.kind.pod_spec_path());
        let spec = workload.pod_spec();
        let init = spec.and_then(|spec| spec.init_containers.as_deref());
        let lists = [
            ("initContainers", init),
            ("containers", spec.map(|spec| spec.containers.as_slice())),
        ];
        let mut all = Vec::new();
        for (list, containers) in lists {
            for (index, container) in containers.unwrap_or_default().iter().enumerate() {
                let env = container.env.as_deref().unwrap_or_default();
                let place = root
                    .below(list)
                    .element(index, container.name.as_str())
                    .below("env");
                for (index, new) in address.replaced(env, namespace, to) {
                    let Some(variable) = env.get(index) else {
                        continue;
                    };
                    all.push(Replaced {
                        place: place.element(index, variable.name.as_str()).below("value"),
                        from: variable.value.clone().into(),
                        to: new.into(),
                    });
                }
            }
        }
        all
    }

    /// Whether the workload's containers set a variable to the address that is called `from`.
    pub(crate) fn is_set(&self, workload: &Workload<'_>) -> bool {
        !self.addresses(workload, &self.from, &self.to).is_empty()
    }

    /// `ConfigMap`, `key of ConfigMap settings`, or `port of Service db`.
    fn what(&self) -> String {
        let object = self.object.as_str();
        match (self.object, &self.key_of) {
            (_, None) => object.to_owned(),
            (Referred::ConfigMap | Referred::Secret, Some(of)) => format!("key of {object} {of}"),
            (Referred::Service, Some(of)) => format!("port of {object} {of}"),
        }
    }
}

/// The keys that a reference names, and where below it.
fn keys(reference: &Map<String, Value>) -> impl Iterator<Item = (Vec<String>, &str)> {
    let own = reference.get("key").and_then(Value::as_str);
    let own = own.map(|key| (vec!["key".to_owned()], key));
    let items = reference.get("items").and_then(Value::as_array);
    let items = items.into_iter().flatten().enumerate();
    let items = items.filter_map(|(index, item)| {
        let below = ["items".to_owned(), index.to_string(), "key".to_owned()];
        Some((below.to_vec(), item.get("key")?.as_str()?))
    });
    own.into_iter().chain(items)
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
        let field = format!("a reference to the {}", self.what());
        if self.object == Referred::Service {
            let each = self.addresses(workload, &self.from, &self.to);
            return replace_each(workload, attempt, (field, self.from.clone()), &each);
        }
        let places = self.places(workload, &self.from);
        let values = (&self.from.clone().into(), &self.to.clone().into());
        replace(workload, attempt, field, &places, values)
    }

    fn holds(&self, workload: &Workload<'_>) -> bool {
        let is_there = |name: &str| match self.object {
            Referred::ConfigMap | Referred::Secret => !self.places(workload, name).is_empty(),
            Referred::Service => !self.addresses(workload, name, name).is_empty(),
        };
        !is_there(&self.from) && is_there(&self.to)
    }

    fn needs_confirmation(&self) -> Option<&'static str> {
        let is_port = self.object == Referred::Service && self.key_of.is_some();
        is_port.then_some("that a Service has no other port is no proof that it was meant")
    }

    fn brings_credential(&self) -> bool {
        // another key of the same Secret is one that the workload was given already
        self.object == Referred::Secret && self.key_of.is_none()
    }
}
