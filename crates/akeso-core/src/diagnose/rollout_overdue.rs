//! Fault `rollout-overdue`: a rollout has passed its deadline and no pod says why.

use super::{Diagnosis, Examination, undo};
use crate::{
    observe::{Sign, Symptom},
    plan::Advice,
};

pub(super) fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
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
            .diagnosis("rollout-overdue", symptom, says, 60, remedy)
            .with_evidence([symptom.message.clone()]),
    )
}
