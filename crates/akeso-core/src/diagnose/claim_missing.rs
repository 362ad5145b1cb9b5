//! Fault `claim-missing`: the pod mounts a `PersistentVolumeClaim` that does not exist.

use std::sync::LazyLock;

use k8s_openapi::api::core::v1::Volume;
use regex::Regex;

use super::{Diagnosis, Examination, Family, Fault};
use crate::{
    cluster::in_namespace,
    observe::{Sign, Symptom},
    similar::closest,
};

pub(super) const FAULT: Fault = Fault {
    name: "claim-missing",
    family: Family::Storage,
    signs: "no node takes the pod: `persistentvolumeclaim not found`",
    does: "names the volume and the claim, and the one that was likely meant if exactly one is close",
    never: "makes a claim, or mounts another: data of one is not that of the other",
    diagnose,
};

/// The scheduler's words: `persistentvolumeclaim "data" not found`.
static MISSING: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"persistentvolumeclaim "([^"]+)" not found"#).ok());

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    if !matches!(symptom.sign, Sign::Unschedulable) {
        return None;
    }
    let found = MISSING.as_ref()?.captures(&symptom.message)?;
    let claim = &found[1];
    let namespace = &examination.workload.reference.namespace;
    let claims = &examination.workload.cluster().claims;
    let names = || in_namespace(claims, namespace).map(|(key, _)| key.name.clone());
    let meant = closest(claim, names())
        .filter(|close| closest(claim, names().filter(|name| name != close)).is_none())
        .map(|close| format!(" (likely meant: {close})"))
        .unwrap_or_default();
    let spec = examination.workload.pod_spec();
    let mut volumes = spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    let names_it = |volume: &&Volume| {
        let source = volume.persistent_volume_claim.as_ref();
        source.is_some_and(|source| source.claim_name == *claim)
    };
    let volume = volumes.find(names_it).map_or_else(
        || "a volume names a claim".to_owned(),
        |volume| format!("volume {} names a claim", volume.name),
    );
    let says = format!(
        "cannot be scheduled: {volume} that does not exist: PersistentVolumeClaim {namespace}/{claim}{meant}"
    );
    let why =
        format!("PersistentVolumeClaim {namespace}/{claim} must be made, or claimName corrected");
    Some(examination.refused(&FAULT, symptom, &says, &why))
}
