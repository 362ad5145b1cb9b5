//! Fault `service-selector-matches-nothing`: a Service selects no pod, and one workload has its labels
//! but for one, which is misspelt or was another before.

use serde_json::json;

use super::{Diagnosis, Examination, Family, Fault};
use crate::{
    act::{Action, FixService},
    observe::{Flaw, Sign, Symptom, services::right_selector},
};

pub(super) const FAULT: Fault = Fault {
    name: "service-selector-matches-nothing",
    family: Family::Service,
    signs: "a Service selects no pod, and one workload has its labels but for one: misspelt, another since a rollout, or of a workload with the Service's name",
    does: "names the selector and the workload that is meant; corrects the selector where a slip of the finger is all that is wrong with it, or the number of a version that an earlier revision had, exactly one workload resembles it, its pods are ready and no other Service reaches them",
    never: "changes the labels of pods, or says anything where no workload resembles the selector",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Support {
        flaw: Flaw::SelectsNothing,
    } = &symptom.sign
    else {
        return None;
    };
    let why = "either the selector of the Service or the labels of the pods must change";
    let mut diagnosis = examination.for_a_person(&FAULT, symptom, 85, why);
    if let Some((from, to, meant)) = right_selector(examination.workload) {
        let reasoning =
            format!("all but this label are those of {meant}, whose pods no Service reaches");
        diagnosis.remedy = diagnosis.remedy.with_fix(
            Action::FixService(FixService {
                port: None,
                from: json!(from),
                to: json!(to),
            }),
            reasoning,
        );
    }
    Some(diagnosis)
}
