//! Autoscalers and disruption budgets that cannot do their work, and what only looks like it.

use akeso_core::{diagnose::Remedy, evidence::Answer, severity::Severity, workload::SupportKind};
use serde_json::{Value, json};

use crate::{explain, world};

const NOW: &str = "2026-01-01T12:00:00Z";
const LONG_AGO: &str = "2026-01-01T11:00:00Z";

/// What is found on `shop/web` of a kind: fault, cause and how bad it is.
fn found(kind: SupportKind, objects: &[Value]) -> Option<(String, String, Severity)> {
    let cluster = world::cluster(objects);
    let reference = explain::support(kind);
    let unknown = |_: &_| Answer::Unknown { why: String::new() };
    let (symptoms, all) = explain::of_symptoms(&cluster, &reference, unknown);
    let workload = cluster.workload(&reference).unwrap();
    let first = all.into_iter().next()?;
    assert!(
        matches!(first.remedy, Remedy::Person(_)),
        "nothing is changed"
    );
    Some((first.fault, first.cause, Severity::of(&workload, &symptoms)))
}

/// `Deployment shop/web` with so many pods, all ready.
fn web(pods: usize) -> Vec<Value> {
    let mut deployment =
        world::deployment(&json!({"containers": [{"name": "app", "image": "nginx:1.27"}]}));
    deployment["spec"]["replicas"] = json!(pods);
    let mut all = vec![deployment, world::replica_set()];
    for number in 0..pods {
        let mut pod = world::pod(&json!([]));
        pod["metadata"]["name"] = json!(format!("web-1-{number}"));
        pod["metadata"]["uid"] = json!(format!("pod-{number}"));
        pod["metadata"]["labels"] = json!({"app": "web"});
        pod["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
        all.push(pod);
    }
    all
}

fn scaler(target: &str, type_: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "shop", "creationTimestamp": LONG_AGO},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
            "minReplicas": 1, "maxReplicas": 2
        },
        "status": {
            "currentReplicas": 2, "desiredReplicas": 2,
            "conditions": [{
                "type": type_, "status": status, "reason": reason, "message": message,
                "lastTransitionTime": LONG_AGO
            }]
        }
    })
}

fn of_scaler(scaler: Value, mut others: Vec<Value>) -> Option<(String, String, Severity)> {
    others.push(scaler);
    found(SupportKind::HorizontalPodAutoscaler, &others)
}

const NOT_FOUND: &str = "the HPA controller was unable to get the target's current scale: deployments.apps \"wbe\" not found";
const NO_REQUEST: &str = "the HPA was unable to compute the replica count: failed to get cpu utilization: missing request for cpu in container app of Pod web-1-0";
const NO_API: &str = "the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)";

#[test]
fn an_autoscaler_that_scales_nothing_says_what_was_meant() {
    let missing = || scaler("wbe", "AbleToScale", "False", "FailedGetScale", NOT_FOUND);
    let (fault, cause, severity) = of_scaler(missing(), web(2)).unwrap();
    assert_eq!(fault, "autoscaler-target-missing");
    assert_eq!(
        cause,
        "HorizontalPodAutoscaler shop/web scales nothing: its spec.scaleTargetRef names Deployment wbe, which does not exist; there is a Deployment web"
    );
    assert_eq!(severity, Severity::Warning);
    // just applied, or the API server could not say
    let mut young = missing();
    young["metadata"]["creationTimestamp"] = json!("2026-01-01T11:59:30Z");
    assert_eq!(of_scaler(young, web(2)), None);
    let busy = scaler(
        "wbe",
        "AbleToScale",
        "False",
        "FailedGetScale",
        "etcdserver: request timed out",
    );
    assert_eq!(of_scaler(busy, web(2)), None);
    // what has no scale
    let said = "the HPA controller was unable to get the target's current scale: the server could not find the requested resource";
    let mut daemons = scaler("agent", "AbleToScale", "False", "FailedGetScale", said);
    daemons["spec"]["scaleTargetRef"]["kind"] = json!("DaemonSet");
    let (_, cause, _) = of_scaler(daemons, web(2)).unwrap();
    assert!(
        cause.ends_with("DaemonSet agent, and a DaemonSet cannot be scaled"),
        "{cause}"
    );
    // what is there by now was only not there yet
    let stale = scaler("web", "AbleToScale", "False", "FailedGetScale", NOT_FOUND);
    assert_eq!(of_scaler(stale, web(2)), None);
}

#[test]
fn an_autoscaler_without_requests_or_metrics_says_which() {
    let inactive = |message| {
        scaler(
            "web",
            "ScalingActive",
            "False",
            "FailedGetResourceMetric",
            message,
        )
    };
    let (fault, cause, _) = of_scaler(inactive(NO_REQUEST), web(2)).unwrap();
    assert_eq!(fault, "autoscaler-without-requests");
    assert!(
        cause.contains("its container app has no resources.requests.cpu"),
        "{cause}"
    );
    let (fault, cause, _) = of_scaler(inactive(NO_API), web(2)).unwrap();
    assert_eq!(fault, "autoscaler-without-metrics");
    assert!(
        cause.contains("Deployment shop/web") && cause.contains("pods.metrics.k8s.io"),
        "{cause}"
    );

    let silent = "the HPA was unable to compute the replica count: failed to get cpu utilization: did not receive metrics for targeted pods (pods might be unready)";
    let mut of_container = inactive(silent);
    of_container["spec"]["metrics"] = json!([{
        "type": "ContainerResource",
        "containerResource": {"name": "cpu", "container": "sidecar", "target": {"type": "Utilization"}}
    }]);
    let (_, cause, _) = of_scaler(of_container.clone(), web(2)).unwrap();
    assert!(
        cause.ends_with("its metric is cpu of container sidecar, and the pods have only app"),
        "{cause}"
    );
    of_container["spec"]["metrics"][0]["containerResource"]["container"] = json!("app");
    assert!(
        of_scaler(of_container, web(2))
            .unwrap()
            .1
            .contains("did not receive metrics")
    );

    // pods that came just now have no metrics yet, and those that are not well show that themselves
    let mut young = web(2);
    young[3]["metadata"]["creationTimestamp"] = json!("2026-01-01T11:58:30Z");
    assert_eq!(of_scaler(inactive(NO_API), young), None);
    let mut unwell = web(2);
    unwell[3]["status"]["conditions"][0]["status"] = json!("False");
    assert_eq!(of_scaler(inactive(NO_API), unwell), None);
    // switched off, by its owner or by the autoscaler's words
    let mut off = web(2);
    off[0]["spec"]["replicas"] = json!(0);
    assert_eq!(of_scaler(inactive(NO_REQUEST), off), None);
    let disabled = scaler(
        "web",
        "ScalingActive",
        "False",
        "ScalingDisabled",
        "scaling is disabled",
    );
    assert_eq!(of_scaler(disabled, web(2)), None);
    let fine = scaler("web", "ScalingActive", "True", "ValidMetricFound", "");
    assert_eq!(of_scaler(fine, web(2)), None);
}

#[test]
fn an_autoscaler_at_its_maximum_is_a_hint_when_it_lasts() {
    let limited = || scaler("web", "ScalingLimited", "True", "TooManyReplicas", "");
    let (fault, cause, severity) = of_scaler(limited(), web(2)).unwrap();
    assert_eq!(
        (fault.as_str(), severity),
        ("autoscaler-at-maximum", Severity::Info)
    );
    assert!(cause.contains("spec.maxReplicas of 2"), "{cause}");
    for (path, value) in [
        ("/status/lastScaleTime", json!("2026-01-01T11:50:00Z")),
        ("/status/currentReplicas", json!(1)),
        ("/spec/minReplicas", json!(2)),
        ("/status/conditions/0/reason", json!("TooFewReplicas")),
    ] {
        let mut other = limited();
        let patch = json!([{"op": "add", "path": path, "value": value}]);
        let patch = serde_json::from_value::<json_patch::Patch>(patch).unwrap();
        json_patch::patch(&mut other, &patch).unwrap();
        assert_eq!(of_scaler(other, web(2)), None, "{path}");
    }
}

fn budget(name: &str, (field, value): (&str, &Value), desired: usize, expected: usize) -> Value {
    json!({
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": "shop", "creationTimestamp": LONG_AGO, "generation": 1},
        "spec": {field: value, "selector": {"matchLabels": {"app": "web"}}},
        "status": {
            "observedGeneration": 1, "currentHealthy": expected, "desiredHealthy": desired,
            "expectedPods": expected, "disruptionsAllowed": expected - desired
        }
    })
}

fn of_budget(budget: Value, mut others: Vec<Value>) -> Option<(String, String, Severity)> {
    others.push(budget);
    found(SupportKind::PodDisruptionBudget, &others)
}

#[test]
fn a_budget_that_lets_nobody_go_though_all_are_well_is_a_hint() {
    let none = || budget("web", ("maxUnavailable", &json!(0)), 2, 2);
    let (fault, cause, severity) = of_budget(none(), web(2)).unwrap();
    assert_eq!(
        (fault.as_str(), severity),
        ("disruption-budget-blocks", Severity::Info)
    );
    assert_eq!(
        cause,
        "PodDisruptionBudget shop/web lets none of the 2 pod(s) of Deployment shop/web be evicted, though all are ready: its spec.maxUnavailable is 0"
    );
    let all = budget("web", ("minAvailable", &json!("100%")), 2, 2);
    assert!(
        of_budget(all, web(2))
            .unwrap()
            .1
            .contains("spec.minAvailable is 100%")
    );

    let loose = budget("web", ("minAvailable", &json!(1)), 1, 2);
    assert_eq!(of_budget(loose, web(2)), None);
    // its owner lets a pod go in its own way
    let mut owned = none();
    owned["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "name": "db", "uid": "u", "controller": true
    }]);
    assert_eq!(of_budget(owned, web(2)), None);
    // pods that no controller counts
    let mut bare = world::pod(&json!([]));
    bare["metadata"]["labels"] = json!({"app": "web"});
    bare["metadata"]["ownerReferences"] = json!([]);
    bare["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    let share = budget("web", ("maxUnavailable", &json!(1)), 0, 0);
    let (_, cause, _) = of_budget(share, vec![bare.clone()]).unwrap();
    assert!(cause.contains("none of its 1 pod(s)"), "{cause}");
    let counted = budget("web", ("minAvailable", &json!(0)), 0, 1);
    assert_eq!(of_budget(counted, vec![bare]), None);
    // a pod that is not ready is what the budget is for
    let mut unready = web(2);
    unready[3]["status"]["conditions"][0]["status"] = json!("False");
    assert_eq!(of_budget(none(), unready), None);
    // its controller has not seen it, or not all pods
    let mut unseen = none();
    unseen["metadata"]["generation"] = json!(2);
    assert_eq!(of_budget(unseen, web(2)), None);
    assert_eq!(of_budget(none(), web(3)), None);
    // an autoscaler gives it more when there is more to do
    let one = budget("web", ("minAvailable", &json!(1)), 1, 1);
    assert!(of_budget(one.clone(), web(1)).is_some());
    let mut scaled = web(1);
    scaled.push(scaler(
        "web",
        "ScalingActive",
        "True",
        "ValidMetricFound",
        "",
    ));
    assert_eq!(of_budget(one, scaled), None);
}

#[test]
fn two_budgets_of_one_pod_are_told_once() {
    let mut others = web(2);
    others.push(budget("early", ("minAvailable", &json!(1)), 1, 2));
    let loose = || budget("web", ("minAvailable", &json!(1)), 1, 2);
    let (fault, cause, severity) = of_budget(loose(), others.clone()).unwrap();
    assert_eq!(
        (fault.as_str(), severity),
        ("disruption-budgets-overlap", Severity::Warning)
    );
    assert!(
        cause.contains("PodDisruptionBudget early select the same pods of Deployment shop/web"),
        "{cause}"
    );
    // the other of the two tells nothing, nor does one of other pods
    others[4]["metadata"]["name"] = json!("zebra");
    assert_eq!(of_budget(loose(), others.clone()), None);
    others[4]["metadata"]["name"] = json!("early");
    others[4]["spec"]["selector"]["matchLabels"]["app"] = json!("other");
    assert_eq!(of_budget(loose(), others), None);
}
