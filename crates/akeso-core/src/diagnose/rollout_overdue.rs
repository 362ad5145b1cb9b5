//! Fault `rollout-overdue`: a rollout has passed its deadline and no pod says why.

use super::{Diagnosis, Examination, Family, Fault, undo};
use crate::{
    observe::{Sign, Symptom},
    plan::Advice,
};

pub(super) const FAULT: Fault = Fault {
    name: "rollout-overdue",
    family: Family::Rollout,
    signs: "a rollout has passed its progress deadline and no pod says why",
    does: "puts the last good revision back, where one is proven",
    never: "touches a rollout within its deadline",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::RolloutOverdue = &symptom.sign else {
        return None;
    };
    if examination.symptoms.len() > 1 {
        return None; // the other symptom says more
    }
    let says = format!(
        "has a rollout that passed its deadline: {}",
        symptom.message
    );
    let why = "the new revision does not become available".to_owned();
    let remedy = undo::or_person(
        examination,
        Advice {
            why,
            command: examination.describe(symptom),
        },
    );
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 60, remedy)
            .with_evidence([symptom.message.clone()]),
    )
}
