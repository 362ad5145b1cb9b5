//! Fault `missing-variable`: the program ends because an environment variable is not set, and its
//! log names the variable.

use super::{Diagnosis, Examination, Remedy, last_lines, variable_names};
use crate::{
    act::{Action, UpdateEnv, Variable},
    evidence::{Answer, Question},
    observe::{Sign, Symptom},
    plan::{Advice, Origin, Proof, Step, values},
};

pub(super) fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Crash(_) = &symptom.sign else {
        return None;
    };
    let container = symptom.container.as_ref()?;
    let template = examination.container(symptom)?;
    let log = examination.crash_log(symptom)?;
    let is_set = |name: &String| template.env.iter().flatten().any(|env| env.name == *name);
    let names: Vec<_> = variable_names::missing_in(log)
        .into_iter()
        .filter(|name| !is_set(name))
        .collect();
    if names.is_empty() {
        return None;
    }
    let keys = match examination.ask(Question::Keys)? {
        Answer::Keys(keys) => Some(keys),
        Answer::Unknown { .. } | Answer::Logs(_) | Answer::Image(_) | Answer::Bounds(_) => None,
    };
    let variables: Vec<Variable> = names
        .iter()
        .map(|name| values::value_for(name, container, examination.workload, keys))
        .collect();
    let guessed = variables.iter().any(|variable| variable.is_placeholder);
    let sources: Vec<_> = variables
        .iter()
        .map(|v| format!("{} = {} ({})", v.name, v.shown(), v.source))
        .collect();
    let says = format!(
        "ends because {} not set, which its log asks for",
        name_list(&names)
    );
    let step = Step {
        action: Action::UpdateEnv(UpdateEnv {
            container: container.clone(),
            variables,
        }),
        reasoning: format!(
            "its log asks for {}: {}",
            names.join(", "),
            sources.join("; ")
        ),
        origin: Origin::Playbook,
        proof: if guessed {
            Proof::Placeholder
        } else {
            Proof::Confirmed
        },
    };
    let otherwise = Advice {
        why: format!(
            "{} must be set to values that this program accepts",
            names.join(", ")
        ),
        command: step
            .action
            .treatment()
            .command(&examination.workload.reference),
    };
    let remedy = Remedy::Steps {
        steps: vec![step],
        otherwise,
    };
    Some(
        examination
            .diagnosis(
                "missing-variable",
                symptom,
                says,
                if guessed { 85 } else { 95 },
                remedy,
            )
            .with_detail(&names.join(","))
            .with_evidence(last_lines(log, 4)),
    )
}

fn name_list(names: &[String]) -> String {
    match names {
        [one] => format!("the variable {one} is"),
        _ => format!("the variables {} are", names.join(", ")),
    }
}
