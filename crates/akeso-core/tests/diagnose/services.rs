//! What is broken between Services, Ingresses and pods, and what only looks like it.

use akeso_core::{diagnose::Remedy, workload::SupportKind};
use serde_json::{Value, json};

use crate::{explain, world};

const NOW: &str = "2026-01-01T12:00:00Z";
const LONG_AGO: &str = "2026-01-01T11:00:00Z";

/// What is found on the object of this name: fault, cause and command.
fn found(kind: SupportKind, objects: &[Value]) -> Option<(String, String, String)> {
    let cluster = world::cluster(objects);
    let (symptoms, all) = explain::of_symptoms(&cluster, &explain::support(kind), |_| {
        unreachable!("it asks")
    });
    assert_eq!(all.len(), symptoms.len());
    let diagnosis = all.into_iter().next()?;
    let does = match diagnosis.remedy {
        Remedy::Person(advice) => advice.command,
        Remedy::Steps { steps, .. } => steps[0].action.treatment().summary(),
        Remedy::Wait { why } => why,
    };
    Some((diagnosis.fault, diagnosis.cause, does))
}

fn service(selector: &Value, ports: &Value) -> Value {
    json!({
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop", "creationTimestamp": LONG_AGO},
        "spec": {"type": "ClusterIP", "clusterIP": "10.0.0.1", "selector": selector, "ports": ports}
    })
}

/// `Deployment shop/web`, its ReplicaSet and its ready pod, labelled `app: web`.
fn web() -> [Value; 3] {
    let container = json!({
        "name": "app", "image": "nginx:1.27",
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}}
    });
    let mut pod = world::pod(&json!([]));
    pod["metadata"]["labels"] = json!({"app": "web"});
    pod["spec"]["containers"] = json!([container]);
    pod["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    let deployment = world::deployment(&json!({"containers": [container]}));
    [deployment, world::replica_set(), pod]
}

fn of_service(service: Value, others: &[Value]) -> Option<(String, String, String)> {
    let mut objects = others.to_vec();
    objects.push(service);
    found(SupportKind::Service, &objects)
}

#[test]
fn a_selector_with_a_typo_names_the_workload_that_is_meant() {
    let ports = json!([{"port": 80, "targetPort": 8080}]);
    for selector in [
        json!({"app": "wbe"}),
        json!({"app": "frontend"}),
        json!({"appp": "web"}),
    ] {
        // the second shares the name of the workload alone, the third has a typo in its key
        let (fault, cause, command) = of_service(service(&selector, &ports), &web()).unwrap();
        assert_eq!(fault, "service-selector-matches-nothing");
        assert!(
            cause.starts_with("Service shop/web selects no pod"),
            "{cause}"
        );
        assert!(
            cause.contains("Deployment shop/web are labelled `app: web`"),
            "{cause}"
        );
        assert_eq!(command, "kubectl -n shop describe service/web");
    }
}

#[test]
fn a_service_whose_pods_may_come_is_left_alone() {
    let ports = json!([{"port": 80, "targetPort": 8080}]);
    let typo = || service(&json!({"app": "wbe"}), &ports);
    assert!(of_service(typo(), &web()).is_some());
    let left_alone: [(&str, Value); 7] = [
        ("/metadata/creationTimestamp", json!("2026-01-01T11:59:30Z")),
        ("/metadata/labels", json!({"akeso.dev/ignore": "true"})),
        ("/spec/selector", json!({})),
        ("/spec/selector", json!({"app": "web", "role": "primary"})),
        ("/spec/selector", json!({"app": "cache"})),
        ("/spec/type", json!("ExternalName")),
        (
            "/metadata/ownerReferences",
            json!([{"apiVersion": "x.io/v1", "kind": "Pool", "name": "p", "uid": "1", "controller": true}]),
        ),
    ];
    for (path, value) in left_alone {
        let mut changed = typo();
        let patch = json!([{"op": "add", "path": path, "value": value}]);
        json_patch::patch(
            &mut changed,
            &serde_json::from_value::<json_patch::Patch>(patch).unwrap(),
        )
        .unwrap();
        let mut others = web();
        if value == json!({"app": "cache"}) {
            // the same labels on a workload of another name
            others[0]["metadata"]["name"] = json!("shop");
            others[1]["metadata"]["ownerReferences"][0]["name"] = json!("shop");
        }
        assert_eq!(of_service(changed, &others), None, "{path} {value}");
    }
    for (path, value) in [("replicas", json!(0)), ("paused", json!(true))] {
        let mut others = web();
        others[0]["spec"][path] = value;
        assert_eq!(of_service(typo(), &others), None, "{path}");
    }
    // another Service reaches the workload
    let mut other = service(&json!({"app": "web"}), &ports);
    other["metadata"]["name"] = json!("other");
    let mut others = web().to_vec();
    others.push(other);
    assert_eq!(of_service(typo(), &others), None);
}

/// A Deployment of this name after a rollout that has changed a label of its pods.
fn relabelled(name: &str, label: &str, from: &str, to: &str) -> Vec<Value> {
    let mut objects = web().to_vec();
    objects.push(world::older_replica_set());
    objects[0]["metadata"]["name"] = json!(name);
    for set in [1, 3] {
        objects[set]["metadata"]["ownerReferences"][0]["name"] = json!(name);
    }
    let labels = |value| json!({"app": "web", label: value});
    objects[0]["spec"]["template"]["metadata"]["labels"] = labels(to);
    objects[2]["metadata"]["labels"] = labels(to);
    objects[3]["spec"]["template"]["metadata"] = json!({"labels": labels(from)});
    objects
}

#[test]
fn a_selector_that_led_to_an_earlier_revision_is_told_and_mended_where_it_names_a_version() {
    let ports = json!([{"port": 80, "targetPort": 8080}]);
    for (label, from, to, is_mended) in [
        ("version", "1.4.0", "1.5.0", true),
        ("track", "stable", "canary", false),
    ] {
        let outdated = service(&json!({"app": "web", label: from}), &ports);
        let objects = relabelled("shop", label, from, to);
        let (fault, cause, does) = of_service(outdated, &objects).unwrap();
        assert_eq!(fault, "service-selector-matches-nothing");
        let had = format!("`{label}: {from}`, which an earlier revision had");
        assert!(cause.contains(&had), "{cause}");
        assert_eq!(!does.starts_with("kubectl"), is_mended, "{does}");
    }
    // it never led there: only the same name makes it likely
    let never = || service(&json!({"app": "web", "version": "0.9"}), &ports);
    let objects = relabelled("shop", "version", "1.4.0", "1.5.0");
    assert_eq!(of_service(never(), &objects), None);
    let objects = relabelled("web", "version", "1.4.0", "1.5.0");
    let (_, cause, does) = of_service(never(), &objects).unwrap();
    assert!(cause.contains("are labelled `version: 1.5.0`"), "{cause}");
    assert!(does.starts_with("kubectl"), "only told: {does}");
}

#[test]
fn a_misspelt_selector_is_told_though_another_service_reaches_the_workload_and_then_not_mended() {
    let ports = json!([{"port": 80, "targetPort": 8080}]);
    let mut others = web().to_vec();
    others[0]["spec"]["template"]["metadata"]["labels"]["app"] = json!("website");
    others[2]["metadata"]["labels"]["app"] = json!("website");
    let misspelt = || service(&json!({"app": "webiste"}), &ports);
    let (_, _, does) = of_service(misspelt(), &others).unwrap();
    assert!(!does.starts_with("kubectl"), "it is mended: {does}");
    let mut other = service(&json!({"app": "website"}), &ports);
    other["metadata"]["name"] = json!("other");
    others.push(other);
    let (fault, cause, does) = of_service(misspelt(), &others).unwrap();
    assert_eq!(fault, "service-selector-matches-nothing");
    assert!(cause.contains("are labelled `app: website`"), "{cause}");
    assert!(does.starts_with("kubectl"), "it is not: {does}");
}

#[test]
fn a_port_that_the_pods_do_not_declare_is_named() {
    let selector = json!({"app": "web"});
    let of = |ports: Value, others: &[Value]| of_service(service(&selector, &ports), others);
    let (fault, cause, does) = of(json!([{"port": 80, "targetPort": "htpp"}]), &web()).unwrap();
    assert_eq!(does, "set the targetPort of port 80 from htpp to http");
    assert_eq!(fault, "service-port-unmatched");
    assert!(
        cause.contains("targetPort `htpp`") && cause.contains("`http` is close"),
        "{cause}"
    );
    let (_, cause, does) = of(json!([{"port": 80}]), &web()).unwrap();
    assert!(does.starts_with("kubectl"), "{does}");
    assert!(
        cause.contains("targetPort is 80") && cause.contains("port 8080 alone"),
        "{cause}"
    );

    assert_eq!(
        of(json!([{"port": 80, "targetPort": "http"}]), &web()),
        None
    );
    assert_eq!(of(json!([{"port": 80, "targetPort": 8080}]), &web()), None);
    // what is not declared may well listen
    assert_eq!(
        of(
            json!([{"port": 80}, {"port": 81, "targetPort": 8080}]),
            &web()
        ),
        None
    );
    // another Service sends to what is declared: this one may be for what is not
    let mut beside = service(&selector, &json!([{"port": 80, "targetPort": 8080}]));
    beside["metadata"]["name"] = json!("main");
    let mut others = web().to_vec();
    others.push(beside);
    assert_eq!(of(json!([{"port": 9090}]), &others), None);
    assert!(of(json!([{"port": 80, "targetPort": "htpp"}]), &others).is_some());
    let mut unready = web();
    unready[2]["status"]["conditions"][0]["status"] = json!("False");
    assert_eq!(of(json!([{"port": 80}]), &unready), None);
    let mut unprobed = web();
    unprobed[2]["spec"]["containers"][0]["readinessProbe"] = Value::Null;
    assert_eq!(of(json!([{"port": 80}]), &unprobed), None);
    // its pods being not ready is their workload's incident
    assert_eq!(
        of(json!([{"port": 80, "targetPort": "http"}]), &unready),
        None
    );
}

fn ingress(service: &str, port: &Value, made: &str) -> Value {
    json!({
        "kind": "Ingress",
        "metadata": {"name": "web", "namespace": "shop", "creationTimestamp": made},
        "spec": {"rules": [{"host": "shop.example", "http": {"paths": [{
            "path": "/cart", "pathType": "Prefix",
            "backend": {"service": {"name": service, "port": port}}
        }]}}]}
    })
}

#[test]
fn an_ingress_to_nowhere_names_path_service_and_port() {
    let there = service(
        &json!({"app": "web"}),
        &json!([{"name": "http", "port": 80}]),
    );
    let of = |name, port: Value, made| {
        found(
            SupportKind::Ingress,
            &[ingress(name, &port, made), there.clone()],
        )
    };
    let (fault, cause, _) = of("wbe", json!({"number": 80}), LONG_AGO).unwrap();
    assert_eq!(fault, "ingress-backend-missing");
    for part in [
        "Ingress shop/web",
        "shop.example/cart",
        "Service wbe",
        "there is a Service web",
    ] {
        assert!(cause.contains(part), "{cause}");
    }
    for port in [json!({"number": 8080}), json!({"name": "https"})] {
        let is_encrypted = port["name"] == "https";
        let (_, cause, does) = of("web", port, LONG_AGO).unwrap();
        assert!(cause.contains("has only 80 (http)"), "{cause}");
        let is_corrected = does == "set the port of backend web from 8080 to 80";
        assert_eq!(is_corrected, !is_encrypted, "{does}");
    }
    for port in [json!({"number": 80}), json!({"name": "http"})] {
        assert_eq!(of("web", port, LONG_AGO), None);
    }
    assert_eq!(
        of("wbe", json!({"number": 80}), "2026-01-01T11:59:30Z"),
        None
    );
    assert_eq!(
        of("redirect", json!({"name": "use-annotation"}), LONG_AGO),
        None
    );
}
