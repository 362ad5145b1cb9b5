//! Fault `topology-spread`: the pods are to be spread more evenly than the nodes allow.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{PodSpec, TopologySpreadConstraint};

use super::{
    Diagnosis, Examination, Family, Fault,
    placement::{Placement, label, listed, name, node_of, only_close, selector_text},
};
use crate::observe::Symptom;

pub(super) const FAULT: Fault = Fault {
    name: "topology-spread",
    family: Family::Scheduling,
    signs: "no node takes the pod for its `topologySpreadConstraints` with `DoNotSchedule`",
    does: "names the constraint, the label that no node has, or how many pods each domain has and which alone may take the next; after a rollout that changed it and has passed its progress deadline, puts the last good revision back, where one is proven",
    never: "changes a constraint, or moves pods",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let place = Placement::of(examination, symptom)?;
    if !place
        .message
        .contains("didn't match pod topology spread constraints")
    {
        return None;
    }
    let says = hard(place.spec).find_map(|(index, constraint)| {
        let said = unmet(&place, constraint)?;
        Some(format!(
            "fits on no node: topologySpreadConstraints[{index}] {said}"
        ))
    })?;
    let why = "the constraint must fit the nodes (another topologyKey, a larger maxSkew, whenUnsatisfiable ScheduleAnyway), or a node in the missing place must be added";
    let diagnosis = examination.refused(&FAULT, symptom, &says, why);
    Some(diagnosis.undone_if_changed(examination, |spec| {
        let constraints = hard(spec).map(|(_, it)| it.clone());
        constraints.collect::<Vec<_>>()
    }))
}

fn hard(spec: &PodSpec) -> impl Iterator<Item = (usize, &TopologySpreadConstraint)> {
    let constraints = spec.topology_spread_constraints.iter().flatten();
    let all = constraints.enumerate();
    all.filter(|(_, it)| it.when_unsatisfiable == "DoNotSchedule")
}

fn unmet(place: &Placement<'_>, constraint: &TopologySpreadConstraint) -> Option<String> {
    let key = &constraint.topology_key;
    // by default the nodes that the pod's selector and affinity allow are counted, tainted or not
    let mut counts: BTreeMap<&str, usize> = place
        .allowed()
        .filter_map(|node| Some((label(node, key)?, 0)))
        .collect();
    if counts.is_empty() {
        let nodes = place.nodes.iter();
        let labels = nodes.flat_map(|node| node.metadata.labels.iter().flatten());
        let keys: BTreeSet<String> = labels.map(|(key, _)| key.clone()).collect();
        let meant = only_close(key, keys).map(|close| format!(" (likely meant: {close})"));
        return Some(format!(
            "spreads over {key}, a label that no node which may take it has{}",
            meant.unwrap_or_default()
        ));
    }
    if constraint.match_label_keys.is_some() {
        return None; // it counts the pods of one revision only
    }
    let selector = constraint.label_selector.as_ref();
    for pod in place.placed(None, selector) {
        let mut nodes = place.nodes.iter();
        let node = nodes.find(|node| Some(name(node)) == node_of(pod));
        let domain = node.and_then(|node| label(node, key));
        if let Some(count) = domain.and_then(|domain| counts.get_mut(domain)) {
            *count += 1;
        }
    }
    let wanted = usize::try_from(constraint.min_domains.unwrap_or(1)).unwrap_or(1);
    let least = if counts.len() < wanted {
        0 // too few domains count as if an empty one were there
    } else {
        counts.values().min().copied().unwrap_or(0)
    };
    let skew = usize::try_from(constraint.max_skew).unwrap_or(1);
    let free = counts.iter().filter(|(_, count)| **count < least + skew);
    let free: Vec<&str> = free.map(|(domain, _)| *domain).collect();
    let have = counts
        .iter()
        .map(|(domain, count)| format!("{domain} has {count}"));
    let have: Vec<_> = have.collect();
    let what = format!(
        "(maxSkew {skew} over {key}, pods with {}): {}",
        selector_text(selector),
        listed(have.iter().map(String::as_str))
    );
    Some(if free.is_empty() {
        format!(
            "wants at least {wanted} domain(s), and there are {} {what}",
            counts.len()
        )
    } else {
        format!(
            "leaves only {} for the next pod, and no node there takes it {what}",
            listed(free)
        )
    })
}
