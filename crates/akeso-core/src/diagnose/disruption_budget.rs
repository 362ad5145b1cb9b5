//! Faults of PodDisruptionBudgets: they forbid every eviction, so that no node can be drained.

use super::{Diagnosis, Examination, Family, Fault};
use crate::observe::{Flaw, Symptom};

pub(super) const BLOCKS: Fault = Fault {
    name: "disruption-budget-blocks",
    family: Family::Cluster,
    signs: "a PodDisruptionBudget allows no eviction though all pods are ready: `maxUnavailable: 0`, `minAvailable` of all of them, or pods that it cannot count",
    does: "names the field, its value and the pods, as a hint: nothing is broken until a node is to be drained",
    never: "loosens a budget; says anything while a pod is not ready, for then it does what it is for, or of a budget that an operator owns",
    diagnose: blocks,
};

pub(super) const OVERLAP: Fault = Fault {
    name: "disruption-budgets-overlap",
    family: Family::Cluster,
    signs: "two PodDisruptionBudgets select the same pods, which no eviction gets past",
    does: "names both and the workload",
    never: "takes one away",
    diagnose: overlap,
};

fn blocks(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let why = "a node with such a pod cannot be drained: allow one pod to be away, or have a replica more";
    examination.flawed(&BLOCKS, symptom, Flaw::BudgetBlocks, (90, why))
}

fn overlap(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let why = "only one budget may select a pod: narrow a selector, or delete one of them";
    examination.flawed(&OVERLAP, symptom, Flaw::BudgetsOverlap, (95, why))
}
