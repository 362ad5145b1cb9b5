//! Names, ports and labels that are corrected: every place that is meant, no other, and back.

use akeso_core::{
    act::{
        Action, AddPullSecret, Change, ExtendProbe, FixClaim, FixIngress, FixNodeSelector,
        FixProbe, FixReference, FixService, NotApplicable, Referred,
    },
    observe::Probe,
    workload::{AttemptId, SupportKind, WorkloadKind, WorkloadRef},
};
use serde_json::{Value, json};

use super::{patches::apply, taking_back::app};
use crate::world;

/// The ConfigMap `settings` in place of `setings`; or, of `settings`, the key `mode` in place of
/// this one.
pub fn settings(key: Option<&str>) -> Action {
    reference(Referred::ConfigMap, key)
}

fn reference(object: Referred, key: Option<&str>) -> Action {
    Action::FixReference(match key {
        None => FixReference {
            object,
            key_of: None,
            from: "setings".into(),
            to: "settings".into(),
        },
        Some(key) => FixReference {
            object,
            key_of: Some("settings".into()),
            from: key.into(),
            to: "mode".into(),
        },
    })
}

pub fn probe() -> Action {
    Action::FixProbe(FixProbe {
        container: app(),
        probe: Probe::Liveness,
        from: json!(8081),
        to: 8080,
    })
}

fn selector() -> Action {
    Action::FixNodeSelector(FixNodeSelector {
        label: "example.org/disk".into(),
        from: "sdd".into(),
        to: "ssd".into(),
    })
}

/// The Service `database` in place of `databse`; or, of `database`, the port 5432 in place of 5433.
pub fn address(port: bool) -> Action {
    let (from, to) = if port {
        ("5433", "5432")
    } else {
        ("databse", "database")
    };
    Action::FixReference(FixReference {
        object: Referred::Service,
        key_of: port.then(|| "database".into()),
        from: from.into(),
        to: to.into(),
    })
}

fn change(action: &Action, object: &Value) -> Result<Change, NotApplicable> {
    let cluster = world::cluster(std::slice::from_ref(object));
    action.change(&cluster.workload(&world::web()).unwrap(), AttemptId(7))
}

/// The pod spec after the change, which has been taken back in between.
fn changed(action: &Action, spec: &Value) -> Value {
    let original = world::deployment(spec);
    let Change::Patch { forward, inverse } = change(action, &original).unwrap() else {
        unreachable!("a patch was expected")
    };
    let mut object = original.clone();
    let is_done = |object: &Value| {
        let cluster = world::cluster(std::slice::from_ref(object));
        let workload = cluster.workload(&world::web()).unwrap();
        action.treatment().is_done(&workload)
    };
    assert_eq!(is_done(&object), Some(false));
    apply(&mut object, &forward).unwrap();
    assert_eq!(is_done(&object), Some(true));
    let after = object["spec"]["template"]["spec"].clone();
    apply(&mut object, &inverse).unwrap();
    assert_eq!(object["spec"], original["spec"]);
    // what was never made is not taken back
    assert!(apply(&mut original.clone(), &inverse).is_err());
    after
}

/// A pod spec that refers to ConfigMap or Secret `name` in every way, and to others.
fn spec(kind: Referred, name: &str, key: &str) -> Value {
    let (key_ref, whole, volume, volume_name) = match kind {
        Referred::ConfigMap => ("configMapKeyRef", "configMapRef", "configMap", "name"),
        Referred::Secret => ("secretKeyRef", "secretRef", "secret", "secretName"),
        Referred::Service => unreachable!("it is told of in a variable's value"),
    };
    json!({
        "initContainers": [{"name": "init", "env": [
            {"name": "A", "valueFrom": {key_ref: {"name": name, "key": key}}},
        ]}],
        "containers": [
            {"name": "app", "env": [
                {"name": "NOTE", "value": "setings"},
                {"name": "A", "valueFrom": {key_ref: {"name": name, "key": key}}},
                {"name": "B", "valueFrom": {key_ref: {"name": "others", "key": "mdoe"}}},
                {"name": "C", "valueFrom": {key_ref: {"name": name, "key": "other"}}},
                {"name": "D", "valueFrom": {key_ref: {"name": "setings", "key": "mdoe", "optional": true}}},
            ], "envFrom": [{whole: {"name": name}}, {whole: {"name": "setings", "optional": true}}]},
        ],
        "volumes": [
            {"name": "setings", volume: {volume_name: name, "items": [{"key": key, "path": "x"}]}},
            {"name": "all", "projected": {"sources": [{volume: {"name": name}}]}},
        ],
    })
}

#[test]
fn a_reference_is_corrected_wherever_it_must_lead_somewhere_and_nowhere_else() {
    for kind in [Referred::ConfigMap, Referred::Secret] {
        assert_eq!(
            changed(&reference(kind, None), &spec(kind, "setings", "mode")),
            spec(kind, "settings", "mode")
        );
        assert_eq!(
            changed(
                &reference(kind, Some("mdoe")),
                &spec(kind, "settings", "mdoe")
            ),
            spec(kind, "settings", "mode")
        );
    }
    // a Secret of that name is another thing
    let original = world::deployment(&spec(Referred::Secret, "setings", "mode"));
    assert!(matches!(
        change(&settings(None), &original),
        Err(NotApplicable::Changed { .. })
    ));
}

#[test]
fn only_the_port_of_the_probes_that_ask_it_is_corrected() {
    for way in ["httpGet", "tcpSocket"] {
        let spec = |port: u16| {
            json!({"containers": [
                {"name": "other", "livenessProbe": {way: {"port": 8081}}},
                {"name": "app", "livenessProbe": {way: {"port": port}}, "readinessProbe": {way: {"port": port}},
                    "startupProbe": {way: {"port": 8082}}},
            ]})
        };
        assert_eq!(changed(&probe(), &spec(8081)), spec(8080));
        let by_now = change(&probe(), &world::deployment(&spec(9000)));
        assert!(matches!(by_now, Err(NotApplicable::Changed { .. })));
    }
}

#[test]
fn only_the_label_of_the_node_selector_is_corrected() {
    let spec = |disk: &str| json!({"nodeSelector": {"example.org/disk": disk, "zone": "sdd"}, "containers": []});
    assert_eq!(changed(&selector(), &spec("sdd")), spec("ssd"));
    let by_now = change(&selector(), &world::deployment(&spec("hdd")));
    assert!(matches!(by_now, Err(NotApplicable::Changed { .. })));
}

#[test]
fn what_stands_elsewhere_by_now_is_not_taken_back() {
    let original = world::deployment(&spec(Referred::ConfigMap, "setings", "mode"));
    let Change::Patch { forward, inverse } = change(&settings(None), &original).unwrap() else {
        unreachable!("a patch was expected")
    };
    let mut object = original;
    apply(&mut object, &forward).unwrap();
    let containers = object
        .pointer_mut("/spec/template/spec/containers")
        .unwrap();
    containers
        .as_array_mut()
        .unwrap()
        .insert(0, json!({"name": "proxy"}));
    assert!(apply(&mut object, &inverse).is_err());
}

/// A Service or an Ingress after the change, which has been taken back in between.
fn changed_support(action: &Action, kind: SupportKind, spec: &Value) -> Value {
    let version = if kind == SupportKind::Ingress {
        "networking.k8s.io/v1"
    } else {
        "v1"
    };
    let reference = WorkloadRef {
        kind: WorkloadKind::Support(kind),
        namespace: "shop".into(),
        name: "cart".into(),
    };
    let original = json!({
        "apiVersion": version, "kind": reference.kind.as_str(),
        "metadata": {"name": "cart", "namespace": "shop", "uid": "u"}, "spec": spec
    });
    let cluster = world::cluster(std::slice::from_ref(&original));
    let workload = cluster.workload(&reference).unwrap();
    let treatment = action.treatment();
    assert!(!treatment.holds(&workload));
    let Change::Patch { forward, inverse } = action.change(&workload, AttemptId(7)).unwrap() else {
        unreachable!("a patch was expected")
    };
    let mut object = original.clone();
    apply(&mut object, &forward).unwrap();
    let cluster = world::cluster(std::slice::from_ref(&object));
    let after = cluster.workload(&reference).unwrap();
    assert!(treatment.holds(&after) && treatment.is_seen(&after));
    assert!(action.change(&after, AttemptId(8)).is_err());
    let spec_after = object["spec"].clone();
    apply(&mut object, &inverse).unwrap();
    assert_eq!(object["spec"], original["spec"]);
    spec_after
}

#[test]
fn a_service_gets_its_selector_or_the_target_of_one_port() {
    let spec = |app: &str, target: &str| {
        json!({"selector": {"app": app, "tier": "web"}, "ports": [
            {"port": 443, "targetPort": "htpp"}, {"port": 80, "targetPort": target}
        ]})
    };
    let labels = |app: &str| json!({"app": app, "tier": "web"});
    let selector = Action::FixService(FixService {
        port: None,
        from: labels("crat"),
        to: labels("cart"),
    });
    assert_eq!(
        changed_support(&selector, SupportKind::Service, &spec("crat", "x")),
        spec("cart", "x")
    );
    let target = Action::FixService(FixService {
        port: Some(80),
        from: json!("htpp"),
        to: json!("http"),
    });
    assert_eq!(
        changed_support(&target, SupportKind::Service, &spec("cart", "htpp")),
        spec("cart", "http")
    );
}

#[test]
fn an_ingress_leads_to_another_service_or_port_wherever_it_led_there() {
    let spec = |service: &str, port: u16| {
        let backend =
            |name: &str, port: u16| json!({"service": {"name": name, "port": {"number": port}}});
        json!({
            "defaultBackend": backend(service, port),
            "rules": [{"http": {"paths": [
                {"path": "/", "pathType": "Prefix", "backend": backend(service, port)},
                {"path": "/other", "pathType": "Prefix", "backend": backend("other", 8080)},
            ]}}]
        })
    };
    let service = Action::FixIngress(FixIngress {
        port_of: None,
        from: json!("crat"),
        to: json!("cart"),
    });
    assert_eq!(
        changed_support(&service, SupportKind::Ingress, &spec("crat", 80)),
        spec("cart", 80)
    );
    let port = Action::FixIngress(FixIngress {
        port_of: Some("cart".into()),
        from: json!({"number": 8080}),
        to: json!({"number": 80}),
    });
    assert_eq!(
        changed_support(&port, SupportKind::Ingress, &spec("cart", 8080)),
        spec("cart", 80)
    );
}

#[test]
fn a_claim_is_mounted_in_place_of_one_that_is_not_there_wherever_that_is_named() {
    let action = Action::FixClaim(FixClaim {
        from: "dta".into(),
        to: "data".into(),
    });
    let of = |claim: &str| json!({"persistentVolumeClaim": {"claimName": claim}});
    let spec = |claim: &str| {
        let mut volumes = json!([of(claim), of("logs"), {"emptyDir": {}}, of(claim)]);
        for (place, volume) in volumes.as_array_mut().unwrap().iter_mut().enumerate() {
            volume["name"] = json!(format!("v{place}"));
        }
        json!({"containers": [{"name": "app"}], "volumes": volumes})
    };
    let claim = |name: &str| {
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": "shop"}
        })
    };
    let made = |claims: &[&str]| {
        let mut objects = vec![world::deployment(&spec("dta"))];
        objects.extend(claims.iter().map(|name| claim(name)));
        let cluster = world::cluster(&objects);
        action.change(&cluster.workload(&world::web()).unwrap(), AttemptId(7))
    };
    let Ok(Change::Patch { forward, inverse }) = made(&["data"]) else {
        unreachable!("a patch was expected")
    };
    let original = world::deployment(&spec("dta"));
    let mut object = original.clone();
    apply(&mut object, &forward).unwrap();
    assert_eq!(object["spec"]["template"]["spec"], spec("data"));
    apply(&mut object, &inverse).unwrap();
    assert_eq!(object["spec"], original["spec"]);
    // it is there by now, or the other is gone
    assert!(matches!(
        made(&["data", "dta"]),
        Err(NotApplicable::Changed { .. })
    ));
    assert!(matches!(made(&[]), Err(NotApplicable::Gone { .. })));
}

#[test]
fn a_pull_secret_is_added_or_put_in_place_of_the_one_that_is_misspelt() {
    let action = |in_place_of: Option<&str>| {
        Action::AddPullSecret(AddPullSecret {
            secret: "login".into(),
            in_place_of: in_place_of.map(str::to_owned),
        })
    };
    let spec = |names: &[&str]| {
        let mut spec = json!({"containers": [{"name": "app"}]});
        if !names.is_empty() {
            spec["imagePullSecrets"] = names.iter().map(|name| json!({"name": name})).collect();
        }
        spec
    };
    for (in_place_of, before, after) in [
        (None, &[][..], &["login"][..]),
        (None, &["mirror"], &["mirror", "login"]),
        (Some("logn"), &["logn", "mirror"], &["login", "mirror"]),
    ] {
        let action = action(in_place_of);
        assert_eq!(changed(&action, &spec(before)), spec(after));
        assert!(action.treatment().brings_credential());
    }
    for (in_place_of, before) in [
        (None, &["login"][..]),
        (Some("logn"), &["mirror"]),
        (Some("logn"), &["logn", "login"]),
    ] {
        assert!(matches!(
            change(&action(in_place_of), &world::deployment(&spec(before))),
            Err(NotApplicable::Changed { .. })
        ));
    }
}

/// A pod spec that asks a Service by this name and port, and uses both words for other things.
fn asks(name: &str, port: &str) -> Value {
    json!({
        "initContainers": [{"name": "init", "env": [
            {"name": "WAIT_FOR", "value": format!("{name}:{port}")},
        ]}],
        "containers": [
            {"name": "app", "env": [
                {"name": "DB_NAME", "value": "databse"},
                {"name": "DB_HOST", "value": name},
                {"name": "DB_PORT", "value": port},
                {"name": "LIMIT", "value": "5433"},
                {"name": "DATABASE_URL", "value": format!("pg://me:pw@{name}.shop:{port}/databse")},
                {"name": "OTHER", "valueFrom": {"configMapKeyRef": {"name": "databse", "key": "5433"}}},
            ]},
            {"name": "beside", "args": ["databse:5433"]},
        ],
    })
}

#[test]
fn an_address_is_corrected_in_the_variables_that_hold_it_and_nowhere_else() {
    assert_eq!(
        changed(&address(false), &asks("databse", "5433")),
        asks("database", "5433")
    );
    assert_eq!(
        changed(&address(true), &asks("database", "5433")),
        asks("database", "5432")
    );
    let untold = world::deployment(&json!({"containers": [{"name": "app", "args": ["databse"]}]}));
    assert!(matches!(
        change(&address(false), &untold),
        Err(NotApplicable::Changed { .. })
    ));
}

#[test]
fn time_to_start_is_given_by_a_startup_probe_and_the_liveness_probe_stays_as_it_was() {
    let liveness = json!({"tcpSocket": {"port": 8080}, "initialDelaySeconds": 4, "periodSeconds": 3, "failureThreshold": 2});
    let startup = |failures: i64| {
        let mut probe = liveness.clone();
        probe["failureThreshold"] = json!(failures);
        probe
    };
    let spec = |startup: Option<Value>| {
        let mut app = json!({"name": "app", "livenessProbe": liveness});
        if let Some(startup) = startup {
            app["startupProbe"] = startup;
        }
        json!({"containers": [app]})
    };
    let extend = |from| {
        Action::ExtendProbe(ExtendProbe {
            container: app(),
            from,
            to: 300,
        })
    };
    // 4 s and 99 times 3 s: not less than what was meant
    let extended = spec(Some(startup(99)));
    assert_eq!(changed(&extend(10), &spec(None)), extended);
    assert_eq!(changed(&extend(34), &spec(Some(startup(10)))), extended);
    for other in [
        spec(Some(startup(11))),
        json!({"containers": [{"name": "app"}]}),
    ] {
        assert!(matches!(
            change(&extend(34), &world::deployment(&other)),
            Err(NotApplicable::Changed { .. })
        ));
    }
}
