//! Fault `image-never-pulled`: the image must not be pulled (`imagePullPolicy: Never`) and is not
//! on the node.

use super::{Diagnosis, Examination, Family, Fault, undo};
use crate::{
    observe::{Sign, Symptom},
    plan::Advice,
};

pub(super) const FAULT: Fault = Fault {
    name: "image-never-pulled",
    family: Family::Image,
    signs: "the image may not be pulled and is not on the node (`ErrImageNeverPull`)",
    does: "puts the last good revision back, where one is proven; else names the image and the policy",
    never: "changes the pull policy: whoever wrote it wants no image but the node's",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::ImagePull { image } = &symptom.sign else {
        return None;
    };
    if symptom.reason != "ErrImageNeverPull" {
        return None;
    }
    let says = format!(
        "has the image {image} with imagePullPolicy Never, and that image is not on the pod's node"
    );
    let why = format!("load {image} onto the nodes, or let imagePullPolicy be IfNotPresent");
    let command = examination.describe(symptom);
    let remedy = undo::or_person(examination, Advice { why, command });
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 95, remedy)
            .with_evidence([symptom.message.clone()]),
    )
}
