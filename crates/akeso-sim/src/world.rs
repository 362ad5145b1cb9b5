//! The world that the simulated components share: the objects, the time, and who is to look at
//! what when something changes.

use std::collections::BTreeMap;

use akeso_core::{
    act::TRIAL,
    cluster::{Key, Kind, ObjectRef},
    engine::Event,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{apps::v1::ReplicaSet, batch::v1::Job, core::v1::Pod, policy::v1::PodDisruptionBudget},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time},
};

use crate::{
    agenda::{Agenda, Work},
    behaviour::Behaviours,
    kubelet::PodLife,
    names::Names,
    registry::Registry,
    store::{OfEveryKind, Store, Stored, key_of, with_every_kind},
};

/// How long it takes a component to notice a change.
pub(crate) const NOTICE: SignedDuration = SignedDuration::from_millis(10);

/// Everything that the components share.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) store: Store,
    pub(crate) agenda: Agenda,
    pub(crate) names: Names,
    pub(crate) registry: Registry,
    pub(crate) behaviours: Behaviours,
    /// What the kubelet knows of its pods, by uid.
    pub(crate) lives: BTreeMap<String, PodLife>,
    /// How often a controller was refused pods, by the controller's uid.
    pub(crate) refusals: BTreeMap<String, u32>,
    /// What the engine has not been told yet.
    pub(crate) untold: Vec<Event>,
    version: u64,
}

impl World {
    pub(crate) fn new(registry: Registry, now: Timestamp) -> Self {
        Self {
            now,
            store: Store::default(),
            agenda: Agenda::default(),
            names: Names::default(),
            registry,
            behaviours: Behaviours::default(),
            lives: BTreeMap::new(),
            refusals: BTreeMap::new(),
            untold: Vec::new(),
            version: 0,
        }
    }

    /// The time so much from now.
    pub(crate) fn after(&self, duration: SignedDuration) -> Timestamp {
        later(self.now, duration)
    }

    /// The time as it stands in an object: Kubernetes keeps whole seconds.
    pub(crate) fn stamp(&self) -> Time {
        stamp(self.now)
    }

    /// Has work done after a while.
    pub(crate) fn wake(&mut self, work: Work, after: SignedDuration) {
        let at = self.after(after);
        self.agenda.add(work, at);
    }

    /// Writes an object: a new one, or a new version. Writing what is there already is nothing.
    pub(crate) fn put<T: Stored>(&mut self, mut object: T) -> T {
        let key = key_of(object.metadata());
        let before = self.store.get::<T>(&key);
        if before == Some(&object) {
            return object;
        }
        let generation = match before {
            None => object.has_other_spec(&object).map(|_| 1),
            Some(before) => {
                let generation = before.metadata().generation;
                match object.has_other_spec(before) {
                    Some(true) => generation.map(|generation| generation + 1),
                    Some(false) | None => generation,
                }
            }
        };
        let identity = before.map(|before| {
            let metadata = before.metadata();
            (metadata.uid.clone(), metadata.creation_timestamp.clone())
        });
        self.version += 1;
        let (uid, created) = identity.unwrap_or_else(|| {
            let given = object.metadata().uid.clone();
            (
                Some(given.unwrap_or_else(|| self.names.uid())),
                Some(self.stamp()),
            )
        });
        let metadata = object.metadata_mut();
        metadata.uid = uid;
        metadata.creation_timestamp = created;
        metadata.generation = generation;
        metadata.resource_version = Some(self.version.to_string());
        T::table_mut(&mut self.store).insert(key, object.clone());
        self.untold.extend(object.told().map(Event::Upserted));
        self.alert::<T>(object.metadata());
        object
    }

    /// Removes an object at once, and has what it owns deleted too.
    pub(crate) fn remove<T: Stored>(&mut self, key: &Key) {
        let Some(gone) = T::table_mut(&mut self.store).remove(key) else {
            return;
        };
        if let Some(kind) = T::WATCHED {
            let reference = ObjectRef {
                kind,
                namespace: key.namespace.clone(),
                name: key.name.clone(),
            };
            self.untold.push(Event::Deleted(reference));
        }
        self.alert::<T>(gone.metadata());
        if let Some(uid) = &gone.metadata().uid {
            self.lives.remove(uid);
            self.refusals.remove(uid);
            with_every_kind(&mut Orphans {
                world: self,
                uid: uid.clone(),
                namespace: key.namespace.clone(),
            });
        }
        if T::WATCHED == Some(Kind::Pod) {
            self.wake_unscheduled();
        }
    }

    /// Deletes an object as the API server does: a pod that runs gets its grace period.
    pub(crate) fn delete<T: Stored>(&mut self, key: &Key) {
        if T::WATCHED != Some(Kind::Pod) {
            self.remove::<T>(key);
            return;
        }
        let Some(mut pod) = self.store.get::<Pod>(key).cloned() else {
            return;
        };
        if pod.metadata.deletion_timestamp.is_some() {
            return;
        }
        let spec = pod.spec.as_ref();
        if spec.and_then(|spec| spec.node_name.as_ref()).is_none() {
            self.remove::<Pod>(key);
            return;
        }
        let grace = spec
            .and_then(|spec| spec.termination_grace_period_seconds)
            .unwrap_or(30);
        let end = self.after(SignedDuration::from_secs(grace));
        pod.metadata.deletion_timestamp = Some(stamp(end));
        pod.metadata.deletion_grace_period_seconds = Some(grace);
        self.put(pod);
    }

    /// Has everybody look who watches such an object.
    fn alert<T: Stored>(&mut self, metadata: &ObjectMeta) {
        let key = key_of(metadata);
        match T::WATCHED {
            Some(Kind::Pod) => {
                self.wake(Work::Kubelet(key.clone()), NOTICE);
                self.wake(Work::Schedule(key.clone()), NOTICE);
                let budgets = self.store.list::<PodDisruptionBudget>(&key.namespace);
                let budgets: Vec<_> = budgets.map(|it| key_of(&it.metadata)).collect();
                for budget in budgets {
                    self.wake(Work::Reconcile(Kind::PodDisruptionBudget, budget), NOTICE);
                }
            }
            Some(
                kind @ (Kind::Deployment
                | Kind::ReplicaSet
                | Kind::StatefulSet
                | Kind::DaemonSet
                | Kind::Job
                | Kind::CronJob
                | Kind::PersistentVolumeClaim
                | Kind::HorizontalPodAutoscaler
                | Kind::PodDisruptionBudget),
            ) => self.wake(Work::Reconcile(kind, key), NOTICE),
            Some(
                Kind::ControllerRevision
                | Kind::Service
                | Kind::Ingress
                | Kind::Namespace
                | Kind::Node
                | Kind::Event,
            )
            | None => {}
        }
        if let Some((kind, key)) = controller_of(metadata) {
            self.wake(Work::Reconcile(kind, key), NOTICE);
        }
    }

    /// A pod is gone: there may be room for those that wait.
    pub(crate) fn wake_unscheduled(&mut self) {
        let waiting = |pod: &&Pod| {
            pod.spec
                .as_ref()
                .is_some_and(|spec| spec.node_name.is_none())
        };
        let keys: Vec<_> = self
            .store
            .all::<Pod>()
            .filter(waiting)
            .map(|pod| key_of(&pod.metadata))
            .collect();
        for key in keys {
            self.wake(Work::Schedule(key), NOTICE);
        }
    }

    /// The name of the root owner of an object.
    pub(crate) fn root_name(&self, metadata: &ObjectMeta) -> String {
        let mut name = metadata.name.clone().unwrap_or_default();
        let is_trial = metadata
            .labels
            .as_ref()
            .is_some_and(|labels| labels.contains_key(TRIAL));
        if let Some(owner) = metadata
            .owner_references
            .iter()
            .flatten()
            .next()
            .filter(|_| is_trial)
        {
            return owner.name.clone(); // it behaves as what it tries
        }
        let mut owner = controller_of(metadata);
        while let Some((kind, key)) = owner {
            name.clone_from(&key.name);
            owner = match kind {
                Kind::ReplicaSet => self.store.get::<ReplicaSet>(&key).map(|o| &o.metadata),
                Kind::Job => self.store.get::<Job>(&key).map(|o| &o.metadata),
                _ => None,
            }
            .and_then(controller_of);
        }
        name
    }
}

/// The garbage collector: what a gone object owned goes too.
struct Orphans<'a> {
    world: &'a mut World,
    uid: String,
    namespace: String,
}

impl OfEveryKind for Orphans<'_> {
    fn of<T: Stored>(&mut self) {
        let orphaned = |object: &&T| {
            let mut owners = object.metadata().owner_references.iter().flatten();
            owners.any(|owner| owner.uid == self.uid)
        };
        let all = self.world.store.list::<T>(&self.namespace);
        let keys: Vec<_> = all
            .filter(orphaned)
            .map(|object| key_of(object.metadata()))
            .collect();
        for key in keys {
            self.world.delete::<T>(&key);
        }
    }
}

/// The time as it stands in an object: Kubernetes keeps whole seconds.
pub(crate) fn stamp(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}

/// The time so much later.
pub(crate) fn later(at: Timestamp, duration: SignedDuration) -> Timestamp {
    at.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// Kind and key of the workload controller that owns an object.
pub(crate) fn controller_of(metadata: &ObjectMeta) -> Option<(Kind, Key)> {
    let owners = metadata.owner_references.as_ref()?;
    let owner = owners.iter().find(|owner| owner.controller == Some(true))?;
    let kind = match owner.kind.as_str() {
        "Deployment" => Kind::Deployment,
        "ReplicaSet" => Kind::ReplicaSet,
        "StatefulSet" => Kind::StatefulSet,
        "DaemonSet" => Kind::DaemonSet,
        "Job" => Kind::Job,
        "CronJob" => Kind::CronJob,
        _ => return None,
    };
    Some((
        kind,
        Key::new(
            metadata.namespace.as_deref().unwrap_or_default(),
            &owner.name,
        ),
    ))
}

/// What an object that this one controls says of it.
pub(crate) fn owner_reference<T: Stored>(owner: &T) -> OwnerReference {
    OwnerReference {
        api_version: T::API_VERSION.to_owned(),
        kind: T::KIND.to_owned(),
        name: owner.metadata().name.clone().unwrap_or_default(),
        uid: owner.metadata().uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}
