//! Fault `node-cordoned`: the nodes that would take the pod are closed to new pods.

use super::{
    Diagnosis, Examination, Family, Fault,
    placement::{self, Placement, label},
};
use crate::observe::Symptom;

pub(super) const FAULT: Fault = Fault {
    name: "node-cordoned",
    family: Family::Scheduling,
    signs: "no node takes the pod, and every node that its `nodeSelector` allows is cordoned",
    does: "names the nodes",
    never: "uncordons a node: somebody has closed it on purpose",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let place = Placement::of(examination, symptom)?;
    if !place.message.contains("were unschedulable") {
        return None;
    }
    let allowed = place.nodes.iter().filter(|node| {
        let mut wanted = place.selector();
        wanted.all(|(key, value)| label(node, key) == Some(value))
    });
    let (mut cordoned, mut open) = (Vec::new(), 0_usize);
    for node in allowed {
        let spec = node.spec.as_ref();
        if spec.is_some_and(|spec| spec.unschedulable == Some(true)) {
            cordoned.extend(node.metadata.name.as_deref());
        } else {
            open += 1;
        }
    }
    if cordoned.is_empty() || open > 0 {
        return None;
    }
    let says = format!(
        "fits on no node: spec.unschedulable is true on every node that may take it: {}",
        cordoned.join(", ")
    );
    let why = "a node must be uncordoned (kubectl uncordon) once its maintenance is over, or another added";
    Some(placement::told(examination, &FAULT, symptom, &says, why))
}
