//! The address that was meant, where a program is given one that the cluster does not have. That
//! somebody answers there is looked at, and that nobody can at the one that it has.

use k8s_openapi::api::core::v1::{Container, Service};

use super::{
    super::{Examination, words::words},
    known::since,
    unreachable::{Failure, Unreachable},
};
use crate::{
    act::{Action, FixReference, Referred},
    cluster::{Key, in_namespace, ports_of},
    plan::{Origin, Proof, Step},
    similar::{has_word, is_close, is_misspelt, only},
};

/// The one Service of the workload's namespace whose name is close, where the name that the program
/// asks for is not known and differs by a slip of the finger, and whose port answers.
pub(super) fn name(
    examination: &Examination<'_>,
    wanted: &Key,
    found: &Unreachable,
) -> Option<Step> {
    let workload = examination.workload;
    let is_here = wanted.namespace == workload.reference.namespace;
    if !is_here || found.failure != Failure::NotKnown {
        return None;
    }
    let services = in_namespace(&workload.cluster().services, &wanted.namespace);
    let close = services.filter(|(key, _)| is_close(&wanted.name, &key.name));
    let (key, service) = only(close).filter(|(key, _)| is_misspelt(&wanted.name, &key.name))?;
    since(workload.cluster(), service)?;
    if found
        .port
        .is_some_and(|port| !ports_of(service).contains(&i32::from(port)))
    {
        return None;
    }
    let reasoning = format!(
        "the Service {} has ready pods, and nothing else in the namespace is called like {}, which nobody knows",
        key.name, wanted.name
    );
    step(
        examination,
        FixReference {
            object: Referred::Service,
            key_of: None,
            from: wanted.name.clone(),
            to: key.name.clone(),
        },
        reasoning,
    )
}

/// The only port of a Service that has ready pods, where the program asks for one that it does not
/// have.
pub(super) fn port(
    examination: &Examination<'_>,
    key: &Key,
    service: &Service,
    asked: u16,
) -> Option<Step> {
    let workload = examination.workload;
    let to = only(ports_of(service)).filter(|_| key.namespace == workload.reference.namespace)?;
    since(workload.cluster(), service)?;
    step(
        examination,
        FixReference {
            object: Referred::Service,
            key_of: Some(key.name.clone()),
            from: asked.to_string(),
            to: to.to_string(),
        },
        format!(
            "{to} is the only port of the Service {}, which has ready pods",
            key.name
        ),
    )
}

/// The field of a container that holds a word: a variable, or a place of its command.
pub(super) fn held_by(container: &Container, word: &str) -> Option<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let holds = |text: &str| has_word(text, word, is_part, is_part);
    let mut variables = container.env.iter().flatten();
    let variable = variables.find(|it| it.value.as_deref().is_some_and(holds));
    let variable = variable.map(|it| format!("its variable {}", it.name));
    variable.or_else(|| {
        let (field, _) = words(container).find(|(_, word)| holds(word))?;
        Some(format!("its {field}"))
    })
}

/// Whether a rollout has brought the word in: the last good revision does not hold it.
pub(super) fn is_new(examination: &Examination<'_>, container: &Container, word: &str) -> bool {
    let workload = examination.workload;
    let good = workload.last_good_revision();
    let spec = good.as_ref().and_then(|good| good.template.spec.as_ref());
    let mut before = spec.into_iter().flat_map(|spec| &spec.containers);
    let before = before.find(|it| it.name == container.name);
    held_by(container, word).is_some() && before.is_some_and(|it| held_by(it, word).is_none())
}

fn step(examination: &Examination<'_>, fix: FixReference, reasoning: String) -> Option<Step> {
    fix.is_set(examination.workload).then_some(Step {
        action: Action::FixReference(fix),
        reasoning,
        origin: Origin::Playbook,
        proof: Proof::Bounded,
    })
}
