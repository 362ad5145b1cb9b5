//! Fault `registry-unavailable`: the registry limits the rate or cannot be reached. The kubelet
//! tries again by itself.

use super::{Diagnosis, Examination, Family, Fault, Remedy, image_unavailable};
use crate::{
    image_reference::ImageReference,
    observe::{Sign, Symptom},
    plan::Advice,
};

pub(super) const FAULT: Fault = Fault {
    name: "registry-unavailable",
    family: Family::Image,
    signs: "the registry limits the rate, its name is not resolved, it does not answer, or its certificate is not trusted",
    does: "says which of these it is, and waits: the kubelet tries again; of a certificate it tells a person",
    never: "changes the image or the registry",
    diagnose,
};

/// The words of the runtime for what passes by itself, and what they mean.
const PASSING: [(&[&str], &str); 3] = [
    (
        &["toomanyrequests", "429 too many requests"],
        "limits how often it may be asked",
    ),
    (
        &[
            "no such host",
            "server misbehaving",
            "name resolution",
            "dial tcp: lookup ",
        ],
        "has a name that cannot be resolved",
    ),
    (
        &[
            "connection refused",
            "connection reset",
            "no route to host",
            "network is unreachable",
            "i/o timeout",
            "deadline exceeded",
            "tls handshake timeout",
            "502 bad gateway",
            "503 service unavailable",
            "504 gateway timeout",
        ],
        "does not answer",
    ),
];
/// ... and for what does not.
const LASTING: [(&str, &str); 2] = [
    ("x509: ", "has a certificate that the node does not trust"),
    (
        "server gave http response to https client",
        "speaks HTTP, and the node wants HTTPS",
    ),
];

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::ImagePull { image } = &symptom.sign else {
        return None;
    };
    if image_unavailable::is_missing(symptom) {
        return None;
    }
    let message = symptom.message.to_lowercase();
    let host = ImageReference::parse(image)
        .and_then(|reference| reference.host)
        .unwrap_or_else(|| "docker.io".to_owned());
    let lasting = LASTING.iter().find(|(words, _)| message.contains(words));
    let (cause, remedy) = if let Some((_, cause)) = lasting {
        let why = format!("the node's runtime must be told how to trust the registry {host}");
        let command = examination.describe(symptom);
        (cause, Remedy::Person(Advice { why, command }))
    } else {
        let is_said = |words: &[&str]| words.iter().any(|word| message.contains(word));
        let (_, cause) = PASSING.iter().find(|(words, _)| is_said(words))?;
        let why = format!("the registry {host} {cause}; the kubelet tries again");
        (cause, Remedy::Wait { why })
    };
    let says = format!("could not pull the image {image}: the registry {host} {cause}");
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 80, remedy)
            .with_evidence([symptom.message.clone()]),
    )
}
