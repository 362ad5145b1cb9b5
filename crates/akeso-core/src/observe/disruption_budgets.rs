//! Disruption budgets that forbid every eviction, so that no node can be drained
//! (<https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-budgets>).

use k8s_openapi::{
    api::{core::v1::Pod, policy::v1::PodDisruptionBudget},
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{Flaw, Look, Symptom, TIME_TO_MEET, on_support, written, youngest};
use crate::{
    cluster::{
        Controller, Kind, ObjectRef, Support, in_namespace, is_over, is_ready,
        label_selector_matches,
    },
    workload::{WorkloadKind, WorkloadRef},
};

pub(super) fn symptoms(look: &Look<'_>) -> Vec<Symptom> {
    let Controller::Support(Support::PodDisruptionBudget(budget)) = look.workload.controller else {
        return Vec::new();
    };
    let pods = pods(look, budget);
    overlaps(look, budget, &pods)
        .or_else(|| blocks(look, budget, &pods))
        .into_iter()
        .collect()
}

/// The pods that a budget is about.
fn pods<'a>(look: &Look<'a>, budget: &PodDisruptionBudget) -> Vec<&'a Pod> {
    let selector = budget.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    let is_leaving = |pod: &Pod| pod.metadata.deletion_timestamp.is_some() || is_over(pod);
    in_namespace(
        &look.workload.cluster().pods,
        &look.workload.reference.namespace,
    )
    .map(|(_, pod)| pod)
    .filter(|pod| {
        label_selector_matches(selector, pod.metadata.labels.as_ref()) && !is_leaving(pod)
    })
    .collect()
}

fn owner(look: &Look<'_>, pod: &Pod) -> Option<WorkloadRef> {
    look.workload.cluster().root_of(&ObjectRef {
        kind: Kind::Pod,
        namespace: look.workload.reference.namespace.clone(),
        name: pod.metadata.name.clone()?,
    })
}

/// A pod of two budgets cannot be evicted at all. The later of them by name tells.
fn overlaps(look: &Look<'_>, budget: &PodDisruptionBudget, own: &[&Pod]) -> Option<Symptom> {
    let namespace = &look.workload.reference.namespace;
    let budgets = &look.workload.cluster().disruption_budgets;
    let before = in_namespace(budgets, namespace)
        .take_while(|(key, _)| key.name < look.workload.reference.name);
    let (other, both) = before.into_iter().find_map(|(_, other)| {
        let theirs = pods(look, other);
        let is_theirs = |pod: &&&Pod| {
            let names = theirs.iter().map(|it| &it.metadata.name);
            names.into_iter().any(|name| *name == pod.metadata.name)
        };
        Some((other, *own.iter().find(is_theirs)?))
    })?;
    let since = written(&budget.metadata)
        .max(written(&other.metadata))
        .max(youngest([both].into_iter()));
    let whose =
        owner(look, both).map_or_else(|| "of a pod".to_owned(), |owner| format!("of {owner}"));
    let message = format!(
        "and PodDisruptionBudget {} select the same pods {whose}: of a pod with two budgets every eviction is refused",
        other.metadata.name.as_deref().unwrap_or_default()
    );
    look.has_lasted(since, TIME_TO_MEET)
        .then(|| on_support(Flaw::BudgetsOverlap, "MoreThanOneBudget", message))
}

/// However well the pods are, not one of them may go.
fn blocks(look: &Look<'_>, budget: &PodDisruptionBudget, pods: &[&Pod]) -> Option<Symptom> {
    let (spec, status) = (budget.spec.as_ref()?, budget.status.as_ref()?);
    let is_seen = status.observed_generation.unwrap_or_default()
        >= budget.metadata.generation.unwrap_or_default();
    let expected = status.expected_pods?;
    let field = match (&spec.max_unavailable, &spec.min_available) {
        (Some(most), _) => format!("spec.maxUnavailable is {}", text(most)),
        (None, Some(least)) => format!("spec.minAvailable is {}", text(least)),
        (None, None) => return None,
    };
    let since = written(&budget.metadata).max(youngest(pods.iter().copied()));
    let tell = |message| {
        look.has_lasted(since, TIME_TO_MEET)
            .then(|| on_support(Flaw::BudgetBlocks, "NoDisruptionAllowed", message))
    };
    // how many there should be is what their controller says, unless a number is asked for
    let is_counted = matches!(spec.min_available, Some(IntOrString::Int(_)));
    let is_bare = |pod: &&Pod| owner(look, pod).is_some_and(|it| it.kind == WorkloadKind::Pod);
    if is_seen
        && !is_counted
        && expected == 0
        && !pods.is_empty()
        && pods.iter().all(is_bare)
        && look.awaits(pods.iter().all(|pod| is_ready(pod)))
    {
        return tell(format!(
            "lets none of its {} pod(s) be evicted: no controller says how many of them there should be, and its {field}; only a number in spec.minAvailable counts such pods",
            pods.len()
        ));
    }
    let is_tight = status.disruptions_allowed == Some(0) && status.desired_healthy? >= expected;
    // what is not well is its workload's own incident, and the budget's reason to be
    let are_well = usize::try_from(expected).is_ok_and(|expected| {
        pods.len() == expected && !pods.is_empty() && pods.iter().all(|pod| is_ready(pod))
    });
    // an operator that makes one lets a pod go in its own way, when it is time
    let is_owned = look.workload.foreign_owner().is_some();
    if !is_seen || !is_tight || is_owned || !look.awaits(are_well) {
        return None;
    }
    let owner = owner(look, pods.first()?);
    if owner
        .as_ref()
        .is_some_and(|owner| grows(look, owner, spec.min_available.as_ref()))
    {
        return None;
    }
    let whose = owner
        .map(|owner| format!(" of {owner}"))
        .unwrap_or_default();
    tell(format!(
        "lets none of the {expected} pod(s){whose} be evicted, though all are ready: its {field}"
    ))
}

/// Whether an autoscaler may give the workload more pods than must be there.
fn grows(look: &Look<'_>, owner: &WorkloadRef, least: Option<&IntOrString>) -> bool {
    let Some(IntOrString::Int(least)) = least else {
        return false;
    };
    let owner = look.workload.cluster().workload(owner);
    owner.is_some_and(|owner| {
        let mut scalers = owner.autoscalers();
        scalers.any(|scaler| scaler.spec.max_replicas > *least)
    })
}

fn text(value: &IntOrString) -> String {
    match value {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(text) => text.clone(),
    }
}
