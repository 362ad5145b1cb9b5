//! What a policy means in effect, for people.

use std::collections::BTreeMap;

use akeso_core::{
    act::ActionKind,
    policy::{AUTONOMY_LABEL, Canary, Consent, Glob, NamespaceRule, PROTECTED, Policy, freeze},
};
use jiff::Timestamp;
use serde::Serialize;

use crate::report::line;

/// The word for a value of the policy, as it is written in the file.
pub fn word(value: impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// What a policy means at a time, a line a subject.
pub fn summary(policy: &Policy, now: Timestamp) -> String {
    let mut text = String::new();
    line!(
        text,
        "Autonomy:   {}{}",
        word(policy.autonomy),
        said_of(&policy.actions)
    );
    for (place, rule) in policy.namespaces.iter().enumerate() {
        line!(text, "            namespaces[{place}]: {}", told(rule));
    }
    let label = if policy.trust_namespace_labels {
        "may lower and raise its level"
    } else {
        "may lower its level"
    };
    line!(
        text,
        "            the label {AUTONOMY_LABEL} of a namespace {label}"
    );
    let allowed = match policy.allowed_namespaces.as_slice() {
        [] => "all".to_owned(),
        globs => names(globs),
    };
    let protected: Vec<_> = PROTECTED
        .into_iter()
        .filter(|name| {
            !policy
                .allowed_namespaces
                .iter()
                .any(|glob| glob.is_exactly(name))
        })
        .map(str::to_owned)
        .chain(policy.protected_namespaces.iter().map(Glob::to_string))
        .collect();
    line!(
        text,
        "Namespaces: {allowed}, but not {} and Akeso's own",
        protected.join(", ")
    );
    let ceilings = &policy.ceilings;
    let cpu = ceilings
        .cpu
        .map_or_else(|| "no bound".to_owned(), |cpu| cpu.to_string());
    let replicas = ceilings
        .replicas
        .map_or_else(|| "no bound".to_owned(), |it| it.to_string());
    line!(
        text,
        "Ceilings:   memory {}, cpu {cpu}, replicas {replicas}",
        ceilings.memory
    );
    let (workload, namespace, cluster) = (
        &policy.budgets.workload,
        &policy.budgets.namespace,
        &policy.budgets.cluster,
    );
    line!(
        text,
        "Budgets:    a namespace {} at once and {} an hour, the cluster {} at once and {} an hour",
        namespace.concurrent,
        namespace.per_hour,
        cluster.concurrent,
        cluster.per_hour
    );
    line!(
        text,
        "            {} failed attempts close a workload for {:#}, again and again for at most {:#}",
        workload.failures,
        workload.closed_for,
        workload.longest
    );
    let storm = &policy.storm;
    line!(
        text,
        "Storm:      more than {} % of all workloads, and at least {}, broken within {:#} pause all; over after {:#} of quiet",
        storm.share_percent,
        storm.at_least,
        storm.within,
        storm.quiet_for
    );
    text.push_str(&frozen(policy, now));
    for gate in &policy.gates {
        line!(
            text,
            "Gate:       {}: {} where {}",
            gate.name,
            word(gate.decision),
            gate.when.trim()
        );
    }
    let canary = match policy.canary {
        Canary::Auto => "changes of several replicas are tried on one pod first",
        Canary::Off => "changes are not tried on one pod first",
    };
    line!(
        text,
        "Beside:     {canary}; a question stands for {:#}; the same fault within {:#} of a heal is its failure",
        policy.approvals.expire_after,
        policy.regression_within
    );
    let model = &policy.model;
    let cost = model
        .daily_cost
        .map_or_else(String::new, |most| format!(" or {most} in money"));
    line!(
        text,
        "Model:      {}",
        if model.enabled {
            format!(
                "{} tokens{cost} a day, where one is set up",
                model.daily_tokens
            )
        } else {
            "never asked".to_owned()
        }
    );
    if let Some(uses) = policy.approvals.promote_after.filter(|uses| *uses > 0) {
        line!(
            text,
            "Promotion:  what asks in a namespace acts there by itself after {uses} approved uses that healed"
        );
    }
    text
}

fn frozen(policy: &Policy, now: Timestamp) -> String {
    let mut text = String::new();
    for window in &policy.freeze {
        let is_now = if window.holds_until(now).is_some() {
            ", now"
        } else {
            ""
        };
        line!(text, "Freeze:     {}: {window}{is_now}", window.name);
    }
    match freeze(&policy.freeze, now) {
        Some((_, until)) => line!(text, "            nothing is changed now, until {until}"),
        None if policy.freeze.is_empty() => line!(text, "Freeze:     none"),
        None => line!(text, "            none of them is now ({now})"),
    }
    text
}

fn told(rule: &NamespaceRule) -> String {
    let mut text = match rule.names.as_slice() {
        [] => "by label".to_owned(),
        globs if rule.selector.is_some() => format!("{} by label", names(globs)),
        globs => names(globs),
    };
    text.push(':');
    if let Some(level) = rule.autonomy {
        text.push(' ');
        text.push_str(&word(level));
    }
    text.push_str(&said_of(&rule.actions));
    if let Some(consent) = rule.credential_placeholders {
        text.push_str(", placeholders for credentials: ");
        text.push_str(&word(consent));
    }
    match rule.model {
        Some(true) => text.push_str(", a model may be asked"),
        Some(false) => text.push_str(", no model is asked"),
        None => {}
    }
    match rule.promote_after {
        Some(0) => text.push_str(", nothing that asks is promoted"),
        Some(uses) => {
            text.push_str(", promoted after approved uses: ");
            text.push_str(&uses.to_string());
        }
        None => {}
    }
    text
}

fn said_of(actions: &BTreeMap<ActionKind, Consent>) -> String {
    let said = actions
        .iter()
        .map(|(action, consent)| format!(", {action}: {}", word(consent)));
    said.collect()
}

fn names(globs: &[Glob]) -> String {
    globs
        .iter()
        .map(Glob::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
