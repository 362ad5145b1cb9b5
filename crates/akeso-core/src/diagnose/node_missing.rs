//! Fault `node-missing`: `nodeName` names a node that does not exist. No scheduler looks at such a
//! pod, no kubelet runs it, and it is cleared away and made again without end.

use super::{
    Diagnosis, Examination, Family, Fault,
    placement::{listed, name, only_close},
};
use crate::observe::{NODE_MISSING, Symptom};

pub(super) const FAULT: Fault = Fault {
    name: "node-missing",
    family: Family::Scheduling,
    signs: "the pod template's `nodeName` is no node that there is",
    does: "names it, and the node that was likely meant if exactly one is close; after a rollout that changed it and has passed its progress deadline, puts the last good revision back, where one is proven",
    never: "binds a pod to a node",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    if symptom.reason != NODE_MISSING {
        return None;
    }
    let wanted = examination.workload.pod_spec()?.node_name.as_deref()?;
    let nodes = &examination.workload.cluster().nodes;
    let names = nodes.values().map(|node| name(node).to_owned()).collect();
    let meant = only_close(wanted, names).map(|close| format!(" (likely meant: {close})"));
    let says = format!(
        "runs nowhere: spec.nodeName is {wanted}, and there is no such node{}; the nodes are {}",
        meant.unwrap_or_default(),
        listed(nodes.values().map(name))
    );
    let why = "nodeName must go, so that the scheduler chooses (nodeSelector says which), or name a node that there is";
    let diagnosis = examination.refused(&FAULT, symptom, &says, why);
    Some(diagnosis.undone_if_changed(examination, |spec| spec.node_name.clone()))
}
