//! Fault `mount-failed`: the kubelet cannot mount a volume, for another cause than a ConfigMap,
//! Secret or key that is not there.

use super::{Diagnosis, Examination, Family, Fault, undo};
use crate::{
    observe::{Sign, Symptom},
    plan::Advice,
};

pub(super) const FAULT: Fault = Fault {
    name: "mount-failed",
    family: Family::Storage,
    signs: "the kubelet cannot mount a volume (`FailedMount`, for more than 30 s)",
    does: "puts the last good revision back, where one is proven; else names the volume and shows the kubelet's words",
    never: "changes a volume or what is on it",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Mount { volume } = &symptom.sign else {
        return None;
    };
    let words = symptom.message.split_once("\" : ");
    let words = words.map_or(symptom.message.as_str(), |(_, words)| words);
    let says = format!("cannot mount its volume {volume}: {words}");
    let why = format!("what the volume {volume} is made of must be mended, or the volume changed");
    let command = examination.describe(symptom);
    let remedy = undo::or_person(examination, Advice { why, command });
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 85, remedy)
            .with_detail(volume)
            .with_evidence([symptom.message.clone()]),
    )
}
