//! Faults `node-not-ready` and `node-under-pressure`: a node is not heard of, or lacks something.

use super::{Diagnosis, Examination, Family, Fault};
use crate::observe::{Flaw, Symptom};

pub(super) const NOT_READY: Fault = Fault {
    name: "node-not-ready",
    family: Family::Cluster,
    signs: "a node that is not cordoned is not ready for two minutes",
    does: "names what its condition says and how many pods stand on it; what runs there waits",
    never: "restarts, drains or deletes a node",
    diagnose: not_ready,
};

pub(super) const PRESSURE: Fault = Fault {
    name: "node-under-pressure",
    family: Family::Cluster,
    signs: "a node is under `MemoryPressure`, `DiskPressure` or `PIDPressure` for two minutes",
    does: "names what its condition says and how many pods stand on it",
    never: "evicts pods, or clears anything away",
    diagnose: pressure,
};

fn not_ready(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let why = "its kubelet, its container runtime or its network must be looked at on the node";
    examination.flawed(&NOT_READY, symptom, Flaw::NodeNotReady, (95, why))
}

fn pressure(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let why = "the kubelet evicts pods until it has room; find what fills the node (kubectl describe node, kubectl top pods)";
    examination.flawed(&PRESSURE, symptom, Flaw::NodePressure, (95, why))
}
