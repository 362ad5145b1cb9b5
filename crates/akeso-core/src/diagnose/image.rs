//! Fault `image-typo`: the image reference is misspelt, and what was meant can be proven.
//!
//! A corrected reference is used only when the registry confirms it or, where the registry cannot
//! be asked, when it is one of the article's typos or already runs in the cluster. Digits are never
//! corrected: another version is another program, not a typo.

use std::collections::BTreeSet;

use super::{Diagnosis, Examination, Remedy, image_unavailable};
use crate::{
    act::{Action, FixImageName, RestartPod},
    cluster::is_ready,
    evidence::{Answer, ImageAnswer, Question},
    image_reference::ImageReference,
    observe::{Sign, Symptom},
    plan::{Advice, Origin, Proof, Step},
    workload::{ContainerRef, WorkloadKind},
};

/// The article's typos of repository names.
const REPOSITORY_TYPOS: [(&str, &str); 5] = [
    ("apline", "alpine"),
    ("ubunut", "ubuntu"),
    ("ngnix", "nginx"),
    ("postgress", "postgres"),
    ("rediss", "redis"),
];
/// The article's typos of tags.
const TAG_TYPOS: [(&str, &str); 2] = [("latst", "latest"), ("lastest", "latest")];
/// Official images that are often used, and so often misspelt.
const WELL_KNOWN: [&str; 40] = [
    "alpine",
    "amazonlinux",
    "bash",
    "busybox",
    "caddy",
    "cassandra",
    "consul",
    "couchbase",
    "debian",
    "docker",
    "eclipse-temurin",
    "elasticsearch",
    "fedora",
    "golang",
    "gradle",
    "grafana",
    "haproxy",
    "httpd",
    "influxdb",
    "kibana",
    "logstash",
    "mariadb",
    "maven",
    "memcached",
    "mongo",
    "mysql",
    "nats",
    "neo4j",
    "nginx",
    "node",
    "php",
    "postgres",
    "python",
    "rabbitmq",
    "redis",
    "ruby",
    "rust",
    "tomcat",
    "traefik",
    "ubuntu",
];

pub(super) fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
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
    // asked together: each round trip keeps the workload broken for longer
    let candidates = repositories_like(examination, &reference);
    let answers: Vec<_> = candidates
        .iter()
        .map(|candidate| asked(examination, &candidate.to_string()))
        .collect();
    let answer = asked(examination, image)?;
    let answers: Option<Vec<_>> = answers.into_iter().collect();
    let (fixed, proof) = match answer {
        Answer::Image(ImageAnswer::Exists) => {
            return exists_by_now(examination, symptom, &container, image);
        }
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
            confirmed_repository(&reference, alike)?
        }
        Answer::Unknown { why } => unconfirmed(examination, &reference, why)?,
        Answer::Logs(_) | Answer::Keys(_) | Answer::Bounds(_) => return None,
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

fn asked<'a>(examination: &Examination<'a>, reference: &str) -> Option<&'a Answer> {
    let secrets = examination
        .workload
        .pod_spec()
        .and_then(|spec| spec.image_pull_secrets.as_ref());
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
    let fixed = fixed.to_string();
    let action = Action::FixImageName(FixImageName {
        container,
        from: image.to_owned(),
        to: fixed.clone(),
    });
    let mut steps = vec![Step {
        action,
        reasoning: proof.clone(),
        origin: Origin::Playbook,
        proof: Proof::Confirmed,
    }];
    steps.extend(
        image_unavailable::previous_image(examination, symptom)
            .filter(|step| step.action != steps[0].action),
    );
    let otherwise = Advice {
        why: format!("{fixed} does not work either"),
        command: examination.describe(symptom),
    };
    let says = format!("has the image {image}, which does not exist; {fixed} was meant");
    examination
        .diagnosis(
            "image-typo",
            symptom,
            says,
            95,
            Remedy::Steps { steps, otherwise },
        )
        .with_evidence([symptom.message.clone(), proof])
}

/// The image is there by now; only the kubelet's back-off (up to five minutes) stands in the way.
fn exists_by_now(
    examination: &Examination<'_>,
    symptom: &Symptom,
    container: &ContainerRef,
    image: &str,
) -> Option<Diagnosis> {
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
            .diagnosis("image-back-off", symptom, says, 90, remedy)
            .with_evidence([symptom.message.clone()]),
    )
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

/// Repositories that could have been meant, the article's typos first.
fn repositories_like(
    examination: &Examination<'_>,
    reference: &ImageReference,
) -> Vec<ImageReference> {
    let name = reference.name();
    let from_map = REPOSITORY_TYPOS
        .iter()
        .filter(|(typo, _)| *typo == name)
        .map(|(_, right)| reference.with_name(right));
    let well_known = WELL_KNOWN
        .iter()
        .filter(|known| reference.is_official() && is_close(name, known))
        .map(|known| reference.with_name(known));
    let running = running_images(examination)
        .into_iter()
        .filter(|running| {
            running.host == reference.host
                && running.path != reference.path
                && is_close(&reference.path, &running.path)
        })
        .map(|running| ImageReference {
            path: running.path,
            ..reference.clone()
        });
    let mut all: Vec<_> = from_map.chain(well_known).chain(running).collect();
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
            | Answer::Bounds(_) => None,
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
    let name = REPOSITORY_TYPOS
        .iter()
        .find(|(typo, _)| *typo == reference.name())
        .map(|(_, right)| *right);
    let tag = TAG_TYPOS
        .iter()
        .find(|(typo, _)| *typo == reference.effective_tag())
        .map(|(_, right)| *right);
    if name.is_some() || tag.is_some() {
        let fixed = name.map_or_else(|| reference.clone(), |name| reference.with_name(name));
        let fixed = tag.map_or_else(|| fixed.clone(), |tag| fixed.with_tag(tag));
        return Some((
            fixed,
            format!("a well-known typo (the registry cannot be asked: {why})"),
        ));
    }
    let running: Vec<_> = running_images(examination)
        .into_iter()
        .filter(|running| {
            let same_tag = running.effective_tag() == reference.effective_tag();
            let same_path = running.path == reference.path;
            running.host == reference.host
                && ((same_tag && is_close(&reference.path, &running.path))
                    || (same_path
                        && closest_tag(
                            reference.effective_tag(),
                            &[running.effective_tag().to_owned()],
                        )
                        .is_some()))
        })
        .collect();
    let [fixed] = running.as_slice() else {
        return None;
    };
    Some((
        fixed.clone(),
        format!("{fixed} runs in this cluster (the registry cannot be asked: {why})"),
    ))
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

/// Whether one is likely a misspelling of the other: at most two edits, one in a short word, and
/// no digit changed.
fn is_close(one: &str, other: &str) -> bool {
    let allowed = if one.len().min(other.len()) < 6 { 1 } else { 2 };
    let distance = strsim::damerau_levenshtein(one, other);
    one.len() >= 3 && distance > 0 && distance <= allowed && digits(one) == digits(other)
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// The tag that must have been meant: the article's, or the one of `tags` that is closest.
fn closest_tag<'a>(tag: &str, tags: &'a [String]) -> Option<&'a str> {
    if let Some((_, right)) = TAG_TYPOS.iter().find(|(typo, _)| *typo == tag) {
        return tags
            .iter()
            .map(String::as_str)
            .find(|candidate| candidate == right);
    }
    let mut close: Vec<_> = tags
        .iter()
        .filter(|candidate| is_close(tag, candidate))
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(tag, candidate),
                candidate.as_str(),
            )
        })
        .collect();
    close.sort_unstable();
    match close.as_slice() {
        [(_, only)] => Some(only),
        [(best, first), (next, _), ..] if best < next => Some(first),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(all: &[&str]) -> Vec<String> {
        all.iter().map(|tag| (*tag).to_owned()).collect()
    }

    #[test]
    fn the_tag_that_was_meant_is_found() {
        let available = tags(&["latest", "1.27", "1.27-alpine", "stable", "alpine"]);
        for (typo, meant) in [
            ("latst", "latest"),
            ("lastest", "latest"),
            ("1.27-alpin", "1.27-alpine"),
            ("stabel", "stable"),
            ("apline", "alpine"),
        ] {
            assert_eq!(closest_tag(typo, &available), Some(meant), "{typo}");
        }
    }

    #[test]
    fn another_version_is_not_a_typo() {
        let available = tags(&["1.26", "1.27", "v1.28"]);
        for tag in ["1.25", "1.29", "9.99"] {
            assert_eq!(closest_tag(tag, &available), None, "{tag}");
        }
    }

    #[test]
    fn of_two_tags_equally_close_none_is_chosen() {
        assert_eq!(closest_tag("slin", &tags(&["slim", "slit"])), None);
    }

    #[test]
    fn short_names_allow_one_edit_only() {
        assert!(is_close("ngnix", "nginx"));
        assert!(is_close("noed", "node"));
        assert!(!is_close("app", "php"));
        assert!(!is_close("nats", "node"));
    }
}
