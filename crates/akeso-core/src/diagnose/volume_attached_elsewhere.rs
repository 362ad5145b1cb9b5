//! Fault `volume-attached-elsewhere`: the pod's volume is attached to another node, where another
//! pod has it.

use std::sync::LazyLock;

use regex::Regex;

use super::{Diagnosis, Examination, Family, Fault, placement::listed};
use crate::{
    cluster::in_namespace,
    observe::{Sign, Symptom, pods_with},
};

pub(super) const FAULT: Fault = Fault {
    name: "volume-attached-elsewhere",
    family: Family::Storage,
    signs: "a volume of the pod is attached to another node for two minutes (`FailedAttachVolume`, `Multi-Attach error`)",
    does: "names the claim, its access mode and the pods that have it",
    never: "detaches a volume, or ends who has it: two that write to one disk destroy what is on it",
    diagnose,
};

/// The attach controller's words: `Multi-Attach error for volume "pvc-1" Volume is already used by
/// pod(s) web-0`.
static MULTI: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"Multi-Attach error for volume "([^"]+)""#).ok());

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    if !matches!(symptom.sign, Sign::Mount { .. }) {
        return None;
    }
    let found = MULTI.as_ref()?.captures(&symptom.message)?;
    let volume = &found[1];
    let workload = examination.workload;
    let cluster = workload.cluster();
    let mut claims = in_namespace(&cluster.claims, &workload.reference.namespace);
    let is_it = |name: &Option<String>| name.as_deref() == Some(volume);
    let claim =
        claims.find(|(_, claim)| claim.spec.as_ref().is_some_and(|it| is_it(&it.volume_name)));
    let what = claim.map_or_else(
        || format!("its volume {volume}"),
        |(key, claim)| {
            let modes = claim.spec.as_ref().and_then(|it| it.access_modes.clone());
            format!(
                "PersistentVolumeClaim {}/{} ({})",
                key.namespace,
                key.name,
                modes.unwrap_or_default().join(", ")
            )
        },
    );
    let others = claim
        .into_iter()
        .flat_map(|(_, claim)| pods_with(cluster, claim));
    let others = others.filter(|pod| {
        pod.metadata.name != symptom.pod
            && pod.spec.as_ref().is_some_and(|it| it.node_name.is_some())
    });
    let holders: Vec<String> = others
        .filter_map(|pod| {
            let node = pod.spec.as_ref()?.node_name.as_deref()?;
            Some(format!("pod {} on {node}", pod.metadata.name.as_deref()?))
        })
        .collect();
    let by = if holders.is_empty() {
        "to another node".to_owned()
    } else {
        format!("for {}", listed(holders.iter().map(String::as_str)))
    };
    let says = format!("cannot start: {what} is attached {by}");
    let why = "such a volume is for one node at a time: strategy Recreate in place of a rolling update, or one replica; the volume of a node that is lost is freed after six minutes";
    Some(examination.refused(&FAULT, symptom, &says, why))
}
