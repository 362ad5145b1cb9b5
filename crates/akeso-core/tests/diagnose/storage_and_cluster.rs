//! Volumes, evictions, nodes, and what does not go.

use akeso_core::{
    diagnose::{Diagnosis, Findings, Remedy, diagnose},
    evidence::{Answer, Evidence, Life, Question},
    observe::observe,
    policy::Settings,
    workload::{SupportKind, WorkloadKind, WorkloadRef},
};
use serde_json::{Value, json};

use crate::world;

/// The first diagnosis of a workload at noon, whose pod's container logged this before it died.
fn explained(objects: &[Value], of: &WorkloadRef, log: &str) -> Option<Diagnosis> {
    let cluster = world::cluster(objects);
    let workload = cluster.workload(of).unwrap();
    let now = "2026-01-01T12:00:00Z".parse().unwrap();
    let symptoms = observe(&workload, now).symptoms;
    let mut evidence = Evidence::default();
    for life in [Life::Current, Life::Previous] {
        let question = Question::Logs {
            pod: "web-1-abcde".to_owned(),
            container: "app".to_owned(),
            life,
        };
        evidence.insert(question, Answer::Logs(log.to_owned()));
    }
    let settings = Settings::default();
    match diagnose(&workload, &symptoms, &evidence, &settings, now) {
        Findings::Diagnosed(found) => found.first().cloned(),
        Findings::Ask(questions) => panic!("{questions:?}"),
    }
}

fn support(kind: SupportKind, namespace: &str, name: &str) -> WorkloadRef {
    WorkloadRef {
        kind: WorkloadKind::Support(kind),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

fn said(diagnosis: Option<Diagnosis>, fault: &str, words: &[&str]) {
    let diagnosis = diagnosis.unwrap();
    assert_eq!(diagnosis.fault, fault, "{}", diagnosis.cause);
    for word in words {
        assert!(diagnosis.cause.contains(word), "{}", diagnosis.cause);
    }
    assert!(matches!(diagnosis.remedy, Remedy::Person(_)));
}

fn claim(name: &str, spec: &Value, phase: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "shop", "creationTimestamp": "2026-01-01T11:30:00Z"},
        "spec": spec, "status": {"phase": phase, "capacity": {"storage": "1Gi"}}
    })
}

fn failing(name: &str, first: &str, message: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Event", "type": "Warning",
        "metadata": {"name": format!("{name}.1"), "namespace": "shop"},
        "involvedObject": {"kind": "PersistentVolumeClaim", "namespace": "shop", "name": name},
        "reason": "ProvisioningFailed", "message": message,
        "firstTimestamp": first, "lastTimestamp": "2026-01-01T11:59:50Z"
    })
}

fn mounting(claim: &str) -> Value {
    json!({
        "containers": [{"name": "app", "image": "nginx", "volumeMounts": [{"name": "store", "mountPath": "/store"}]}],
        "volumes": [{"name": "store", "persistentVolumeClaim": {"claimName": claim}}]
    })
}

fn waiting(spec: &Value, message: &str) -> Vec<Value> {
    let mut pod = world::pod(&json!([]));
    pod["spec"] = spec.clone();
    pod["status"] = json!({"phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": message, "lastTransitionTime": "2026-01-01T11:59:00Z"
    }]});
    vec![world::deployment(spec), world::replica_set(), pod]
}

const UNBOUND: &str =
    "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found";

#[test]
fn a_claim_and_the_pod_that_waits_for_it_are_told_the_same_cause() {
    let other = claim("other", &json!({"storageClassName": "standard"}), "Bound");
    let typo = claim("data", &json!({"storageClassName": "standrad"}), "Pending");
    let event = failing(
        "data",
        "2026-01-01T11:59:40Z",
        "storageclass.storage.k8s.io \"standrad\" not found",
    );
    let words = ["storageClassName is standrad", "likely meant: standard"];
    let data = support(SupportKind::PersistentVolumeClaim, "shop", "data");
    let mut objects = waiting(&mounting("data"), UNBOUND);
    objects.extend([other, typo, event]);
    let of_claim = explained(&objects, &data, "");
    let of_pod = explained(&objects, &world::web(), "");
    let dependency = |it: &Option<Diagnosis>| it.as_ref().and_then(|it| it.dependency.clone());
    assert_eq!(dependency(&of_claim), dependency(&of_pod));
    said(of_claim, "claim-unbound", &words);
    said(of_pod, "claim-unbound", &words);
}

#[test]
fn a_claim_that_may_only_wait_its_turn_is_left_alone() {
    let data = support(SupportKind::PersistentVolumeClaim, "shop", "data");
    let classed = claim("data", &json!({"storageClassName": "standard"}), "Pending");
    let by_hand = claim("data", &json!({"storageClassName": ""}), "Pending");
    let none = claim("data", &json!({}), "Pending");
    // a class that waits for the first pod; a volume that nobody wants yet
    for claim in [&classed, &by_hand, &none] {
        assert_eq!(explained(std::slice::from_ref(claim), &data, ""), None);
    }
    let hiccup = failing("data", "2026-01-01T11:59:00Z", "rpc error: try again");
    assert_eq!(explained(&[classed.clone(), hiccup], &data, ""), None);
    let lasting = failing(
        "data",
        "2026-01-01T11:50:00Z",
        "rpc error: quota of disks is used up",
    );
    said(
        explained(&[classed, lasting], &data, ""),
        "claim-unbound",
        &["rpc error: quota of disks is used up"],
    );
    let mut objects = waiting(&mounting("data"), UNBOUND);
    objects.push(by_hand);
    said(
        explained(&objects, &data, ""),
        "claim-unbound",
        &["storageClassName is empty", "none fits"],
    );
    objects.pop();
    objects.push(none);
    said(
        explained(&objects, &data, ""),
        "claim-unbound",
        &["no default StorageClass"],
    );
}

#[test]
fn a_volume_that_is_on_another_node_is_told_with_that_node() {
    let message = "0/1 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity. preemption: x";
    let mut data = claim("data", &json!({}), "Bound");
    data["metadata"]["annotations"] = json!({"volume.kubernetes.io/selected-node": "gone"});
    let mut objects = waiting(&mounting("data"), message);
    objects.push(data);
    objects.push(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "one"}}));
    said(
        explained(&objects, &world::web(), ""),
        "volume-elsewhere",
        &["data (made for node gone, which is gone)", ": one"],
    );
}

fn crashing(spec: &Value) -> Vec<Value> {
    let mut pod = world::pod(&json!([{
        "name": "app", "image": "nginx:1.27", "imageID": "", "ready": false, "restartCount": 5,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {
            "exitCode": 1, "reason": "Error",
            "startedAt": "2026-01-01T11:59:28Z", "finishedAt": "2026-01-01T11:59:30Z"
        }}
    }]));
    pod["spec"] = spec.clone();
    vec![world::deployment(spec), world::replica_set(), pod]
}

#[test]
fn what_makes_a_path_read_only_is_named() {
    let log = "starting\nsh: 1: cannot create /store/out: Read-only file system";
    let mut spec = mounting("data");
    let by = |spec: &Value, log: &str| explained(&crashing(spec), &world::web(), log);
    said(
        by(&spec, log),
        "read-only-file-system",
        &["/store/out", "though nothing in the pod says so"],
    );
    spec["containers"][0]["volumeMounts"][0]["readOnly"] = json!(true);
    said(
        by(&spec, log),
        "read-only-file-system",
        &["volumeMounts store (/store) has readOnly: true"],
    );
    spec["containers"][0]["securityContext"] = json!({"readOnlyRootFilesystem": true});
    said(
        by(&spec, &log.replace("/store/", "/storey/")),
        "read-only-file-system",
        &["readOnlyRootFilesystem is true"],
    );
    // long before the end it was lived with
    let lived = format!("{log}\n1\n2\n3\n4\nboom");
    assert_eq!(by(&spec, &lived).unwrap().fault, "unknown-crash");
}

#[test]
fn what_is_full_is_named_with_its_size() {
    let log = "dd: error writing '/store/x': No space left on device\n1+0 records in";
    let mut objects = crashing(&mounting("data"));
    objects.push(claim("data", &json!({}), "Bound"));
    said(
        explained(&objects, &world::web(), log),
        "no-space-left",
        &["/store/x", "PersistentVolumeClaim data of 1Gi"],
    );
}

fn evicted(name: &str, at: &str, message: &str) -> Value {
    let mut pod = world::pod(&json!([]));
    pod["metadata"]["name"] = json!(name);
    pod["metadata"]["uid"] = json!(name);
    pod["spec"]["nodeName"] = json!("one");
    pod["status"] = json!({
        "phase": "Failed", "reason": "Evicted", "message": message,
        "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": at}]
    });
    pod
}

#[test]
fn one_eviction_is_no_fault_and_the_second_is() {
    let spec = json!({"containers": [{
        "name": "app", "image": "nginx", "resources": {"limits": {"ephemeral-storage": "1Mi"}}
    }]});
    let by = |message: &str, times: &[&str]| {
        let mut objects = vec![world::deployment(&spec), world::replica_set()];
        for (index, at) in times.iter().enumerate() {
            objects.push(evicted(&format!("web-1-{index}"), at, message));
        }
        explained(&objects, &world::web(), "")
    };
    let (early, late) = ("2026-01-01T11:30:00Z", "2026-01-01T11:58:00Z");
    let own = "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ";
    assert_eq!(by(own, &[late]), None);
    assert_eq!(by(own, &[early, late]), None);
    for (message, fault, words) in [
        (
            own,
            "ephemeral-storage-exceeded",
            &["together, 1Mi (container app 1Mi)"],
        ),
        (
            "Container app exceeded its local ephemeral storage limit \"1Mi\". ",
            "ephemeral-storage-exceeded",
            &["container app writes more"],
        ),
        (
            "Usage of EmptyDir volume \"d\" exceeds the limit \"1Mi\". ",
            "ephemeral-storage-exceeded",
            &["volume d than its emptyDir.sizeLimit of 1Mi"],
        ),
        (
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 90Mi. ",
            "evicted-under-pressure",
            &["node one is low on memory"],
        ),
    ] {
        said(by(message, &[late, late]), fault, words);
    }
}

#[test]
fn a_node_is_told_when_it_does_not_get_well_by_itself() {
    let one = support(SupportKind::Node, "", "one");
    let by = |type_: &str, status: &str, since: &str, spec: Value| {
        let node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": "one", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": spec,
            "status": {"conditions": [{
                "type": type_, "status": status, "reason": "Why", "message": "so",
                "lastTransitionTime": since
            }]}
        });
        explained(&[node], &one, "")
    };
    let (early, late) = ("2026-01-01T11:50:00Z", "2026-01-01T11:59:30Z");
    for (type_, status, fault) in [
        ("DiskPressure", "True", "node-under-pressure"),
        ("Ready", "Unknown", "node-not-ready"),
    ] {
        said(
            by(type_, status, early, json!({})),
            fault,
            &["Why: so", "0 pod(s)"],
        );
        assert_eq!(by(type_, status, late, json!({})), None);
        let cordoned = json!({"unschedulable": true});
        assert_eq!(by(type_, status, early, cordoned), None);
    }
    assert_eq!(by("DiskPressure", "False", early, json!({})), None);
}

#[test]
fn what_does_not_go_is_told_by_what_holds_it() {
    let data = support(SupportKind::PersistentVolumeClaim, "shop", "data");
    let deleted = |finalizer: &str, at: &str| {
        let mut claim = claim("data", &json!({}), "Bound");
        claim["metadata"]["deletionTimestamp"] = json!(at);
        claim["metadata"]["finalizers"] = json!([finalizer]);
        explained(&[claim], &data, "")
    };
    let early = "2026-01-01T11:50:00Z";
    said(
        deleted("example.com/disk", early),
        "stuck-deleting",
        &["finalizer example.com/disk"],
    );
    assert_eq!(deleted("example.com/disk", "2026-01-01T11:58:00Z"), None);
    assert_eq!(deleted("kubernetes.io/pvc-protection", early), None);

    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "old", "deletionTimestamp": early},
        "status": {"phase": "Terminating", "conditions": [
            {"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "reason": "", "message": "fine"},
            {"type": "NamespaceFinalizersRemaining", "status": "True", "reason": "", "message": "finalizers remaining: example.com/x in 1 resource instances"}
        ]}
    });
    let diagnosis = explained(
        &[namespace],
        &support(SupportKind::Namespace, "", "old"),
        "",
    );
    let Some(Remedy::Person(advice)) = diagnosis.as_ref().map(|it| it.remedy.clone()) else {
        panic!("a person must look");
    };
    assert_eq!(advice.command, "kubectl describe namespace/old");
    said(
        diagnosis,
        "stuck-deleting",
        &["example.com/x in 1 resource"],
    );
}
