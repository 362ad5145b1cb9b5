//! Why no node takes a pod, by the scheduler's words and the nodes themselves.

use akeso_core::{
    diagnose::{Diagnosis, Findings, Remedy, diagnose},
    evidence::Evidence,
    observe::observe,
    policy::Settings,
};
use serde_json::{Value, json};

use crate::world;

fn node(name: &str, disk: &str, cordoned: bool) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"disk": disk}},
        "spec": {"unschedulable": cordoned},
        "status": {"allocatable": {"cpu": "2", "memory": "4Gi"}}
    })
}

fn claim(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "shop"}
    })
}

fn found(spec: &Value, message: &str, others: &[Value]) -> Diagnosis {
    let mut pod = world::pod(&json!([]));
    pod["spec"] = spec.clone();
    pod["status"] = json!({"phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": message, "lastTransitionTime": "2026-01-01T11:00:00Z"
    }]});
    let mut objects = vec![world::deployment(spec), world::replica_set(), pod];
    objects.extend_from_slice(others);
    let cluster = world::cluster(&objects);
    let workload = cluster.workload(&world::web()).unwrap();
    let now = "2026-01-01T12:00:00Z".parse().unwrap();
    let symptoms = observe(&workload, now).symptoms;
    let settings = Settings::default();
    let found = diagnose(&workload, &symptoms, &Evidence::default(), &settings, now);
    let Findings::Diagnosed(found) = found else {
        panic!("nothing is to be asked");
    };
    assert_eq!(found.len(), 1);
    found[0].clone()
}

fn selecting(disk: &str) -> Value {
    json!({"nodeSelector": {"disk": disk}, "containers": [{"name": "app", "image": "nginx"}]})
}

const UNMATCHED: &str =
    "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.";

#[test]
fn a_label_that_no_node_has_is_named_with_the_one_that_is_close() {
    let nodes = [node("one", "fast", false), node("two", "archive", false)];
    let diagnosis = found(&selecting("fsat"), UNMATCHED, &nodes);
    assert_eq!(diagnosis.fault, "node-selector-unmatched");
    assert!(
        diagnosis
            .cause
            .ends_with("disk=fsat (likely meant: disk=fast)"),
        "{}",
        diagnosis.cause
    );
    let Remedy::Steps { steps, .. } = diagnosis.remedy else {
        panic!("it is a slip");
    };
    assert_eq!(
        steps[0].action.treatment().summary(),
        "have the node selector ask for disk=fast in place of fsat"
    );

    let two = [node("one", "fast", false), node("two", "fest", false)];
    let diagnosis = found(&selecting("fist"), UNMATCHED, &two);
    assert!(
        diagnosis.cause.ends_with("disk=fist"),
        "{}",
        diagnosis.cause
    );
    // another letter is another name, however few there are
    for wanted in [selecting("fist"), selecting("last")] {
        let diagnosis = found(&wanted, UNMATCHED, &nodes);
        assert!(matches!(diagnosis.remedy, Remedy::Person(_)));
    }
}

#[test]
fn what_the_nodes_do_not_bear_out_is_left_in_the_schedulers_words() {
    let nodes = [node("one", "fast", false), node("two", "archive", false)];
    for (spec, message, nodes) in [
        (selecting("fast"), UNMATCHED, &nodes[..]),
        (selecting("fsat"), UNMATCHED, &nodes[..1]),
        (
            selecting("fast"),
            "0/2 nodes are available: 1 node(s) were unschedulable, 1 Insufficient cpu.",
            &nodes[..],
        ),
    ] {
        assert_eq!(found(&spec, message, nodes).fault, "unschedulable");
    }
}

#[test]
fn a_cordoned_node_is_named_where_no_other_may_take_the_pod() {
    let message = "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) were unschedulable.";
    let nodes = [node("one", "fast", true), node("two", "archive", false)];
    let diagnosis = found(&selecting("fast"), message, &nodes);
    assert_eq!(diagnosis.fault, "node-cordoned");
    assert!(diagnosis.cause.ends_with(": one"), "{}", diagnosis.cause);
}

#[test]
fn a_request_is_too_large_only_if_an_empty_node_could_not_take_it() {
    let asking = |cpu: &str| {
        json!({"containers": [
            {"name": "helper", "image": "nginx", "resources": {"requests": {"cpu": "1"}}},
            {"name": "app", "image": "nginx", "resources": {"requests": {"cpu": cpu}}}
        ]})
    };
    let message = "0/1 nodes are available: 1 Insufficient cpu.";
    let nodes = [node("one", "fast", false)];
    let diagnosis = found(&asking("2500m"), message, &nodes);
    assert_eq!(diagnosis.fault, "request-too-large");
    assert!(
        diagnosis.cause.ends_with(
            "container app requests cpu 2500m, the largest node (one) has 2 allocatable"
        ),
        "{}",
        diagnosis.cause
    );
    assert_eq!(found(&asking("2"), message, &nodes).fault, "unschedulable");
}

#[test]
fn a_claim_that_does_not_exist_is_named_with_the_one_that_is_close() {
    let spec = json!({
        "containers": [{"name": "app", "image": "nginx"}],
        "volumes": [{"name": "store", "persistentVolumeClaim": {"claimName": "dta-web"}}]
    });
    let message =
        "0/1 nodes are available: persistentvolumeclaim \"dta-web\" not found. preemption: ...";
    let diagnosis = found(&spec, message, &[claim("data-web"), claim("logs")]);
    assert_eq!(diagnosis.fault, "claim-missing");
    for words in ["volume store", "shop/dta-web", "likely meant: data-web"] {
        assert!(diagnosis.cause.contains(words), "{}", diagnosis.cause);
    }
    let diagnosis = found(&spec, message, &[claim("data-web"), claim("dta-wep")]);
    assert!(!diagnosis.cause.contains("meant"), "{}", diagnosis.cause);
}
