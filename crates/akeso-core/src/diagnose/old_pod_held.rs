//! Fault `old-pod-held`: a pod of an old revision is broken, and its workload is told to replace
//! none by itself. Who chose that wants to say when, so the pod is left to them.

use super::{Diagnosis, Examination, Family, Fault, Remedy};
use crate::{
    cluster::Controller,
    observe::{Held, Sign, Symptom},
    plan::Advice,
};

pub(super) const FAULT: Fault = Fault {
    name: "old-pod-held",
    family: Family::Rollout,
    signs: "a pod of an old revision is broken, and the update strategy `OnDelete` or a partition keeps the new template from it",
    does: "names the pod and the field that keeps it",
    never: "deletes the pod, or changes the strategy: both are its owner's to say",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::StuckOnOldPod {
        held: Some(held), ..
    } = &symptom.sign
    else {
        return None;
    };
    let workload = examination.workload;
    let namespace = &workload.reference.namespace;
    let pod = symptom.pod.as_deref()?;
    let delete = format!("kubectl -n {namespace} delete pod {pod}");
    let (field, why, command) = match held {
        Held::OnDelete => (
            "updateStrategy OnDelete replaces no pod by itself".to_owned(),
            "a new pod is made from the new template once somebody deletes this one",
            delete,
        ),
        Held::Partition => {
            let Controller::StatefulSet(set) = workload.controller else {
                return None;
            };
            let strategy = set.spec.update_strategy.as_ref()?;
            let partition = strategy.rolling_update.as_ref()?.partition?;
            (
                format!(
                    "the partition of {partition} keeps the pods below that number at the old revision"
                ),
                "deleted, the pod would be made from the old template again; the new one reaches it only with a lower partition",
                format!(
                    "kubectl -n {namespace} edit {}",
                    workload.reference.kubectl()
                ),
            )
        }
    };
    let says = format!("has a broken pod {pod} of an old revision, which stays as it is: {field}");
    let advice = Advice {
        why: why.to_owned(),
        command,
    };
    Some(examination.diagnosis(&FAULT, symptom, says, 90, Remedy::Person(advice)))
}
