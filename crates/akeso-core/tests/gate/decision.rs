//! The order of the rules, what each of them said, and what a person's yes answers.

use akeso_core::{
    act::{ActionKind, Change, Found},
    gate::{Closure, Consented, Decision, decide},
    policy::{Autonomy, Consent, WorkloadBudget},
    workload::AttemptId,
};
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::json;

use super::{
    own_gates::{Says, gate},
    situation::{Situation, actions, ago, env, image, memory, now},
};
use Decision::{Ask, Execute, Refuse, Wait};

/// What can be against a step, the stricter first, with the rule that says so.
const AGAINST: [(&str, Decision, &str); 17] = [
    ("protection", Refuse, "protected-namespace"),
    ("observe", Refuse, "autonomy"),
    ("permission", Refuse, "permission"),
    ("ceilings", Refuse, "ceilings"),
    ("attempts", Refuse, "attempt-budget"),
    ("own-refusal", Refuse, "hands-off"),
    ("never", Refuse, "action"),
    ("own-question", Ask, "asks"),
    ("credential", Ask, "autonomy"),
    ("set-back", Ask, "set-back"),
    ("ownership", Ask, "gitops"),
    ("autoscaler", Ask, "autoscaler"),
    ("attended", Ask, "attended"),
    ("store", Wait, "store"),
    ("shared-cause", Wait, "shared-cause"),
    ("freeze", Wait, "freeze"),
    ("budgets", Wait, "concurrency-budget"),
];

/// A step with all of this against it.
fn against(names: &[&str], consent: Consented) -> Situation {
    let is_about_memory = names.contains(&"autoscaler") && !names.contains(&"credential");
    let action = if is_about_memory {
        memory(2)
    } else {
        env("API_TOKEN", Found::Nowhere)
    };
    let mut situation = Situation::of(action);
    situation.consent = consent;
    for name in names {
        let policy = &mut situation.settings.policy;
        match *name {
            "protection" => policy.protected_namespaces = vec!["shop".to_owned().try_into().unwrap()],
            "observe" => policy.autonomy = Autonomy::Observe,
            "permission" => {
                for action in ActionKind::ALL {
                    situation.settings.not_permitted.insert(*action, "patch".into());
                }
            }
            "ceilings" => situation = situation.writing(&json!([{"op": "add", "path": "/spec/template/spec/containers/0/resources/limits/memory", "value": "99Gi"}])),
            "attempts" => {
                let mut closure = Closure::default();
                for minutes in [3, 2, 1] {
                    closure.failed(ago(minutes), &WorkloadBudget::default());
                }
                situation.spent.closed = Some(closure);
            }
            "own-refusal" => situation.settings.gates.push(gate("hands-off", Refuse, Says::Yes)),
            "own-question" => situation.settings.gates.push(gate("asks", Ask, Says::Yes)),
            "never" => policy.actions.extend(ActionKind::ALL.iter().map(|action| (*action, Consent::Never))),
            "credential" if policy.autonomy == Autonomy::Full => policy.autonomy = Autonomy::Standard,
            "set-back" => situation.spent.set_back = Some((ago(1), "kubectl".into())),
            "ownership" => situation = situation.with("/metadata/labels", json!({"argocd.argoproj.io/instance": "shop"})),
            "autoscaler" => situation = situation.beside(json!({
                "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web", "namespace": "shop"},
                "spec": {"maxReplicas": 5, "scaleTargetRef": {"kind": "Deployment", "name": "web"}, "metrics": [{"type": "Resource", "resource": {"name": "memory", "target": {"type": "Utilization"}}}]}
            })),
            "attended" => situation.settings.attended = Some(situation.workload.clone()),
            "store" => situation.store_failure = Some("no space left"),
            "shared-cause" => situation.shared_cause = Some("the node a is not ready"),
            "freeze" => policy.freeze = vec![serde_saphyr::from_str("{name: always, from: '00:00', to: '24:00'}").unwrap()],
            "budgets" => situation.spent.in_cluster.busy = 99,
            _ => {}
        }
    }
    situation
}

#[test]
fn each_rule_decides_by_itself() {
    for (name, decision, rule) in AGAINST {
        let alone = against(&[name], Consented::No);
        assert_eq!(alone.decision(), (decision, rule.to_owned()), "{name}");
        let consented = against(&[name], Consented::Yes).decision().0;
        let expected = if decision == Ask { Execute } else { decision };
        assert_eq!(consented, expected, "{name}");
    }
    let waits = against(&["shared-cause"], Consented::No).ruling();
    assert_eq!(waits.why, "actions pause: the node a is not ready");
}

#[test]
fn every_rule_is_listed_with_what_it_said() {
    const RULES: [&str; 16] = [
        "protection",
        "observe",
        "opt-in",
        "permission",
        "ceilings",
        "attempts",
        "own-gates",
        "autonomy",
        "set-back",
        "ownership",
        "autoscaler",
        "attended",
        "store",
        "shared-cause",
        "freeze",
        "budgets",
    ];
    let said = |situation: &Situation| {
        let checks = situation.ruling().checks;
        checks
            .into_iter()
            .map(|check| (check.rule, check.decision, check.why))
            .collect::<Vec<_>>()
    };
    let nothing = RULES.map(|rule| (rule.to_owned(), Execute, String::new()));
    assert_eq!(said(&Situation::of(image())), nothing);
    let mut expected = nothing.to_vec();
    let why = "Argo CD manages it and would set the change back: change it in the source of the Application shop";
    expected[9] = ("gitops".into(), Ask, why.into());
    expected[13] = (
        "shared-cause".into(),
        Wait,
        "actions pause: the node a is not ready".into(),
    );
    assert_eq!(
        said(&against(&["ownership", "shared-cause"], Consented::No)),
        expected
    );
    // what a person has answered says nothing any more
    expected[9] = nothing[9].clone();
    assert_eq!(
        said(&against(&["ownership", "shared-cause"], Consented::Yes)),
        expected
    );
}

#[test]
fn what_is_approved_can_be_tried_on_a_pod_first() {
    let mut situation = Situation::of(image()).with("/spec/replicas", json!(2));
    situation.change = situation.seen(|workload| image().change(workload, AttemptId(4)).unwrap());
    let tried = situation.asked(|request| {
        let approved = decide(request).1.unwrap();
        let trial = approved
            .as_trial(request.workload, &AttemptId(4).into())
            .unwrap();
        trial.into_change()
    });
    let Change::Trial { name, pod } = tried else {
        unreachable!("{tried:?}")
    };
    assert_eq!(name, "web-trial-4");
    assert_eq!(pod["spec"]["containers"][0]["image"], "nginx:latest");
}

#[test]
fn a_ruling_reads_back_as_it_was_written() {
    let ruling = against(&["attempts", "freeze"], Consented::No).ruling();
    assert_eq!(ruling.until, Some(now() + SignedDuration::from_mins(59)));
    let text = serde_json::to_string(&ruling).unwrap();
    assert_eq!(
        serde_json::from_str::<akeso_core::gate::Ruling>(&text).unwrap(),
        ruling
    );
}

proptest! {
    #[test]
    fn the_strictest_of_all_that_is_against_a_step_decides(
        chosen in proptest::sample::subsequence(AGAINST.to_vec(), 0..6),
        consented in any::<bool>(),
    ) {
        let consent = if consented { Consented::Yes } else { Consented::No };
        let mut chosen = chosen;
        if chosen.iter().any(|one| one.0 == "credential") {
            // a step is about a credential or about memory, not about both
            chosen.retain(|one| one.0 != "autoscaler");
        }
        // in whatever order they are written down
        let names: Vec<_> = chosen.iter().rev().map(|one| one.0).collect();
        let expected = chosen.iter().find(|one| !consented || one.1 != Ask);
        let expected = expected.map_or((Execute, "autonomy".to_owned()), |one| (one.1, one.2.to_owned()));
        prop_assert_eq!(against(&names, consent).decision(), expected, "{:?}", names);
    }

    #[test]
    fn a_yes_answers_what_asks_and_never_what_refuses_or_waits(chosen in proptest::collection::vec(0_usize..AGAINST.len(), 0..4), which in 0_usize..8) {
        let names: Vec<_> = chosen.iter().map(|one| AGAINST[*one].0).collect();
        let mut situation = against(&names, Consented::No);
        situation.step.action = actions()[which].clone();
        let before = situation.decision();
        let after = situation.consented().decision();
        match before.0 {
            Ask => prop_assert_ne!(after.0, Ask),
            Refuse | Wait => prop_assert_eq!(after, before),
            Execute => prop_assert_eq!(after.0, Execute),
        }
    }
}
