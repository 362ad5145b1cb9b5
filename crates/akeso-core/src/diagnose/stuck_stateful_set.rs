//! Fault `stuck-stateful-set`: the template is mended, but the StatefulSet waits for the broken
//! pod of the old one, for ever.

use super::{Diagnosis, Examination, Family, Fault, Remedy};
use crate::{
    act::{Action, RestartPod},
    observe::{Sign, Symptom},
    plan::{Advice, Origin, Proof, Step},
};

pub(super) const FAULT: Fault = Fault {
    name: "stuck-stateful-set",
    family: Family::Rollout,
    signs: "a StatefulSet waits for a broken pod of an old revision",
    does: "evicts that pod, so that it is made anew from the newest template",
    never: "deletes a volume or a claim",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::StuckOnOldPod { uid, held: None } = &symptom.sign else {
        return None;
    };
    let pod = symptom.pod.clone()?;
    let says = format!(
        "waits for the broken pod {pod} of its old revision, which it never replaces by itself"
    );
    let step = Step {
        action: Action::RestartPod(RestartPod {
            pod,
            uid: uid.clone(),
        }),
        reasoning:
            "the pod is broken and of an old revision; a new one is made from the newest template"
                .to_owned(),
        origin: Origin::Playbook,
        proof: Proof::Confirmed,
    };
    let otherwise = Advice {
        why: "the pod could not be replaced".to_owned(),
        command: examination.describe(symptom),
    };
    let remedy = Remedy::Steps {
        steps: vec![step],
        otherwise,
    };
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 95, remedy)
            .with_evidence([symptom.message.clone()]),
    )
}
