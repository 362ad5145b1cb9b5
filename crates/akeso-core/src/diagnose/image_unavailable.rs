//! Fault `image-unavailable`: the image cannot be pulled, and no correction can be proven. The
//! previous revision's image is put back where it is proven; otherwise a person is asked. A
//! registry that cannot be reached, or that limits the rate, is waited for.

use super::{Diagnosis, Examination, Family, Fault, Remedy};
use crate::{
    act::{Action, FixImageName},
    cluster::find_container,
    image_reference::ImageReference,
    observe::{Sign, Symptom},
    plan::{Advice, Origin, Proof, Step},
};

pub(super) const FAULT: Fault = Fault {
    name: "image-unavailable",
    family: Family::Image,
    signs: "the image cannot be pulled, and nothing proves what was meant",
    does: "puts the image of the last good revision back; waits where the registry does not answer or limits the rate",
    never: "guesses another image",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::ImagePull { image } = &symptom.sign else {
        return None;
    };
    let advice = |why: String| Advice {
        why,
        command: examination.describe(symptom),
    };
    let (says, confidence, remedy) = if is_missing(symptom) {
        let advice = advice(format!(
            "no existing image is close enough to {image} to be sure of it"
        ));
        let remedy = match previous_image(examination, symptom) {
            Some(step) => Remedy::Steps {
                steps: vec![step],
                otherwise: advice,
            },
            None => Remedy::Person(advice),
        };
        (
            format!("has the image {image}, which does not exist"),
            90,
            remedy,
        )
    } else if is_refused(&symptom.message) {
        let advice = advice(
            "the registry refuses the pull: check the name and the pod's imagePullSecrets"
                .to_owned(),
        );
        (
            format!("may not pull the image {image}"),
            80,
            Remedy::Person(advice),
        )
    } else {
        // `ErrImagePull` carries the cause, `ImagePullBackOff` sometimes only that it backs off
        let why = "the registry could not be reached; the kubelet tries again".to_owned();
        (
            format!("could not pull the image {image}"),
            60,
            Remedy::Wait { why },
        )
    };
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, confidence, remedy)
            .with_evidence([symptom.message.clone()]),
    )
}

/// Whether the kubelet's words say that the reference leads nowhere: missing, hidden or malformed.
pub(super) fn is_missing(symptom: &Symptom) -> bool {
    const SIGNS: [&str; 5] = [
        "not found",
        "manifest unknown",
        "name unknown",
        "repository does not exist",
        "invalid reference format",
    ];
    let message = symptom.message.to_lowercase();
    // Docker Hub says so of official names that do not exist; elsewhere it is about credentials
    let Sign::ImagePull { image } = &symptom.sign else {
        return false;
    };
    let is_official = ImageReference::parse(image).is_some_and(|image| image.is_official());
    if is_official && message.contains("pull access denied") {
        return true;
    }
    symptom.reason == "InvalidImageName" || SIGNS.iter().any(|sign| message.contains(sign))
}

fn is_refused(message: &str) -> bool {
    const SIGNS: [&str; 5] = [
        "unauthorized",
        "forbidden",
        "denied",
        "no basic auth credentials",
        "authentication required",
    ];
    let message = message.to_lowercase();
    SIGNS.iter().any(|sign| message.contains(sign))
}

/// The step that puts the container's image of the last good revision back, if it was another.
pub(super) fn previous_image(examination: &Examination<'_>, symptom: &Symptom) -> Option<Step> {
    let Sign::ImagePull { image } = &symptom.sign else {
        return None;
    };
    let container = symptom.container.clone()?;
    let good = examination.workload.last_good_revision()?;
    let (_, before) = find_container(good.template.spec.as_ref()?, &container)?;
    let to = before.image.clone().filter(|before| before != image)?;
    let reasoning = format!(
        "revision {}, of which {} pod(s) are ready, runs {to}",
        good.number, good.ready_pods
    );
    let action = Action::FixImageName(FixImageName {
        container,
        from: image.clone(),
        to,
    });
    Some(Step {
        action,
        reasoning,
        origin: Origin::Playbook,
        proof: Proof::Confirmed,
    })
}
