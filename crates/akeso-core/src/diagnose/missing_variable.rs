//! Fault `missing-variable`: the program ends because an environment variable is not set, and its
//! log names the variable.

use k8s_openapi::api::core::v1::Container;

use super::{Diagnosis, Examination, Family, Fault, Remedy, last_lines, variable_names};
use crate::{
    act::{Action, Found, UpdateEnv, Variable},
    evidence::{Keys, Question},
    observe::{Sign, Symptom},
    plan::{Advice, Origin, Proof, Step, values},
};

pub(super) const FAULT: Fault = Fault {
    name: "missing-variable",
    family: Family::Configuration,
    signs: "the program ends, and its log names a variable that is not set",
    does: "sets it: from the previous revision, a sibling, a Secret's or ConfigMap's key, a Service; else a placeholder, marked as one",
    never: "copies a Secret's value, or overrides what `envFrom` may set",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Crash(crash) = &symptom.sign else {
        return None;
    };
    if symptom.status == "Running" && !crash.repeated {
        return None; // it runs by now: what it said before its only crash may explain nothing
    }
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
    let says = format!(
        "ends because {} not set, which its log asks for",
        name_list(&names)
    );
    let person = |why: &str| {
        let command = examination.describe(symptom);
        let remedy = Remedy::Person(Advice {
            why: why.to_owned(),
            command,
        });
        let diagnosis = examination.diagnosis(&FAULT, symptom, &says, 70, remedy);
        Some(
            diagnosis
                .with_detail(&names.join(","))
                .with_evidence(last_lines(log, 4)),
        )
    };
    let unread = Keys::default();
    let keys = examination.ask(Question::Keys)?.keys();
    let is_read = keys.is_some();
    let keys = keys.unwrap_or(&unread);
    if may_come_from_elsewhere(template, keys, &names) {
        return person("the container's envFrom may set it: what it refers to must be looked at");
    }
    let variables: Vec<Variable> = names
        .iter()
        .map(|name| values::value_for(name, container, examination.workload, keys))
        .collect();
    // a value that was found before the keys are asked does not need them; any other might be there
    let is_found_before = |variable: &Variable| match variable.found {
        Found::PreviousRevision | Found::Sibling => true,
        Found::Key | Found::Service | Found::Operator | Found::Nowhere => false,
    };
    if !is_read && !variables.iter().all(is_found_before) {
        return person(
            "the ConfigMaps and Secrets of the namespace cannot be read, so nothing is known of its value",
        );
    }
    let guessed = variables.iter().any(Variable::is_placeholder);
    let sources: Vec<_> = variables
        .iter()
        .map(|v| format!("{} = {} ({})", v.name, v.shown(), v.source))
        .collect();
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
            .diagnosis(&FAULT, symptom, says, if guessed { 85 } else { 95 }, remedy)
            .with_detail(&names.join(","))
            .with_evidence(last_lines(log, 4)),
    )
}

/// Whether the container's `envFrom` sets one of the variables, or may do so: what cannot be seen
/// must not be overridden.
pub(super) fn may_come_from_elsewhere(
    container: &Container,
    keys: &Keys,
    names: &[String],
) -> bool {
    container.env_from.iter().flatten().any(|source| {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        let map = source
            .config_map_ref
            .as_ref()
            .map(|map| keys.config_maps.get(&map.name));
        let secret = source
            .secret_ref
            .as_ref()
            .map(|secret| keys.secrets.get(&secret.name));
        match map.or(secret) {
            Some(Some(keys)) => names.iter().any(|name| {
                name.strip_prefix(prefix)
                    .is_some_and(|key| keys.contains(key))
            }),
            Some(None) => true, // it is not there, or of a kind that is not listed
            None => false,
        }
    })
}

fn name_list(names: &[String]) -> String {
    match names {
        [one] => format!("the variable {one} is"),
        _ => format!("the variables {} are", names.join(", ")),
    }
}
