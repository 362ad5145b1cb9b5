//! Fault `image-unavailable`: the image cannot be pulled, and no correction can be proven. The
//! previous revision's image is put back where it is proven; otherwise a person is asked.

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
    does: "puts the image of the last good revision back; waits where nothing says why",
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
        let remedy = Remedy::by(previous_image(examination, symptom), advice);
        (
            format!("has the image {image}, which does not exist"),
            90,
            remedy,
        )
    } else {
        // `ErrImagePull` carries the cause, `ImagePullBackOff` sometimes only that it backs off
        let why = "the kubelet does not say why; it tries again".to_owned();
        (
            format!("could not pull the image {image}"),
            60,
            Remedy::Wait { why },
        )
    };
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, confidence, remedy)
            .with_evidence([symptom.message.clone()])
            .open(),
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
    if message.contains("no match for platform") {
        return false; // it is there, for other nodes
    }
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

/// Whether the registry does not tell a missing repository from one that it hides. Docker Hub
/// says so of official names that do not exist; elsewhere it is as likely about credentials.
pub(super) fn is_hidden(symptom: &Symptom) -> bool {
    let Sign::ImagePull { image } = &symptom.sign else {
        return false;
    };
    symptom.message.contains("may require authorization")
        && !ImageReference::parse(image).is_some_and(|image| image.is_official())
}

pub(super) fn is_refused(message: &str) -> bool {
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
        "revision {} has {to}, and works: {}",
        good.number, good.good
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
