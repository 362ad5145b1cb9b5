//! Fault `volume-elsewhere`: the pod's volume can be used from other nodes than those that the pod
//! may go to.

use super::{
    Diagnosis, Examination, Family, Fault,
    placement::{Placement, listed, name},
};
use crate::{
    cluster::Key,
    observe::{Symptom, claims_of},
};

pub(super) const FAULT: Fault = Fault {
    name: "volume-elsewhere",
    family: Family::Storage,
    signs: "no node takes the pod, for its volume is bound to another node or zone (`volume node affinity`)",
    does: "names the claims and the node for which each volume was made",
    never: "moves a volume",
    diagnose,
};

/// Where the scheduler had the volume made.
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let place = Placement::of(examination, symptom)?;
    let words = [
        "didn't match PersistentVolume's node affinity",
        "volume node affinity conflict",
        "had no available volume zone",
    ];
    if !words.iter().any(|words| place.message.contains(words)) {
        return None;
    }
    let workload = examination.workload;
    let cluster = workload.cluster();
    let claims = claims_of(place.pod).map(|claim| {
        let key = Key::new(&workload.reference.namespace, claim);
        let known = cluster.claims.get(&key);
        let annotations = known.and_then(|it| it.metadata.annotations.as_ref());
        match annotations.and_then(|it| it.get(SELECTED_NODE)) {
            Some(node) if !cluster.nodes.contains_key(&Key::new("", node)) => {
                format!("{claim} (made for node {node}, which is gone)")
            }
            Some(node) => format!("{claim} (made for node {node})"),
            None => claim.to_owned(),
        }
    });
    let claims: Vec<_> = claims.collect();
    if claims.is_empty() {
        return None;
    }
    let says = format!(
        "fits on no node: the volume of PersistentVolumeClaim {} cannot be used from the node(s) that may take it: {}",
        listed(claims.iter().map(String::as_str)),
        listed(place.tolerated().map(name))
    );
    let why = "the pod must be let on the node or zone of its volume, or its data be moved to a volume elsewhere";
    Some(examination.refused(&FAULT, symptom, &says, why))
}
