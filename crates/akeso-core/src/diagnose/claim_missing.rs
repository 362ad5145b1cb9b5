//! Fault `claim-missing`: the pod mounts a `PersistentVolumeClaim` that does not exist. Data of one
//! claim is not that of another, so the name is corrected only where [`meant`] finds that no data
//! of anybody else's can be mounted.

use std::sync::LazyLock;

use k8s_openapi::api::core::v1::Volume;
use regex::Regex;

use super::{Diagnosis, Examination, Family, Fault, claim_meant::meant, undo};
use crate::{
    cluster::in_namespace,
    observe::{Sign, Symptom},
    plan::Advice,
    similar::closest,
};

pub(super) const FAULT: Fault = Fault {
    name: "claim-missing",
    family: Family::Storage,
    signs: "no node takes the pod: `persistentvolumeclaim not found`",
    does: "puts the last good revision back, where one is proven; else corrects the name where exactly one claim is close, differs by a slip of the finger, is bound and for as many pods, nobody else names it, and the workload has never had another: by itself where its last revision had that claim, else it asks first under `standard`; names the volume and the claim, and the one that was likely meant",
    never: "makes a claim, or mounts one that another workload, a StatefulSet's template or an owner of its own has a right to: data of one is not that of the other",
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
    let likely = closest(claim, names())
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
        "cannot be scheduled: {volume} that does not exist: PersistentVolumeClaim {namespace}/{claim}{likely}"
    );
    let why =
        format!("PersistentVolumeClaim {namespace}/{claim} must be made, or claimName corrected");
    let advice = Advice {
        why,
        command: examination.describe(symptom),
    };
    let remedy = undo::or_step(examination, || meant(examination, symptom, claim), advice);
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 95, remedy)
            .with_detail(claim)
            .with_evidence([symptom.message.clone()]),
    )
}
