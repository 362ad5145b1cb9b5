//! Fault `image-typo`: the image reference is misspelt, and what was meant can be proven.
//!
//! A corrected reference is used only when the registry confirms it or, where the registry cannot
//! be asked, when it is one of the article's typos or already runs in the cluster. Digits are never
//! corrected: another version is another program, not a typo.

use std::collections::BTreeSet;

use super::{
    Diagnosis, Examination, Family, Fault, Remedy, image_unavailable,
    similar_image::{REPOSITORY_TYPOS, TAG_TYPOS, closest_tag, is_slip, official},
};
use crate::{
    act::{Action, FixImageName},
    cluster::is_ready,
    evidence::{Answer, ImageAnswer, Question},
    image_reference::ImageReference,
    observe::{Sign, Symptom},
    plan::{Advice, Origin, Proof, Step},
    workload::ContainerRef,
};

pub(super) const FAULT: Fault = Fault {
    name: "image-typo",
    family: Family::Image,
    signs: "the image cannot be pulled because it does not exist (`ErrImagePull`, `InvalidImageName`)",
    does: "corrects the name or the tag to the one close match that the registry has",
    never: "corrects digits, digests, or to a version that was not meant",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::ImagePull { image } = &symptom.sign else {
        return None;
    };
    let container = symptom.container.clone()?;
    if !image_unavailable::is_missing(symptom) {
        return None; // the registry cannot be reached or refuses us: no word about the reference
    }
    let Some(reference) = ImageReference::parse(image) else {
        return malformed(examination, symptom, &container, image);
    };
    if reference.digest.is_some() {
        return None; // who pins a digest means that digest
    }
    let is_hidden = image_unavailable::is_hidden(symptom);
    // asked together: each round trip keeps the workload broken for longer
    let candidates = repositories_like(examination, &reference);
    let answers: Vec<_> = candidates
        .iter()
        .map(|candidate| asked(examination, &candidate.to_string()))
        .collect();
    let answer = asked(examination, image)?;
    let answers: Option<Vec<_>> = answers.into_iter().collect();
    let (fixed, proof) = match answer {
        Answer::Image(ImageAnswer::NoSuchTag { tags }) => {
            let tag = closest_tag(reference.effective_tag(), tags)?;
            (
                reference.with_tag(tag),
                format!(
                    "the registry has no tag {} but {tag}",
                    reference.effective_tag()
                ),
            )
        }
        Answer::Image(ImageAnswer::NoSuchRepository) => {
            let alike = candidates.into_iter().zip(answers?);
            // a repository of somebody's own may be there for whoever has the credentials
            confirmed_repository(&reference, alike)
                .filter(|(fixed, _)| !is_hidden || fixed.is_official())?
        }
        Answer::Unknown { .. } if is_hidden => return None,
        Answer::Unknown { why } => unconfirmed(examination, &reference, why)?,
        // it exists by now: see `image_back_off`
        Answer::Image(ImageAnswer::Exists)
        | Answer::Logs(_)
        | Answer::Keys(_)
        | Answer::Bounds(_)
        | Answer::Certificate(_)
        | Answer::Usage(_)
        | Answer::Objects(_) => return None,
    };
    Some(corrected(
        examination,
        symptom,
        container,
        image,
        &fixed,
        proof,
    ))
}

pub(super) fn asked<'a>(examination: &Examination<'a>, reference: &str) -> Option<&'a Answer> {
    // the pod's own: its ServiceAccount may have added some to those of the template
    let pod = examination.workload.pods.first();
    let spec = pod.and_then(|pod| pod.spec.as_ref());
    let secrets = spec.and_then(|spec| spec.image_pull_secrets.as_ref());
    let pull_secrets = secrets
        .into_iter()
        .flatten()
        .map(|secret| secret.name.clone())
        .collect();
    examination.ask(Question::Image {
        reference: reference.to_owned(),
        pull_secrets,
    })
}

fn corrected(
    examination: &Examination<'_>,
    symptom: &Symptom,
    container: ContainerRef,
    image: &str,
    fixed: &ImageReference,
    proof: String,
) -> Diagnosis {
    // a repository of somebody's own is not in any list: that it exists is only a hint
    let same_path = ImageReference::parse(image).is_some_and(|typed| typed.path == fixed.path);
    let is_sure = same_path || fixed.is_official();
    let fixed = fixed.to_string();
    let action = Action::FixImageName(FixImageName {
        container,
        from: image.to_owned(),
        to: fixed.clone(),
    });
    let proof_of_name = if is_sure {
        Proof::Confirmed
    } else {
        Proof::Bounded
    };
    let correction = Step {
        action,
        reasoning: proof.clone(),
        origin: Origin::Playbook,
        proof: proof_of_name,
    };
    let previous = image_unavailable::previous_image(examination, symptom);
    let mut steps: Vec<_> = previous
        .into_iter()
        .filter(|step| step.action != correction.action)
        .collect();
    // what was meant comes before what was there before, if it is sure
    steps.insert(if is_sure { 0 } else { steps.len() }, correction);
    let otherwise = Advice {
        why: format!("{fixed} does not work either"),
        command: examination.describe(symptom),
    };
    let says = format!("has the image {image}, which does not exist; {fixed} was meant");
    examination
        .diagnosis(
            &FAULT,
            symptom,
            says,
            95,
            Remedy::Steps { steps, otherwise },
        )
        .with_evidence([symptom.message.clone(), proof])
}

/// Upper case or a doubled colon: what it must have been, if the registry has that.
fn malformed(
    examination: &Examination<'_>,
    symptom: &Symptom,
    container: &ContainerRef,
    image: &str,
) -> Option<Diagnosis> {
    let (name, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
    let repaired = format!("{}:{tag}", name.trim().trim_end_matches(':').to_lowercase());
    let reference = ImageReference::parse(repaired.trim())?;
    let Answer::Image(ImageAnswer::Exists) = asked(examination, &reference.to_string())? else {
        return None;
    };
    let proof = format!("the registry has {reference}");
    Some(corrected(
        examination,
        symptom,
        container.clone(),
        image,
        &reference,
        proof,
    ))
}

/// Repositories that could have been meant: official ones, and those that run in this cluster.
fn repositories_like(
    examination: &Examination<'_>,
    reference: &ImageReference,
) -> Vec<ImageReference> {
    let running = running_images(examination)
        .into_iter()
        .filter(|running| running.host == reference.host && is_slip(&reference.path, &running.path))
        .map(|running| ImageReference {
            path: running.path,
            ..reference.clone()
        });
    let mut all: Vec<_> = official(reference).into_iter().chain(running).collect();
    let mut seen = BTreeSet::new();
    all.retain(|candidate| seen.insert(candidate.clone()));
    all
}

/// The one repository alike that the registry has with this tag, or with the tag that was meant.
fn confirmed_repository<'a>(
    reference: &ImageReference,
    alike: impl Iterator<Item = (ImageReference, &'a Answer)>,
) -> Option<(ImageReference, String)> {
    let confirmed: Vec<_> = alike
        .filter_map(|(candidate, answer)| match answer {
            Answer::Image(ImageAnswer::Exists) => Some(candidate),
            Answer::Image(ImageAnswer::NoSuchTag { tags }) => {
                closest_tag(candidate.effective_tag(), tags).map(|tag| candidate.with_tag(tag))
            }
            Answer::Image(ImageAnswer::NoSuchRepository)
            | Answer::Unknown { .. }
            | Answer::Logs(_)
            | Answer::Keys(_)
            | Answer::Bounds(_)
            | Answer::Certificate(_)
            | Answer::Usage(_)
            | Answer::Objects(_) => None,
        })
        .collect();
    let [fixed] = confirmed.as_slice() else {
        return None;
    }; // none, or nobody knows which
    Some((
        fixed.clone(),
        format!(
            "the registry has no repository {} but {fixed}",
            reference.path
        ),
    ))
}

/// Without the registry: only the article's typos, and what already runs here.
fn unconfirmed(
    examination: &Examination<'_>,
    reference: &ImageReference,
    why: &str,
) -> Option<(ImageReference, String)> {
    let right = |typos: &[(&'static str, &'static str)], text: &str| {
        let typo = typos.iter().find(|(typo, _)| *typo == text);
        typo.map(|(_, right)| *right)
    };
    let name = right(&REPOSITORY_TYPOS, reference.name());
    let tag = right(&TAG_TYPOS, reference.effective_tag());
    if name.is_some() || tag.is_some() {
        let fixed = name.map_or_else(|| reference.clone(), |name| reference.with_name(name));
        let fixed = tag.map_or_else(|| fixed.clone(), |tag| fixed.with_tag(tag));
        let proof = format!("a well-known typo (the registry cannot be asked: {why})");
        return Some((fixed, proof));
    }
    let mut running = running_images(examination).into_iter().filter(|running| {
        let same_tag = running.effective_tag() == reference.effective_tag();
        let tags = [running.effective_tag().to_owned()];
        let tag_is_close = closest_tag(reference.effective_tag(), &tags).is_some();
        let is_official = official(reference)
            .iter()
            .any(|known| known.path == running.path);
        let path_is_close = is_official || is_slip(&reference.path, &running.path);
        let same_path = running.path == reference.path;
        running.host == reference.host
            && ((same_tag && path_is_close) || (same_path && tag_is_close))
    });
    let fixed = running.next().filter(|_| running.next().is_none())?;
    let proof = format!("{fixed} runs in this cluster (the registry cannot be asked: {why})");
    Some((fixed, proof))
}

/// The images of the ready pods of the cluster.
fn running_images(examination: &Examination<'_>) -> BTreeSet<ImageReference> {
    let pods = examination
        .workload
        .cluster()
        .pods
        .values()
        .filter(|pod| is_ready(pod));
    let containers = pods
        .filter_map(|pod| pod.spec.as_ref())
        .flat_map(|spec| &spec.containers);
    containers
        .filter_map(|container| ImageReference::parse(container.image.as_deref()?))
        .collect()
}
