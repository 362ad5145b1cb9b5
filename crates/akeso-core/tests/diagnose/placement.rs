//! Why no node takes a pod, by the scheduler's words and the nodes themselves.

use akeso_core::{
    act::{Action, ActionKind},
    diagnose::{Diagnosis, Findings, Remedy, diagnose},
    evidence::Evidence,
    observe::observe,
    plan::Proof,
    policy::Settings,
};
use serde_json::{Value, json};

use crate::{explain, world};

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

fn examined(spec: &Value, message: &str, others: &[Value]) -> Diagnosis {
    let mut pod = world::pod(&json!([]));
    pod["spec"] = spec.clone();
    pod["status"] = json!({"phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": message, "lastTransitionTime": "2026-01-01T11:00:00Z"
    }]});
    pod["metadata"]["labels"] = json!({"app": "web"});
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

fn found(spec: &Value, message: &str, others: &[Value]) -> Diagnosis {
    let found = examined(spec, message, others);
    assert!(matches!(found.remedy, Remedy::Person(_)), "{found:?}");
    found
}

fn selecting(disk: &str) -> Value {
    json!({"nodeSelector": {"disk": disk}, "containers": [{"name": "app", "image": "nginx"}]})
}

const UNMATCHED: &str =
    "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.";

#[test]
fn a_label_that_no_node_has_is_named_with_the_one_that_is_close() {
    let nodes = [node("one", "fast", false), node("two", "archive", false)];
    let diagnosis = examined(&selecting("fsat"), UNMATCHED, &nodes);
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
    let diagnosis = examined(&selecting("fist"), UNMATCHED, &two);
    assert!(
        diagnosis.cause.ends_with("disk=fist"),
        "{}",
        diagnosis.cause
    );
    // another letter is another name, however few there are
    for wanted in [selecting("fist"), selecting("last")] {
        let diagnosis = examined(&wanted, UNMATCHED, &nodes);
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
            "0/2 nodes are available: 2 node(s) were unschedulable.",
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
    let together = found(&asking("2"), message, &nodes);
    assert!(
        together
            .cause
            .contains("its containers together request cpu 3, the largest node (one) has 2"),
        "{}",
        together.cause
    );
    // an empty node would take it: that is capacity, which an autoscaler may bring
    let fits = examined(&asking("1"), message, &nodes);
    assert_eq!(fits.fault, "no-room");
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

/// Claim `orders-data`, bound, for these pods.
fn orders_data(mode: &str) -> Value {
    let mut claim = claim("orders-data");
    claim["status"] = json!({"phase": "Bound", "accessModes": [mode]});
    claim
}

fn mounting(claim: &str) -> Value {
    json!({
        "containers": [{"name": "app", "image": "nginx"}],
        "volumes": [{"name": "store", "persistentVolumeClaim": {"claimName": claim}}]
    })
}

/// The first revision of `shop/web`, which names claim `odrers-data`, and its first pod.
fn first_revision() -> Vec<Value> {
    let spec = mounting("odrers-data");
    let mut web = world::deployment(&spec);
    web["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("1");
    let mut set = world::replica_set();
    set["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("1");
    set["metadata"]["creationTimestamp"] = json!("2026-01-01T11:00:00Z");
    let mut pod = world::pod(&json!([]));
    pod["spec"] = spec;
    pod["status"] = json!({"phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/1 nodes are available: persistentvolumeclaim \"odrers-data\" not found.",
        "lastTransitionTime": "2026-01-01T11:00:00Z"
    }]});
    vec![web, set, pod, orders_data("ReadWriteOnce")]
}

/// What makes the claim somebody else's, or of no use.
type Harm<'a> = &'a dyn Fn(&mut Vec<Value>);

/// The proof on which the claim is corrected, if it is.
fn claim_fixed(objects: &[Value]) -> Option<Proof> {
    let cluster = world::cluster(objects);
    let workload = cluster.workload(&world::web()).unwrap();
    let now = "2026-01-01T12:00:00Z".parse().unwrap();
    let symptoms = observe(&workload, now).symptoms;
    let settings = Settings::default();
    let found = diagnose(&workload, &symptoms, &Evidence::default(), &settings, now);
    let Findings::Diagnosed(found) = found else {
        panic!("nothing is to be asked");
    };
    assert_eq!(found[0].fault, "claim-missing");
    let Remedy::Steps { steps, .. } = &found[0].remedy else {
        return None;
    };
    let Action::FixClaim(fix) = &steps[0].action else {
        panic!("{steps:?}");
    };
    assert_eq!(
        (fix.from.as_str(), fix.to.as_str()),
        ("odrers-data", "orders-data")
    );
    Some(steps[0].proof)
}

fn job(condition: &str) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "seed", "namespace": "shop", "uid": "seed-uid"},
        "spec": {"template": {"spec": mounting("orders-data")}},
        "status": {"conditions": [{"type": condition, "status": "True"}]}
    })
}

#[test]
fn a_claim_is_corrected_only_where_nobody_elses_data_can_be_mounted() {
    assert_eq!(claim_fixed(&first_revision()), Some(Proof::Bounded));
    let with = |change: Harm<'_>| {
        let mut objects = first_revision();
        change(&mut objects);
        claim_fixed(&objects)
    };
    // its data was put there by what has run to its end
    assert!(with(&|all| all.push(job("Complete"))).is_some());
    assert!(with(&|all| all[3] = orders_data("ReadWriteMany")).is_some());
    let mut other = world::deployment(&mounting("orders-data"));
    other["metadata"]["name"] = json!("other");
    other["metadata"]["uid"] = json!("other-uid");
    let mut idle = other.clone();
    idle["spec"]["replicas"] = json!(0);
    let set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "data", "namespace": "shop", "uid": "set-uid"},
        "spec": {"serviceName": "x", "selector": {}, "template": {},
            "volumeClaimTemplates": [{"metadata": {"name": "orders"}}]}
    });
    let mut bare = world::pod(&json!([]));
    bare["metadata"] = json!({"name": "shell", "namespace": "shop", "uid": "shell-uid"});
    bare["spec"] = mounting("orders-data");
    let of_others = json!([{"apiVersion": "v1", "kind": "Database", "name": "d", "uid": "d"}]);
    let harms: [Harm<'_>; 14] = [
        &|all| all.push(other.clone()),
        &|all| all.push(idle.clone()),
        &|all| all.push(job("Suspended")),
        &|all| all.push(bare.clone()),
        &|all| all.push(claim("odrers-dta")),
        &|all| all[3]["status"]["phase"] = json!("Pending"),
        &|all| all[3]["spec"] = json!({"volumeMode": "Block"}),
        &|all| all[3]["metadata"]["ownerReferences"] = of_others.clone(),
        &|all| all[3]["metadata"]["deletionTimestamp"] = json!("2026-01-01T11:00:00Z"),
        &|all| all[3] = orders_data("ReadOnlyMany"),
        &|all| all[0]["spec"]["replicas"] = json!(2),
        // it may have run with a claim of that name, which somebody has removed
        &|all| all[2]["metadata"]["creationTimestamp"] = json!("2026-01-01T11:01:01Z"),
        // the revisions before it are not kept
        &|all| {
            for object in &mut all[..2] {
                object["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("2");
            }
        },
        // it mounts it already
        &|all| {
            let volumes = json!([
                {"name": "store", "persistentVolumeClaim": {"claimName": "odrers-data"}},
                {"name": "more", "persistentVolumeClaim": {"claimName": "orders-data"}}
            ]);
            all[0]["spec"]["template"]["spec"]["volumes"] = volumes;
        },
    ];
    for (place, harm) in harms.iter().enumerate() {
        assert_eq!(with(harm), None, "{place}");
    }
    // `orders-data-0` would be the set's, and is no slip of anything; `orders-data` is not
    assert!(with(&|all| all.push(set.clone())).is_some());
}

#[test]
fn a_claim_that_the_last_revision_had_is_proven_and_another_one_forbids_it() {
    for (before, proof) in [
        ("orders-data", Some(Proof::Confirmed)),
        ("archive", None),
        ("odrers-data", None),
    ] {
        let mut objects = first_revision();
        for object in &mut objects[..2] {
            object["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("2");
        }
        let mut older = world::older_replica_set();
        older["spec"]["template"] = json!({"spec": mounting(before)});
        objects.push(older);
        assert_eq!(claim_fixed(&objects), proof, "{before}");
    }
}

/// A pod that stands on a node, with these labels.
fn neighbour(name: &str, node: &str, labels: &Value, container: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": name, "labels": labels},
        "spec": {"nodeName": node, "containers": [container]},
        "status": {"phase": "Running"}
    })
}

fn with(field: &str, value: &Value) -> Value {
    let mut spec = json!({"containers": [{"name": "app", "image": "nginx"}]});
    spec[field] = value.clone();
    spec
}

fn said(diagnosis: &Diagnosis, fault: &str, words: &[&str]) {
    assert_eq!(diagnosis.fault, fault, "{}", diagnosis.cause);
    for word in words {
        assert!(diagnosis.cause.contains(word), "{}", diagnosis.cause);
    }
}

#[test]
fn an_affinity_that_no_node_meets_is_named_by_its_requirement() {
    let required = |expressions: &Value| {
        with(
            "affinity",
            &json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": expressions}]
            }}}),
        )
    };
    let nodes = [node("one", "fast", false), node("two", "archive", false)];
    let by = |expressions: Value| found(&required(&expressions), UNMATCHED, &nodes);
    said(
        &by(json!([{"key": "disk", "operator": "In", "values": ["fsat"]}])),
        "node-affinity-unmatched",
        &["disk In [fsat] (likely meant: disk=fast)"],
    );
    said(
        &by(json!([{"key": "zone", "operator": "Exists"}])),
        "node-affinity-unmatched",
        &["zone Exists (no node has the label zone)"],
    );
    said(
        &by(json!([
            {"key": "disk", "operator": "In", "values": ["fast"]},
            {"key": "disk", "operator": "NotIn", "values": ["fast"]}
        ])),
        "node-affinity-unmatched",
        &["all of disk In [fast] and disk NotIn [fast]"],
    );
    // a node meets it: then it is something else that the scheduler means
    let met = by(json!([{"key": "disk", "operator": "In", "values": ["fast"]}]));
    assert_eq!(met.fault, "unschedulable");
}

#[test]
fn a_taint_is_named_with_its_node_and_only_where_no_other_node_is_left() {
    let message = "0/2 nodes are available: 2 node(s) had untolerated taint(s). preemption: x";
    let tainted = |name: &str, key: &str| {
        let mut node = node(name, "fast", false);
        node["spec"]["taints"] = json!([{"key": key, "value": "gpu", "effect": "NoSchedule"}]);
        node
    };
    let nodes = [tainted("one", "dedicated"), tainted("two", "dedicated")];
    let plain = with("hostname", &json!("web"));
    let diagnosis = found(&plain, message, &nodes);
    said(
        &diagnosis,
        "taint-untolerated",
        &[
            "dedicated=gpu:NoSchedule on node one",
            "on node two",
            "it has no tolerations",
        ],
    );
    let tolerant = with(
        "tolerations",
        &json!([{"key": "dedicated", "operator": "Exists"}]),
    );
    for (spec, nodes) in [
        (&tolerant, &nodes),
        (
            &plain,
            &[tainted("one", "dedicated"), node("two", "fast", false)],
        ),
    ] {
        assert_eq!(found(spec, message, nodes).fault, "unschedulable");
    }
    let unwell = "node.kubernetes.io/disk-pressure";
    let diagnosis = found(
        &plain,
        message,
        &[tainted("one", unwell), tainted("two", unwell)],
    );
    let Remedy::Person(advice) = diagnosis.remedy else {
        panic!("a person must see to the node");
    };
    assert!(advice.why.contains("Kubernetes has set"), "{}", advice.why);
}

#[test]
fn pods_that_keep_apart_are_named_by_rule_and_by_who_holds_the_places() {
    let message = "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules.";
    let mut place = node("one", "fast", false);
    place["metadata"]["labels"]["host"] = json!("one");
    let apart = with(
        "affinity",
        &json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": "host", "labelSelector": {"matchLabels": {"app": "web"}}}
        ]}}),
    );
    let app = json!({"name": "app", "image": "nginx"});
    let holder = neighbour("web-0", "one", &json!({"app": "web"}), &app);
    let diagnosis = found(&apart, message, &[place.clone(), holder]);
    said(
        &diagnosis,
        "pod-anti-affinity",
        &[
            "app=web (topologyKey host)",
            "1 place(s)",
            "one has web-0",
            "1 replica(s)",
        ],
    );
    // nobody who is known holds the place: nothing is concluded
    assert_eq!(found(&apart, message, &[place]).fault, "unschedulable");
}

#[test]
fn who_is_wanted_beside_it_is_named_if_nobody_is_there() {
    let message = "0/1 nodes are available: 1 node(s) didn't match pod affinity rules.";
    let mut place = node("one", "fast", false);
    place["metadata"]["labels"]["host"] = json!("one");
    let beside = |app: &str| {
        with(
            "affinity",
            &json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "host", "labelSelector": {"matchLabels": {"app": app}}}
            ]}}),
        )
    };
    let app = json!({"name": "app", "image": "nginx"});
    let cache = neighbour("cache-0", "one", &json!({"app": "cache"}), &app);
    let all = [place, cache];
    said(
        &found(&beside("cahce"), message, &all),
        "pod-affinity-unmatched",
        &["app=cahce", "likely meant: app=cache"],
    );
    said(
        &found(&beside("cache"), message, &all),
        "pod-affinity-unmatched",
        &["which stand on one"],
    );
}

#[test]
fn a_spread_is_told_by_its_label_or_by_its_counts() {
    let spread = |key: &str, least: i32| {
        with(
            "topologySpreadConstraints",
            &json!([{
                "maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule",
                "minDomains": least, "labelSelector": {"matchLabels": {"app": "web"}}
            }]),
        )
    };
    let message = "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match pod topology spread constraints.";
    let nodes = [node("one", "fast", false), node("two", "archive", false)];
    let app = json!({"name": "app", "image": "nginx"});
    let placed = neighbour("web-0", "one", &json!({"app": "web"}), &app);
    let all = [nodes[0].clone(), nodes[1].clone(), placed];
    said(
        &found(&spread("disk", 1), message, &all),
        "topology-spread",
        &["leaves only archive", "fast has 1", "archive has 0"],
    );
    said(
        &found(&spread("zone", 1), message, &all),
        "topology-spread",
        &["zone, a label that no node"],
    );
    said(
        &found(&spread("disk", 3), message, &all),
        "topology-spread",
        &["leaves only archive"],
    );
}

#[test]
fn a_host_port_is_named_with_who_has_it() {
    let message =
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.";
    let wants = json!({"containers": [
        {"name": "app", "image": "nginx", "ports": [{"containerPort": 80, "hostPort": 8080}]}
    ]});
    let holding = |protocol: &str| {
        let ports = json!([{"containerPort": 1, "hostPort": 8080, "protocol": protocol}]);
        let app = json!({"name": "app", "image": "nginx", "ports": ports});
        neighbour("other-0", "one", &json!({}), &app)
    };
    let place = node("one", "fast", false);
    said(
        &found(&wants, message, &[place.clone(), holding("TCP")]),
        "host-port-taken",
        &["8080/TCP on one by pod shop/other-0"],
    );
    said(
        &found(&wants, message, &[place, holding("UDP")]),
        "host-port-taken",
        &["by pods that are not seen here"],
    );
}

#[test]
fn what_is_free_is_told_only_when_an_autoscaler_has_had_its_time() {
    let message = "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.";
    let asking = |cpu: &str| json!({"name": "app", "image": "nginx", "resources": {"requests": {"cpu": cpu}}});
    let place = node("one", "fast", false);
    let other = neighbour("other-0", "one", &json!({}), &asking("1500m"));
    let spec = json!({"containers": [asking("1")]});
    let diagnosis = found(&spec, message, &[place.clone(), other]);
    said(
        &diagnosis,
        "no-room",
        &["its pod wants cpu 1", "one has 500m of cpu 2 free"],
    );
    assert_eq!(
        diagnosis.dependency.as_deref(),
        Some("room on the nodes (cpu)")
    );
    let gpu = json!({"containers": [{
        "name": "app", "image": "nginx", "resources": {"limits": {"nvidia.com/gpu": "1"}}
    }]});
    let message = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. no new claims";
    said(
        &found(&gpu, message, &[place]),
        "request-too-large",
        &["container app requests nvidia.com/gpu 1, which no node that may take it offers"],
    );
}

#[test]
fn a_node_name_that_is_no_node_is_a_fault_though_no_pod_says_so() {
    let pinned = |to: &str| {
        let spec = with("nodeName", &json!(to));
        let mut set = world::replica_set();
        set["metadata"]["creationTimestamp"] = json!("2026-01-01T11:59:00Z");
        let nodes = [node("one", "fast", false), node("two", "archive", false)];
        let mut objects = vec![world::deployment(&spec), set];
        objects.extend(nodes);
        let cluster = world::cluster(&objects);
        let workload = cluster.workload(&world::web()).unwrap();
        let seen = |at: &str| observe(&workload, at.parse().unwrap()).symptoms;
        assert!(seen("2026-01-01T11:59:10Z").is_empty(), "it is too early");
        let symptoms = seen("2026-01-01T12:00:00Z");
        let now = "2026-01-01T12:00:00Z".parse().unwrap();
        let settings = Settings::default();
        match diagnose(&workload, &symptoms, &Evidence::default(), &settings, now) {
            Findings::Diagnosed(found) => found.first().cloned(),
            Findings::Ask(_) => panic!("nothing is to be asked"),
        }
    };
    let diagnosis = pinned("oen").unwrap();
    said(
        &diagnosis,
        "node-missing",
        &[
            "spec.nodeName is oen",
            "likely meant: one",
            "the nodes are one, two",
        ],
    );
    assert_eq!(pinned("one"), None);
}

/// Deployment `shop/web` was changed from one pod spec, whose pod is ready, to another, whose pod no
/// node takes; a ReplicaSet has passed the progress deadline, or none has.
fn rolled_out(before: &Value, after: &Value, message: &str, overdue: Option<&str>) -> Remedy {
    let spec = |spec: &Value| json!({"metadata": {"labels": {"app": "web"}}, "spec": spec});
    let mut deployment = world::deployment(after);
    if let Some(set) = overdue {
        let says = format!("ReplicaSet \"{set}\" has timed out progressing.");
        deployment["status"]["conditions"] = json!([{"type": "Progressing", "status": "False",
            "reason": "ProgressDeadlineExceeded", "message": says}]);
    }
    let mut old = world::older_replica_set();
    old["spec"]["template"] = spec(before);
    let mut new = world::replica_set();
    new["spec"]["template"] = spec(after);
    new["metadata"]["creationTimestamp"] = json!("2026-01-01T11:58:00Z");
    let mut pending = world::pod(&json!([]));
    pending["spec"] = after.clone();
    pending["status"] = json!({"phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": message, "lastTransitionTime": "2026-01-01T11:58:00Z"
    }]});
    let mut objects = vec![deployment, old, new, world::older_pod(), pending];
    objects.extend([node("one", "fast", false), node("two", "archive", false)]);
    let found = explain::of(&world::web(), &objects, |question| {
        panic!("{question:?} is not to be asked")
    });
    found.into_iter().next().unwrap().remedy
}

#[test]
fn what_a_rollout_has_changed_is_put_back_when_its_time_is_over() {
    const NO_CPU: &str = "0/2 nodes are available: 2 Insufficient cpu.";
    const NO_GPU: &str = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu.";
    let asking = |requests: Value| {
        json!({"containers": [{"name": "app", "image": "nginx",
            "resources": {"requests": requests}}]})
    };
    let plain = asking(json!({}));
    let greedy = asking(json!({"cpu": "64"}));
    let undone = |before: &Value, after: &Value, message| {
        matches!(
            rolled_out(before, after, message, Some("web-1")),
            Remedy::Steps { steps, .. } if steps[0].action.kind() == ActionKind::RollbackToRevision
        )
    };
    for (after, message) in [(selecting("tape"), UNMATCHED), (greedy.clone(), NO_CPU)] {
        assert!(undone(&plain, &after, message));
        // a node may be on its way; after an undo the condition tells of the revision before for a while
        for overdue in [None, Some("web-0")] {
            let remedy = rolled_out(&plain, &after, message, overdue);
            assert!(matches!(remedy, Remedy::Wait { .. }), "{remedy:?}");
        }
    }
    let bound = |node: &str| {
        let mut spec = plain.clone();
        spec["nodeName"] = json!(node);
        spec
    };
    assert!(undone(&plain, &bound("nowhere"), UNMATCHED));
    // that it was changed elsewhere does not make it the change's fault
    let mut elsewhere = greedy.clone();
    elsewhere["containers"][0]["resources"]["limits"] = json!({"memory": "1Gi"});
    assert!(!undone(&greedy, &elsewhere, NO_CPU));
    let mut preferring = selecting("tape");
    preferring["affinity"] = json!({"nodeAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": []
    }});
    assert!(!undone(&selecting("tape"), &preferring, UNMATCHED));
    // a device plugin comes with its node, whenever that is
    let gpu = asking(json!({"nvidia.com/gpu": "1"}));
    assert!(!undone(&plain, &gpu, NO_GPU));
}
