//! What the API server does to an object before it writes it: defaults, and what must not change.

use k8s_openapi::{
    Resource,
    api::{
        apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet},
        autoscaling::v2::HorizontalPodAutoscaler,
        batch::v1::{CronJob, Job},
        core::v1::{
            ConfigMap, Event, LimitRange, Namespace, Node, PersistentVolumeClaim, Pod, PodSpec,
            ResourceQuota, Secret, Service, ServiceAccount,
        },
        networking::v1::{Ingress, IngressClass, NetworkPolicy},
        policy::v1::PodDisruptionBudget,
        rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
        storage::v1::StorageClass,
    },
    apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta, Time},
};
use serde_json::Value;

use super::defaults;
use crate::{
    controllers::STANDARD,
    names::service_address,
    store::{Stored, key_of},
    world::World,
};

/// Maintained by the API server: how often the template of a DaemonSet has changed.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// The rules of a kind.
pub(crate) trait Rules: Stored {
    /// Fills in what was left out and says what is not allowed. `before` is the version that it
    /// takes the place of.
    fn prepare(&mut self, _before: Option<&Self>) -> Result<(), String> {
        Ok(())
    }
}

/// Writes an object that a client sent, if the rules of its kind allow it. `manager` is the name
/// under which the client writes.
pub(crate) fn write_json<T: Rules>(
    world: &mut World,
    value: Value,
    manager: &str,
) -> Result<T, String> {
    let mut object: T = serde_json::from_value(value).map_err(|error| error.to_string())?;
    let before = world.store.get::<T>(&key_of(object.metadata())).cloned();
    object.prepare(before.as_ref())?;
    if before.as_ref() != Some(&object) {
        let now = world.stamp();
        note_writer(object.metadata_mut(), manager, now);
    }
    Ok(world.put(object))
}

/// Notes who has written last, and when; of the fields nothing is noted
/// (<https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>).
fn note_writer(metadata: &mut ObjectMeta, manager: &str, now: Time) {
    let writers = metadata.managed_fields.get_or_insert_default();
    writers.retain(|writer| writer.manager.as_deref() != Some(manager));
    writers.push(ManagedFieldsEntry {
        manager: Some(manager.to_owned()),
        operation: Some("Update".to_owned()),
        time: Some(now),
        ..ManagedFieldsEntry::default()
    });
}

impl Rules for ReplicaSet {}
impl Rules for ControllerRevision {}
impl Rules for Namespace {}
impl Rules for Node {}
impl Rules for Event {}
impl Rules for ConfigMap {}
impl Rules for ResourceQuota {}
impl Rules for LimitRange {}
impl Rules for HorizontalPodAutoscaler {}
impl Rules for Ingress {}
impl Rules for PodDisruptionBudget {}
impl Rules for ServiceAccount {}
impl Rules for Role {}
impl Rules for RoleBinding {}
impl Rules for ClusterRole {}
impl Rules for ClusterRoleBinding {}
impl Rules for NetworkPolicy {}
impl Rules for StorageClass {}
impl Rules for IngressClass {}

impl Rules for Deployment {
    fn prepare(&mut self, before: Option<&Self>) -> Result<(), String> {
        defaults::deployment(&mut self.spec);
        match before {
            Some(before) if before.spec.selector != self.spec.selector => {
                Err(immutable::<Self>("spec.selector"))
            }
            _ => Ok(()),
        }
    }
}

impl Rules for StatefulSet {
    fn prepare(&mut self, before: Option<&Self>) -> Result<(), String> {
        defaults::stateful_set(&mut self.spec);
        let Some(before) = before else { return Ok(()) };
        let fixed = |set: &Self| {
            let spec = &set.spec;
            (
                spec.selector.clone(),
                spec.service_name.clone(),
                spec.pod_management_policy.clone(),
            )
        };
        if fixed(self) == fixed(before) {
            Ok(())
        } else {
            Err(immutable::<Self>("spec"))
        }
    }
}

impl Rules for DaemonSet {
    fn prepare(&mut self, before: Option<&Self>) -> Result<(), String> {
        defaults::daemon_set(&mut self.spec);
        let read = |set: &Self| -> Option<i64> {
            set.metadata
                .annotations
                .as_ref()?
                .get(TEMPLATE_GENERATION)?
                .parse()
                .ok()
        };
        let generation = match before {
            None => 1,
            Some(before) => {
                read(before).unwrap_or(1) + i64::from(before.spec.template != self.spec.template)
            }
        };
        let annotations = self.metadata.annotations.get_or_insert_default();
        annotations.insert(TEMPLATE_GENERATION.to_owned(), generation.to_string());
        Ok(())
    }
}

impl Rules for Job {
    fn prepare(&mut self, before: Option<&Self>) -> Result<(), String> {
        let Some(spec) = &mut self.spec else {
            return Err("spec: Required value".to_owned());
        };
        defaults::job(spec);
        let template = before
            .and_then(|before| before.spec.as_ref())
            .map(|spec| &spec.template);
        if template.is_some_and(|template| *template != spec.template) {
            return Err(immutable::<Self>("spec.template"));
        }
        Ok(())
    }
}

impl Rules for CronJob {
    fn prepare(&mut self, _: Option<&Self>) -> Result<(), String> {
        defaults::cron_job(&mut self.spec);
        Ok(())
    }
}

impl Rules for Pod {
    fn prepare(&mut self, before: Option<&Self>) -> Result<(), String> {
        let Some(spec) = &mut self.spec else {
            return Err("spec: Required value".to_owned());
        };
        defaults::fill_pod(spec);
        let Some(before) = before.and_then(|before| before.spec.as_ref()) else {
            self.status.get_or_insert_default().phase = Some("Pending".to_owned());
            return Ok(());
        };
        if without_images(before) == without_images(spec) {
            Ok(())
        } else {
            Err("spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations`".to_owned())
        }
    }
}

fn without_images(spec: &PodSpec) -> PodSpec {
    let mut spec = spec.clone();
    spec.active_deadline_seconds = None;
    spec.tolerations = None;
    for container in spec
        .containers
        .iter_mut()
        .chain(spec.init_containers.iter_mut().flatten())
    {
        container.image = None;
    }
    spec
}

impl Rules for PersistentVolumeClaim {
    fn prepare(&mut self, before: Option<&Self>) -> Result<(), String> {
        if let (None, Some(spec)) = (before, &mut self.spec) {
            let class = &mut spec.storage_class_name;
            class.get_or_insert_with(|| STANDARD.to_owned());
        }
        Ok(())
    }
}

impl Rules for Service {
    fn prepare(&mut self, _: Option<&Self>) -> Result<(), String> {
        let key = key_of(&self.metadata);
        let Some(spec) = &mut self.spec else {
            return Ok(());
        };
        spec.type_.get_or_insert_with(|| "ClusterIP".to_owned());
        spec.cluster_ip
            .get_or_insert_with(|| service_address(&key.namespace, &key.name));
        for port in spec.ports.iter_mut().flatten() {
            port.protocol.get_or_insert_with(|| "TCP".to_owned());
        }
        Ok(())
    }
}

impl Rules for Secret {
    fn prepare(&mut self, _: Option<&Self>) -> Result<(), String> {
        let plain = self.string_data.take().unwrap_or_default();
        let bytes =
            |(key, text): (String, String)| (key, k8s_openapi::ByteString(text.into_bytes()));
        self.data
            .get_or_insert_default()
            .extend(plain.into_iter().map(bytes));
        self.type_.get_or_insert_with(|| "Opaque".to_owned());
        Ok(())
    }
}

fn immutable<T: Resource>(field: &str) -> String {
    format!("{}: {field}: Invalid value: field is immutable", T::KIND)
}
