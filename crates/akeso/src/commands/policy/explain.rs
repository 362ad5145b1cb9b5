//! `akeso policy explain`: what every rule said of an incident's steps, and which one decided.

use std::{io::Write, path::Path, process::ExitCode};

use akeso_core::{
    engine::{Incident, Ledger, State},
    gate::{Check, Decision, Ruling},
    journal::{Entry, Fact},
    plan::Step,
    policy::{AUTONOMY_LABEL, Effective, Policy},
    workload::IncidentId,
};
use anyhow::bail;
use jiff::Timestamp;
use serde_json::json;

use crate::{
    cli::{Format, Global},
    commands::store_path,
    policy_file::{load, word},
    report::{line, state_words},
    store::Reader,
};

/// A step on which the gate has decided.
struct Gated {
    at: Timestamp,
    place: usize,
    step: Option<Step>,
    ruling: Ruling,
}

/// Explains what was decided on an incident, from the store.
pub fn run(global: &Global, id: IncidentId, policy: Option<&Path>) -> anyhow::Result<ExitCode> {
    let policy = policy.map(load).transpose()?.map(|file| file.policy);
    let journal = Reader::open(&store_path(global))?.journal()?.entries;
    let mut ledger = Ledger::default();
    let mut gated = Vec::new();
    for entry in &journal {
        gated.extend(decided(entry, id, &ledger));
        ledger.fold(entry);
    }
    let Some(incident) = ledger.get(id) else {
        if let Some((_, shared)) = ledger.shared().find(|(shared, _)| *shared == id) {
            bail!(
                "{id} is a cause that several workloads share ({}), on which nothing is decided; explain one of them",
                shared.cause
            );
        }
        bail!("there is no {id}; `akeso incidents list --all` lists those there are");
    };
    let next = gated.last().and_then(|last| last.step.as_ref());
    let effective = policy.map(|policy| (in_effect(&policy, incident, next), policy));
    let mut out = std::io::stdout().lock();
    match global.output {
        Format::Text => {
            let effective = effective.as_ref().map(|(it, policy)| (it, policy));
            write!(out, "{}", told(incident, &gated, effective))?;
        }
        Format::Json => writeln!(
            out,
            "{}",
            json!({
                "id": incident.id,
                "workload": incident.workload,
                "state": incident.state,
                "decisions": gated.iter().map(as_json).collect::<Vec<_>>(),
                "undecided": gated.is_empty().then(|| undecided(incident)),
                "effective": effective.map(|(it, _)| json!({
                    "autonomy": it.autonomy,
                    "source": it.source,
                    "action": it.consent,
                    "credentialPlaceholders": it.credential_placeholders,
                })),
            })
        )?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What an entry says of a decision on the incident; `before` is the journal until then.
fn decided(entry: &Entry, id: IncidentId, before: &Ledger) -> Option<Gated> {
    let Fact::Gated {
        incident,
        step,
        ruling,
    } = &entry.fact
    else {
        return None;
    };
    if *incident != id {
        return None;
    }
    let plan = before.get(id).and_then(|it| it.plan.as_ref());
    Some(Gated {
        at: entry.at,
        place: *step,
        step: plan.and_then(|plan| plan.steps.get(*step)).cloned(),
        ruling: ruling.clone(),
    })
}

/// What a policy says of the incident, as far as that can be told without its namespace's labels.
fn in_effect(policy: &Policy, incident: &Incident, step: Option<&Step>) -> Effective {
    let action = step.map(|step| step.action.kind());
    policy.effective(action, &incident.workload.namespace, None)
}

/// Whether a check is the one that decided.
fn has_decided(check: &Check, ruling: &Ruling) -> bool {
    check.rule == ruling.rule && check.decision == ruling.decision && check.why == ruling.why
}

fn as_json(gated: &Gated) -> serde_json::Value {
    json!({
        "at": gated.at,
        "step": gated.place,
        "action": gated.step.as_ref().map(|step| step.action.name()),
        "summary": gated.step.as_ref().map(|step| step.action.treatment().summary()),
        "decision": gated.ruling.decision,
        "rule": gated.ruling.rule,
        "why": gated.ruling.why,
        "until": gated.ruling.until,
        "checks": gated.ruling.checks,
    })
}

fn told(incident: &Incident, gated: &[Gated], effective: Option<(&Effective, &Policy)>) -> String {
    let mut text = String::new();
    line!(text, "{}: {}", incident.id, incident.workload);
    line!(text, "State: {}", state_words(&incident.state));
    if gated.is_empty() {
        line!(text, "\nNothing has been decided: {}", undecided(incident));
    }
    for decision in gated {
        table(decision, &mut text);
    }
    text.push('\n');
    match effective {
        None => line!(
            text,
            "What holds for it now is not in the store: give --policy FILE to see it."
        ),
        Some((effective, policy)) => {
            line!(
                text,
                "In effect now: {} (by {} of the policy{})",
                word(effective.autonomy),
                effective.source,
                effective
                    .consent
                    .map(|consent| format!("; this action: {}", word(consent)))
                    .unwrap_or_default()
            );
            let by_label = policy.namespaces.iter().any(|rule| rule.selector.is_some());
            let selectors = if by_label {
                ", rules with a selector"
            } else {
                ""
            };
            line!(
                text,
                "Left out, for the store holds no labels: {AUTONOMY_LABEL} of the namespace{selectors}."
            );
        }
    }
    text
}

/// The rules in the order in which they are asked; the one that decided is marked.
fn table(gated: &Gated, text: &mut String) {
    let ruling = &gated.ruling;
    let summary = gated.step.as_ref().map_or_else(
        || "a step of a plan that is not known any more".to_owned(),
        |step| {
            format!(
                "{}: {}",
                step.action.name(),
                step.action.treatment().summary()
            )
        },
    );
    line!(text, "\nStep {}: {summary}", gated.place + 1);
    line!(
        text,
        "  {}: {} by {}: {}",
        gated.at,
        word(ruling.decision),
        ruling.rule,
        ruling.why
    );
    if let Some(until) = ruling.until {
        line!(text, "  until {until}");
    }
    if ruling.checks.is_empty() {
        return; // written before the journal held them
    }
    let width = ruling
        .checks
        .iter()
        .map(|check| check.rule.len())
        .max()
        .unwrap_or_default();
    line!(text, "    {:<width$}  {:<8}  WHY", "RULE", "SAYS");
    let decider = ruling
        .checks
        .iter()
        .position(|check| has_decided(check, ruling));
    for (place, check) in ruling.checks.iter().enumerate() {
        let mark = if decider == Some(place) { "->" } else { "  " };
        let says = match check.decision {
            Decision::Execute => "-".to_owned(),
            Decision::Ask | Decision::Wait | Decision::Refuse => word(check.decision),
        };
        let row = format!("  {mark}{:<width$}  {says:<8}  {}", check.rule, check.why);
        line!(text, "{}", row.trim_end());
    }
    if decider.is_none() {
        line!(text, "    no rule is against it");
    }
}

/// Why the gate was never asked.
fn undecided(incident: &Incident) -> String {
    match &incident.state {
        State::Observed => "its cause is still being looked for".to_owned(),
        State::Planned { .. } => "it has a plan, and its first step is to be decided on".to_owned(),
        State::Joined { into, .. } => {
            format!("it waits for {into}, which has the same cause; `akeso incidents show {into}`")
        }
        State::Escalated { why, command, .. } => {
            format!("there is no step to decide on, a person must act: {why}: {command}")
        }
        State::Closed(_) => "it was over before any step was to be taken".to_owned(),
        State::Waiting { .. }
        | State::AwaitingApproval { .. }
        | State::Acting { .. }
        | State::Verifying { .. }
        | State::RollingBack { .. } => "the store holds no decision of it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use akeso_core::{
        engine::Engine,
        policy::{Autonomy, Settings},
    };
    use akeso_sim::{SimCluster, Simulation, listed_images};
    use jiff::SignedDuration;

    /// What is told of the one incident of a workload that is killed for its memory.
    fn explained(settings: Settings, policy: Option<&Policy>) -> (Incident, String) {
        let images = include_str!("../../../../../devcluster/images.json");
        let mut cluster = SimCluster::new(listed_images(images).unwrap());
        let behaviour = include_str!("../../../../../scenarios/memory-hungry/behaviour.yaml");
        let manifest = include_str!("../../../../../scenarios/memory-hungry/manifest.yaml");
        cluster.behave_yaml(behaviour).unwrap();
        cluster.apply_yaml("shop", manifest).unwrap();
        let mut simulation = Simulation::new(cluster, Engine::new(settings));
        let end = simulation.cluster.after(SignedDuration::from_mins(3));
        simulation.run_until_or(end, |_| {}, |_| false);
        let (mut ledger, mut gated) = (Ledger::default(), Vec::new());
        for entry in &simulation.journal {
            gated.extend(decided(entry, IncidentId(1), &ledger));
            ledger.fold(entry);
        }
        let incident = ledger.get(IncidentId(1)).unwrap().clone();
        let step = gated.last().and_then(|last| last.step.as_ref());
        let effective = policy.map(|policy| (in_effect(policy, &incident, step), policy));
        let text = told(
            &incident,
            &gated,
            effective.as_ref().map(|(it, policy)| (it, *policy)),
        );
        (incident, text)
    }

    fn policy(yaml: &str) -> Policy {
        crate::policy_file::parse(yaml).unwrap().policy
    }

    #[test]
    fn the_rule_that_decided_is_marked_among_all_that_were_asked() {
        let policy = policy("actions: {increase_memory: ask}\nceilings: {memory: 200Mi}");
        let settings = Settings {
            policy: policy.clone(),
            ..Settings::default()
        };
        let (_, text) = explained(settings, Some(&policy));
        let row = |rule: &str| {
            let found = text.lines().find(|line| line.contains(rule));
            found.unwrap_or_else(|| panic!("{text}")).to_owned()
        };
        assert!(
            row("->autonomy")
                .ends_with("ask       the policy says that increase_memory asks first"),
            "{text}"
        );
        assert_eq!(text.matches("->").count(), 1, "{text}");
        assert!(
            text.contains("In effect now: standard (by autonomy of the policy; this action: ask)"),
            "{text}"
        );
        assert!(text.contains(" by autonomy: the policy says"), "{text}");
    }

    #[test]
    fn what_waits_is_told_with_its_end() {
        let policy = policy("freeze: [{name: always, from: '00:00', to: '24:00'}]");
        let settings = Settings {
            policy,
            ..Settings::default()
        };
        let (_, text) = explained(settings, None);
        assert!(
            text.contains("->freeze") && text.contains("\n  until 20"),
            "{text}"
        );
        assert!(text.contains("give --policy FILE"), "{text}");
    }

    #[test]
    fn why_nothing_was_decided_is_told_of_every_state() {
        let (mut incident, _) = explained(Settings::at(Autonomy::Observe), None);
        incident.state = State::Observed;
        assert!(
            told(&incident, &[], None).contains("Nothing has been decided: its cause is still")
        );
        incident.state = State::Joined {
            into: IncidentId(7),
            until: akeso_core::journal::Until::End,
        };
        assert!(told(&incident, &[], None).contains("waits for incident-7"));
        incident.state = State::Escalated {
            why: "the ConfigMap web is missing".to_owned(),
            command: "kubectl create configmap web".to_owned(),
            until: None,
        };
        let text = told(&incident, &[], None);
        assert!(
            text.contains("a person must act: the ConfigMap web is missing: kubectl create"),
            "{text}"
        );
    }
}
