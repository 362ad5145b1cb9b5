//! Fault `old-pod-held`: a pod of an old revision is broken, and its workload is told to replace
//! none by itself; or the run of a CronJob that can never begin keeps the next one from beginning.
//! Who chose that wants to say when, so the pod is left to them.

use super::{Diagnosis, Examination, Family, Fault, Remedy};
use crate::{
    cluster::{Controller, Key},
    observe::{Held, Sign, Symptom},
    plan::Advice,
};

pub(super) const FAULT: Fault = Fault {
    name: "old-pod-held",
    family: Family::Rollout,
    signs: "a pod of an old revision is broken, and the update strategy `OnDelete` or a partition keeps the new template from it; or, with `concurrencyPolicy: Forbid`, a run of the old template that can never begin keeps the next from beginning",
    does: "names the pod or Job and the field that keeps it",
    never: "deletes the pod or Job, or changes the strategy: these are their owner's to say",
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
        Held::Forbid => return held_by_run(examination, symptom, pod),
    };
    let says = format!("has a broken pod {pod} of an old revision, which stays as it is: {field}");
    let advice = Advice {
        why: why.to_owned(),
        command,
    };
    Some(examination.diagnosis(&FAULT, symptom, says, 90, Remedy::Person(advice)))
}

/// The run that keeps the next one from beginning.
fn held_by_run(examination: &Examination<'_>, symptom: &Symptom, pod: &str) -> Option<Diagnosis> {
    let workload = examination.workload;
    let namespace = &workload.reference.namespace;
    let waits = workload.cluster().pods.get(&Key::new(namespace, pod))?;
    let job = workload.run_of(waits)?.metadata.name.as_deref()?;
    let says = format!(
        "begins no new run: Job {job}, made before its template was changed, can never begin (pod {pod}), and concurrencyPolicy Forbid waits for its end"
    );
    let advice = Advice {
        why: "once that Job is deleted, the next run is made from the template as it is now"
            .to_owned(),
        command: format!("kubectl -n {namespace} delete job {job}"),
    };
    Some(examination.diagnosis(&FAULT, symptom, says, 95, Remedy::Person(advice)))
}
