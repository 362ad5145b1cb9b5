//! ControllerRevisions: the templates that a StatefulSet or DaemonSet has had.

use akeso_core::cluster::Key;
use k8s_openapi::{
    api::{apps::v1::ControllerRevision, core::v1::PodTemplateSpec},
    apimachinery::pkg::{apis::meta::v1::ObjectMeta, runtime::RawExtension},
};
use serde_json::{Value, json};

use crate::{
    names::hash_of,
    store::Stored,
    world::{World, owner_reference},
};

/// The revision of a template: the one that there is, with the newest number, or a new one.
/// `label` is where its hash stands.
pub(super) fn ensure<T: Stored>(
    world: &mut World,
    owner: &T,
    template: &PodTemplateSpec,
    label: &str,
) -> ControllerRevision {
    let data = data(template);
    let hash = hash_of(template);
    let name = format!(
        "{}-{hash}",
        owner.metadata().name.as_deref().unwrap_or_default()
    );
    let namespace = owner.metadata().namespace.clone();
    let others = world
        .store
        .controlled_by::<ControllerRevision>(owner.metadata());
    let newest = others
        .filter(|r| r.metadata.name.as_deref() != Some(&name))
        .filter_map(|r| r.revision)
        .max();
    let key = Key::new(namespace.as_deref().unwrap_or_default(), &name);
    let mut revision = world
        .store
        .get::<ControllerRevision>(&key)
        .cloned()
        .unwrap_or_else(|| {
            let mut labels = template
                .metadata
                .as_ref()
                .and_then(|m| m.labels.clone())
                .unwrap_or_default();
            labels.insert(label.to_owned(), hash);
            ControllerRevision {
                metadata: ObjectMeta {
                    name: Some(name),
                    namespace,
                    labels: Some(labels),
                    owner_references: Some(vec![owner_reference(owner)]),
                    ..ObjectMeta::default()
                },
                data: RawExtension(data),
                revision: None,
            }
        });
    if revision.revision <= newest {
        revision.revision = Some(newest.unwrap_or(0) + 1);
    }
    world.put(revision)
}

/// The template that a revision holds.
pub(super) fn template(revision: &ControllerRevision) -> Option<PodTemplateSpec> {
    serde_json::from_value(revision.data.0.pointer("/spec/template")?.clone()).ok()
}

fn data(template: &PodTemplateSpec) -> Value {
    let mut template = serde_json::to_value(template).unwrap_or_default();
    // it is a strategic merge patch that puts the whole template back
    template["$patch"] = "replace".into();
    json!({"spec": {"template": template}})
}
