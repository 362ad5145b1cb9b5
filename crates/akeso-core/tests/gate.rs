//! What may be executed, what asks, and what is refused, by which rule.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test uses its part of the world")]

mod world;

use akeso_core::{
    act::{
        Action, Change, EnvValue, FixImageName, Found, IncreaseMemory, RollbackToRevision,
        UpdateEnv, Variable,
    },
    gate::{Closure, Consented, Decision, Request, Spent, decide},
    plan::{Origin, Proof, Step},
    policy::{Autonomy, Settings},
    quantity::Bytes,
    workload::{ContainerRef, ContainerRole},
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

fn container() -> ContainerRef {
    ContainerRef {
        name: "app".into(),
        role: ContainerRole::Main,
    }
}

fn image() -> Action {
    Action::FixImageName(FixImageName {
        container: container(),
        from: "nginx:latst".into(),
        to: "nginx:latest".into(),
    })
}

fn memory(factor: u64) -> Action {
    let from = Bytes::mebi(128);
    Action::IncreaseMemory(IncreaseMemory {
        container: container(),
        from,
        to: from.times(factor),
        request: None,
    })
}

fn env(name: &str, found: Found) -> Action {
    let variable = Variable {
        name: name.into(),
        value: EnvValue::Literal("x".into()),
        source: String::new(),
        found,
    };
    Action::UpdateEnv(UpdateEnv {
        container: container(),
        variables: vec![variable],
    })
}

fn undo() -> Action {
    Action::RollbackToRevision(RollbackToRevision {
        revision: 1,
        holder: "web-0".into(),
        images: vec![],
        template: String::new(),
    })
}

fn ruling(
    action: Action,
    settings: &Settings,
    failures: &[Timestamp],
    change: impl FnOnce(&mut Value),
) -> (Decision, String) {
    let mut deployment =
        world::deployment(&json!({"containers": [{"name": "app", "image": "nginx:latst"}]}));
    change(&mut deployment);
    let cluster = world::cluster(&[deployment]);
    let mut reference = world::web();
    let key = cluster.deployments.keys().next().unwrap();
    reference.namespace.clone_from(&key.namespace);
    let step = Step {
        action,
        reasoning: String::new(),
        origin: Origin::Playbook,
        proof: Proof::Confirmed,
    };
    let workload = cluster.workload(&reference).unwrap();
    let mut closed = Closure::default();
    for failed in failures {
        closed.failed(*failed, &settings.policy.budgets.workload);
    }
    let spent = Spent {
        closed: Some(closed),
        ..Spent::default()
    };
    let change = Change::Patch {
        forward: Vec::new(),
        inverse: Vec::new(),
    };
    let request = Request {
        step: &step,
        change: &change,
        workload: &workload,
        settings,
        spent: &spent,
        shared_cause: None,
        store_failure: None,
        consent: Consented::No,
        now: Timestamp::UNIX_EPOCH + SignedDuration::from_hours(5),
    };
    let (ruling, approved) = decide(&request);
    assert_eq!(
        approved.is_some(),
        ruling.decision == Decision::Execute,
        "approved exactly when it is to be executed"
    );
    (ruling.decision, ruling.rule)
}

fn level(autonomy: Autonomy) -> Settings {
    Settings::at(autonomy)
}

#[test]
fn each_level_allows_what_it_says() {
    use Autonomy::{Cautious, Full, Observe, Standard};
    use Decision::{Ask, Execute, Refuse};
    for (action, observe, cautious, standard, full) in [
        (image(), Refuse, Execute, Execute, Execute),
        (memory(2), Refuse, Execute, Execute, Execute),
        (memory(4), Refuse, Ask, Execute, Execute),
        (env("MODE", Found::Nowhere), Refuse, Ask, Execute, Execute),
        (
            env("DB_PASSWORD", Found::Nowhere),
            Refuse,
            Ask,
            Ask,
            Execute,
        ),
        (
            env("DB_PASSWORD", Found::PreviousRevision),
            Refuse,
            Ask,
            Execute,
            Execute,
        ),
        (undo(), Refuse, Ask, Execute, Execute),
    ] {
        for (autonomy, expected) in [
            (Observe, observe),
            (Cautious, cautious),
            (Standard, standard),
            (Full, full),
        ] {
            let (decision, _) = ruling(action.clone(), &level(autonomy), &[], |_| {});
            assert_eq!(decision, expected, "{autonomy:?}: {action:?}");
        }
    }
}

#[test]
fn nothing_is_changed_in_system_namespaces_however_high_the_autonomy() {
    for namespace in [
        "kube-system",
        "kube-public",
        "kube-node-lease",
        "akeso-system",
    ] {
        let decision = ruling(image(), &level(Autonomy::Full), &[], |d| {
            d["metadata"]["namespace"] = json!(namespace);
        });
        assert_eq!(decision, (Decision::Refuse, "protected-namespace".into()));
    }
}

#[test]
fn what_others_reconcile_is_proposed_not_fought_over() {
    let full = level(Autonomy::Full);
    let argo = |d: &mut Value| {
        d["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] =
            json!("shop:apps/Deployment:shop/web");
    };
    assert_eq!(
        ruling(image(), &full, &[], argo),
        (Decision::Ask, "gitops".into())
    );
    let operator = |d: &mut Value| {
        d["metadata"]["ownerReferences"] = json!([{"apiVersion": "db.example.org/v1", "kind": "Database", "name": "main", "uid": "u", "controller": true}]);
    };
    assert_eq!(
        ruling(image(), &full, &[], operator),
        (Decision::Ask, "owned".into())
    );
}

#[test]
fn three_failures_within_an_hour_close_the_workload_until_it_has_passed() {
    let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(5);
    let ago = |minutes| now - SignedDuration::from_mins(minutes);
    let full = level(Autonomy::Full);
    assert_eq!(
        ruling(image(), &full, &[ago(30), ago(10)], |_| {}).0,
        Decision::Execute
    );
    assert_eq!(
        ruling(image(), &full, &[ago(30), ago(20), ago(10)], |_| {}),
        (Decision::Refuse, "attempt-budget".into())
    );
    assert_eq!(
        ruling(image(), &full, &[ago(75), ago(20), ago(10)], |_| {}).0,
        Decision::Execute
    );
}

proptest! {
    #[test]
    fn no_more_autonomy_ever_allows_less(which in 0_usize..7) {
        let action = [image(), memory(2), memory(4), env("MODE", Found::Nowhere), env("DB_PASSWORD", Found::Nowhere), env("DB_PASSWORD", Found::PreviousRevision), undo()][which].clone();
        let rank = |autonomy| match ruling(action.clone(), &level(autonomy), &[], |_| {}).0 {
            Decision::Refuse => 0,
            Decision::Ask => 1,
            Decision::Wait => 2,
            Decision::Execute => 3,
        };
        let ranks = [Autonomy::Observe, Autonomy::Cautious, Autonomy::Standard, Autonomy::Full].map(rank);
        prop_assert!(ranks.is_sorted(), "{:?}", ranks);
    }
}
