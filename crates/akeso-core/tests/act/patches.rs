//! Every reversible action: its patch applies to the object it was made from, changes nothing
//! else, is refused when the object has changed, and its inverse brings the spec back.

use akeso_core::{
    act::{
        Action, Change, EnvValue, FixImageName, Found, IncreaseMemory, PatchOp, UpdateEnv, Variable,
    },
    quantity::Bytes,
    workload::{AttemptId, ContainerRef, ContainerRole},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world;

pub fn apply(object: &mut Value, patch: &[PatchOp]) -> Result<(), json_patch::PatchError> {
    let patch: json_patch::Patch =
        serde_json::from_value(serde_json::to_value(patch).unwrap()).unwrap();
    json_patch::patch(object, &patch)
}

fn container() -> impl Strategy<Value = Value> {
    let env = proptest::collection::vec("[A-Z]{3,6}", 0..4);
    (env, proptest::option::of(64_u64..512), 64_u64..512, any::<bool>()).prop_map(|(env, request, limit, has_cpu)| {
        let mut env = env;
        env.sort();
        env.dedup();
        let mut container = json!({"image": "nginx:latst", "resources": {"limits": {"memory": format!("{limit}Mi")}}});
        if !env.is_empty() {
            container["env"] = env.iter().map(|name| json!({"name": name, "value": "x"})).collect();
        }
        if let Some(request) = request {
            container["resources"]["requests"] = json!({"memory": format!("{}Mi", request.min(limit))});
        } else if has_cpu {
            container["resources"]["requests"] = json!({"cpu": "100m"});
        }
        container
    })
}

fn pod_spec() -> impl Strategy<Value = (Value, usize)> {
    proptest::collection::vec(container(), 1..4).prop_flat_map(|containers| {
        let count = containers.len();
        let named: Vec<Value> = containers
            .into_iter()
            .enumerate()
            .map(|(index, mut container)| {
                container["name"] = json!(format!("c{index}"));
                container
            })
            .collect();
        (Just(json!({"containers": named})), 0..count)
    })
}

fn action(spec: &Value, index: usize, which: u8, count: usize, with_request: bool) -> Action {
    let reference = ContainerRef {
        name: format!("c{index}"),
        role: ContainerRole::Main,
    };
    match which % 3 {
        0 => Action::FixImageName(FixImageName {
            container: reference,
            from: "nginx:latst".into(),
            to: "nginx:latest".into(),
        }),
        1 => Action::UpdateEnv(UpdateEnv {
            container: reference,
            variables: (0..count)
                .map(|n| Variable {
                    name: format!("ADDED_{n}"),
                    value: if n == 1 {
                        EnvValue::SecretKey {
                            name: "s".into(),
                            key: "k".into(),
                        }
                    } else {
                        EnvValue::Literal("v".into())
                    },
                    source: String::new(),
                    found: if n == 0 {
                        Found::Nowhere
                    } else {
                        Found::Service
                    },
                })
                .collect(),
        }),
        _ => {
            let limit = spec["containers"][index]["resources"]["limits"]["memory"]
                .as_str()
                .unwrap();
            let from = Bytes::parse(limit).unwrap();
            let request = with_request.then_some(from);
            Action::IncreaseMemory(IncreaseMemory {
                container: reference,
                from,
                to: from.times(2),
                request,
            })
        }
    }
}

proptest! {
    #[test]
    fn what_is_done_can_be_taken_back((spec, index) in pod_spec(), which in 0_u8..3, count in 1_usize..4, with_request in any::<bool>()) {
        let original = world::deployment(&spec);
        let action = action(&spec, index, which, count, with_request);
        let cluster = world::cluster(std::slice::from_ref(&original));
        let workload = cluster.workload(&world::web()).unwrap();
        let Change::Patch { forward, inverse } = action.change(&workload, AttemptId(7)).unwrap() else {
            return Err(TestCaseError::fail("a patch was expected"));
        };

        prop_assert_eq!(action.treatment().is_done(&workload), Some(false));

        let mut object = original.clone();
        apply(&mut object, &forward).unwrap();
        prop_assert_eq!(&object["metadata"]["annotations"]["akeso.dev/last-attempt"], "attempt-7");
        let untouched = |value: &Value| {
            let mut containers = value["spec"]["template"]["spec"]["containers"].as_array().unwrap().clone();
            containers.remove(index);
            containers
        };
        prop_assert_eq!(untouched(&object), untouched(&original), "another container was changed");
        let changed = world::cluster(std::slice::from_ref(&object));
        let changed = changed.workload(&world::web()).unwrap();
        prop_assert!(action.treatment().holds(&changed));
        prop_assert_eq!(action.treatment().is_done(&changed), Some(true));

        apply(&mut object, &inverse).unwrap();
        prop_assert_eq!(&object["spec"], &original["spec"]);
    }

    #[test]
    fn a_patch_is_refused_when_somebody_was_first((spec, index) in pod_spec(), which in 0_u8..3) {
        let original = world::deployment(&spec);
        let action = action(&spec, index, which, 2, false);
        let cluster = world::cluster(std::slice::from_ref(&original));
        let Change::Patch { forward, inverse } = action.change(&cluster.workload(&world::web()).unwrap(), AttemptId(1)).unwrap() else {
            return Err(TestCaseError::fail("a patch was expected"));
        };
        let mut other = original.clone();
        other["metadata"]["generation"] = json!(4);
        prop_assert!(apply(&mut other, &forward).is_err());
        // and what somebody has set since is not overwritten by taking the change back
        prop_assert!(apply(&mut original.clone(), &inverse).is_err());
        // one of the same name that was made anew is another
        let mut anew = original.clone();
        anew["metadata"]["uid"] = json!("another");
        prop_assert!(apply(&mut anew, &forward).is_err());
        let mut changed = original.clone();
        apply(&mut changed, &forward).unwrap();
        changed["metadata"]["uid"] = json!("another");
        prop_assert!(apply(&mut changed, &inverse).is_err());
    }
}

#[test]
fn only_the_init_container_is_changed_when_it_is_the_one_that_is_broken() {
    let spec = json!({"initContainers": [{"name": "setup", "image": "busybox"}], "containers": [{"name": "app", "image": "nginx"}]});
    let original = world::deployment(&spec);
    let cluster = world::cluster(std::slice::from_ref(&original));
    let action = Action::UpdateEnv(UpdateEnv {
        container: ContainerRef {
            name: "setup".into(),
            role: ContainerRole::Init,
        },
        variables: vec![Variable {
            name: "MIGRATION_URL".into(),
            value: EnvValue::Literal("x".into()),
            source: String::new(),
            found: Found::Service,
        }],
    });
    let change = action
        .treatment()
        .change(&cluster.workload(&world::web()).unwrap(), AttemptId(1))
        .unwrap();
    let Change::Patch { forward, .. } = change else {
        unreachable!()
    };
    let mut object = original.clone();
    apply(&mut object, &forward).unwrap();
    assert_eq!(
        object["spec"]["template"]["spec"]["initContainers"][0]["env"][0]["name"],
        "MIGRATION_URL"
    );
    assert_eq!(
        object["spec"]["template"]["spec"]["containers"],
        original["spec"]["template"]["spec"]["containers"]
    );
}
