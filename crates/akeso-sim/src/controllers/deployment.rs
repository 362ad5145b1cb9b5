//! The Deployment controller: a ReplicaSet for each template, and the way from one to the next
//! (`pkg/controller/deployment` of Kubernetes 1.34).

use akeso_core::cluster::{Key, Kind};
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, ReplicaSet, ReplicaSetSpec},
        core::v1::{Pod, PodTemplateSpec},
    },
    apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};

use super::{pods, rollout};
use crate::{
    agenda::Work,
    names::hash_of,
    store::key_of,
    world::{World, owner_reference},
};

const REVISION: &str = "deployment.kubernetes.io/revision";
const TEMPLATE_HASH: &str = "pod-template-hash";

pub(super) fn reconcile(world: &mut World, key: &Key) {
    let Some(mut deployment) = world.store.get::<Deployment>(key).cloned() else {
        return;
    };
    let paused = deployment.spec.paused == Some(true);
    let mut is_new_rollout = false;
    if !paused {
        is_new_rollout = ensure_newest(world, &deployment);
    }
    let (newest, older) = replica_sets(world, &deployment);
    if let Some(revision) = newest
        .as_ref()
        .and_then(|set| set.metadata.annotations.as_ref()?.get(REVISION))
    {
        let annotations = deployment.metadata.annotations.get_or_insert_default();
        annotations.insert(REVISION.to_owned(), revision.clone());
    }
    match (&newest, paused) {
        (Some(newest), false) => {
            if is_recreate(&deployment) {
                recreate(world, &deployment, newest, &older);
            } else {
                roll(world, &deployment, newest, &older);
            }
        }
        (newest, _) => scale_paused(world, &deployment, newest.as_ref().or(older.last())),
    }
    let (newest, older) = replica_sets(world, &deployment);
    let status = rollout::status(world, &deployment, newest.as_ref(), &older, is_new_rollout);
    if let Some(at) = rollout::deadline(&deployment, &status).filter(|at| *at > world.now) {
        world
            .agenda
            .add(Work::Reconcile(Kind::Deployment, key.clone()), at);
    }
    let is_complete = rollout::is_complete(&deployment, &status);
    let history =
        usize::try_from(deployment.spec.revision_history_limit.unwrap_or(10)).unwrap_or(0);
    world.put(Deployment {
        status: Some(status),
        ..deployment
    });
    if is_complete {
        let spent = older.iter().filter(|set| {
            replicas(set) == 0 && set.status.as_ref().is_none_or(|s| s.replicas == 0)
        });
        let spent: Vec<_> = spent.map(|set| key_of(&set.metadata)).collect();
        for key in spent.iter().take(spent.len().saturating_sub(history)) {
            world.remove::<ReplicaSet>(key);
        }
    }
}

fn revision(set: &ReplicaSet) -> i64 {
    let annotations = set.metadata.annotations.as_ref();
    annotations
        .and_then(|all| all.get(REVISION)?.parse().ok())
        .unwrap_or(0)
}

pub(super) fn replicas(set: &ReplicaSet) -> i32 {
    set.spec.replicas.unwrap_or(0)
}

/// The template that a ReplicaSet was made for.
fn made_for(set: &ReplicaSet) -> Option<PodTemplateSpec> {
    let mut template = set.spec.template.clone()?;
    if let Some(labels) = template
        .metadata
        .as_mut()
        .and_then(|metadata| metadata.labels.as_mut())
    {
        labels.remove(TEMPLATE_HASH);
    }
    Some(template)
}

fn is_for(set: &ReplicaSet, deployment: &Deployment) -> bool {
    let Some(template) = made_for(set) else {
        return false;
    };
    let labels = |template: &PodTemplateSpec| {
        template
            .metadata
            .as_ref()
            .and_then(|metadata| metadata.labels.clone())
            .unwrap_or_default()
    };
    let annotations = |template: &PodTemplateSpec| {
        template
            .metadata
            .as_ref()
            .and_then(|metadata| metadata.annotations.clone())
            .unwrap_or_default()
    };
    let wanted = &deployment.spec.template;
    template.spec == wanted.spec
        && labels(&template) == labels(wanted)
        && annotations(&template) == annotations(wanted)
}

/// The ReplicaSet of the newest template, if there is one, and the others, oldest first.
fn replica_sets(world: &World, deployment: &Deployment) -> (Option<ReplicaSet>, Vec<ReplicaSet>) {
    let mut all: Vec<_> = world
        .store
        .controlled_by::<ReplicaSet>(&deployment.metadata)
        .cloned()
        .collect();
    all.sort_by_key(revision);
    let newest = all
        .iter()
        .rposition(|set| is_for(set, deployment))
        .map(|at| all.remove(at));
    (newest, all)
}

/// Makes the ReplicaSet of the newest template, or gives the one that there is the newest number.
/// Returns whether it was made now.
fn ensure_newest(world: &mut World, deployment: &Deployment) -> bool {
    let (newest, older) = replica_sets(world, deployment);
    let last = older.iter().map(revision).max().unwrap_or(0);
    if let Some(mut newest) = newest {
        if revision(&newest) <= last {
            let annotations = newest.metadata.annotations.get_or_insert_default();
            annotations.insert(REVISION.to_owned(), (last + 1).to_string());
            world.put(newest);
        }
        return false;
    }
    let hash = hash_of(&deployment.spec.template);
    let mut template = deployment.spec.template.clone();
    let labels = template
        .metadata
        .get_or_insert_default()
        .labels
        .get_or_insert_default();
    labels.insert(TEMPLATE_HASH.to_owned(), hash.clone());
    let labels = labels.clone();
    let mut selector = deployment.spec.selector.clone();
    selector
        .match_labels
        .get_or_insert_default()
        .insert(TEMPLATE_HASH.to_owned(), hash.clone());
    let mut annotations = deployment.metadata.annotations.clone().unwrap_or_default();
    annotations.insert(REVISION.to_owned(), (last + 1).to_string());
    let name = deployment.metadata.name.as_deref().unwrap_or_default();
    world.put(ReplicaSet {
        metadata: ObjectMeta {
            name: Some(format!("{name}-{hash}")),
            namespace: deployment.metadata.namespace.clone(),
            labels: Some(labels),
            annotations: Some(annotations),
            owner_references: Some(vec![owner_reference(deployment)]),
            ..ObjectMeta::default()
        },
        spec: ReplicaSetSpec {
            min_ready_seconds: deployment.spec.min_ready_seconds,
            replicas: Some(0),
            selector,
            template: Some(template),
        },
        status: None,
    });
    true
}

fn scale(world: &mut World, set: &ReplicaSet, to: i32) {
    let Some(mut set) = world
        .store
        .get::<ReplicaSet>(&key_of(&set.metadata))
        .cloned()
    else {
        return;
    };
    set.spec.replicas = Some(to);
    world.put(set);
}

fn is_recreate(deployment: &Deployment) -> bool {
    deployment
        .spec
        .strategy
        .as_ref()
        .and_then(|s| s.type_.as_deref())
        == Some("Recreate")
}

fn part_of(whole: i32, part: Option<&IntOrString>, rounding: Rounding) -> i32 {
    match part {
        Some(IntOrString::Int(number)) => *number,
        Some(IntOrString::String(percent)) => {
            let percent: i32 = percent.trim_end_matches('%').parse().unwrap_or(0);
            match rounding {
                Rounding::Up => (whole * percent + 99) / 100,
                Rounding::Down => whole * percent / 100,
            }
        }
        None => 0,
    }
}

#[derive(Clone, Copy)]
enum Rounding {
    Up,
    Down,
}

/// How many pods more, and how many fewer, than wanted there may be.
pub(super) fn slack(deployment: &Deployment) -> (i32, i32) {
    if is_recreate(deployment) {
        return (0, 0);
    }
    let wanted = deployment.spec.replicas.unwrap_or(1);
    let update = deployment
        .spec
        .strategy
        .as_ref()
        .and_then(|s| s.rolling_update.as_ref());
    let surge = part_of(
        wanted,
        update.and_then(|u| u.max_surge.as_ref()),
        Rounding::Up,
    );
    let unavailable = part_of(
        wanted,
        update.and_then(|u| u.max_unavailable.as_ref()),
        Rounding::Down,
    );
    if surge == 0 && unavailable == 0 {
        (0, 1)
    } else {
        (surge, unavailable.min(wanted))
    }
}

fn available(set: &ReplicaSet) -> i32 {
    set.status
        .as_ref()
        .and_then(|status| status.available_replicas)
        .unwrap_or(0)
}

/// One step of a rolling update: up with the new, or else down with the old.
fn roll(world: &mut World, deployment: &Deployment, newest: &ReplicaSet, older: &[ReplicaSet]) {
    let wanted = deployment.spec.replicas.unwrap_or(1);
    let (surge, unavailable) = slack(deployment);
    let total = replicas(newest) + older.iter().map(replicas).sum::<i32>();
    let room = (wanted + surge - total).max(0);
    if replicas(newest) > wanted {
        scale(world, newest, wanted);
        return;
    }
    let more = room.min(wanted - replicas(newest));
    if more > 0 {
        scale(world, newest, replicas(newest) + more);
        return;
    }
    let least = wanted - unavailable;
    let new_unavailable = replicas(newest) - available(newest);
    let mut spare = total - least - new_unavailable;
    if spare <= 0 {
        return;
    }
    let mut left: Vec<(&ReplicaSet, i32)> = older.iter().map(|set| (set, replicas(set))).collect();
    // what is broken goes first
    for (set, left) in &mut left {
        let broken = (*left - available(set)).clamp(0, spare);
        *left -= broken;
        spare -= broken;
    }
    // then as many of the others as leaves enough that serve
    let serving = available(newest) + older.iter().map(available).sum::<i32>();
    let mut surplus = (serving - least).max(0);
    for (_, left) in &mut left {
        let fewer = (*left).min(surplus);
        *left -= fewer;
        surplus -= fewer;
    }
    for (set, left) in left {
        if left != replicas(set) {
            scale(world, set, left);
        }
    }
}

/// All old pods go before the first new one is made.
fn recreate(world: &mut World, deployment: &Deployment, newest: &ReplicaSet, older: &[ReplicaSet]) {
    older
        .iter()
        .filter(|set| replicas(set) > 0)
        .for_each(|set| scale(world, set, 0));
    let is_left = |set: &ReplicaSet| {
        let mut pods = world.store.controlled_by::<Pod>(&set.metadata);
        pods.any(|pod| !matches!(pods::phase(pod), "Succeeded" | "Failed"))
    };
    if older.iter().any(is_left) {
        let key = key_of(&deployment.metadata);
        // the pods belong to the ReplicaSets, so nobody tells when they are gone
        world.wake(
            Work::Reconcile(Kind::Deployment, key),
            jiff::SignedDuration::from_millis(500),
        );
        return;
    }
    scale(world, newest, deployment.spec.replicas.unwrap_or(1));
}

/// A paused Deployment only follows its number of replicas.
fn scale_paused(world: &mut World, deployment: &Deployment, serving: Option<&ReplicaSet>) {
    let wanted = deployment.spec.replicas.unwrap_or(1);
    if let Some(set) = serving.filter(|set| replicas(set) != wanted) {
        scale(world, set, wanted);
    }
}
