//! Fault `claim-in-use`: the claim is for one pod alone, and another pod has it.

use super::{Diagnosis, Examination, Family, Fault, placement::listed};
use crate::{
    cluster::in_namespace,
    observe::{Sign, Symptom, claims_of, pods_with},
};

pub(super) const FAULT: Fault = Fault {
    name: "claim-in-use",
    family: Family::Storage,
    signs: "no node takes the pod, for a claim of it is `ReadWriteOncePod` and in use by another pod",
    does: "names the claim and the pod that has it",
    never: "ends that pod, or changes an access mode",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let is_said = symptom
        .message
        .contains("ReadWriteOncePod access mode already in-use");
    if !matches!(symptom.sign, Sign::Unschedulable) || !is_said {
        return None;
    }
    let workload = examination.workload;
    let mut pods = workload.pods.iter();
    let pod = pods.find(|pod| pod.metadata.name == symptom.pod)?;
    let cluster = workload.cluster();
    let names: Vec<_> = claims_of(pod).collect();
    let claims = in_namespace(&cluster.claims, &workload.reference.namespace);
    let mut claims = claims.filter(|(key, claim)| {
        let modes = claim.spec.as_ref().and_then(|it| it.access_modes.as_ref());
        let is_for_one = modes.is_some_and(|it| it.iter().any(|mode| mode == "ReadWriteOncePod"));
        is_for_one && names.contains(&key.name.as_str())
    });
    let (key, claim) = claims.next()?;
    let holders = pods_with(cluster, claim).filter(|other| {
        let spec = other.spec.as_ref();
        other.metadata.uid != pod.metadata.uid && spec.is_some_and(|it| it.node_name.is_some())
    });
    let holders: Vec<_> = holders.collect();
    let names = holders
        .iter()
        .filter_map(|pod| pod.metadata.name.as_deref());
    let by = if holders.is_empty() {
        "another pod".to_owned()
    } else {
        format!("pod {}", listed(names))
    };
    let says = format!(
        "cannot be scheduled: PersistentVolumeClaim {}/{} has the access mode ReadWriteOncePod and is in use by {by}",
        key.namespace, key.name
    );
    let mut own = workload.pods.iter().chain(&workload.old_pods);
    let is_own = own.any(|own| holders.iter().any(|it| it.metadata.uid == own.metadata.uid));
    let why = if is_own {
        format!(
            "only one pod at a time can have it: one replica in place of {}, with strategy Recreate, or a claim a pod (volumeClaimTemplates of a StatefulSet)",
            workload.desired()
        )
    } else {
        "who has it must go first, or this workload needs a claim of its own".to_owned()
    };
    Some(examination.refused(&FAULT, symptom, &says, &why))
}
