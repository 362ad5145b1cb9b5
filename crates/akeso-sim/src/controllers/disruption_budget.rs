//! The disruption controller: how many pods may be evicted
//! (<https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/controller/disruption/disruption.go>).
//! The pods that there should be are taken from the pods that there are: it never sees them between
//! two sizes.

use akeso_core::cluster::{Key, is_ready};
use k8s_openapi::{
    api::{
        core::v1::Pod,
        policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus},
    },
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::pods;
use crate::world::{World, controller_of};

pub(super) fn reconcile(world: &mut World, key: &Key) {
    let Some(mut budget) = world.store.get::<PodDisruptionBudget>(key).cloned() else {
        return;
    };
    let Some(spec) = budget.spec.clone() else {
        return;
    };
    let selector = spec.selector.unwrap_or_default();
    let wanted = selector.match_labels.unwrap_or_default();
    let is_selected = |pod: &&Pod| {
        let labels = pod.metadata.labels.as_ref();
        wanted
            .iter()
            .all(|(name, value)| labels.and_then(|it| it.get(name)) == Some(value))
    };
    // of all else than a number, a share of what the pods' controller wants
    let is_counted = matches!(spec.min_available, Some(IntOrString::Int(_)));
    let selected: Vec<_> = world
        .store
        .list::<Pod>(&key.namespace)
        .filter(is_selected)
        .filter(|pod| pod.metadata.deletion_timestamp.is_none() && pods::phase(pod) != "Succeeded")
        .filter(|pod| is_counted || controller_of(&pod.metadata).is_some())
        .collect();
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let expected = count(selected.len());
    let healthy = count(selected.iter().filter(|pod| is_ready(pod)).count());
    let desired = match (&spec.max_unavailable, &spec.min_available) {
        (Some(most), _) => (expected - share(most, expected)).max(0),
        (None, Some(least)) => share(least, expected),
        (None, None) => return,
    };
    let allowed = if expected > 0 {
        (healthy - desired).max(0)
    } else {
        0
    };
    budget.status = Some(PodDisruptionBudgetStatus {
        current_healthy: Some(healthy),
        desired_healthy: Some(desired),
        disruptions_allowed: Some(allowed),
        expected_pods: Some(expected),
        observed_generation: budget.metadata.generation,
        ..PodDisruptionBudgetStatus::default()
    });
    world.put(budget);
}

/// A number, or so many percent of all, rounded up.
fn share(value: &IntOrString, of: i32) -> i32 {
    match value {
        IntOrString::Int(number) => *number,
        IntOrString::String(text) => {
            let percent: i32 = text
                .strip_suffix('%')
                .and_then(|it| it.parse().ok())
                .unwrap_or(0);
            (of * percent + 99) / 100
        }
    }
}
