//! The operator's own rules, in the Common Expression Language.

use serde_json::{Value, json};

use super::{Decision, Request, Ruling, strictest};

pub(super) fn rule(request: &Request<'_>) -> Option<Ruling> {
    let gates = &request.settings.gates;
    if gates.is_empty() {
        return None;
    }
    let facts = facts(request);
    let said = gates.iter().filter_map(|gate| {
        let rule = &gate.rule;
        match gate.condition.holds(&facts) {
            Ok(false) => None,
            Ok(true) => {
                let why = if rule.why.is_empty() {
                    &rule.when
                } else {
                    &rule.why
                };
                Some(Ruling::new(rule.decision, &rule.name, why))
            }
            // a rule that cannot be asked must not be passed over
            Err(why) => {
                let why = format!("the gate cannot be evaluated: {why}");
                Some(Ruling::new(Decision::Ask, &rule.name, why))
            }
        }
    });
    strictest(said.collect())
}

/// What an expression can ask about: `workload`, `namespace`, `action`, `step`, `now`
/// (docs/policy.md lists them).
pub fn facts(request: &Request<'_>) -> Value {
    let metadata = request.workload.metadata();
    let reference = &request.workload.reference;
    let step = request.step;
    let mut action = json!(step.action);
    if let Some(members) = action.as_object_mut() {
        members.insert("name".to_owned(), step.action.name().into());
        members.remove("action");
    }
    json!({
        "workload": {
            "kind": reference.kind,
            "name": reference.name,
            "labels": metadata.labels.clone().unwrap_or_default(),
            "annotations": metadata.annotations.clone().unwrap_or_default(),
            "replicas": request.workload.desired(),
        },
        "namespace": {
            "name": reference.namespace,
            "labels": request.workload.namespace_labels().cloned().unwrap_or_default(),
        },
        "action": action,
        "step": {"origin": step.origin, "proof": step.proof},
        "now": request.now,
    })
}
