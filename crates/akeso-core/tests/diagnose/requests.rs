//! Requests that are missing, or larger than any node: what usage and history justify, and what they
//! do not.

use akeso_core::{
    act::{Action, ActionKind, Resource, SetRequest},
    diagnose::{Diagnosis, Remedy},
    evidence::{Answer, Bounds, PodUsage, Question, Usage, Used},
    observe::observe,
    plan::{Proof, Step},
    quantity::{Bytes, MilliCpu},
    workload::{SupportKind, WorkloadKind, WorkloadRef},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{explain, world};

const LONG_AGO: &str = "2026-01-01T11:00:00Z";
const NOW: &str = explain::NOW;
const JUST_NOW: &str = "2026-01-01T11:57:00Z";

/// What every container of these pods was measured to use.
fn usage(at: &str, pods: &[(&str, u64)], containers: &[&str]) -> Usage {
    let of = |cpu: u64| PodUsage {
        at: at.parse().unwrap(),
        containers: containers
            .iter()
            .map(|name| {
                let used = Used {
                    cpu: MilliCpu::parse(&format!("{cpu}m")).unwrap(),
                    memory: Bytes::mebi(cpu),
                };
                ((*name).to_owned(), used)
            })
            .collect(),
    };
    Usage {
        pods: pods
            .iter()
            .map(|(pod, cpu)| ((*pod).to_owned(), of(*cpu)))
            .collect(),
    }
}

fn answers(question: &Question, usage: &Answer, bounds: Bounds) -> Answer {
    match question {
        Question::Usage { namespace } => {
            assert_eq!(namespace, "shop");
            usage.clone()
        }
        Question::Bounds => Answer::Bounds(bounds),
        other => panic!("{other:?} is not to be asked"),
    }
}

fn unknown() -> Answer {
    Answer::Unknown {
        why: "the metrics API is not there".to_owned(),
    }
}

fn ready(mut pod: Value, since: &str) -> Value {
    pod["status"]["conditions"] =
        json!([{"type": "Ready", "status": "True", "lastTransitionTime": since}]);
    pod
}

// --- an autoscaler without requests

/// `Deployment shop/web` with two pods, and an autoscaler that has this to say.
struct Scaled {
    objects: Vec<Value>,
    usage: Answer,
    bounds: Bounds,
}

impl Scaled {
    fn new(containers: &Value) -> Self {
        let spec = json!({ "containers": containers });
        let mut deployment = world::deployment(&spec);
        deployment["spec"]["replicas"] = json!(2);
        let mut objects = vec![deployment, world::replica_set()];
        for name in ["web-1-a", "web-1-b"] {
            let mut pod = ready(world::pod(&json!([])), LONG_AGO);
            pod["metadata"]["name"] = json!(name);
            pod["metadata"]["uid"] = json!(name);
            pod["spec"] = spec.clone();
            objects.push(pod);
        }
        let condition = json!({
            "type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric",
            "lastTransitionTime": LONG_AGO,
            "message": "the HPA was unable to compute the replica count: failed to get cpu utilization: missing request for cpu in container app of Pod web-1-a",
        });
        objects.push(json!({
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web", "namespace": "shop", "creationTimestamp": LONG_AGO},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "maxReplicas": 3,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}],
            },
            "status": {"currentReplicas": 2, "desiredReplicas": 2, "conditions": [condition]},
        }));
        objects.push(json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": "one"},
            "status": {"allocatable": {"cpu": "2", "memory": "4Gi"}},
        }));
        Self {
            objects,
            usage: Answer::Usage(usage(
                NOW,
                &[("web-1-a", 120), ("web-1-b", 80)],
                &["app", "proxy"],
            )),
            bounds: Bounds::default(),
        }
    }

    fn plain() -> Self {
        Self::new(&json!([{"name": "app", "image": "nginx", "resources": {}}]))
    }

    fn with(mut self, index: usize, path: &str, value: Value) -> Self {
        let (parent, member) = path.rsplit_once('/').unwrap();
        self.objects[index].pointer_mut(parent).unwrap()[member] = value;
        self
    }

    fn measured(mut self, usage: Usage) -> Self {
        self.usage = Answer::Usage(usage);
        self
    }

    fn of(&self, reference: &WorkloadRef) -> Option<Diagnosis> {
        let mut cluster = world::cluster(&self.objects);
        let question = Question::Usage {
            namespace: "shop".into(),
        };
        cluster.learn(question, self.usage.clone());
        let answer = |question: &Question| answers(question, &self.usage, self.bounds);
        let found = explain::of_symptoms(&cluster, reference, answer).1;
        found.into_iter().next()
    }

    fn workload(&self) -> Option<Diagnosis> {
        self.of(&world::web())
    }

    fn scaler(&self) -> Diagnosis {
        let scaler = explain::support(SupportKind::HorizontalPodAutoscaler);
        self.of(&scaler).unwrap()
    }

    fn step(&self) -> Step {
        step(self.workload().unwrap().remedy)
    }

    /// Only the autoscaler tells of it, and a person must act, who is told this.
    fn is_only_told(&self, words: &str) {
        assert_eq!(self.workload(), None);
        let Remedy::Person(advice) = self.scaler().remedy else {
            panic!("a person was expected")
        };
        assert!(advice.why.contains(words), "{}", advice.why);
    }
}

fn step(remedy: Remedy) -> Step {
    let Remedy::Steps { steps, .. } = remedy else {
        panic!("a step was expected: {remedy:?}")
    };
    assert_eq!(steps.len(), 1);
    steps.into_iter().next().unwrap()
}

fn set(step: &Step) -> &SetRequest {
    let Action::SetRequest(set) = &step.action else {
        panic!("another action: {step:?}")
    };
    set
}

/// The requests that a step sets: container, before, after.
fn sets(step: &Step) -> Vec<(&str, Option<&str>, &str)> {
    let requests = set(step).requests.iter();
    requests
        .map(|it| {
            (
                it.container.name.as_str(),
                it.from.as_deref(),
                it.to.as_str(),
            )
        })
        .collect()
}

#[test]
fn a_missing_request_is_twice_the_most_that_any_pod_was_measured_to_use() {
    let plain = Scaled::plain();
    let step = plain.step();
    assert_eq!(sets(&step), [("app", None, "240m")]);
    // it is one look: below the level full somebody is asked
    assert_eq!(step.proof, Proof::Bounded);
    assert!(
        step.reasoning
            .contains("container app uses cpu 120m at the most, measured on 2 pod(s)"),
        "{}",
        step.reasoning
    );
    let found = plain.workload().unwrap();
    assert_eq!(found.fault, "autoscaler-without-requests");
    assert_eq!(
        found.cause,
        "Deployment shop/web cannot be scaled by HorizontalPodAutoscaler web, whose target is a percentage of resources.requests.cpu: container app has none"
    );
    // it is one cause, and one incident
    assert_eq!(plain.scaler().caused_by, Some(world::web()));
}

#[test]
fn only_what_the_metric_is_about_is_requested() {
    let two = json!([
        {"name": "app", "image": "nginx", "resources": {"requests": {"memory": "16Mi"}}},
        {"name": "proxy", "image": "envoy"},
        {"name": "helper", "image": "busybox", "resources": {"requests": {"cpu": "10m"}}},
        // a limit is the request where there is none
        {"name": "limited", "image": "busybox", "resources": {"limits": {"cpu": "1"}}},
    ]);
    let all = Scaled::new(&two);
    assert_eq!(
        sets(&all.step()),
        [("app", None, "240m"), ("proxy", None, "240m")]
    );
    let of_one = json!([{"type": "ContainerResource", "containerResource": {
        "name": "cpu", "container": "app", "target": {"type": "Utilization", "averageUtilization": 80}}}]);
    let one = Scaled::new(&two).with(4, "/spec/metrics", of_one);
    assert_eq!(sets(&one.step()), [("app", None, "240m")]);

    let by_memory = Scaled::plain()
        .with(4, "/spec/metrics/0/resource/name", json!("memory"))
        .with(
            4,
            "/status/conditions/0/message",
            json!("failed to get memory utilization: missing request for memory in container app of Pod web-1-a"),
        );
    assert_eq!(set(&by_memory.step()).resource, Resource::Memory);
    assert_eq!(sets(&by_memory.step()), [("app", None, "240Mi")]);
}

#[test]
fn what_is_not_known_is_not_made_up() {
    let mut nobody = Scaled::plain();
    nobody.usage = unknown();
    nobody.is_only_told("what its pods use is not known: the metrics API is not there");
    let told = |usage| Scaled::plain().measured(usage);
    let both = [("web-1-a", 120), ("web-1-b", 80)];
    told(usage(NOW, &both[..1], &["app"])).is_only_told("pod web-1-b was not measured");
    told(usage(NOW, &both, &["proxy"]))
        .is_only_told("container app of pod web-1-a was not measured");
    told(usage("2026-01-01T11:04:59Z", &both, &["app"]))
        .is_only_told("measured before it had been ready for 5 minutes");
    // a container that the template does not have is somebody else's
    let mut injected = Scaled::plain();
    let of_pod = injected.objects[2]["spec"]["containers"]
        .as_array_mut()
        .unwrap();
    of_pod.push(json!({"name": "mesh", "image": "mesh"}));
    injected.is_only_told("give the container a request");
}

#[test]
fn what_pods_use_in_their_first_minutes_or_when_they_are_idle_says_nothing() {
    let young = Scaled::plain().with(
        3,
        "/status/conditions/0/lastTransitionTime",
        json!(JUST_NOW),
    );
    assert_eq!(young.workload(), None);
    let since = |at: &str| {
        let young = Scaled::plain().with(
            3,
            "/status/conditions/0/lastTransitionTime",
            json!(JUST_NOW),
        );
        let since = json!(at);
        young.with(4, "/status/conditions/0/lastTransitionTime", since)
    };
    let remedy = since("2026-01-01T11:50:00Z").scaler().remedy;
    assert!(matches!(remedy, Remedy::Wait { .. }), "{remedy:?}");
    // they are never old enough: then a person is told
    since(LONG_AGO).is_only_told("made anew all the time");
    // the workload is looked at again when they are
    let cluster = world::cluster(&young.objects);
    let again = observe(
        &cluster.workload(&world::web()).unwrap(),
        NOW.parse().unwrap(),
    )
    .again;
    assert_eq!(again.unwrap().to_string(), "2026-01-01T12:03:00Z");

    let idle = [("web-1-a", 9), ("web-1-b", 0)];
    let idle = Scaled::plain().measured(usage(NOW, &idle, &["app"]));
    let Remedy::Person(advice) = idle.workload().unwrap().remedy else {
        panic!("a person was expected")
    };
    assert!(advice.why.contains("do next to nothing"), "{}", advice.why);
}

#[test]
fn a_workload_that_is_not_well_or_has_its_request_by_now_is_left_alone() {
    let unready = Scaled::plain().with(2, "/status/conditions/0/status", json!("False"));
    assert_eq!(unready.workload(), None);
    let resources = json!({"requests": {"cpu": "100m"}});
    let path = "/spec/template/spec/containers/0/resources";
    let by_now = Scaled::plain().with(0, path, resources);
    assert_eq!(by_now.workload(), None);
    let active = Scaled::plain().with(4, "/status/conditions/0/status", json!("True"));
    assert_eq!(active.workload(), None);
    let by_amount = Scaled::plain().with(
        4,
        "/spec/metrics/0/resource/target/type",
        json!("AverageValue"),
    );
    assert_eq!(by_amount.workload(), None);
}

#[test]
fn what_a_namespace_or_the_nodes_do_not_allow_is_not_proposed() {
    let mut bounded = Scaled::plain();
    bounded.bounds.min_cpu = MilliCpu::parse("300m").ok();
    assert_eq!(sets(&bounded.step()), [("app", None, "300m")]);
    let small = Scaled::plain().with(5, "/status/allocatable/cpu", json!("200m"));
    let Remedy::Person(advice) = small.workload().unwrap().remedy else {
        panic!("a person was expected")
    };
    assert!(advice.why.contains("fits on no node"), "{}", advice.why);
}

// --- a request that is larger than any node

fn asking(image: &str, resources: &Value) -> Value {
    json!({"containers": [{"name": "app", "image": image, "resources": resources}]})
}

fn cpu(quantity: &str) -> Value {
    json!({"requests": {"cpu": quantity}})
}

fn pending(spec: &Value, since: &str) -> Value {
    let mut pod = world::pod(&json!([]));
    pod["spec"] = spec.clone();
    pod["status"] = json!({"phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/1 nodes are available: 1 Insufficient cpu.", "lastTransitionTime": since
    }]});
    pod
}

fn node(cpu: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "one"},
        "status": {"allocatable": {"cpu": cpu, "memory": "4Gi"}},
    })
}

/// `StatefulSet shop/web` whose pod `web-0` is of the revision before, and well; `web-1` fits no
/// node since then.
fn set_of(before: &Value, after: &Value, since: &str, on: &str) -> Vec<Value> {
    let template = |spec: &Value| json!({"metadata": {"labels": {"app": "web"}}, "spec": spec});
    let owner = json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": "web-uid", "controller": true}]);
    let revision = |name: &str, number: i64, spec: &Value| {
        json!({
            "kind": "ControllerRevision", "revision": number,
            "metadata": {"name": name, "namespace": "shop", "uid": name, "ownerReferences": owner},
            "data": {"spec": {"template": template(spec)}},
        })
    };
    let of = |mut pod: Value, name: &str, revision: &str| {
        pod["metadata"]["name"] = json!(name);
        pod["metadata"]["uid"] = json!(name);
        pod["metadata"]["labels"] = json!({"app": "web", "controller-revision-hash": revision});
        pod["metadata"]["ownerReferences"] = owner.clone();
        pod
    };
    let mut old = ready(world::pod(&json!([])), LONG_AGO);
    old["spec"] = before.clone();
    vec![
        json!({
            "kind": "StatefulSet",
            "metadata": {"name": "web", "namespace": "shop", "uid": "web-uid", "generation": 2},
            "spec": {"replicas": 2, "serviceName": "web", "selector": {"matchLabels": {"app": "web"}}, "template": template(after)},
            "status": {"replicas": 2, "observedGeneration": 2, "currentRevision": "web-a", "updateRevision": "web-b"},
        }),
        revision("web-a", 1, before),
        revision("web-b", 2, after),
        of(old, "web-0", "web-a"),
        of(pending(after, since), "web-1", "web-b"),
        node(on),
    ]
}

fn web_set() -> WorkloadRef {
    WorkloadRef {
        kind: WorkloadKind::StatefulSet,
        ..world::web()
    }
}

fn lowered(objects: &[Value], usage: &Answer) -> Remedy {
    let answer = |question: &Question| answers(question, usage, Bounds::default());
    let found = explain::of(&web_set(), objects, answer);
    let found = found.into_iter().next().unwrap();
    assert_eq!(found.fault, "request-too-large");
    found.remedy
}

fn of_old(cpu: u64) -> Answer {
    Answer::Usage(usage(NOW, &[("web-0", cpu)], &["app"]))
}

fn advice(remedy: Remedy) -> String {
    let Remedy::Person(advice) = remedy else {
        panic!("a person was expected: {remedy:?}")
    };
    advice.why
}

#[test]
fn the_same_program_gets_back_the_request_with_which_it_runs() {
    let before = asking("nginx", &cpu("10m"));
    let greedy = asking("nginx", &cpu("64"));
    let step = step(lowered(
        &set_of(&before, &greedy, LONG_AGO, "2"),
        &unknown(),
    ));
    assert_eq!(sets(&step), [("app", Some("64"), "10m")]);
    assert_eq!(step.proof, Proof::Confirmed);
    // a node may be on its way
    let young = lowered(&set_of(&before, &greedy, JUST_NOW, "2"), &unknown());
    assert!(matches!(young, Remedy::Wait { .. }), "{young:?}");
    // another image may need more
    let other = asking("nginx:2", &cpu("64"));
    advice(lowered(&set_of(&before, &other, LONG_AGO, "2"), &unknown()));
    // what it had is too much by now
    let large = asking("nginx", &cpu("3"));
    advice(lowered(&set_of(&large, &greedy, LONG_AGO, "2"), &unknown()));
}

#[test]
fn where_there_was_no_request_twice_of_what_is_used_is_proposed() {
    let plain = asking("nginx", &json!({}));
    let greedy = asking("nginx", &cpu("64"));
    let objects = set_of(&plain, &greedy, LONG_AGO, "2");
    let step = step(lowered(&objects, &of_old(130)));
    assert_eq!(sets(&step), [("app", Some("64"), "260m")]);
    assert_eq!(step.proof, Proof::Bounded);
    // a limit is a request, and none is written
    let limited = asking("nginx", &json!({"limits": {"cpu": "64"}}));
    let limited = set_of(&plain, &limited, LONG_AGO, "2");
    assert_eq!(
        sets(&self::step(lowered(&limited, &of_old(130)))),
        [("app", None, "260m")]
    );

    for (usage, words) in [
        (unknown(), "the metrics API is not there"),
        (of_old(1_500), "no smaller request that fits a node"),
        (of_old(1), "do next to nothing"),
        (
            Answer::Usage(Usage::default()),
            "pod web-0 was not measured",
        ),
    ] {
        let why = advice(lowered(&objects, &usage));
        assert!(why.contains(words), "{why}");
    }
    // before a node may have come, nobody is told what may yet be measured; nor is anything asked
    let early = set_of(&plain, &greedy, JUST_NOW, "2");
    for usage in [of_old(130), of_old(1), Answer::Usage(Usage::default())] {
        let remedy = lowered(&early, &usage);
        assert!(matches!(remedy, Remedy::Wait { .. }), "{remedy:?}");
    }
    advice(lowered(&early, &unknown()));
    let mut young = objects.clone();
    young[3]["status"]["conditions"][0]["lastTransitionTime"] = json!(JUST_NOW);
    let why = advice(lowered(&young, &of_old(130)));
    assert!(why.contains("had been ready for 5 minutes"), "{why}");
    // what another program uses, or one that is not ready, is not asked for
    let other = asking("nginx:2", &cpu("64"));
    advice(lowered(
        &set_of(&plain, &other, LONG_AGO, "2"),
        &of_old(130),
    ));
    let mut unready = objects;
    unready[3]["status"]["conditions"][0]["status"] = json!("False");
    advice(lowered(&unready, &of_old(130)));
}

/// A rollout of `Deployment shop/web` whose time is over, and what is done first.
fn rolled_out(before: &Value, after: &Value) -> ActionKind {
    let template = |spec: &Value| json!({"metadata": {"labels": {"app": "web"}}, "spec": spec});
    let mut deployment = world::deployment(after);
    deployment["status"]["conditions"] = json!([{"type": "Progressing", "status": "False",
        "reason": "ProgressDeadlineExceeded", "message": "ReplicaSet \"web-1\" has timed out progressing."}]);
    let mut old = world::older_replica_set();
    old["spec"]["template"] = template(before);
    let mut new = world::replica_set();
    new["spec"]["template"] = template(after);
    let mut serves = ready(world::pod(&json!([])), LONG_AGO);
    serves["metadata"]["name"] = json!("web-0-a");
    serves["metadata"]["uid"] = json!("web-0-a");
    serves["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet",
        "name": "web-0", "uid": "web-0-uid", "controller": true}]);
    let after = pending(after, LONG_AGO);
    let objects = [deployment, old, new, serves, after, node("2")];
    let found = explain::of(&world::web(), &objects, |question| {
        panic!("{question:?} is not to be asked")
    });
    let found = found.into_iter().next().unwrap();
    step(found.remedy).action.kind()
}

#[test]
fn of_a_rollout_that_has_changed_more_the_request_alone_is_put_back() {
    let before = asking("nginx", &cpu("10m"));
    let greedy = asking("nginx", &cpu("64"));
    let undo = ActionKind::RollbackToRevision;
    assert_eq!(rolled_out(&before, &greedy), undo);
    let mut more = greedy;
    more["containers"][0]["env"] = json!([{"name": "MODE", "value": "fast"}]);
    assert_eq!(rolled_out(&before, &more), ActionKind::SetRequest);
    // another program may need more: all of it is undone
    more["containers"][0]["image"] = json!("nginx:2");
    assert_eq!(rolled_out(&before, &more), undo);
    let plain = asking("nginx", &json!({}));
    more["containers"][0]["image"] = json!("nginx");
    assert_eq!(rolled_out(&plain, &more), undo);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn a_request_that_is_set_covers_what_was_measured_and_fits(used in 0_u64..5_000, limit in proptest::option::of(1_u64..5_000), on in 1_u64..5_000) {
        let resources = |request: &str| {
            let mut resources = cpu(request);
            if let Some(limit) = limit {
                resources["limits"] = json!({"cpu": format!("{limit}m")});
            }
            resources
        };
        let milli = |quantity: &str| MilliCpu::parse(quantity).unwrap().get();
        let objects = set_of(&asking("nginx", &json!({})), &asking("nginx", &resources("64")), LONG_AGO, &format!("{on}m"));
        let lowered = lowered(&objects, &of_old(used));
        if let Remedy::Steps { steps, .. } = lowered {
            let to = milli(sets(&steps[0])[0].2);
            prop_assert!(to >= used && to <= on && limit.is_none_or(|limit| to <= limit), "{to}");
        } else {
            prop_assert!(matches!(lowered, Remedy::Person(_)));
        }
        let mut scaled = Scaled::plain().with(5, "/status/allocatable/cpu", json!(format!("{on}m")));
        let both = [("web-1-a", used), ("web-1-b", used / 2)];
        scaled.usage = Answer::Usage(usage(NOW, &both, &["app"]));
        if let Remedy::Steps { steps, .. } = scaled.workload().unwrap().remedy {
            let to = milli(sets(&steps[0])[0].2);
            prop_assert!(to >= used && to <= on, "{to}");
        } else {
            prop_assert!(used < 10 || used * 2 > on - on % 10 || on < 10);
        }
    }
}
