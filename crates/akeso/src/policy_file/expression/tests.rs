use std::sync::{Arc, Mutex};

use super::*;
use akeso_core::{
    engine::Engine,
    gate::Decision,
    policy::{Autonomy, Expression, OwnGate, Settings},
};
use akeso_sim::{SimCluster, Simulation, listed_images};
use jiff::SignedDuration;
use serde_json::json;

fn wrong(source: &str) -> String {
    let wrong = compile(source).unwrap_err();
    let meant = wrong.meant.map(|meant| format!(" MEANT {meant}"));
    wrong.message + &meant.unwrap_or_default()
}

#[test]
fn an_expression_is_asked_about_the_facts_of_a_step() {
    let mut facts = example(ActionKind::IncreaseMemory);
    facts["workload"]["labels"] = json!({"team": "pay"});
    let holds = |source: &str| compile(source).unwrap().holds(&facts);
    for (source, expected) in [
        (
            "action.name == 'increase_memory' && action.to == '256Mi'",
            true,
        ),
        ("workload.replicas > 1 && workload.replicas <= 2", true),
        (
            "has(workload.labels.team) && workload.labels.team == 'pay'",
            true,
        ),
        ("'team' in ns.labels", false),
        ("workload.labels['team'].startsWith('p')", true),
        ("ns.name.matches('^sh.p$')", true),
        ("['shop', 'blog'].exists(name, name == ns.name)", true),
        (
            "step.proof == 'placeholder' || step.origin == 'model'",
            false,
        ),
        (
            "now < '2026-12-01T00:00:00Z' && size(workload.name) == 3",
            true,
        ),
        ("type(workload.name) == string", true),
    ] {
        assert_eq!(holds(source), Ok(expected), "{source}");
    }
}

#[test]
fn a_label_that_is_not_there_lets_the_gate_ask() {
    let condition = compile("workload.labels.team == 'pay'").unwrap();
    let said = condition
        .holds(&example(ActionKind::RestartPod))
        .unwrap_err();
    assert!(said.contains("`team`") && said.contains("has("), "{said}");
}

#[test]
fn what_an_action_alone_has_may_be_asked_about() {
    assert!(compile("action.name == 'increase_memory' && action.to == '8Gi'").is_ok());
    assert!(compile("action.variables.exists(v, v.found == 'nowhere')").is_ok());
}

#[test]
fn what_is_wrong_with_an_expression_is_told_when_it_is_read() {
    for (source, words) in [
        ("workload.replicas >", "no expression of CEL"),
        ("", "no expression of CEL"),
        ("namespace.name == 'a'", "MEANT ns"),
        (
            "wrkload.name == 'a'",
            "there is no `wrkload`; there are action, now, ns, step, workload MEANT workload",
        ),
        (
            "workload.nmae == 'a'",
            "workload has no `nmae`; it has annotations, kind, labels, name, replicas MEANT name",
        ),
        // also behind what is not reached by any example
        ("ns.name == 'none' && step.prof == 'x'", "MEANT proof"),
        (
            "ns.name == 'none' && workload.name.startWith('x')",
            "MEANT startsWith",
        ),
        ("{'a': nothing}.size() == 1", "there is no `nothing`"),
        ("['a'].exists(x, y == x)", "there is no `y`"),
        (
            "workload.name",
            "this gives string, and a gate must be true or false",
        ),
        ("workload.replicas", "this gives int"),
        ("workload.name > 3", "`>` does not work on string and int"),
        ("workload.name.matches('[')", "not a valid regex"),
        ("size(workload.name, 2) == 3", "size"),
    ] {
        let said = wrong(source);
        assert!(said.contains(words), "{source}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn no_expression_exhausts_the_stack() {
    assert!(wrong(&"a".repeat(3_000)).contains("longer than"));
    for source in [
        format!("{}true{}", "(".repeat(490), ")".repeat(490)),
        format!("{}{}", "[".repeat(490), "]".repeat(490)),
        format!("workload{} == 1", ".a".repeat(490)),
        format!("{}true", "!".repeat(990)),
        format!("{}1 == 1", "-".repeat(990)),
        format!("{}true", "true && ".repeat(120)),
        format!("{}true", "true ? true : ".repeat(70)),
        format!("{}1 > 0", "1 + ".repeat(245)),
        "a".repeat(100_000),
    ] {
        if let Ok(condition) = compile(&source) {
            drop(condition.holds(&example(ActionKind::RestartPod)));
        }
    }
    assert!(wrong(&format!("{}1 > 0", "1 + ".repeat(245))).contains("nested too deeply"));
}

#[test]
fn what_gives_no_truth_value_later_is_an_error() {
    let condition = compile("has(workload.labels.a) ? dyn(workload.labels.a) : dyn(true)").unwrap();
    let mut facts = example(ActionKind::RestartPod);
    assert_eq!(condition.holds(&facts), Ok(true));
    facts["workload"]["labels"] = json!({"a": "text"});
    assert!(
        condition
            .holds(&facts)
            .unwrap_err()
            .contains("not true or false")
    );
}

/// Keeps the facts that the gate asks about.
#[derive(Debug, Default)]
struct Listening(Mutex<Vec<Value>>);

impl Condition for Listening {
    fn holds(&self, facts: &Value) -> Result<bool, String> {
        self.0.lock().unwrap().push(facts.clone());
        Ok(false)
    }
}

fn keys(value: &Value) -> Vec<&String> {
    value.as_object().unwrap().keys().collect()
}

#[test]
fn the_examples_have_the_form_of_what_the_gate_asks_about() {
    let images = include_str!("../../../../../devcluster/images.json");
    let mut cluster = SimCluster::new(listed_images(images).unwrap());
    for (manifest, behaviour) in [
        (
            include_str!("../../../../../scenarios/memory-hungry/manifest.yaml"),
            include_str!("../../../../../scenarios/memory-hungry/behaviour.yaml"),
        ),
        (
            include_str!("../../../../../scenarios/web-server/manifest.yaml"),
            include_str!("../../../../../scenarios/web-server/behaviour.yaml"),
        ),
    ] {
        cluster.behave_yaml(behaviour).unwrap();
        cluster.apply_yaml("shop", manifest).unwrap();
    }
    let listening = Arc::new(Listening::default());
    let mut settings = Settings::at(Autonomy::Full);
    settings.gates.push(OwnGate {
        rule: Expression {
            name: "listening".to_owned(),
            when: String::new(),
            decision: Decision::Refuse,
            why: String::new(),
        },
        condition: Arc::clone(&listening) as Arc<dyn Condition>,
    });
    let mut simulation = Simulation::new(cluster, Engine::new(settings));
    let end = simulation.cluster.after(SignedDuration::from_mins(10));
    simulation.run_until_or(end, |_| {}, |_| false);
    let heard = listening.0.lock().unwrap();
    let kinds: Vec<_> = heard.iter().map(|facts| &facts["action"]["name"]).collect();
    assert!(
        kinds.contains(&&json!("increase_memory")) && kinds.contains(&&json!("fix_image_name")),
        "{kinds:?}"
    );
    for facts in heard.iter() {
        let kind = ActionKind::ALL
            .iter()
            .find(|kind| facts["action"]["name"] == kind.as_str());
        let example = example(*kind.unwrap());
        assert_eq!(keys(facts), keys(&example));
        for part in ["workload", "namespace", "step"] {
            assert_eq!(keys(&facts[part]), keys(&example[part]));
        }
        let known = keys(&example["action"]);
        assert!(
            keys(&facts["action"]).iter().all(|key| known.contains(key)),
            "{facts}"
        );
    }
}
