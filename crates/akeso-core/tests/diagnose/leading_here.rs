//! Names of other Services, classes and certificates of Ingresses: what leads to a workload from
//! outside, and what only looks broken.

use akeso_core::{
    certificate::{Certificate, TlsSecret},
    diagnose::Remedy,
    evidence::{Answer, ListedKind, Objects, Question},
    workload::SupportKind,
};
use k8s_openapi::api::networking::v1::IngressClass;
use serde_json::{Value, json};

use crate::{explain, world};

const NOW: &str = "2026-01-01T12:00:00Z";
const LONG_AGO: &str = "2026-01-01T11:00:00Z";

/// Fault and cause of what is found on `shop/web`, when this is known of what is not watched.
fn found(
    kind: SupportKind,
    objects: &[Value],
    known: Vec<(Question, Answer)>,
) -> Option<(String, String)> {
    let mut cluster = world::cluster(objects);
    for (question, answer) in known {
        cluster.learn(question, answer);
    }
    let (_, all) = explain::of_symptoms(&cluster, &explain::support(kind), |_| {
        panic!("nothing is asked")
    });
    let first = all.into_iter().next()?;
    assert!(
        matches!(first.remedy, Remedy::Person(_)),
        "nothing is changed"
    );
    Some((first.fault, first.cause))
}

fn external(name: &str) -> Value {
    json!({
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop", "creationTimestamp": LONG_AGO},
        "spec": {"type": "ExternalName", "externalName": name}
    })
}

#[test]
fn a_name_of_the_cluster_must_be_there() {
    let other = |name: &str, namespace: &str| json!({"kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": {}});
    let of = |name: &str| {
        let others = [external(name), other("cart", "shop"), other("db", "data")];
        found(SupportKind::Service, &others, vec![])
    };
    let (fault, cause) = of("crat.shop.svc.cluster.local").unwrap();
    assert_eq!(fault, "service-external-name-unknown");
    assert_eq!(
        cause,
        "Service shop/web leads nowhere: its spec.externalName `crat.shop.svc.cluster.local` is Service crat of namespace shop, which does not exist; there is a Service cart"
    );
    assert!(of("bd.data.svc").is_some());
    assert!(of("10.20.30.40").unwrap().1.contains("is an address"));
    // an Ingress controller takes it for what it is
    let ingress = json!({"kind": "Ingress", "metadata": {"name": "nas", "namespace": "shop"},
        "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}});
    let behind = [external("10.20.30.40"), ingress];
    assert_eq!(found(SupportKind::Service, &behind, vec![]), None);
    for fine in [
        "cart.shop.svc.cluster.local",
        "cart.shop.svc.cluster.local.",
        "db.data.svc",
        "db-0.db.data.svc.cluster.local",
        // of a namespace that is not watched, or of the world outside
        "db.elsewhere.svc.cluster.local",
        "db.example.com",
        "svc",
    ] {
        assert_eq!(of(fine), None, "{fine}");
    }
}

fn ingress(name: &str, spec: &Value, address: &Value) -> Value {
    json!({
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": "shop", "creationTimestamp": LONG_AGO},
        "spec": spec,
        "status": {"loadBalancer": {"ingress": address}}
    })
}

fn classes(names: &[&str], default: Option<&str>) -> (Question, Answer) {
    let all = names.iter().map(|name| {
        let annotations = json!({"ingressclass.kubernetes.io/is-default-class": "true"});
        let is_default = default == Some(name);
        let annotations = if is_default { annotations } else { json!({}) };
        let class = json!({"metadata": {"name": name, "annotations": annotations}});
        serde_json::from_value::<IngressClass>(class).unwrap()
    });
    let question = Question::Objects {
        kind: ListedKind::IngressClass,
        namespace: String::new(),
    };
    (
        question,
        Answer::Objects(Objects::IngressClass(all.collect())),
    )
}

#[test]
fn a_class_that_nothing_has_is_told() {
    let none = json!([]);
    let served = json!([{"ip": "192.0.2.1"}]);
    let of = |own: &Value, address: &Value, known: (Question, Answer)| {
        let other = ingress("other", &json!({"ingressClassName": "nginx"}), &served);
        let all = [ingress("web", own, address), other];
        found(SupportKind::Ingress, &all, vec![known])
    };
    let class = |name: &str| json!({"ingressClassName": name});
    let (fault, cause) = of(&class("ngnix"), &none, classes(&["nginx"], None)).unwrap();
    assert_eq!(fault, "ingress-class-missing");
    assert_eq!(
        cause,
        "Ingress shop/web is served by no controller: its spec.ingressClassName is ngnix, and no IngressClass has this name; there is an IngressClass nginx"
    );
    let (_, cause) = of(&class("traefik"), &none, classes(&[], None)).unwrap();
    assert!(cause.contains("no IngressClass at all"), "{cause}");
    let (_, cause) = of(&json!({}), &none, classes(&["nginx"], None)).unwrap();
    assert!(
        cause.contains("no spec.ingressClassName") && cause.contains("shop/other"),
        "{cause}"
    );

    // it is there, it is served, there is a default, or nobody can tell
    let nginx = || classes(&["nginx"], None);
    assert_eq!(of(&class("nginx"), &none, nginx()), None);
    assert_eq!(of(&class("ngnix"), &served, nginx()), None);
    assert_eq!(
        of(&json!({}), &none, classes(&["nginx"], Some("nginx"))),
        None
    );
    assert_eq!(of(&json!({}), &none, classes(&[], None)), None);
    let (question, _) = nginx();
    let why = "ingressclasses is forbidden".to_owned();
    assert_eq!(
        of(&class("ngnix"), &none, (question, Answer::Unknown { why })),
        None
    );
    // a class that only a controller knows by its name, as those of others that are served
    assert_eq!(
        of(&class("nginx"), &none, classes(&["contour"], None)),
        None
    );
    let mut old = ingress("web", &json!({}), &none);
    old["metadata"]["annotations"] = json!({"kubernetes.io/ingress.class": "nginx"});
    let other = ingress("other", &class("nginx"), &served);
    assert_eq!(
        found(SupportKind::Ingress, &[old, other], vec![nginx()]),
        None
    );
    // its controller may be on its way
    let mut young = ingress("web", &class("traefik"), &none);
    young["metadata"]["creationTimestamp"] = json!("2026-01-01T11:58:00Z");
    assert_eq!(found(SupportKind::Ingress, &[young], vec![nginx()]), None);
}

const PEM: &str = "-----BEGIN CERTIFICATE-----\n\
MIIBbjCCAROgAwIBAgIUP03ybB2KJwzpBpQRnNCHfu6sQwkwCgYIKoZIzj0EAwIw\n\
GzEZMBcGA1UEAwwQc2hvcC5leGFtcGxlLmNvbTAgFw0yMDAxMDEwMDAwMDBaGA8y\n\
MTIwMDEwMTAwMDAwMFowGzEZMBcGA1UEAwwQc2hvcC5leGFtcGxlLmNvbTBZMBMG\n\
ByqGSM49AgEGCCqGSM49AwEHA0IABGItvpCTkqYkWrvzND+ATGjq1PZrgmvGCVVL\n\
TmyJJwaR/JgNf0KnFIAhmo6c2OMExpuv69dOk0/o7jCiHg4NrcOjMzAxMC8GA1Ud\n\
EQQoMCaCEHNob3AuZXhhbXBsZS5jb22CEiouc2hvcC5leGFtcGxlLmNvbTAKBggq\n\
hkjOPQQDAgNJADBGAiEAk6JJHaINuH5q6U+CT1Qnpnk7DAUuoi2LRG6OoQwLhWEC\n\
IQDm+QBzO4dudp6tBT7przOLVCrzE43RXFF9eyxsTgS0xw==\n\
-----END CERTIFICATE-----\n";

fn holds(not_before: &str, not_after: &str, names: &[&str]) -> TlsSecret {
    TlsSecret::Holds(Certificate {
        not_before: not_before.parse().unwrap(),
        not_after: not_after.parse().unwrap(),
        names: names.iter().map(|&name| name.to_owned()).collect(),
    })
}

fn of_tls(found_there: TlsSecret) -> Option<(String, String)> {
    of_ingress(&by_tls(), Answer::Certificate(found_there))
}

fn by_tls() -> Value {
    let tls = json!({"tls": [{"hosts": ["shop.example.com"], "secretName": "shop-tls"}]});
    ingress("web", &tls, &json!([]))
}

fn of_ingress(ingress: &Value, answer: Answer) -> Option<(String, String)> {
    let question = Question::Certificate {
        namespace: "shop".into(),
        secret: "shop-tls".into(),
    };
    found(
        SupportKind::Ingress,
        std::slice::from_ref(ingress),
        vec![(question, answer)],
    )
}

#[test]
fn a_secret_for_tls_must_be_there_with_what_it_must_have() {
    let (fault, cause) = of_tls(TlsSecret::Missing).unwrap();
    assert_eq!(fault, "ingress-tls-secret-unusable");
    assert_eq!(
        cause,
        "Ingress shop/web has no valid TLS for shop.example.com: it names Secret shop-tls, which does not exist"
    );
    let read =
        |pem: Option<&str>, has_key| TlsSecret::read("Opaque", pem.map(str::as_bytes), has_key);
    for (secret, says) in [
        (read(None, true), "has no tls.crt (its type is Opaque)"),
        (read(Some(PEM), false), "has no tls.key"),
        (read(Some("certificate"), true), "tls.crt is no certificate"),
    ] {
        let (fault, cause) = of_tls(secret).unwrap();
        assert_eq!(fault, "ingress-tls-secret-unusable");
        assert!(cause.contains(says), "{cause}");
    }
    let why = "secrets is forbidden".to_owned();
    assert_eq!(of_ingress(&by_tls(), Answer::Unknown { why }), None);
    // what cannot be parsed is not called wrong
    let broken = PEM.replace("MIIB", "MIIC");
    assert_eq!(read(Some(&broken), true), TlsSecret::Unreadable);
    assert_eq!(of_tls(TlsSecret::Unreadable), None);
    // a Certificate beside the Ingress may still have it made
    let mut fresh = by_tls();
    fresh["metadata"]["creationTimestamp"] = json!("2026-01-01T11:56:00Z");
    let nothing = Answer::Certificate(TlsSecret::Missing);
    assert_eq!(of_ingress(&fresh, nothing), None);
    // who makes certificates on demand gets more time
    let mut issued = by_tls();
    issued["metadata"]["annotations"] = json!({"cert-manager.io/cluster-issuer": "letsencrypt"});
    let missing = || Answer::Certificate(TlsSecret::Missing);
    assert!(of_ingress(&issued, missing()).is_some());
    issued["metadata"]["creationTimestamp"] = json!("2026-01-01T11:50:00Z");
    assert_eq!(of_ingress(&issued, missing()), None);
}

#[test]
fn a_certificate_must_be_valid_now_and_for_the_host() {
    let valid = TlsSecret::read("kubernetes.io/tls", Some(PEM.as_bytes()), true);
    // a key or a comment behind the certificate does no harm
    for behind in [
        "\n\n",
        "\n# ours\n",
        "\n-----BEGIN PRIVATE KEY-----\nMIIE\n",
    ] {
        let combined = format!("{PEM}{behind}");
        let read = TlsSecret::read("kubernetes.io/tls", Some(combined.as_bytes()), true);
        assert_eq!(read, valid);
    }
    assert_eq!(
        valid,
        holds(
            "2020-01-01T00:00:00Z",
            "2120-01-01T00:00:00Z",
            &["shop.example.com", "*.shop.example.com"]
        )
    );
    assert_eq!(of_tls(valid), None);
    let (then, later) = ("2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z");
    for (secret, says) in [
        (
            holds(then, NOW, &["shop.example.com"]),
            "expired at 2026-01-01T12:00:00Z",
        ),
        (
            holds("2026-01-02T00:00:00Z", later, &["shop.example.com"]),
            "is not valid before 2026-01-02",
        ),
        (
            holds(then, later, &["www.example.com"]),
            "is for www.example.com, and not for shop.example.com",
        ),
        (
            holds(then, later, &["*.shop.example.com"]),
            "not for shop.example.com",
        ),
        (holds(then, later, &["*.com"]), "not for shop.example.com"),
        (holds(then, later, &[]), "is for no host at all"),
    ] {
        let (fault, cause) = of_tls(secret).unwrap();
        assert_eq!(fault, "ingress-certificate-invalid");
        assert!(cause.contains(says), "{cause}");
    }
    for names in [["*.example.com"], ["Shop.Example.com"]] {
        let names = names.map(str::to_lowercase);
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        assert_eq!(of_tls(holds(then, later, &names)), None);
    }
}
