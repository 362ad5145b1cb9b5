//! Fault `image-back-off`: the image could not be pulled, and the registry has it by now; only the
//! kubelet's back-off (up to five minutes) stands in the way.

use super::{
    Diagnosis, Examination, Family, Fault, Remedy, image::asked, image_unavailable::is_missing,
};
use crate::{
    act::{Action, RestartPod},
    evidence::{Answer, ImageAnswer},
    observe::{Sign, Symptom},
    plan::{Advice, Origin, Proof, Step},
    workload::WorkloadKind,
};

pub(super) const FAULT: Fault = Fault {
    name: "image-back-off",
    family: Family::Image,
    signs: "the image could not be pulled, and the registry has it by now",
    does: "replaces the pod, so that it need not wait for the kubelet's back-off",
    never: "changes the image",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::ImagePull { image } = &symptom.sign else {
        return None;
    };
    let container = symptom.container.as_ref()?;
    if !is_missing(symptom) || *asked(examination, image)? != Answer::Image(ImageAnswer::Exists) {
        return None;
    }
    let says = format!("could not pull {image}, which the registry has by now");
    let pod = examination
        .workload
        .pods
        .iter()
        .find(|pod| pod.metadata.name == symptom.pod)?;
    let can_restart = examination.workload.reference.kind != WorkloadKind::Pod
        && symptom.reason == "ImagePullBackOff";
    let remedy = if can_restart {
        let action = Action::RestartPod(RestartPod {
            pod: pod.metadata.name.clone()?,
            uid: pod.metadata.uid.clone()?,
        });
        let reasoning = format!(
            "the registry has {image}; a new pod pulls it without waiting for the back-off"
        );
        let otherwise = Advice {
            why: format!("{image} is in the registry, but {container} cannot pull it"),
            command: examination.describe(symptom),
        };
        Remedy::Steps {
            steps: vec![Step {
                action,
                reasoning,
                origin: Origin::Playbook,
                proof: Proof::Confirmed,
            }],
            otherwise,
        }
    } else {
        Remedy::Wait {
            why: "the kubelet tries again".to_owned(),
        }
    };
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 90, remedy)
            .with_evidence([symptom.message.clone()]),
    )
}
