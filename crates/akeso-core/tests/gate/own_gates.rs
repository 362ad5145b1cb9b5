//! The operator's own rules: where one is true it decides, and one that cannot be asked asks.

use std::sync::Arc;

use akeso_core::{
    act::Found,
    gate::{Decision, facts},
    policy::{Condition, Expression, OwnGate},
};
use serde_json::{Value, json};

use super::situation::{Situation, env, image, now};

/// What an expression evaluates to.
#[derive(Debug, Clone, Copy)]
pub enum Says {
    Yes,
    No,
    CannotTell,
}

impl Condition for Says {
    fn holds(&self, facts: &Value) -> Result<bool, String> {
        assert_eq!(facts["workload"]["name"], "web");
        match self {
            Self::Yes => Ok(true),
            Self::No => Ok(false),
            Self::CannotTell => Err("no such key: team".into()),
        }
    }
}

pub fn gate(name: &str, decision: Decision, says: Says) -> OwnGate {
    OwnGate {
        rule: Expression {
            name: name.into(),
            when: "workload.labels.team == 'a'".into(),
            decision,
            why: String::new(),
        },
        condition: Arc::new(says),
    }
}

fn with(gates: &[OwnGate]) -> Situation {
    let mut situation = Situation::of(image());
    situation.settings.gates = gates.to_vec();
    situation
}

#[test]
fn a_gate_decides_where_it_is_true_and_only_there() {
    use Decision::{Ask, Execute, Refuse};
    let no = gate("no", Refuse, Says::No);
    assert_eq!(with(std::slice::from_ref(&no)).decision().0, Execute);
    let decided = with(&[no, gate("yes", Ask, Says::Yes)]);
    assert_eq!(decided.decision(), (Ask, "yes".into()));
    let refused = with(&[gate("hands-off", Refuse, Says::Yes)]);
    assert_eq!(refused.decision(), (Refuse, "hands-off".into()));
}

#[test]
fn a_gate_says_why_in_its_own_words_or_by_its_expression() {
    let mut gate = gate("yes", Decision::Ask, Says::Yes);
    let why = |gate: &OwnGate| with(std::slice::from_ref(gate)).ruling().why;
    assert_eq!(why(&gate), "workload.labels.team == 'a'");
    gate.rule.why = "team a decides itself".into();
    assert_eq!(why(&gate), "team a decides itself");
}

#[test]
fn a_gate_that_cannot_be_asked_is_not_passed_over() {
    let broken = with(&[gate("broken", Decision::Refuse, Says::CannotTell)]);
    let ruling = broken.ruling();
    assert_eq!(
        (ruling.decision, ruling.rule.as_str()),
        (Decision::Ask, "broken")
    );
    assert_eq!(
        ruling.why,
        "the gate cannot be evaluated: no such key: team"
    );
}

#[test]
fn a_yes_to_one_gate_is_no_yes_to_another_that_refuses() {
    for asks in [Says::Yes, Says::CannotTell] {
        let gates = [
            gate("asks", Decision::Ask, asks),
            gate("refuses", Decision::Refuse, Says::Yes),
        ];
        let refused = (Decision::Refuse, "refuses".to_owned());
        assert_eq!(with(&gates).decision(), refused);
        assert_eq!(with(&gates).consented().decision(), refused);
    }
}

#[test]
fn an_expression_can_ask_about_workload_namespace_action_step_and_time() {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"env": "prod"}}});
    let situation = Situation::of(env("MODE", Found::Service))
        .with("/metadata/labels", json!({"team": "a"}))
        .with("/spec/replicas", json!(3))
        .beside(namespace);
    let facts = situation.asked(facts);
    assert_eq!(
        facts["workload"],
        json!({
            "kind": "Deployment", "name": "web", "labels": {"team": "a"}, "replicas": 3,
            "annotations": {"deployment.kubernetes.io/revision": "2"}
        })
    );
    assert_eq!(
        facts["namespace"],
        json!({"name": "shop", "labels": {"env": "prod"}})
    );
    assert_eq!(facts["action"]["name"], "update_env");
    assert_eq!(facts["action"].get("action"), None);
    assert_eq!(facts["action"]["container"]["name"], "app");
    assert_eq!(
        facts["step"],
        json!({"origin": "playbook", "proof": "confirmed"})
    );
    assert_eq!(facts["now"], json!(now()));
}
