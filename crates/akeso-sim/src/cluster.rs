//! The simulated cluster as a whole.

use std::collections::BTreeMap;

use akeso_core::{
    act::PatchOp,
    cluster::{Key, Kind, Object},
    engine::{Announcement, ChangeRequest, Effect, Event},
    journal::Outcome,
    workload::{AttemptId, WorkloadKind, WorkloadRef},
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{
        apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
        batch::v1::{CronJob, Job},
        core::v1::{Namespace, Node, NodeCondition, NodeStatus, Pod},
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};
use serde_json::{Map, Value};

use crate::{
    agenda::Work,
    api_server, behaviour, controllers, kubelet, nodes,
    registry::Registry,
    requests::{ON_THE_WAY, Read, Request, Way, change, serve},
    scenario::with_newest_run,
    scheduler,
    store::{OfEveryKind, OfKind, Stored, with_every_kind, with_kind},
    warnings::{Saying, say},
    world::World,
};

/// 2026-01-01T00:00:00Z, when every simulation starts.
const START: i64 = 1_767_225_600;

/// Why the simulated cluster does not take what it was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SimError {
    /// A manifest or a behaviour cannot be read.
    #[error("not what was expected: {why}")]
    Yaml {
        /// What is wrong with it.
        why: String,
    },
    /// A manifest is of a kind that the simulation does not know.
    #[error("the simulated cluster knows no kind {kind}")]
    UnknownKind {
        /// The kind.
        kind: String,
    },
    /// The rules of the API server are against it.
    #[error("{kind} {name} is refused: {why}")]
    Refused {
        /// The kind.
        kind: String,
        /// The name.
        name: String,
        /// The API server's words.
        why: String,
    },
}

/// What the engine announced to a workload's owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// When.
    pub at: Timestamp,
    /// The workload.
    pub workload: WorkloadRef,
    /// What about.
    pub reason: Announcement,
    /// In a sentence.
    pub note: String,
}

/// A change that the engine asked for and the API server made.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// When.
    pub at: Timestamp,
    /// The attempt for which it was asked.
    pub attempt: AttemptId,
    /// The workload.
    pub workload: WorkloadRef,
    /// What was sent.
    pub request: ChangeRequest,
    /// The workload's object right before it.
    pub before: Option<Value>,
    /// The workload's object right after it.
    pub after: Option<Value>,
}

/// A simulated cluster on virtual time.
#[derive(Debug)]
pub struct SimCluster {
    world: World,
    requests: BTreeMap<u64, Request>,
    last_request: u64,
    announcements: Vec<Announced>,
    accepted: Vec<Accepted>,
}

impl SimCluster {
    /// A cluster of one node, `node1` with 2 CPUs and 24Gi of memory, whose registry has the
    /// images with these references. It is 2026-01-01T00:00:00Z there.
    pub fn new(images: impl IntoIterator<Item = String>) -> Self {
        let start = Timestamp::from_second(START).unwrap_or(Timestamp::UNIX_EPOCH);
        let world = World::new(Registry::of(images), start);
        let mut cluster = Self {
            world,
            requests: BTreeMap::new(),
            last_request: 0,
            announcements: Vec::new(),
            accepted: Vec::new(),
        };
        cluster.set_node("node1", "2", "24Gi");
        cluster
    }

    /// Adds a node, or changes what a node has: CPUs and memory as Kubernetes quantities.
    pub fn set_node(&mut self, name: &str, cpus: &str, memory: &str) {
        let resources = [("cpu", cpus), ("memory", memory), ("pods", "110")];
        let resources: BTreeMap<_, _> = resources
            .into_iter()
            .map(|(name, quantity)| (name.to_owned(), Quantity(quantity.to_owned())))
            .collect();
        let ready = NodeCondition {
            type_: "Ready".to_owned(),
            status: "True".to_owned(),
            reason: Some("KubeletReady".to_owned()),
            last_transition_time: Some(self.world.stamp()),
            ..NodeCondition::default()
        };
        let labels = [
            ("kubernetes.io/arch", "amd64"),
            ("kubernetes.io/hostname", name),
            ("kubernetes.io/os", "linux"),
        ];
        self.world.put(Node {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                labels: Some(
                    labels
                        .map(|(key, value)| (key.to_owned(), value.to_owned()))
                        .into(),
                ),
                ..ObjectMeta::default()
            },
            spec: None,
            status: Some(NodeStatus {
                allocatable: Some(resources.clone()),
                capacity: Some(resources),
                conditions: Some(vec![ready]),
                ..NodeStatus::default()
            }),
        });
        self.world.wake_unscheduled();
    }

    /// A node's kubelet stops telling how it is, or tells again. While it does not, its pods count
    /// as not ready, nothing new is bound to it and nothing that runs there is heard of. Pods are
    /// not evicted from it: that would take five minutes and be the taint manager's work.
    pub fn set_node_ready(&mut self, name: &str, is_ready: bool) {
        nodes::set_ready(&mut self.world, name, is_ready);
    }

    /// Gives a workload an annotation, as `kubectl annotate --overwrite` does.
    pub fn annotate(&mut self, workload: &WorkloadRef, key: &str, value: &str) -> Outcome {
        let object = self.object(workload.kind.as_str(), &workload.namespace, &workload.name);
        let annotations =
            object.and_then(|object| object.pointer("/metadata/annotations").cloned());
        let mut annotations = annotations.unwrap_or_else(|| Value::Object(Map::new()));
        annotations[key] = value.into();
        let operation = PatchOp::Add {
            path: "/metadata/annotations".to_owned(),
            value: annotations,
        };
        self.patch(workload, &[operation])
    }

    /// From here on the registry cannot be reached.
    pub fn cut_off_registry(&mut self) {
        self.world.registry.cut_off();
    }

    /// From here on the registry can be reached again.
    pub fn reconnect_registry(&mut self) {
        self.world.registry.reconnect();
    }

    /// The virtual time.
    pub fn now(&self) -> Timestamp {
        self.world.now
    }

    /// Creates or updates everything that a manifest of one or more YAML documents describes, as
    /// `kubectl apply -n NAMESPACE` does. The namespace is made if it is not there.
    pub fn apply_yaml(&mut self, namespace: &str, manifest: &str) -> Result<(), SimError> {
        if self
            .world
            .store
            .get::<Namespace>(&Key::new("", namespace))
            .is_none()
        {
            let labels = [(
                "kubernetes.io/metadata.name".to_owned(),
                namespace.to_owned(),
            )];
            self.world.put(Namespace {
                metadata: ObjectMeta {
                    name: Some(namespace.to_owned()),
                    labels: Some(labels.into()),
                    ..ObjectMeta::default()
                },
                ..Namespace::default()
            });
        }
        api_server::apply(&mut self.world, namespace, manifest)
    }

    /// Says how containers behave: the text of a scenario's `behaviour.yaml`.
    pub fn behave_yaml(&mut self, behaviours: &str) -> Result<(), SimError> {
        let behaviours: behaviour::Behaviours =
            serde_saphyr::from_str(behaviours).map_err(|error| SimError::Yaml {
                why: error.to_string(),
            })?;
        self.world.behaviours.extend(behaviours);
        Ok(())
    }

    /// Deletes an object as `kubectl delete` does; nothing happens if it is not there.
    pub fn delete(&mut self, kind: &str, namespace: &str, name: &str) -> Result<(), SimError> {
        let delete = Delete {
            world: &mut self.world,
            key: Key::new(namespace, name),
        };
        with_kind(kind, delete).ok_or_else(|| SimError::UnknownKind {
            kind: kind.to_owned(),
        })
    }

    /// Patches a workload as somebody else does, with `kubectl patch --type=json`.
    pub fn patch(&mut self, workload: &WorkloadRef, operations: &[PatchOp]) -> Outcome {
        let request = ChangeRequest::Patch(operations.to_vec());
        change(&mut self.world, workload, &request, "kubectl-patch")
    }

    /// Forgets every request that has not reached the API server and every answer that has not
    /// come back, as when the program that sent them dies.
    pub fn hang_up(&mut self) {
        self.requests.clear();
    }

    /// All objects of a watched kind.
    pub fn list(&self, kind: Kind) -> Vec<Object> {
        let mut list = List {
            world: &self.world,
            kind,
            objects: Vec::new(),
        };
        with_every_kind(&mut list);
        list.objects
    }

    /// Every change that the engine asked for and the API server made, in order.
    pub fn accepted(&self) -> &[Accepted] {
        &self.accepted
    }

    /// What the engine must be told since it was last asked for, in the order in which it
    /// happened. The first time: everything that there is.
    pub fn poll(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.world.untold)
    }

    /// When something happens next by itself.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.world.agenda.next_at().map(|at| at.max(self.world.now))
    }

    /// Lets time pass until `at`, and everything happen that is due by then.
    pub fn advance_to(&mut self, at: Timestamp) {
        while let Some((work, due)) = self.world.agenda.take_due(at) {
            self.world.now = self.world.now.max(due);
            match work {
                Work::Request(number) => self.serve(number),
                Work::Reconcile(kind, key) => controllers::reconcile(&mut self.world, kind, &key),
                Work::Schedule(key) => scheduler::schedule(&mut self.world, &key),
                Work::Kubelet(key) => kubelet::sync(&mut self.world, &key),
            }
        }
        self.world.now = self.world.now.max(at);
    }

    /// Executes an effect of the engine. Its answer or outcome comes as an event 20 ms later;
    /// journal entries are the caller's.
    pub fn execute(&mut self, effect: &Effect) {
        let request = match effect.clone() {
            // the model is not in the cluster
            Effect::Journal(_) | Effect::Consult { .. } => return,
            Effect::Gather {
                incident,
                namespace,
                question,
            } => Request::Ask {
                incident,
                namespace,
                question,
            },
            Effect::Redact {
                incident,
                namespace,
                prompt,
            } => Request::Redact {
                incident,
                namespace,
                prompt,
            },
            Effect::Apply {
                attempt,
                workload,
                request,
            } => Request::Change {
                attempt,
                workload,
                request,
                answer: Way::Clear,
            },
            Effect::Settle {
                attempt,
                workload,
                request,
            } => Request::Settle {
                attempt,
                workload,
                request,
            },
            Effect::Announce {
                workload,
                reason,
                note,
                uid: _,
            } => {
                self.announce(workload, reason, note);
                return;
            }
        };
        self.send(request);
    }

    /// Executes a change whose answer is lost on its way back. After `read_after` the object is
    /// read to see whether the change is there, as the hands do it; if there is no such time, the
    /// object cannot be read either, and the caller tells what the engine is told.
    pub(crate) fn execute_unheard(&mut self, effect: &Effect, read_after: Option<SignedDuration>) {
        let Effect::Apply {
            attempt,
            workload,
            request,
        } = effect.clone()
        else {
            self.execute(effect);
            return;
        };
        self.send(Request::Change {
            attempt,
            workload: workload.clone(),
            request: request.clone(),
            answer: Way::Lost,
        });
        if let Some(after) = read_after {
            let find = Request::Find {
                attempt,
                workload,
                request,
            };
            self.send_after(find, after.max(ON_THE_WAY + ON_THE_WAY));
        }
    }

    /// An object as JSON, if it is there.
    pub fn object(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        with_kind(
            kind,
            Read {
                world: &self.world,
                key: Key::new(namespace, name),
            },
        )
        .flatten()
    }

    /// A workload's object as JSON; a Job that was run again has the status of its newest run.
    pub fn as_it_runs(&self, workload: &WorkloadRef) -> Option<Value> {
        let object = self.object(workload.kind.as_str(), &workload.namespace, &workload.name)?;
        if workload.kind != WorkloadKind::Job {
            return Some(object);
        }
        let jobs = self.world.store.list::<Job>(&workload.namespace);
        let jobs = jobs.filter_map(|job| serde_json::to_value(job).ok());
        Some(with_newest_run(object, jobs))
    }

    /// Everything that was announced to the owners of workloads.
    pub fn announcements(&self) -> &[Announced] {
        &self.announcements
    }

    fn send(&mut self, request: Request) {
        self.send_after(request, ON_THE_WAY);
    }

    fn send_after(&mut self, request: Request, after: SignedDuration) {
        self.last_request += 1;
        self.requests.insert(self.last_request, request);
        self.world.wake(Work::Request(self.last_request), after);
    }

    fn serve(&mut self, number: u64) {
        match self.requests.remove(&number) {
            None => {}
            Some(Request::Reply(event)) => self.world.untold.push(event),
            Some(request) => {
                let (reply, made) = serve(&mut self.world, request);
                self.accepted.extend(made);
                if let Some(reply) = reply {
                    self.send(Request::Reply(reply));
                }
            }
        }
    }

    /// Records the announcement, and as the Kubernetes Event that it becomes.
    fn announce(&mut self, workload: WorkloadRef, reason: Announcement, note: String) {
        let kind = match reason {
            Announcement::NeedsAttention | Announcement::RolledBack => "Warning",
            Announcement::Remediating | Announcement::Remediated => "Normal",
        };
        let saying = Saying {
            kind,
            ..Saying::warning(&format!("{reason:?}"), note.clone(), "akeso")
        };
        let kind_of_workload = workload.kind;
        let world = &mut self.world;
        let read = Read {
            world,
            key: Key::new(&workload.namespace, &workload.name),
        };
        let metadata = with_kind(workload.kind.as_str(), read).flatten();
        let metadata = metadata
            .and_then(|object| serde_json::from_value(object.get("metadata")?.clone()).ok());
        let about: Option<ObjectMeta> = metadata;
        self.announcements.push(Announced {
            at: world.now,
            workload,
            reason,
            note,
        });
        let Some(about) = about else { return };
        match kind_of_workload {
            WorkloadKind::Deployment => say::<Deployment>(world, &about, saying),
            WorkloadKind::StatefulSet => say::<StatefulSet>(world, &about, saying),
            WorkloadKind::DaemonSet => say::<DaemonSet>(world, &about, saying),
            WorkloadKind::ReplicaSet => say::<ReplicaSet>(world, &about, saying),
            WorkloadKind::CronJob => say::<CronJob>(world, &about, saying),
            WorkloadKind::Job => say::<Job>(world, &about, saying),
            WorkloadKind::Pod => say::<Pod>(world, &about, saying),
            // nothing is announced on what is no workload
            WorkloadKind::Support(_) => {}
        }
    }

    /// The virtual time so much from now.
    pub fn after(&self, duration: SignedDuration) -> Timestamp {
        self.world.after(duration)
    }
}

struct List<'a> {
    world: &'a World,
    kind: Kind,
    objects: Vec<Object>,
}

impl OfEveryKind for List<'_> {
    fn of<T: Stored>(&mut self) {
        if T::WATCHED == Some(self.kind) {
            let all = self.world.store.all::<T>();
            self.objects.extend(all.filter_map(Stored::told));
        }
    }
}

struct Delete<'a> {
    world: &'a mut World,
    key: Key,
}

impl OfKind for Delete<'_> {
    type Output = ();

    fn of<T: api_server::Rules>(self) {
        self.world.delete::<T>(&self.key);
    }
}

/// The references of a list of images in the form of `devcluster/images.json`: an object whose
/// keys they are.
pub fn listed_images(json: &str) -> Result<Vec<String>, SimError> {
    let images: BTreeMap<String, Value> =
        serde_json::from_str(json).map_err(|error| SimError::Yaml {
            why: error.to_string(),
        })?;
    Ok(images.into_keys().collect())
}
