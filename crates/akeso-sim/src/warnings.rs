//! Kubernetes Events: what components say of an object. The same words about the same object are
//! one Event that counts.

use k8s_openapi::{
    Resource,
    api::core::v1::{Event, EventSource, ObjectReference},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use crate::{store::Stored, world::World};

/// A Warning (or not) about an object.
#[derive(Debug, Clone)]
pub(crate) struct Saying {
    pub(crate) kind: &'static str,
    pub(crate) reason: String,
    pub(crate) message: String,
    /// The container that is meant, as `spec.containers{app}`.
    pub(crate) field: Option<String>,
    pub(crate) component: &'static str,
}

impl Saying {
    /// A Warning about an object as a whole.
    pub(crate) fn warning(
        reason: &str,
        message: impl Into<String>,
        component: &'static str,
    ) -> Self {
        Self {
            kind: "Warning",
            reason: reason.to_owned(),
            message: message.into(),
            field: None,
            component,
        }
    }
}

fn reference<T: Resource>(metadata: &ObjectMeta, field: Option<String>) -> ObjectReference {
    ObjectReference {
        api_version: Some(T::API_VERSION.to_owned()),
        kind: Some(T::KIND.to_owned()),
        name: metadata.name.clone(),
        namespace: metadata.namespace.clone(),
        uid: metadata.uid.clone(),
        field_path: field,
        resource_version: None,
    }
}

/// Records what a component says of an object.
pub(crate) fn say<T: Stored>(world: &mut World, about: &ObjectMeta, saying: Saying) {
    let namespace = about.namespace.clone().unwrap_or_default();
    let subject = reference::<T>(about, saying.field.clone());
    let same = |event: &&Event| {
        event.involved_object.uid == subject.uid
            && event.involved_object.field_path == subject.field_path
            && event.reason.as_deref() == Some(&saying.reason)
            && event.message.as_deref() == Some(&saying.message)
    };
    let known = world.store.list::<Event>(&namespace).find(same).cloned();
    let now = world.stamp();
    let event = if let Some(mut event) = known {
        event.count = event.count.map(|count| count + 1);
        event.last_timestamp = Some(now);
        event
    } else {
        let name = format!(
            "{}.{}",
            about.name.as_deref().unwrap_or_default(),
            world.names.suffix()
        );
        Event {
            metadata: ObjectMeta {
                name: Some(name),
                namespace: Some(namespace),
                ..ObjectMeta::default()
            },
            involved_object: subject,
            type_: Some(saying.kind.to_owned()),
            reason: Some(saying.reason),
            message: Some(saying.message),
            count: Some(1),
            first_timestamp: Some(now.clone()),
            last_timestamp: Some(now),
            source: Some(EventSource {
                component: Some(saying.component.to_owned()),
                host: None,
            }),
            reporting_component: Some(saying.component.to_owned()),
            ..Event::default()
        }
    };
    world.put(event);
}
