//! The StatefulSet controller: pods with names of their own, one after the other.
//!
//! With the default `OrderedReady` it waits for each pod to become ready before it looks at the
//! next, and so never replaces a broken pod of an old revision by itself
//! (<https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback>).

use akeso_core::cluster::{Key, Kind, is_ready};
use k8s_openapi::api::{
    apps::v1::{ControllerRevision, StatefulSet, StatefulSetStatus},
    core::v1::Pod,
};

use super::{pods, revisions};
use crate::{agenda::Work, store::key_of, world::World};

const CONTROLLER: &str = "statefulset-controller";
const POD_HASH: &str = "controller-revision-hash";
const REVISION_HASH: &str = "controller.kubernetes.io/hash";

pub(super) fn reconcile(world: &mut World, key: &Key) {
    let Some(mut set) = world.store.get::<StatefulSet>(key).cloned() else {
        return;
    };
    let template = set.spec.template.clone();
    let update = revisions::ensure(world, &set, &template, REVISION_HASH);
    let update_name = update.metadata.name.clone().unwrap_or_default();
    let status = set.status.get_or_insert_default();
    status.update_revision = Some(update_name.clone());
    status
        .current_revision
        .get_or_insert_with(|| update_name.clone());
    step(world, &set, &update);
    let status = status_of(world, &set);
    let set = world.put(StatefulSet {
        status: Some(status),
        ..set
    });
    forget_old_revisions(world, &set);
}

/// The pods of the set by ordinal.
fn pods_of(world: &World, set: &StatefulSet) -> Vec<(usize, Pod)> {
    let prefix = format!("{}-", set.metadata.name.as_deref().unwrap_or_default());
    let ordinal = |pod: &Pod| {
        pod.metadata
            .name
            .as_deref()?
            .strip_prefix(&prefix)?
            .parse()
            .ok()
    };
    let pods = world.store.controlled_by::<Pod>(&set.metadata);
    let mut pods: Vec<(usize, Pod)> = pods
        .filter_map(|pod| Some((ordinal(pod)?, pod.clone())))
        .collect();
    pods.sort_by_key(|(ordinal, _)| *ordinal);
    pods
}

fn is_healthy(pod: &Pod) -> bool {
    is_ready(pod) && !pods::is_leaving(pod)
}

/// Does the next thing that is to be done, if nothing is in its way.
fn step(world: &mut World, set: &StatefulSet, update: &ControllerRevision) {
    let wanted = usize::try_from(set.spec.replicas.unwrap_or(1)).unwrap_or(0);
    let ordered = set.spec.pod_management_policy.as_deref() != Some("Parallel");
    let all = pods_of(world, set);
    for ordinal in 0..wanted {
        match all.iter().find(|(at, _)| *at == ordinal) {
            None => {
                if !create(world, set, update, ordinal) || ordered {
                    return;
                }
            }
            Some((_, pod))
                if matches!(pods::phase(pod), "Failed" | "Succeeded") && !pods::is_leaving(pod) =>
            {
                pods::delete(world, [pod]);
                if ordered {
                    return;
                }
            }
            Some((_, pod)) => {
                let available = pods::is_available(pod, set.spec.min_ready_seconds, world.now);
                if ordered && !(is_healthy(pod) && available) {
                    if let Some(at) = pods::available_at(pod, set.spec.min_ready_seconds)
                        .filter(|at| *at > world.now)
                    {
                        world.agenda.add(
                            Work::Reconcile(Kind::StatefulSet, key_of(&set.metadata)),
                            at,
                        );
                    }
                    return;
                }
            }
        }
    }
    let mut surplus = all.iter().filter(|(ordinal, _)| *ordinal >= wanted).rev();
    if ordered {
        if let Some((_, last)) = surplus.next() {
            if !pods::is_leaving(last) {
                pods::delete(world, [last]);
            }
            return;
        }
    } else {
        pods::delete(world, surplus.map(|(_, pod)| pod));
    }
    roll(world, set, update, &all[..all.len().min(wanted)]);
}

/// Replaces the last pod of an old revision, once those after it are well.
fn roll(world: &mut World, set: &StatefulSet, update: &ControllerRevision, all: &[(usize, Pod)]) {
    let strategy = set.spec.update_strategy.as_ref();
    if strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("OnDelete") {
        return;
    }
    let partition = strategy
        .and_then(|strategy| strategy.rolling_update.as_ref()?.partition)
        .unwrap_or(0);
    for (ordinal, pod) in all.iter().rev() {
        if pods::count(*ordinal) < partition {
            return;
        }
        if pods::label(&pod.metadata, POD_HASH) != update.metadata.name.as_deref()
            && !pods::is_leaving(pod)
        {
            pods::delete(world, [pod]);
            return;
        }
        if !is_healthy(pod) {
            return;
        }
    }
}

/// Makes the pod of an ordinal; whether it could.
fn create(
    world: &mut World,
    set: &StatefulSet,
    update: &ControllerRevision,
    ordinal: usize,
) -> bool {
    let strategy = set.spec.update_strategy.as_ref();
    let partition = strategy
        .and_then(|strategy| strategy.rolling_update.as_ref()?.partition)
        .unwrap_or(0);
    let namespace = set.metadata.namespace.as_deref().unwrap_or_default();
    let current = set
        .status
        .as_ref()
        .and_then(|status| status.current_revision.as_deref())
        .unwrap_or_default();
    // below the partition, a pod is made anew as it was
    let kept = (pods::count(ordinal) < partition)
        .then(|| {
            world
                .store
                .get::<ControllerRevision>(&Key::new(namespace, current))
                .cloned()
        })
        .flatten();
    let revision = kept.as_ref().unwrap_or(update);
    let Some(template) = revisions::template(revision) else {
        return false;
    };
    let name = format!(
        "{}-{ordinal}",
        set.metadata.name.as_deref().unwrap_or_default()
    );
    let mut pod = pods::from_template(set, name.clone(), &template);
    let labels = pod.metadata.labels.get_or_insert_default();
    labels.insert(
        POD_HASH.to_owned(),
        revision.metadata.name.clone().unwrap_or_default(),
    );
    labels.insert(
        "statefulset.kubernetes.io/pod-name".to_owned(),
        name.clone(),
    );
    labels.insert(
        "apps.kubernetes.io/pod-index".to_owned(),
        ordinal.to_string(),
    );
    if let Some(spec) = &mut pod.spec {
        spec.hostname = Some(name);
        spec.subdomain.clone_from(&set.spec.service_name);
    }
    let made = pods::create(world, set, pod, CONTROLLER).is_ok();
    if !made {
        let after = pods::retry_after(world, &set.metadata);
        world.wake(
            Work::Reconcile(Kind::StatefulSet, key_of(&set.metadata)),
            after,
        );
    }
    made
}

fn status_of(world: &World, set: &StatefulSet) -> StatefulSetStatus {
    let before = set.status.clone().unwrap_or_default();
    let all = pods_of(world, set);
    let of = |revision: Option<&str>| {
        let mut count = 0;
        for (_, pod) in all.iter().filter(|(_, pod)| !pods::is_leaving(pod)) {
            count += i32::from(pods::label(&pod.metadata, POD_HASH) == revision);
        }
        count
    };
    let ready = all.iter().filter(|(_, pod)| is_ready(pod)).count();
    let available = all
        .iter()
        .filter(|(_, pod)| pods::is_available(pod, set.spec.min_ready_seconds, world.now))
        .count();
    let mut status = StatefulSetStatus {
        observed_generation: set.metadata.generation,
        replicas: pods::count(all.len()),
        ready_replicas: Some(pods::count(ready)),
        available_replicas: Some(pods::count(available)),
        current_replicas: Some(of(before.current_revision.as_deref())),
        updated_replicas: Some(of(before.update_revision.as_deref())),
        current_revision: before.current_revision,
        update_revision: before.update_revision,
        collision_count: Some(0),
        conditions: None,
    };
    let is_done = status.updated_replicas == Some(status.replicas)
        && status.ready_replicas == Some(status.replicas);
    let is_wanted = status.replicas == set.spec.replicas.unwrap_or(1);
    if is_done && is_wanted && status.current_revision != status.update_revision {
        status.current_revision.clone_from(&status.update_revision);
        status.current_replicas = status.updated_replicas;
    }
    status
}

fn forget_old_revisions(world: &mut World, set: &StatefulSet) {
    let status = set.status.clone().unwrap_or_default();
    let live = |revision: &&ControllerRevision| {
        let name = revision.metadata.name.as_deref();
        name == status.current_revision.as_deref()
            || name == status.update_revision.as_deref()
            || pods_of(world, set)
                .iter()
                .any(|(_, pod)| pods::label(&pod.metadata, POD_HASH) == name)
    };
    let revisions = world
        .store
        .controlled_by::<ControllerRevision>(&set.metadata);
    let mut spent: Vec<_> = revisions
        .filter(|r| !live(r))
        .map(|r| (r.revision, key_of(&r.metadata)))
        .collect();
    spent.sort();
    let history = usize::try_from(set.spec.revision_history_limit.unwrap_or(10)).unwrap_or(0);
    for (_, key) in spent.iter().take(spent.len().saturating_sub(history)) {
        world.remove::<ControllerRevision>(key);
    }
}
