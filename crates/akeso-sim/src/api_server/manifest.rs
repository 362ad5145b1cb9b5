//! `kubectl apply`: manifests to objects.

use akeso_core::FIELD_MANAGER;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Map, Value};

use super::{Rules, admit, write_json};
use crate::{
    SimError,
    store::{OfKind, with_kind},
    world::World,
};

/// Kinds that lie in no namespace.
const CLUSTER_SCOPED: [&str; 6] = [
    "Namespace",
    "Node",
    "ClusterRole",
    "ClusterRoleBinding",
    "StorageClass",
    "IngressClass",
];

/// Creates or updates everything that a manifest of one or more documents describes.
pub(crate) fn apply(world: &mut World, namespace: &str, manifest: &str) -> Result<(), SimError> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(manifest).map_err(|error| SimError::Yaml {
            why: error.to_string(),
        })?;
    for document in documents.into_iter().filter(|document| !document.is_null()) {
        apply_one(world, namespace, document)?;
    }
    Ok(())
}

fn apply_one(world: &mut World, namespace: &str, mut document: Value) -> Result<(), SimError> {
    let text = |pointer| {
        document
            .pointer(pointer)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let kind = text("/kind").ok_or_else(|| SimError::Yaml {
        why: "a document has no `kind`".to_owned(),
    })?;
    let name = text("/metadata/name").ok_or_else(|| SimError::Yaml {
        why: format!("a {kind} has no name"),
    })?;
    let namespace = if CLUSTER_SCOPED.contains(&kind.as_str()) {
        String::new()
    } else {
        let namespace = text("/metadata/namespace").unwrap_or_else(|| namespace.to_owned());
        document["metadata"]["namespace"] = namespace.clone().into();
        namespace
    };
    let refused = |why| SimError::Refused {
        kind: kind.clone(),
        name: name.clone(),
        why,
    };
    let apply = Apply {
        world,
        namespace,
        name: name.clone(),
        document,
        manager: "kubectl-client-side-apply",
    };
    match with_kind(&kind, apply) {
        Some(result) => result.map_err(refused),
        None => Err(SimError::UnknownKind { kind }),
    }
}

/// Creates a pod for the engine.
pub(crate) fn create_pod(
    world: &mut World,
    namespace: &str,
    document: Value,
) -> Result<(), String> {
    let name = document.pointer("/metadata/name").and_then(Value::as_str);
    let apply = Apply {
        name: name.unwrap_or_default().to_owned(),
        namespace: namespace.to_owned(),
        world,
        document,
        manager: FIELD_MANAGER,
    };
    apply.of::<Pod>()
}

struct Apply<'a> {
    world: &'a mut World,
    namespace: String,
    name: String,
    document: Value,
    manager: &'static str,
}

impl OfKind for Apply<'_> {
    type Output = Result<(), String>;

    fn of<T: Rules>(self) -> Self::Output {
        let key = akeso_core::cluster::Key::new(&self.namespace, &self.name);
        let value = if let Some(before) = self.world.store.get::<T>(&key) {
            let before = serde_json::to_value(before).map_err(|error| error.to_string())?;
            merged(before, self.document)
        } else if T::KIND == "Pod" {
            let mut pod =
                serde_json::from_value(self.document.clone()).map_err(|error| error.to_string())?;
            admit(&self.world.store, &mut pod)?;
            serde_json::to_value(pod).map_err(|error| error.to_string())?
        } else {
            self.document
        };
        write_json::<T>(self.world, value, self.manager).map(drop)
    }
}

/// What an applied manifest makes of an object: everything that the manifest speaks of is
/// replaced; the status and what others have put into the metadata stay.
fn merged(mut before: Value, manifest: Value) -> Value {
    let Value::Object(manifest) = manifest else {
        return before;
    };
    for (key, value) in manifest {
        match key.as_str() {
            "status" => {}
            "metadata" => {
                for field in ["labels", "annotations"] {
                    if let Some(Value::Object(new)) = value.get(field) {
                        let all = before["metadata"].as_object_mut().map(|metadata| {
                            metadata
                                .entry(field)
                                .or_insert_with(|| Value::Object(Map::new()))
                        });
                        if let Some(Value::Object(all)) = all {
                            all.extend(new.clone());
                        }
                    }
                }
            }
            _ => before[key] = value,
        }
    }
    before
}
