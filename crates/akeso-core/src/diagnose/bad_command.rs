//! Fault `bad-command`: the container's program cannot be started at all.

use super::{Diagnosis, Examination, Family, Fault, undo};
use crate::{
    observe::{Sign, Symptom},
    plan::Advice,
};

pub(super) const FAULT: Fault = Fault {
    name: "bad-command",
    family: Family::Command,
    signs: "the runtime cannot start the program (`RunContainerError`, `StartError`)",
    does: "puts the last good revision back, where one is proven; else names the program and the runtime's words",
    never: "changes a command by guessing",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Start = &symptom.sign else {
        return None;
    };
    let container = examination.container(symptom)?;
    let words: Vec<_> = container
        .command
        .iter()
        .flatten()
        .chain(container.args.iter().flatten())
        .cloned()
        .collect();
    let program = words.first().map_or_else(
        || "the image's own program".to_owned(),
        |word| format!("`{word}`"),
    );
    let says = format!("cannot start {program}: {}", symptom.message);
    let why = "the command, the mounts or the security context of the container must be mended"
        .to_owned();
    let remedy = undo::or_person(
        examination,
        Advice {
            why,
            command: examination.describe(symptom),
        },
    );
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 85, remedy)
            .with_evidence([symptom.message.clone()]),
    )
}
