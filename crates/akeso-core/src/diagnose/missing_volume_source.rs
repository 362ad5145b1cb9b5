//! Fault `missing-volume-source`: a ConfigMap, a Secret or a key of one that a volume is made of is
//! not there, so that no container of the pod is started. A reference is corrected within the same
//! bounds as a container's (see [`Missing::slip`]).

use std::sync::LazyLock;

use k8s_openapi::api::core::v1::{Container, KeyToPath, PodSpec, Volume};
use regex::Regex;

use super::{
    Diagnosis, Examination, Family, Fault, Remedy,
    missing_reference::{Missing, NO_OBJECT},
    undo,
};
use crate::{
    evidence::{Keys, Question},
    observe::{Sign, Symptom},
    plan::{Advice, Step},
};

pub(super) const FAULT: Fault = Fault {
    name: "missing-volume-source",
    family: Family::Configuration,
    signs: "a ConfigMap, a Secret or a key that a volume is made of does not exist (`FailedMount`, for more than 30 s)",
    does: "puts the last good revision back, where one is proven; else corrects the reference as that of a container is (`missing-reference`), where that is so of all that the volume lacks; names the volume, what is missing, and the one that is there and close to it",
    never: "makes up a ConfigMap, a Secret or a key, makes a volume optional, or takes another letter or number in a name for a slip; a Secret that the workload did not have asks first under `standard`",
    diagnose,
};

/// The kubelet's words for a key, which do not name the object: `configmap references non-existent
/// config key: a.conf`, `references non-existent secret key: a`.
static NO_ITEM: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"references non-existent (config|secret) key: ([^\s,\]]+)").ok());

/// A ConfigMap or Secret that a volume is made of.
struct Source<'s> {
    is_map: bool,
    name: &'s str,
    is_optional: bool,
    items: &'s [KeyToPath],
    /// Where it stands: `volumes[0].configMap`.
    field: String,
}

/// What the kinds of volume say of a ConfigMap or Secret: its name, whether it is optional, and which
/// of its keys are taken.
type Reference<'s> = (&'s str, Option<bool>, Option<&'s Vec<KeyToPath>>);

impl<'s> Source<'s> {
    /// The sources that stand in `field`.
    fn of(
        field: &str,
        map: Option<Reference<'s>>,
        secret: Option<Reference<'s>>,
    ) -> impl Iterator<Item = Self> {
        let source = |is_map, member: &str, (name, optional, items): Reference<'s>| Self {
            is_map,
            name,
            is_optional: optional == Some(true),
            items: items.map(Vec::as_slice).unwrap_or_default(),
            field: format!("{field}.{member}"),
        };
        let map = map.map(|it| source(true, "configMap", it));
        let secret = secret.map(|it| source(false, "secret", it));
        map.into_iter().chain(secret)
    }
}

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Mount { volume } = &symptom.sign else {
        return None;
    };
    let spec = examination.workload.pod_spec()?;
    let mut volumes = spec.volumes.iter().flatten().enumerate();
    let (place, volume) = volumes.find(|(_, known)| known.name == *volume)?;
    let sources: Vec<_> = sources(place, volume)
        .into_iter()
        .filter(|source| !source.is_optional)
        .collect();
    let keys = examination.ask(Question::Keys)?.keys();
    let missing = missing(&symptom.message, &sources, keys);
    let (first, _) = missing.first()?;
    let namespace = &examination.workload.reference.namespace;
    let told = |(missing, source): &(Missing, &Source<'_>)| {
        let hint = keys.and_then(|keys| missing.meant(examination, keys));
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        format!(
            "{} does not exist in namespace {namespace}, which {} refers to{hint}",
            missing.to_text(),
            source.field
        )
    };
    let says = format!(
        "cannot mount its volume {}{}: {}",
        volume.name,
        users(spec, &volume.name),
        missing.iter().map(told).collect::<Vec<_>>().join("; and ")
    );
    let is_there = |(missing, _): &(Missing, &Source<'_>)| {
        keys.is_some_and(|keys| missing.is_there_by_now(keys))
    };
    let remedy = if missing.iter().all(is_there) {
        Remedy::Wait {
            why: format!(
                "{} is there by now; the kubelet tries again",
                first.to_text()
            ),
        }
    } else {
        let why = format!(
            "create {}, or let the pod template refer to what exists",
            first.to_text()
        );
        let command = first.command(namespace);
        let slip = || first_slip(examination, &missing, keys?);
        undo::or_step(examination, slip, Advice { why, command })
    };
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 95, remedy)
            .with_detail(&first.detail())
            .with_evidence([symptom.message.clone()]),
    )
}

/// The first correction, if there is one for each that is still missing: a volume that lacks the
/// others all the same would start nothing.
fn first_slip(
    examination: &Examination<'_>,
    missing: &[(Missing, &Source<'_>)],
    keys: &Keys,
) -> Option<Step> {
    let missing = missing.iter().map(|(missing, _)| missing);
    let missing = missing.filter(|missing| !missing.is_there_by_now(keys));
    let slips: Option<Vec<_>> = missing
        .map(|missing| missing.slip(examination, keys))
        .collect();
    slips?.into_iter().next()
}

/// What the kubelet's words say is missing, each with the source that refers to it.
fn missing<'s>(
    message: &str,
    sources: &'s [Source<'s>],
    keys: Option<&Keys>,
) -> Vec<(Missing, &'s Source<'s>)> {
    let objects = NO_OBJECT.iter().flat_map(|it| it.captures_iter(message));
    let objects = objects.filter_map(|found| {
        let is_map = found[1].eq_ignore_ascii_case("configmap");
        let mut sources = sources.iter();
        let source = sources.find(|it| it.is_map == is_map && it.name == &found[2])?;
        Some((Missing::object(is_map, &found[2]), source))
    });
    let items = NO_ITEM.iter().flat_map(|it| it.captures_iter(message));
    let items = items.filter_map(|found| {
        let is_map = &found[1] == "config";
        let asks = |source: &&Source<'_>| {
            source.is_map == is_map && source.items.iter().any(|item| item.key == found[2])
        };
        let lacks = |source: &&Source<'_>| {
            let missing = Missing::key(is_map, source.name, &found[2]);
            keys.is_some_and(|keys| !missing.is_there_by_now(keys))
        };
        let mut asking = sources.iter().filter(asks);
        let source = asking.clone().find(lacks).or_else(|| asking.next())?;
        Some((Missing::key(is_map, source.name, &found[2]), source))
    });
    objects.chain(items).collect()
}

fn sources(place: usize, volume: &Volume) -> Vec<Source<'_>> {
    let field = format!("volumes[{place}]");
    let map = volume.config_map.as_ref();
    let map = map.map(|it| (it.name.as_str(), it.optional, it.items.as_ref()));
    let secret = volume.secret.as_ref().map(|it| {
        let name = it.secret_name.as_deref().unwrap_or_default();
        (name, it.optional, it.items.as_ref())
    });
    let projected = volume.projected.iter();
    let projected = projected.flat_map(|volume| volume.sources.iter().flatten().enumerate());
    let projected = projected.flat_map(|(place, source)| {
        let map = source.config_map.as_ref();
        let map = map.map(|it| (it.name.as_str(), it.optional, it.items.as_ref()));
        let secret = source.secret.as_ref();
        let secret = secret.map(|it| (it.name.as_str(), it.optional, it.items.as_ref()));
        Source::of(&format!("{field}.projected.sources[{place}]"), map, secret).collect::<Vec<_>>()
    });
    Source::of(&field, map, secret).chain(projected).collect()
}

/// ` (container app at /etc/app)`.
fn users(spec: &PodSpec, volume: &str) -> String {
    let init = spec.init_containers.iter().flatten();
    let init = init.map(|container| ("init container", container));
    let main = spec
        .containers
        .iter()
        .map(|container| ("container", container));
    let mounts = |(role, container): (&str, &Container)| {
        let mut mounts = container.volume_mounts.iter().flatten();
        let mount = mounts.find(|mount| mount.name == volume)?;
        Some(format!("{role} {} at {}", container.name, mount.mount_path))
    };
    let users: Vec<_> = init.chain(main).filter_map(mounts).collect();
    if users.is_empty() {
        return String::new();
    }
    format!(" ({})", users.join(", "))
}
