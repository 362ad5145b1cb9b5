//! One workload with everything that belongs to it: its object, its pods by revision, its events.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
        autoscaling::v2::HorizontalPodAutoscaler,
        batch::v1::{CronJob, Job},
        core::v1::{Container, Event, Pod, PodSpec, PodTemplateSpec},
    },
    apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta},
};

use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    Cluster, ForeignOwner, Key, Kind, Support,
    good::CONTROLLER_HASH,
    in_namespace,
    owners::{controller_of, foreign_owner, is_trial},
    trim::is_own,
};
use crate::workload::{ContainerRef, ContainerRole, WorkloadKind, WorkloadRef};
use crate::{FIELD_MANAGER, digest::hex};

/// The workload's own object.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "each is the Kubernetes kind of the same name")]
pub enum Controller<'a> {
    Deployment(&'a Deployment),
    StatefulSet(&'a StatefulSet),
    DaemonSet(&'a DaemonSet),
    ReplicaSet(&'a ReplicaSet),
    CronJob(&'a CronJob),
    Job(&'a Job),
    Pod(&'a Pod),
    /// No workload itself, but what workloads rely on.
    Support(Support<'a>),
}

/// A workload as it stands in the cluster now.
#[derive(Debug)]
pub struct Workload<'a> {
    /// Its name.
    pub reference: WorkloadRef,
    /// Its object.
    pub controller: Controller<'a>,
    /// The pods of its newest revision that are not being deleted.
    pub pods: Vec<&'a Pod>,
    /// The pods of older revisions that are not being deleted.
    pub old_pods: Vec<&'a Pod>,
    /// For a CronJob, its newest Job; for a Job, itself or what Akeso has run it again by.
    pub job: Option<&'a Job>,
    /// The ReplicaSet of a Deployment's newest revision.
    pub replica_set: Option<&'a ReplicaSet>,
    cluster: &'a Cluster,
}

/// What a namespace without labels has.
static NO_LABELS: BTreeMap<String, String> = BTreeMap::new();

pub(super) fn label<'a>(pod: &'a Pod, name: &str) -> Option<&'a str> {
    pod.metadata.labels.as_ref()?.get(name).map(String::as_str)
}

/// Whether every container of the pod is ready.
pub fn is_ready(pod: &Pod) -> bool {
    pod.status
        .as_ref()
        .and_then(|status| status.conditions.as_ref())
        .is_some_and(|conditions| {
            conditions
                .iter()
                .any(|c| c.type_ == "Ready" && c.status == "True")
        })
}

/// Since when the pod is ready, if it is.
pub fn ready_since(pod: &Pod) -> Option<Timestamp> {
    let (is_ready, since) = readiness(pod)?;
    is_ready.then_some(since)
}

/// Since when the pod is not ready, if it is not.
pub(super) fn unready_since(pod: &Pod) -> Option<Timestamp> {
    let (is_ready, since) = readiness(pod)?;
    (!is_ready).then_some(since)
}

fn readiness(pod: &Pod) -> Option<(bool, Timestamp)> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let ready = conditions.iter().find(|it| it.type_ == "Ready")?;
    let since = ready.last_transition_time.as_ref()?.0;
    Some((ready.status == "True", since))
}

/// Whether the pod has run to its end, or was made to.
pub fn is_over(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|it| it.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

impl Cluster {
    /// Looks a workload up, with its pods.
    pub fn workload(&self, reference: &WorkloadRef) -> Option<Workload<'_>> {
        let key = Key::new(&reference.namespace, &reference.name);
        let controller = match reference.kind {
            WorkloadKind::Deployment => Controller::Deployment(self.deployments.get(&key)?),
            WorkloadKind::StatefulSet => Controller::StatefulSet(self.stateful_sets.get(&key)?),
            WorkloadKind::DaemonSet => Controller::DaemonSet(self.daemon_sets.get(&key)?),
            WorkloadKind::ReplicaSet => Controller::ReplicaSet(self.replica_sets.get(&key)?),
            WorkloadKind::CronJob => Controller::CronJob(self.cron_jobs.get(&key)?),
            WorkloadKind::Job => Controller::Job(self.jobs.get(&key)?),
            WorkloadKind::Pod => Controller::Pod(self.pods.get(&key)?),
            WorkloadKind::Support(kind) => Controller::Support(self.support(kind, &key)?),
        };
        let mut workload = Workload {
            reference: reference.clone(),
            controller,
            pods: Vec::new(),
            old_pods: Vec::new(),
            job: None,
            replica_set: None,
            cluster: self,
        };
        match controller {
            Controller::Deployment(deployment) => {
                workload.replica_set = self.current_replica_set(deployment);
            }
            Controller::CronJob(cron) => workload.job = self.newest_job(cron),
            Controller::Job(job) => workload.job = Some(self.newest_run(job)),
            Controller::StatefulSet(_)
            | Controller::DaemonSet(_)
            | Controller::ReplicaSet(_)
            | Controller::Pod(_) => {}
            Controller::Support(_) => return Some(workload),
        }
        for pod in self.pods_below(&workload) {
            if pod.metadata.deletion_timestamp.is_some() || is_trial(&pod.metadata) {
                continue;
            }
            if workload.is_current(pod) {
                workload.pods.push(pod);
            } else {
                workload.old_pods.push(pod);
            }
        }
        Some(workload)
    }

    /// The pods that a workload's controller has made, by name, whatever lies between.
    fn pods_below(&self, workload: &Workload<'_>) -> Vec<&Pod> {
        if let Controller::Pod(_) = workload.controller {
            let key = Key::new(&workload.reference.namespace, &workload.reference.name);
            return self.pods.get(&key).into_iter().collect();
        }
        let mut found = Vec::new();
        let mut above = vec![workload.metadata()];
        while let Some(owner) = above.pop() {
            for child in self.children.of(owner) {
                match child.kind {
                    Kind::Pod => found.extend(self.pods.get(&child.key())),
                    Kind::ReplicaSet => {
                        above.extend(self.replica_sets.get(&child.key()).map(|o| &o.metadata));
                    }
                    Kind::Job => above.extend(self.jobs.get(&child.key()).map(|o| &o.metadata)),
                    Kind::Deployment
                    | Kind::StatefulSet
                    | Kind::DaemonSet
                    | Kind::ControllerRevision
                    | Kind::CronJob
                    | Kind::Service
                    | Kind::HorizontalPodAutoscaler
                    | Kind::Ingress
                    | Kind::PersistentVolumeClaim
                    | Kind::PodDisruptionBudget
                    | Kind::Namespace
                    | Kind::Node
                    | Kind::Event => {}
                }
            }
        }
        found.sort_by(|one, other| one.metadata.name.cmp(&other.metadata.name));
        found
    }

    /// A trial pod, as if it were a workload of its own.
    pub fn trial(&self, namespace: &str, name: &str) -> Option<Workload<'_>> {
        let pod = self.pods.get(&Key::new(namespace, name))?;
        if !is_trial(&pod.metadata) {
            return None;
        }
        let reference = WorkloadRef {
            kind: WorkloadKind::Pod,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        Some(Workload {
            reference,
            controller: Controller::Pod(pod),
            pods: vec![pod],
            old_pods: Vec::new(),
            job: None,
            replica_set: None,
            cluster: self,
        })
    }

    /// The trial pods that are not being deleted.
    pub(crate) fn trials(&self) -> impl Iterator<Item = &ObjectMeta> {
        let pods = self.pods.values().map(|pod| &pod.metadata);
        pods.filter(|it| is_trial(it) && it.deletion_timestamp.is_none())
    }

    /// A Job, or the newest of those that it has been run again by.
    fn newest_run<'a>(&'a self, job: &'a Job) -> &'a Job {
        let children = self.children.of(&job.metadata);
        let runs = children
            .filter(|child| child.kind == Kind::Job)
            .filter_map(|child| self.jobs.get(&child.key()))
            .filter(|run| run.metadata.deletion_timestamp.is_none());
        let newest = runs.max_by_key(|run| run.metadata.creation_timestamp.clone());
        newest.unwrap_or(job)
    }

    /// The newest Job of a CronJob that was made from the template as it is now.
    fn newest_job(&self, cron: &CronJob) -> Option<&Job> {
        let wanted = cron
            .spec
            .job_template
            .spec
            .as_ref()?
            .template
            .spec
            .as_ref()?;
        let children = self.children.of(&cron.metadata);
        children
            .filter(|child| child.kind == Kind::Job)
            .filter_map(|child| self.jobs.get(&child.key()))
            .filter(|job| {
                let made_from = job
                    .spec
                    .as_ref()
                    .and_then(|spec| spec.template.spec.as_ref());
                made_from.is_some_and(|spec| {
                    spec.containers == wanted.containers
                        && spec.init_containers == wanted.init_containers
                        && spec.volumes == wanted.volumes
                        && spec.image_pull_secrets == wanted.image_pull_secrets
                        && spec.node_selector == wanted.node_selector
                })
            })
            .max_by_key(|job| job.metadata.creation_timestamp.clone())
    }
}

impl<'a> Workload<'a> {
    fn is_current(&self, pod: &Pod) -> bool {
        let owner = controller_of(&pod.metadata);
        match self.controller {
            Controller::Deployment(_) => self.replica_set.is_some_and(|set| {
                owner.is_some_and(|owner| Some(&owner.uid) == set.metadata.uid.as_ref())
            }),
            Controller::CronJob(_) | Controller::Job(_) => self.job.is_some_and(|job| {
                owner.is_some_and(|owner| Some(&owner.uid) == job.metadata.uid.as_ref())
            }),
            Controller::StatefulSet(set) => {
                let update = set
                    .status
                    .as_ref()
                    .and_then(|status| status.update_revision.as_deref());
                update.is_none() || label(pod, CONTROLLER_HASH) == update
            }
            Controller::DaemonSet(set) => {
                // kept up to date by the DaemonSet controller, on the set and on its pods
                let generation = set.metadata.annotations.as_ref().and_then(|annotations| {
                    annotations.get("deprecated.daemonset.template.generation")
                });
                generation.is_none()
                    || label(pod, "pod-template-generation") == generation.map(String::as_str)
            }
            Controller::ReplicaSet(_) | Controller::Pod(_) | Controller::Support(_) => true,
        }
    }

    /// The Job that has made a pod.
    pub fn run_of(&self, pod: &Pod) -> Option<&'a Job> {
        let owner = controller_of(&pod.metadata).filter(|owner| owner.kind == "Job")?;
        let key = Key::new(&self.reference.namespace, &owner.name);
        self.cluster.jobs.get(&key)
    }

    /// The metadata of its object.
    pub fn metadata(&self) -> &'a ObjectMeta {
        match self.controller {
            Controller::Deployment(o) => &o.metadata,
            Controller::StatefulSet(o) => &o.metadata,
            Controller::DaemonSet(o) => &o.metadata,
            Controller::ReplicaSet(o) => &o.metadata,
            Controller::CronJob(o) => &o.metadata,
            Controller::Job(o) => &o.metadata,
            Controller::Pod(o) => &o.metadata,
            Controller::Support(o) => o.metadata(),
        }
    }

    /// The generation of its spec; 0 where the API server keeps none.
    pub fn generation(&self) -> i64 {
        self.metadata().generation.unwrap_or_default()
    }

    /// Its pod template; a bare pod has none.
    pub fn template(&self) -> Option<&'a PodTemplateSpec> {
        match self.controller {
            Controller::Deployment(o) => Some(&o.spec.template),
            Controller::StatefulSet(o) => Some(&o.spec.template),
            Controller::DaemonSet(o) => Some(&o.spec.template),
            Controller::ReplicaSet(o) => o.spec.template.as_ref(),
            Controller::CronJob(o) => o.spec.job_template.spec.as_ref().map(|spec| &spec.template),
            Controller::Job(o) => o.spec.as_ref().map(|spec| &spec.template),
            Controller::Pod(_) | Controller::Support(_) => None,
        }
    }

    /// The spec that its pods are made from.
    pub fn pod_spec(&self) -> Option<&'a PodSpec> {
        match self.controller {
            Controller::Pod(pod) => pod.spec.as_ref(),
            _ => self.template()?.spec.as_ref(),
        }
    }

    /// A digest of its object's spec: unlike the generation, annotations do not change it.
    pub fn spec_digest(&self) -> String {
        hex(&Sha256::digest(self.spec())[..8])
    }

    /// The same without the replicas: an autoscaler changes them all the time.
    pub fn spec_digest_but_replicas(&self) -> String {
        let mut spec: Value = serde_json::from_slice(&self.spec()).unwrap_or_default();
        if let Some(members) = spec.as_object_mut() {
            members.remove("replicas");
        }
        hex(&Sha256::digest(spec.to_string())[..8])
    }

    /// Its object's spec as JSON.
    fn spec(&self) -> Vec<u8> {
        let spec = match self.controller {
            Controller::Deployment(o) => serde_json::to_vec(&o.spec),
            Controller::StatefulSet(o) => serde_json::to_vec(&o.spec),
            Controller::DaemonSet(o) => serde_json::to_vec(&o.spec),
            Controller::ReplicaSet(o) => serde_json::to_vec(&o.spec),
            Controller::CronJob(o) => serde_json::to_vec(&o.spec),
            Controller::Job(o) => serde_json::to_vec(&o.spec),
            Controller::Pod(o) => serde_json::to_vec(&o.spec),
            Controller::Support(o) => o.spec(),
        };
        // serialising plain data with string keys cannot fail
        spec.unwrap_or_default()
    }

    /// A container of that spec and its place in its list.
    pub fn container(&self, container: &ContainerRef) -> Option<(usize, &'a Container)> {
        find_container(self.pod_spec()?, container)
    }

    /// How many pods it is meant to have.
    pub fn desired(&self) -> i32 {
        match self.controller {
            Controller::Deployment(o) => o.spec.replicas.unwrap_or(1),
            Controller::StatefulSet(o) => o.spec.replicas.unwrap_or(1),
            Controller::ReplicaSet(o) => o.spec.replicas.unwrap_or(1),
            Controller::DaemonSet(o) => o
                .status
                .as_ref()
                .map_or(0, |status| status.desired_number_scheduled),
            Controller::CronJob(_) | Controller::Job(_) | Controller::Pod(_) => 1,
            Controller::Support(_) => 0,
        }
    }

    /// Whether its controller has seen the newest spec and made the revision for it.
    pub fn is_settled(&self) -> bool {
        let observed = match self.controller {
            Controller::Deployment(o) => {
                if self.replica_set.is_none() {
                    return false;
                }
                o.status
                    .as_ref()
                    .and_then(|status| status.observed_generation)
            }
            Controller::StatefulSet(o) => o
                .status
                .as_ref()
                .and_then(|status| status.observed_generation),
            Controller::DaemonSet(o) => o
                .status
                .as_ref()
                .and_then(|status| status.observed_generation),
            Controller::ReplicaSet(o) => o
                .status
                .as_ref()
                .and_then(|status| status.observed_generation),
            Controller::CronJob(_)
            | Controller::Job(_)
            | Controller::Pod(_)
            | Controller::Support(_) => return true,
        };
        observed.unwrap_or_default() >= self.generation()
    }

    /// Pods, of whatever revision, that are ready.
    pub fn ready_pods(&self) -> usize {
        self.pods
            .iter()
            .chain(&self.old_pods)
            .filter(|pod| is_ready(pod))
            .count()
    }

    /// Whether it is meant to run, and as many pods as it is meant to have are ready.
    pub fn is_well(&self) -> bool {
        let wanted = usize::try_from(self.desired()).unwrap_or_default();
        wanted > 0 && self.is_settled() && self.ready_pods() >= wanted
    }

    /// The controller above it that is no built-in workload.
    pub fn foreign_owner(&self) -> Option<ForeignOwner> {
        foreign_owner(self.metadata())
    }

    /// A label or, where there is none, an annotation of the workload.
    pub fn mark(&self, name: &str) -> Option<&'a str> {
        let metadata = self.metadata();
        let labels = metadata.labels.as_ref().and_then(|labels| labels.get(name));
        let annotations = || {
            metadata
                .annotations
                .as_ref()
                .and_then(|annotations| annotations.get(name))
        };
        labels.or_else(annotations).map(String::as_str)
    }

    /// The labels of its namespace, where they may be read.
    pub fn namespace_labels(&self) -> Option<&'a BTreeMap<String, String>> {
        let key = Key::new("", &self.reference.namespace);
        let namespace = self.cluster.namespaces.get(&key)?;
        Some(namespace.metadata.labels.as_ref().unwrap_or(&NO_LABELS))
    }

    /// The HorizontalPodAutoscalers that scale it.
    pub fn autoscalers(&self) -> impl Iterator<Item = &'a HorizontalPodAutoscaler> {
        let (kind, name) = (self.reference.kind.as_str(), &self.reference.name);
        in_namespace(&self.cluster.autoscalers, &self.reference.namespace)
            .map(|(_, scaler)| scaler)
            .filter(move |scaler| {
                let target = &scaler.spec.scale_target_ref;
                target.kind == kind && target.name == *name
            })
    }

    /// Who, beside Akeso, wrote to its object last, by the name of the field manager and the time
    /// (<https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>).
    pub fn last_writer(&self) -> Option<String> {
        let manager = self.last_entry()?.manager.as_deref()?;
        Some(match self.last_write() {
            Some((_, at)) => format!("{manager} (at {at})"),
            None => manager.to_owned(),
        })
    }

    /// The same, where the time is known.
    pub fn last_write(&self) -> Option<(&'a str, Timestamp)> {
        let writer = self.last_entry()?;
        Some((writer.manager.as_deref()?, writer.time.as_ref()?.0))
    }

    fn last_entry(&self) -> Option<&'a ManagedFieldsEntry> {
        let mut writers = self.metadata().managed_fields.iter().flatten();
        writers.find(|writer| !is_own(writer))
    }

    /// The Warning events about one object of the workload: what others say of it.
    pub fn events_of(&self, name: &'a str, kind: &'static str) -> impl Iterator<Item = &'a Event> {
        in_namespace(&self.cluster.events, &self.reference.namespace)
            .map(|(_, event)| event)
            .filter(move |event| {
                event.involved_object.name.as_deref() == Some(name)
                    && event.involved_object.kind.as_deref() == Some(kind)
                    && event.reporting_component.as_deref() != Some(FIELD_MANAGER)
            })
    }

    /// The rest of the cluster.
    pub fn cluster(&self) -> &'a Cluster {
        self.cluster
    }
}

/// Whether an init container runs beside the others for as long as they do
/// (<https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/>).
pub fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// A container of a pod's spec and its place in its list.
pub fn find_container<'a>(
    spec: &'a PodSpec,
    container: &ContainerRef,
) -> Option<(usize, &'a Container)> {
    let list = match container.role {
        ContainerRole::Init => spec.init_containers.as_deref().unwrap_or_default(),
        ContainerRole::Main => &spec.containers,
    };
    list.iter()
        .enumerate()
        .find(|(_, candidate)| candidate.name == container.name)
}
