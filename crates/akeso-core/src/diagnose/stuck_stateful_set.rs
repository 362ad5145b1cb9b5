//! Fault `stuck-stateful-set`: the template is mended, but the StatefulSet waits for the broken
//! pod of the old one, for ever.

use super::{Diagnosis, Examination, Remedy};
use crate::{
    act::{Action, RestartPod},
    observe::{Sign, Symptom},
    plan::{Advice, Origin, Proof, Step},
};

pub(super) fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::StuckOnOldPod { uid } = &symptom.sign else {
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
            .diagnosis("stuck-stateful-set", symptom, says, 95, remedy)
            .with_evidence([symptom.message.clone()]),
    )
}
