//! What an autoscaler sets, or reckons with, is its own; what it does not is no matter of it.

use akeso_core::gate::Decision;
use serde_json::{Value, json};

use super::situation::{Situation, image, memory, request, undo};

fn scaler(target: &str, metric: &Value) -> Value {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web-scaler", "namespace": "shop"},
        "spec": {
            "maxReplicas": 5,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
            "metrics": [{"type": "External", "external": {"metric": {"name": "memory"}, "target": {"type": "Value", "value": "1"}}}, metric]
        }
    })
}

fn pod_metric(resource: &str) -> Value {
    json!({"type": "Resource", "resource": {"name": resource, "target": {"type": "Utilization", "averageUtilization": 80}}})
}

fn container_metric(resource: &str) -> Value {
    json!({"type": "ContainerResource", "containerResource": {"name": resource, "container": "app", "target": {"type": "Utilization", "averageUtilization": 80}}})
}

#[test]
fn memory_by_which_a_workload_is_scaled_asks() {
    for metric in [pod_metric("memory"), container_metric("memory")] {
        let scaled = Situation::of(memory(2)).beside(scaler("web", &metric));
        let ruling = scaled.ruling();
        assert_eq!(
            (ruling.decision, ruling.rule.as_str()),
            (Decision::Ask, "autoscaler")
        );
        assert_eq!(
            ruling.why,
            "the HorizontalPodAutoscaler web-scaler scales it by its memory, and another request would change that"
        );
        assert_eq!(scaled.consented().decision().0, Decision::Execute);
    }
}

#[test]
fn a_request_by_which_a_workload_is_scaled_asks_before_it_is_another() {
    let scaled = Situation::of(request(Some("64"))).beside(scaler("web", &pod_metric("cpu")));
    let ruling = scaled.ruling();
    assert_eq!(
        (ruling.decision, ruling.rule.as_str()),
        (Decision::Ask, "autoscaler")
    );
    assert!(
        ruling.why.contains("scales it by its cpu"),
        "{}",
        ruling.why
    );
}

#[test]
fn another_metric_another_workload_or_another_action_is_no_matter() {
    for (action, target, metric) in [
        (memory(2), "web", pod_metric("cpu")),
        (memory(2), "web", container_metric("cpu")),
        (memory(2), "api", pod_metric("memory")),
        (image(), "web", pod_metric("memory")),
        (undo(), "web", pod_metric("memory")),
        // what has no request cannot be scaled by a percentage of it
        (request(None), "web", pod_metric("cpu")),
        (request(Some("64")), "web", pod_metric("memory")),
    ] {
        let situation = Situation::of(action).beside(scaler(target, &metric));
        assert_eq!(situation.decision().0, Decision::Execute);
    }
    let mut elsewhere = scaler("web", &pod_metric("memory"));
    elsewhere["metadata"]["namespace"] = json!("blog");
    let situation = Situation::of(memory(2)).beside(elsewhere);
    assert_eq!(situation.decision().0, Decision::Execute);
}

#[test]
fn memory_that_a_vertical_pod_autoscaler_sets_asks() {
    // the second set of pods is of an older revision: what marks them marks the workload
    for (mark, owner) in [
        ("vpaUpdates", "web-1-uid"),
        ("vpaObservedContainers", "web-1-uid"),
        ("vpaUpdates", "web-0-uid"),
    ] {
        let mut pod = crate::world::pod(&json!([]));
        pod["metadata"]["annotations"] = json!({mark: "app"});
        pod["metadata"]["ownerReferences"][0]["uid"] = json!(owner);
        let situation = |action| {
            Situation::of(action)
                .beside(crate::world::replica_set())
                .beside(crate::world::older_replica_set())
                .beside(pod.clone())
        };
        let ruling = situation(memory(2)).ruling();
        assert_eq!(
            (ruling.decision, ruling.rule.as_str()),
            (Decision::Ask, "autoscaler")
        );
        assert_eq!(
            ruling.why,
            "a VerticalPodAutoscaler sets the memory of its pods: raise maxAllowed there"
        );
        assert_eq!(situation(image()).decision().0, Decision::Execute);
        assert_eq!(
            situation(request(None)).ruling().why,
            "a VerticalPodAutoscaler sets the cpu of its pods: change its bounds there"
        );
    }
    let unmarked = Situation::of(memory(2))
        .beside(crate::world::replica_set())
        .beside(crate::world::pod(&json!([])));
    assert_eq!(unmarked.decision().0, Decision::Execute);
}
