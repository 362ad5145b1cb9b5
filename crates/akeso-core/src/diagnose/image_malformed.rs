//! Fault `image-malformed`: what stands where an image should is no image reference at all.

use std::sync::LazyLock;

use regex::Regex;

use super::{Diagnosis, Examination, Family, Fault, Remedy, image_unavailable};
use crate::{
    observe::{Sign, Symptom},
    plan::Advice,
};

pub(super) const FAULT: Fault = Fault {
    name: "image-malformed",
    family: Family::Image,
    signs: "the image is no valid reference (`InvalidImageName`), and nothing proves what was meant",
    does: "puts the image of the last good revision back; else says what is wrong with it: a scheme, a placeholder, upper case, an empty tag",
    never: "guesses what was meant",
    diagnose,
};

/// What a template leaves behind: `$TAG`, `${TAG}`, `$(TAG)`, `{{ .Values.tag }}`, `<tag>`, `%TAG%`.
static PLACEHOLDER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\{\{[^}]*\}\}|\$\{[^}]*\}|\$\([^)]*\)|\$\w+|<[^>]+>|%\w+%").ok());

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::ImagePull { image } = &symptom.sign else {
        return None;
    };
    if symptom.reason != "InvalidImageName" {
        return None;
    }
    let says = format!(
        "has the image `{image}`, which is no valid image reference: {}",
        wrong(image)
    );
    let advice = Advice {
        why: "the image must be of the form [HOST/]PATH[:TAG][@DIGEST]".to_owned(),
        command: examination.describe(symptom),
    };
    let remedy = Remedy::by(
        image_unavailable::previous_image(examination, symptom),
        advice,
    );
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 95, remedy)
            .with_evidence([symptom.message.clone()]),
    )
}

/// What is wrong with it.
fn wrong(image: &str) -> String {
    let placeholder = PLACEHOLDER.as_ref().and_then(|it| it.find(image));
    let path = image.rsplit_once(':').map_or(image, |(path, _)| path);
    if let Some(placeholder) = placeholder {
        format!("the placeholder {} was not filled in", placeholder.as_str())
    } else if let Some((scheme, _)) = image.split_once("://") {
        format!("it begins with {scheme}://")
    } else if image.contains(char::is_whitespace) {
        "it has white space in it".to_owned()
    } else if image.ends_with(':') || image.ends_with('@') {
        "its tag or digest is empty".to_owned()
    } else if path.contains(char::is_uppercase) {
        "a repository has no upper case letters".to_owned()
    } else if image.contains("::") || image.contains("//") {
        "a separator is doubled".to_owned()
    } else {
        "the runtime cannot read it".to_owned()
    }
}
