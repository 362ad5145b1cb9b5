//! The ReplicaSet controller: so many pods of one template.

use akeso_core::cluster::{Key, Kind, is_ready};
use k8s_openapi::api::{
    apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetStatus},
    core::v1::Pod,
};

use super::pods;
use crate::{agenda::Work, world::World};

const CONTROLLER: &str = "replicaset-controller";

pub(super) fn reconcile(world: &mut World, key: &Key) {
    let Some(set) = world.store.get::<ReplicaSet>(key).cloned() else {
        return;
    };
    let wanted = usize::try_from(set.spec.replicas.unwrap_or(1)).unwrap_or(0);
    let active = active_pods(world, &set);
    let mut failure = None;
    if active.len() < wanted {
        for _ in active.len()..wanted {
            let Some(template) = &set.spec.template else {
                break;
            };
            let name = format!("{}-{}", key.name, world.names.suffix());
            let pod = pods::from_template(&set, name, template);
            if let Err(why) = pods::create(world, &set, pod, CONTROLLER) {
                failure = Some(("FailedCreate", why));
                let after = pods::retry_after(world, &set.metadata);
                world.wake(Work::Reconcile(Kind::ReplicaSet, key.clone()), after);
                break; // the next would be refused as well
            }
        }
    } else if active.len() > wanted {
        let mut ranked: Vec<_> = active.iter().collect();
        ranked.sort_by_key(|pod| rank(pod));
        pods::delete(world, ranked.into_iter().take(active.len() - wanted));
    }
    let active = active_pods(world, &set);
    let status = status(world, &set, &active, failure);
    world.put(ReplicaSet {
        status: Some(status),
        ..set
    });
}

fn active_pods(world: &World, set: &ReplicaSet) -> Vec<Pod> {
    world
        .store
        .controlled_by::<Pod>(&set.metadata)
        .filter(|pod| pods::is_active(pod))
        .cloned()
        .collect()
}

/// Which pods go first: what is not bound, does not run, is not ready, is young.
fn rank(pod: &Pod) -> impl Ord + use<> {
    let bound = pod
        .spec
        .as_ref()
        .is_some_and(|spec| spec.node_name.is_some());
    let created = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
    (
        bound,
        pods::phase(pod) == "Running",
        is_ready(pod),
        std::cmp::Reverse(created),
        pod.metadata.name.clone(),
    )
}

fn status(
    world: &mut World,
    set: &ReplicaSet,
    active: &[Pod],
    failure: Option<(&str, String)>,
) -> ReplicaSetStatus {
    let min_ready = set.spec.min_ready_seconds;
    let available = active
        .iter()
        .filter(|pod| pods::is_available(pod, min_ready, world.now))
        .count();
    let next = active
        .iter()
        .filter_map(|pod| pods::available_at(pod, min_ready))
        .filter(|at| *at > world.now)
        .min();
    if let Some(at) = next {
        let name = set.metadata.name.clone().unwrap_or_default();
        let namespace = set.metadata.namespace.as_deref().unwrap_or_default();
        world.agenda.add(
            Work::Reconcile(Kind::ReplicaSet, Key::new(namespace, &name)),
            at,
        );
    }
    let before = set
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let known = before
        .into_iter()
        .flatten()
        .find(|c| c.type_.as_deref() == Some("ReplicaFailure"))
        .cloned();
    let wanted = set.spec.replicas.unwrap_or(1);
    // a failure that is known keeps its first words until the pods are there
    let condition = match (failure, known) {
        (None, Some(known)) if pods::count(active.len()) < wanted => Some(known),
        (None, _) => None,
        (Some(_), Some(known)) => Some(known),
        (Some((reason, message)), None) => Some(ReplicaSetCondition {
            type_: Some("ReplicaFailure".to_owned()),
            status: Some("True".to_owned()),
            reason: Some(reason.to_owned()),
            message: Some(message),
            last_transition_time: Some(world.stamp()),
        }),
    };
    let some = |count: usize| (count > 0).then(|| pods::count(count));
    ReplicaSetStatus {
        replicas: pods::count(active.len()),
        fully_labeled_replicas: some(active.len()),
        ready_replicas: some(active.iter().filter(|pod| is_ready(pod)).count()),
        available_replicas: some(available),
        observed_generation: set.metadata.generation,
        conditions: condition.map(|condition| vec![condition]),
        terminating_replicas: None,
    }
}
