//! Fault `claim-unbound`: a claim gets no volume, and the pods that mount it are not scheduled.

use super::{Diagnosis, Examination, Family, Fault, Remedy};
use crate::{
    cluster::in_namespace,
    observe::{Flaw, PENDING_LONG, Sign, Symptom, claims_of, unbound},
    plan::Advice,
};

pub(super) const FAULT: Fault = Fault {
    name: "claim-unbound",
    family: Family::Storage,
    signs: "a PersistentVolumeClaim has no volume and cannot get one, or no node takes a pod that mounts it (`unbound immediate PersistentVolumeClaims`)",
    does: "names the claim and why: its StorageClass does not exist, there is no default one, no volume fits, its provisioner fails",
    never: "makes, changes or deletes a claim or a volume",
    diagnose,
};

const WHY: &str = "the claim needs a StorageClass that exists or a volume that fits; a claim's class cannot be changed, so it must be made anew while nothing is stored in it";

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let reference = &examination.workload.reference;
    if let Sign::Support {
        flaw: Flaw::ClaimUnbound,
    } = &symptom.sign
    {
        let mut diagnosis = examination.for_a_person(&FAULT, symptom, 90, WHY);
        diagnosis.dependency = Some(reference.to_string());
        return Some(diagnosis);
    }
    let is_said = symptom
        .message
        .contains("unbound immediate PersistentVolumeClaims");
    if !matches!(symptom.sign, Sign::Unschedulable) || !is_said {
        return None;
    }
    let mut pods = examination.workload.pods.iter();
    let pod = pods.find(|pod| pod.metadata.name == symptom.pod)?;
    let cluster = examination.workload.cluster();
    let of_namespace = || in_namespace(&cluster.claims, &reference.namespace);
    let mut claims = claims_of(pod).filter_map(|name| {
        let mut claims = of_namespace();
        claims.find(|(key, _)| key.name == name)
    });
    let mut waits = None;
    let found = claims.find_map(|(key, claim)| {
        let phase = claim.status.as_ref().and_then(|it| it.phase.as_deref());
        if phase != Some("Bound") {
            waits.get_or_insert(key);
        }
        unbound(cluster, claim, examination.now).map(|why| (key, why))
    });
    let (key, why, is_known) = match found {
        Some((key, why)) => (key, why, true),
        None => (waits?, "has no volume yet".to_owned(), false),
    };
    let claim = format!("PersistentVolumeClaim {}/{}", key.namespace, key.name);
    let remedy = if is_known || symptom.status == PENDING_LONG {
        Remedy::Person(Advice {
            why: WHY.to_owned(),
            command: format!("kubectl -n {} describe pvc {}", key.namespace, key.name),
        })
    } else {
        Remedy::Wait {
            why: "its volume may be on its way".to_owned(),
        }
    };
    let says = format!("cannot be scheduled: {claim} {why}");
    let mut diagnosis = examination
        .diagnosis(&FAULT, symptom, says, 90, remedy)
        .with_evidence([symptom.message.clone()]);
    diagnosis.dependency = Some(claim);
    Some(diagnosis)
}
