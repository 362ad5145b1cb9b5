//! Taking back restores what was there, and is refused where somebody has written since.

use akeso_core::{
    act::{
        Action, Change, EnvValue, Found, IncreaseMemory, NotApplicable, PLACEHOLDER, PatchOp,
        Requested, Resource, SetRequest, UpdateEnv, Variable,
    },
    quantity::Bytes,
    workload::{AttemptId, ContainerRef, ContainerRole},
};
use serde_json::{Value, json};

use super::patches::apply;
use crate::world;

pub fn app() -> ContainerRef {
    ContainerRef {
        name: "app".into(),
        role: ContainerRole::Main,
    }
}

pub fn memory(request: Option<u64>) -> Action {
    Action::IncreaseMemory(IncreaseMemory {
        container: app(),
        from: Bytes::mebi(128),
        to: Bytes::mebi(256),
        request: request.map(Bytes::mebi),
    })
}

pub fn variable(name: &str, value: EnvValue, found: Found) -> Variable {
    Variable {
        name: name.into(),
        value,
        found,
        source: String::new(),
    }
}

pub fn env(variables: Vec<Variable>) -> Action {
    Action::UpdateEnv(UpdateEnv {
        container: app(),
        variables,
    })
}

/// The CPU that `app` and its sidecar request.
pub fn requests() -> Action {
    let set = |container, from: Option<&str>, to: &str| Requested {
        container,
        from: from.map(str::to_owned),
        to: to.to_owned(),
    };
    let sidecar = ContainerRef {
        name: "proxy".into(),
        role: ContainerRole::Init,
    };
    Action::SetRequest(SetRequest {
        resource: Resource::Cpu,
        requests: vec![set(app(), Some("64"), "250m"), set(sidecar, None, "10m")],
    })
}

fn literal(name: &str, found: Found) -> Variable {
    variable(name, EnvValue::Literal("x".into()), found)
}

/// `shop/web` after the change, and the patch that takes it back.
fn done(action: &Action, original: &Value) -> (Value, Vec<PatchOp>) {
    let cluster = world::cluster(std::slice::from_ref(original));
    let workload = cluster.workload(&world::web()).unwrap();
    let Change::Patch { forward, inverse } = action.change(&workload, AttemptId(7)).unwrap() else {
        unreachable!("a patch was expected")
    };
    let mut object = original.clone();
    apply(&mut object, &forward).unwrap();
    (object, inverse)
}

fn limited(requests: &Value) -> Value {
    let mut resources = json!({"limits": {"memory": "128Mi"}});
    if !requests.is_null() {
        resources["requests"] = requests.clone();
    }
    world::deployment(&json!({"containers": [{"name": "app", "resources": resources}]}))
}

#[test]
fn a_request_is_written_where_there_was_none_and_taken_back_to_what_it_was() {
    for requests in [
        Value::Null,
        json!({"cpu": "100m"}),
        json!({"memory": "128Mi"}),
    ] {
        let original = limited(&requests);
        let (mut object, inverse) = done(&memory(Some(200)), &original);
        let resources = "/spec/template/spec/containers/0/resources";
        let at =
            |object: &Value, path: &str| object.pointer(&format!("{resources}{path}")).cloned();
        assert_eq!(at(&object, "/limits/memory"), Some(json!("256Mi")));
        assert_eq!(at(&object, "/requests/memory"), Some(json!("200Mi")));
        assert_eq!(at(&object, "/requests/cpu"), requests.get("cpu").cloned());
        apply(&mut object, &inverse).unwrap();
        assert_eq!(object["spec"], original["spec"]);
    }
}

#[test]
fn a_request_that_somebody_has_changed_since_is_not_taken_back() {
    for requests in [
        Value::Null,
        json!({"cpu": "100m"}),
        json!({"memory": "128Mi"}),
    ] {
        let (object, inverse) = done(&memory(Some(200)), &limited(&requests));
        for (resource, quantity) in [("memory", "220Mi"), ("cpu", "250m")] {
            let mut since = object.clone();
            let container = &mut since["spec"]["template"]["spec"]["containers"][0];
            container["resources"]["requests"][resource] = json!(quantity);
            let is_ours = resource == "memory" || requests.is_null();
            assert_eq!(
                apply(&mut since, &inverse).is_err(),
                is_ours,
                "{requests}: {resource}"
            );
        }
    }
}

#[test]
fn a_request_that_somebody_has_changed_before_is_not_overwritten() {
    let original = limited(&json!({"memory": "128Mi"}));
    let cluster = world::cluster(std::slice::from_ref(&original));
    let workload = cluster.workload(&world::web()).unwrap();
    let Change::Patch { forward, .. } = memory(Some(200)).change(&workload, AttemptId(7)).unwrap()
    else {
        unreachable!("a patch was expected")
    };
    let mut changed = limited(&json!({"memory": "100Mi"}));
    assert!(apply(&mut changed, &forward).is_err());
}

#[test]
fn variables_are_added_behind_those_that_are_there_in_their_order() {
    let original = world::deployment(
        &json!({"containers": [{"name": "app", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}]}),
    );
    let added = env(vec![
        literal("C", Found::Sibling),
        variable(
            "D",
            EnvValue::ConfigMapKey {
                name: "settings".into(),
                key: "d".into(),
            },
            Found::Key,
        ),
        variable(
            "E",
            EnvValue::SecretKey {
                name: "keys".into(),
                key: "e".into(),
            },
            Found::Key,
        ),
    ]);
    let (mut object, inverse) = done(&added, &original);
    assert_eq!(
        object["spec"]["template"]["spec"]["containers"][0]["env"],
        json!([
            {"name": "A", "value": "1"},
            {"name": "B", "value": "2"},
            {"name": "C", "value": "x"},
            {"name": "D", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "d"}}},
            {"name": "E", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "e"}}},
        ])
    );
    assert_eq!(object["metadata"]["annotations"].get(PLACEHOLDER), None);
    // what somebody has added since stays
    let mut since = object.clone();
    since["spec"]["template"]["spec"]["containers"][0]["env"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "F", "value": "6"}));
    apply(&mut since, &inverse).unwrap();
    let left = &since["spec"]["template"]["spec"]["containers"][0]["env"];
    let names: Vec<_> = left
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(names, ["A", "B", "F"]);
    apply(&mut object, &inverse).unwrap();
    assert_eq!(object["spec"], original["spec"]);
}

#[test]
fn a_placeholder_is_marked_beside_those_that_are_marked_already() {
    let mut original = world::deployment(&json!({"containers": [{"name": "app"}]}));
    let added = env(vec![
        literal("REAL", Found::Service),
        literal("A", Found::Nowhere),
        literal("B", Found::Nowhere),
    ]);
    let (mut object, inverse) = done(&added, &original);
    assert_eq!(object["metadata"]["annotations"][PLACEHOLDER], "A,B");
    // what somebody has made of it since is not written over
    let mut since = object.clone();
    since["metadata"]["annotations"][PLACEHOLDER] = json!("A,B,THEIRS");
    assert!(apply(&mut since, &inverse).is_err());
    apply(&mut object, &inverse).unwrap();
    assert_eq!(object["metadata"]["annotations"].get(PLACEHOLDER), None);

    original["metadata"]["annotations"][PLACEHOLDER] = json!("OLD");
    let (mut object, inverse) = done(&added, &original);
    assert_eq!(object["metadata"]["annotations"][PLACEHOLDER], "OLD,A,B");
    let mut since = object.clone();
    since["metadata"]["annotations"][PLACEHOLDER] = json!("OLD,A,B,THEIRS");
    assert!(apply(&mut since, &inverse).is_err());
    apply(&mut object, &inverse).unwrap();
    assert_eq!(object["metadata"]["annotations"][PLACEHOLDER], "OLD");
}

#[test]
fn a_workload_without_annotations_gets_the_mark_as_well() {
    let mut original = world::deployment(&json!({"containers": [{"name": "app"}]}));
    original["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("annotations");
    let (object, _) = done(&env(vec![literal("A", Found::Nowhere)]), &original);
    assert_eq!(
        object["metadata"]["annotations"],
        json!({"akeso.dev/last-attempt": "attempt-7", PLACEHOLDER: "A"})
    );
    // and only as it was looked at: somebody else may annotate it at the same time
    original["metadata"]["resourceVersion"] = json!("41");
    let cluster = world::cluster(std::slice::from_ref(&original));
    let workload = cluster.workload(&world::web()).unwrap();
    let change = env(vec![literal("A", Found::Nowhere)]).change(&workload, AttemptId(7));
    let Ok(Change::Patch { forward, .. }) = change else {
        panic!("{change:?}");
    };
    let mut since = original.clone();
    since["metadata"]["resourceVersion"] = json!("42");
    assert!(apply(&mut since, &forward).is_err());
    apply(&mut original, &forward).unwrap();
}

#[test]
fn requests_are_set_where_they_are_those_that_were_seen_and_nothing_else_is_touched() {
    let spec = |app: Value, proxy: &Value| {
        let mut sidecar = json!({"name": "proxy", "restartPolicy": "Always"});
        if !proxy.is_null() {
            sidecar["resources"] = proxy.clone();
        }
        world::deployment(&json!({
            "initContainers": [sidecar],
            "containers": [{"name": "other"}, {"name": "app", "resources": {"requests": app, "limits": {"cpu": "64"}}}],
        }))
    };
    for proxy in [
        Value::Null,
        json!({}),
        json!({"limits": {"memory": "1Gi"}}),
        json!({"requests": {"memory": "1Gi"}}),
    ] {
        let original = spec(json!({"cpu": "64", "memory": "1Gi"}), &proxy);
        let (mut object, inverse) = done(&requests(), &original);
        let changed = &object["spec"]["template"]["spec"];
        let of = |list: &str, index: usize| changed[list][index]["resources"].clone();
        assert_eq!(
            of("containers", 1),
            json!({"requests": {"cpu": "250m", "memory": "1Gi"}, "limits": {"cpu": "64"}})
        );
        let mut expected = if proxy.is_null() { json!({}) } else { proxy };
        expected["requests"]["cpu"] = json!("10m");
        assert_eq!(of("initContainers", 0), expected);
        let cluster = world::cluster(std::slice::from_ref(&object));
        let workload = cluster.workload(&world::web()).unwrap();
        assert!(requests().treatment().holds(&workload));
        // what somebody has changed since stays
        let mut since = object.clone();
        since["spec"]["template"]["spec"]["containers"][1]["resources"]["requests"]["cpu"] =
            json!("300m");
        assert!(apply(&mut since, &inverse).is_err());
        apply(&mut object, &inverse).unwrap();
        assert_eq!(object["spec"], original["spec"]);
    }
    for (app, proxy) in [
        (json!({"cpu": "65"}), json!({})),
        (json!({}), json!({})),
        (json!({"cpu": "64"}), json!({"requests": {"cpu": "5m"}})),
    ] {
        let cluster = world::cluster(&[spec(app, &proxy)]);
        let workload = cluster.workload(&world::web()).unwrap();
        let change = requests().change(&workload, AttemptId(7));
        assert!(
            matches!(change, Err(NotApplicable::Changed { .. })),
            "{change:?}"
        );
        assert!(!requests().treatment().holds(&workload));
    }
}
