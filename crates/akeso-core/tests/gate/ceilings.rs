//! Nothing is raised beyond the policy's ceilings, by whatever action and however it is written.

use akeso_core::gate::{Decision, Ruling};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::situation::{Situation, image, undo};

const POLICY: &str = "{autonomy: full, ceilings: {memory: 1Gi, cpu: '2', replicas: 3}}";
const RESOURCES: &str = "/spec/template/spec/containers/0/resources";

fn ruling(patch: &Value) -> Ruling {
    Situation::of(image())
        .policy(POLICY)
        .writing(patch)
        .ruling()
}

fn is_refused(patch: &Value) -> bool {
    match ruling(patch).decision {
        Decision::Refuse => true,
        Decision::Execute => false,
        other @ (Decision::Ask | Decision::Wait) => unreachable!("{other:?}"),
    }
}

/// A replacement at a path, with the test of what was there.
fn replaced(path: &str, old: &Value, new: &Value) -> Value {
    json!([
        {"op": "test", "path": "/metadata/generation", "value": 3},
        {"op": "test", "path": path, "value": old},
        {"op": "replace", "path": path, "value": new},
    ])
}

fn added(path: &str, value: &Value) -> Value {
    json!([{"op": "add", "path": path, "value": value}])
}

#[test]
fn nothing_is_raised_beyond_its_ceiling_and_what_is_higher_may_stay_or_be_lowered() {
    for (path, [below, at, above, higher]) in [
        ("limits/memory", ["512Mi", "1Gi", "1025Mi", "2Gi"]),
        ("requests/memory", ["512Mi", "1024Mi", "1073741825", "2Gi"]),
        ("limits/cpu", ["1", "2", "2001m", "4"]),
        ("requests/cpu", ["500m", "2000m", "2.5", "4"]),
    ] {
        let path = format!("{RESOURCES}/{path}");
        let to = |old: &str, new: &str| is_refused(&replaced(&path, &json!(old), &json!(new)));
        assert!(!to(below, at), "up to the ceiling: {path}");
        assert!(to(below, above) && to(at, above), "beyond it: {path}");
        assert!(to(above, higher), "and further: {path}");
        assert!(!to(higher, higher), "it may stay: {path}");
        assert!(!to(higher, above) && !to(higher, below), "lowered: {path}");
        assert!(is_refused(&added(&path, &json!(above))), "{path}");
        assert!(!is_refused(&added(&path, &json!(at))), "{path}");
    }
}

#[test]
fn replicas_are_not_raised_beyond_their_ceiling() {
    let to = |old: u32, new: u32| is_refused(&replaced("/spec/replicas", &json!(old), &json!(new)));
    assert!(!to(1, 3) && to(1, 4) && to(3, 4) && to(4, 5));
    assert!(!to(5, 5) && !to(5, 4) && !to(5, 1));
    assert!(is_refused(&added("/spec/replicas", &json!(4))));
    assert!(!is_refused(&added("/spec/replicas", &json!(3))));
}

#[test]
fn what_is_written_as_a_whole_is_looked_into() {
    let requests = format!("{RESOURCES}/requests");
    assert!(is_refused(&added(&requests, &json!({"memory": "2Gi"}))));
    assert!(!is_refused(&added(&requests, &json!({"memory": "1Gi"}))));
    let containers = "/spec/template/spec/containers";
    let with = |memory: &str, name: &str| json!([{"name": name, "resources": {"limits": {"memory": "64Mi"}}}, {"name": "b", "resources": {"limits": {"cpu": "1", "memory": memory}}}]);
    assert!(is_refused(&added(containers, &with("2Gi", "a"))));
    assert!(!is_refused(&added(containers, &with("1Gi", "a"))));
    // what is higher already may stay, though its neighbour is changed
    let kept = replaced(containers, &with("2Gi", "a"), &with("2Gi", "c"));
    assert!(!is_refused(&kept));
    assert!(is_refused(&replaced(
        containers,
        &with("1Gi", "a"),
        &with("2Gi", "c")
    )));
    assert!(is_refused(&replaced(
        containers,
        &with("2Gi", "a"),
        &with("3Gi", "a")
    )));
}

#[test]
fn only_resources_and_the_workloads_own_replicas_have_ceilings() {
    for (path, value) in [
        ("/metadata/annotations/memory", json!("2Gi")),
        ("/spec/template/metadata/labels/cpu", json!("64")),
        ("/spec/template/spec/overhead/memory", json!("2Gi")),
        ("/spec/template/replicas", json!(9)),
        (
            "/spec/template/spec/containers/0/resources/limits/disk",
            json!("9Ti"),
        ),
    ] {
        assert!(!is_refused(&added(path, &value)), "{path}");
    }
    // a test and a removal write nothing
    let memory = format!("{RESOURCES}/limits/memory");
    assert!(!is_refused(
        &json!([{"op": "test", "path": memory, "value": "9Gi"}, {"op": "remove", "path": memory}])
    ));
}

#[test]
fn a_refusal_names_field_value_and_ceiling_and_no_yes_answers_it() {
    let path = format!("{RESOURCES}/limits/memory");
    let raised = replaced(&path, &json!("1Gi"), &json!("2Gi"));
    let refused = ruling(&raised);
    assert_eq!(refused.rule, "ceilings");
    assert_eq!(
        refused.why,
        format!("{path} would be 2Gi, and the policy's ceiling is 1Gi")
    );
    assert_eq!(
        ruling(&added("/spec/replicas", &json!(4))).why,
        "/spec/replicas would be 4, and the policy's ceiling is 3"
    );
    let consented = Situation::of(undo()).policy(POLICY).writing(&raised);
    assert_eq!(consented.consented().decision().0, Decision::Refuse);
}

#[test]
fn without_a_ceiling_cpu_and_replicas_are_free_and_memory_has_one_always() {
    let free = |path: &str, value: Value| {
        let situation = Situation::of(image())
            .policy("{}")
            .writing(&added(path, &value));
        situation.decision().0 == Decision::Execute
    };
    assert!(free(&format!("{RESOURCES}/limits/cpu"), json!("999")));
    assert!(free("/spec/replicas", json!(999)));
    assert!(free(&format!("{RESOURCES}/limits/memory"), json!("4Gi")));
    assert!(!free(
        &format!("{RESOURCES}/limits/memory"),
        json!("4097Mi")
    ));
}

proptest! {
    #[test]
    fn what_is_executed_is_below_the_ceiling_or_no_higher_than_before(old in 1_u64..4_096, new in 1_u64..4_096, whole in any::<bool>()) {
        let (before, after) = (json!(format!("{old}Mi")), json!(format!("{new}Mi")));
        let patch = if whole {
            let limits = |memory: &Value| json!({"limits": {"memory": memory}});
            replaced(RESOURCES, &limits(&before), &limits(&after))
        } else {
            replaced(&format!("{RESOURCES}/limits/memory"), &before, &after)
        };
        prop_assert_eq!(is_refused(&patch), new > 1_024 && new > old);
    }
}
