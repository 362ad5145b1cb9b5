//! Fault `node-cordoned`: the nodes that would take the pod are closed to new pods.

use super::{
    Diagnosis, Examination, Family, Fault,
    placement::{Placement, listed, name},
};
use crate::observe::Symptom;

pub(super) const FAULT: Fault = Fault {
    name: "node-cordoned",
    family: Family::Scheduling,
    signs: "no node takes the pod, and every node that its `nodeSelector`, its affinity and its tolerations allow is cordoned",
    does: "names the nodes",
    never: "uncordons a node: somebody has closed it on purpose",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let place = Placement::of(examination, symptom)?;
    let cordoned: Vec<_> = place.tolerated().map(name).collect();
    let is_said = place.message.contains("were unschedulable");
    if !is_said || cordoned.is_empty() || !place.open().is_empty() {
        return None;
    }
    let says = format!(
        "fits on no node: spec.unschedulable is true on every node that may take it: {}",
        listed(cordoned)
    );
    let why = "a node must be uncordoned (kubectl uncordon) once its maintenance is over, or another added";
    Some(examination.refused(&FAULT, symptom, &says, why))
}
