//! Evidence: what is read, what is left unread, and what is said when nobody answers.

use std::collections::{BTreeMap, BTreeSet};

use akeso_core::{
    certificate::TlsSecret,
    evidence::{Answer, Bounds, Keys, Life, ListedKind, Objects, Question, Usage},
    quantity::{Bytes, MilliCpu},
};
use axum::body::Body;
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    api_server::{ApiServer, Reply, list},
    session::Session,
};

const SECRETS: &str = "/api/v1/namespaces/shop/secrets";
const CONFIG_MAPS: &str = "/api/v1/namespaces/shop/configmaps";
const LOG: &str = "/api/v1/namespaces/shop/pods/web-1/log";

/// `hunter2`, as it is, in base64, and as `kubectl apply` leaves it behind.
const VALUE: &str = "hunter2";
const ENCODED: &str = "aHVudGVyMg==";

fn secret(name: &str, kind: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": kind,
        "metadata": {
            "name": name, "namespace": "shop",
            "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration":
                    format!(r#"{{"stringData":{{"PASSWORD":"{VALUE}"}}}}"#),
            },
        },
        "data": { "PASSWORD": ENCODED, "USER": ENCODED },
    })
}

fn says_the_value(text: &str) -> bool {
    text.contains(VALUE) || text.contains(ENCODED) || text.contains("104, 117, 110")
}

fn set(keys: &[&str]) -> BTreeSet<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn of_secrets_only_names_and_keys_come_out() {
    let server = ApiServer::new(|call| match call.path.as_str() {
        SECRETS => Some(Reply::json(&list(
            "1",
            &[
                secret("db", "Opaque"),
                secret("login", "kubernetes.io/basic-auth"),
                secret("pull", "kubernetes.io/dockerconfigjson"),
                secret("token", "kubernetes.io/service-account-token"),
                json!({ "metadata": { "name": "empty" } }),
            ],
        ))),
        CONFIG_MAPS => Some(Reply::json(&list(
            "1",
            &[
                json!({ "metadata": { "name": "settings" }, "data": { "HOST": "db", "PORT": "1" } }),
                json!({ "metadata": { "name": "kube-root-ca.crt" }, "data": { "ca.crt": "x" } }),
            ],
        ))),
        _ => None,
    });
    let mut session = Session::with(&server).await;
    let told = session.until_synced().await;
    assert!(!says_the_value(&told.join("\n")));
    let answer = session.ask(Question::Keys).await;
    assert!(!says_the_value(&format!("{answer:?}")), "{answer:?}");
    let expected = Keys {
        config_maps: BTreeMap::from([("settings".to_owned(), set(&["HOST", "PORT"]))]),
        secrets: BTreeMap::from([
            ("db".to_owned(), set(&["PASSWORD", "USER"])),
            ("login".to_owned(), set(&["PASSWORD", "USER"])),
            ("empty".to_owned(), set(&[])),
        ]),
        pull_secrets: set(&["pull"]),
    };
    assert_eq!(answer, Answer::Keys(expected));
}

/// Everything that is logged, at every level.
#[derive(Clone, Default)]
struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_about_secrets_that_is_not_understood_is_neither_quoted_nor_logged() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let truncated = list("1", &[secret("db", "Opaque")]).to_string();
    let truncated = truncated[..truncated.len() - 3].to_owned();
    let mut wrong = secret("db", "Opaque");
    wrong["data"] = json!(VALUE);
    let wrong = list("1", &[wrong]).to_string();
    for body in [truncated, wrong] {
        let server = ApiServer::new(move |call| {
            let is_pull_secret = call.path == format!("{SECRETS}/pull");
            (call.path == SECRETS || is_pull_secret).then(|| Reply::text(StatusCode::OK, &body))
        });
        let mut session = Session::with(&server).await;
        let answer = session.ask(Question::Keys).await;
        assert!(matches!(answer, Answer::Unknown { .. }), "{answer:?}");
        assert!(!says_the_value(&format!("{answer:?}")), "{answer:?}");
    }
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(!says_the_value(&logged), "{logged}");
}

#[tokio::test(start_paused = true)]
async fn of_a_secret_for_tls_only_what_its_certificate_says_comes_out() {
    let question = || Question::Certificate {
        namespace: "shop".to_owned(),
        secret: "tls".to_owned(),
    };
    let mut without_key = secret("tls", "Opaque");
    without_key["data"] = json!({ "tls.crt": ENCODED });
    let mut without_certificate = secret("tls", "kubernetes.io/tls");
    without_certificate["data"] = json!({ "tls.key": ENCODED, "tls.crt": "" });
    let mut neither = secret("tls", "kubernetes.io/tls");
    neither["data"] = json!({ "tls.key": ENCODED, "tls.crt": ENCODED });
    let lacks = |key: &str, kind: &str| TlsSecret::Lacks {
        key: key.to_owned(),
        kind: kind.to_owned(),
    };
    for (found, expected) in [
        (Some(without_key), lacks("tls.key", "Opaque")),
        (
            Some(without_certificate),
            lacks("tls.crt", "kubernetes.io/tls"),
        ),
        (Some(neither), TlsSecret::NoCertificate),
        (None, TlsSecret::Missing),
    ] {
        let server = ApiServer::new(move |call| {
            (call.path == format!("{SECRETS}/tls")).then(|| match &found {
                Some(secret) => Reply::json(secret),
                None => Reply::error(404, "NotFound", "not found"),
            })
        });
        let answer = Session::with(&server).await.ask(question()).await;
        assert!(!says_the_value(&format!("{answer:?}")), "{answer:?}");
        assert_eq!(answer, Answer::Certificate(expected));
    }
    let server = ApiServer::new(|call| {
        (call.path == format!("{SECRETS}/tls"))
            .then(|| Reply::error(403, "Forbidden", "secrets is forbidden"))
    });
    let answer = Session::with(&server).await.ask(question()).await;
    assert!(matches!(answer, Answer::Unknown { .. }), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn secrets_that_may_not_be_read_are_unknown_not_absent() {
    let server = ApiServer::new(|call| {
        (call.path == SECRETS).then(|| Reply::error(403, "Forbidden", "secrets is forbidden"))
    });
    let mut session = Session::with(&server).await;
    let answer = session.ask(Question::Keys).await;
    assert!(matches!(answer, Answer::Unknown { .. }), "{answer:?}");
}

fn logs(life: Life) -> Question {
    Question::Logs {
        pod: "web-1".to_owned(),
        container: "main".to_owned(),
        life,
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_lines_of_the_life_that_is_meant_are_read() {
    let server = ApiServer::new(|call| {
        (call.path == LOG).then(|| Reply::text(StatusCode::OK, "one\ntwo\n"))
    });
    let mut session = Session::with(&server).await;
    for (life, previous) in [(Life::Current, false), (Life::Previous, true)] {
        let answer = session.ask(logs(life)).await;
        assert_eq!(answer, Answer::Logs("one\ntwo\n".to_owned()));
        let calls = server.calls();
        let query = &calls.iter().rfind(|call| call.path == LOG).unwrap().query;
        assert_eq!(
            query.get("previous").is_some_and(|it| it == "true"),
            previous
        );
        assert_eq!(query["container"], "main");
        assert_eq!(query["tailLines"], "200");
        assert!(query.contains_key("limitBytes"));
    }
}

#[tokio::test(start_paused = true)]
async fn colours_and_what_else_moves_a_terminal_are_no_part_of_a_log() {
    let printed = "\u{1b}[31mERROR\u{1b}[0m no \u{1b}[1mPORT\u{1b}[m\r\n\tat\u{7} x\u{1b}[2J\u{1b}]0;title\u{7}ü\n";
    let server = ApiServer::new(move |call| {
        (call.path == LOG).then(|| Reply::text(StatusCode::OK, printed))
    });
    let mut session = Session::with(&server).await;
    let answer = session.ask(logs(Life::Current)).await;
    assert_eq!(
        answer,
        Answer::Logs("ERROR no PORT\r\n\tat xü\n".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_container_that_has_no_log_yet_has_an_empty_one() {
    for (code, message) in [
        (
            400,
            r#"previous terminated container "main" in pod "web-1" not found"#,
        ),
        (
            400,
            r#"container "main" in pod "web-1" is waiting to start: trying and failing to pull image"#,
        ),
        (404, r#"pods "web-1" not found"#),
    ] {
        let server =
            ApiServer::new(move |call| (call.path == LOG).then(|| Reply::error(code, "", message)));
        let mut session = Session::with(&server).await;
        assert_eq!(
            session.ask(logs(Life::Previous)).await,
            Answer::Logs(String::new())
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_cannot_be_had_is_unknown_not_empty() {
    let replies: [fn() -> Reply; 3] = [
        || Reply::error(403, "Forbidden", "pods/log is forbidden"),
        || {
            Reply::error(
                500,
                "InternalError",
                "Get https://node:10250: connection refused",
            )
        },
        || Reply::cut_off("half a li"),
    ];
    for reply in replies {
        let server = ApiServer::new(move |call| (call.path == LOG).then(reply));
        let mut session = Session::with(&server).await;
        let answer = session.ask(logs(Life::Current)).await;
        assert!(matches!(answer, Answer::Unknown { .. }), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_not_all_text_is_read_as_far_as_it_is() {
    let server = ApiServer::new(|call| {
        let body = || Body::from(b"ERROR: \xff\xfe PORT is not set\n\xc3".to_vec());
        (call.path == LOG).then(|| Reply::Now(http::Response::new(body())))
    });
    let mut session = Session::with(&server).await;
    let Answer::Logs(text) = session.ask(logs(Life::Current)).await else {
        panic!("there is a log");
    };
    assert!(text.contains("PORT is not set"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_question_that_is_never_answered_is_unknown_in_the_end() {
    let questions = [
        logs(Life::Current),
        Question::Keys,
        Question::Bounds,
        used(),
        objects(ListedKind::Role, "shop"),
        Question::Image {
            reference: "127.0.0.1:1/team/app:1".to_owned(),
            pull_secrets: vec!["pull".to_owned()],
        },
    ];
    let server = ApiServer::new(|call| {
        let is_asked = [
            "/log",
            "/secrets",
            "/configmaps",
            "/limitranges",
            "/roles",
            "/secrets/pull",
            "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods",
        ]
        .iter()
        .any(|end| call.path.ends_with(end));
        is_asked.then_some(Reply::Never)
    });
    let mut session = Session::with(&server).await;
    for question in questions {
        let answer = session.ask(question).await;
        assert!(matches!(answer, Answer::Unknown { .. }), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_tightest_bounds_of_the_namespace_count() {
    let range =
        |limits: Value| json!({ "metadata": { "name": "r" }, "spec": { "limits": limits } });
    let quota = |hard: Value, used: Value| json!({ "metadata": { "name": "q" }, "status": { "hard": hard, "used": used } });
    let ranges = list(
        "1",
        &[
            range(json!([
                { "type": "Container", "min": { "memory": "32Mi", "cpu": "20m" }, "max": { "memory": "1Gi", "cpu": "1" }, "maxLimitRequestRatio": { "memory": "2.5" } },
                { "type": "Pod", "max": { "memory": "512Mi" } },
                { "type": "PersistentVolumeClaim", "max": { "storage": "1Mi" } },
            ])),
            range(
                json!([{ "type": "Container", "min": { "memory": "16Mi" }, "max": { "memory": "2Gi" }, "maxLimitRequestRatio": { "memory": "4" } }]),
            ),
        ],
    );
    let quotas = list(
        "1",
        &[
            quota(
                json!({ "limits.memory": "4Gi" }),
                json!({ "limits.memory": "1Gi" }),
            ),
            quota(
                json!({ "limits.memory": "1Gi" }),
                json!({ "limits.memory": "768Mi" }),
            ),
            quota(json!({ "pods": "10" }), json!({ "pods": "9" })),
        ],
    );
    let server = ApiServer::new(move |call| match call.path.as_str() {
        "/api/v1/namespaces/shop/limitranges" => Some(Reply::json(&ranges)),
        "/api/v1/namespaces/shop/resourcequotas" => Some(Reply::json(&quotas)),
        _ => None,
    });
    let mut session = Session::with(&server).await;
    let expected = Bounds {
        container_max: Bytes::parse("512Mi").ok(),
        quota_left: Bytes::parse("256Mi").ok(),
        max_limit_to_request: Some(2_500),
        min_memory: Bytes::parse("32Mi").ok(),
        min_cpu: MilliCpu::parse("20m").ok(),
    };
    assert_eq!(
        session.ask(Question::Bounds).await,
        Answer::Bounds(expected)
    );
}

#[tokio::test(start_paused = true)]
async fn a_namespace_without_bounds_has_none_and_one_that_is_full_has_nothing_left() {
    let mut session = Session::with(&ApiServer::new(|_| None)).await;
    assert_eq!(
        session.ask(Question::Bounds).await,
        Answer::Bounds(Bounds::default())
    );

    let server = ApiServer::new(|call| {
        let status =
            json!({ "hard": { "limits.memory": "1Gi" }, "used": { "limits.memory": "2Gi" } });
        call.path
            .ends_with("/resourcequotas")
            .then(|| Reply::json(&list("1", &[json!({ "metadata": {}, "status": status })])))
    });
    let mut session = Session::with(&server).await;
    let Answer::Bounds(bounds) = session.ask(Question::Bounds).await else {
        panic!("there are bounds");
    };
    assert_eq!(bounds.quota_left, Some(Bytes::new(0)));
}

#[tokio::test(start_paused = true)]
async fn bounds_that_may_not_be_read_are_unknown_not_absent() {
    let server = ApiServer::new(|call| {
        call.path
            .ends_with("/limitranges")
            .then(|| Reply::error(403, "Forbidden", "limitranges is forbidden"))
    });
    let mut session = Session::with(&server).await;
    let answer = session.ask(Question::Bounds).await;
    assert!(matches!(answer, Answer::Unknown { .. }), "{answer:?}");
}

fn objects(kind: ListedKind, namespace: &str) -> Question {
    let namespace = namespace.to_owned();
    Question::Objects { kind, namespace }
}

#[tokio::test(start_paused = true)]
async fn objects_that_are_not_watched_are_listed_where_they_lie() {
    const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
    let server = ApiServer::new(|call| {
        let role = |name: &str| json!({ "metadata": { "name": name }, "rules": [] });
        let named = match call.path.strip_prefix(RBAC)? {
            "/namespaces/billing/roles" => "of-billing",
            "/clusterroles" => "of-all",
            _ => return None,
        };
        Some(Reply::json(&list("1", &[role(named)])))
    });
    let mut session = Session::with(&server).await;
    let Answer::Objects(Objects::Role(roles)) =
        session.ask(objects(ListedKind::Role, "billing")).await
    else {
        panic!("Roles were asked for");
    };
    assert_eq!(roles[0].metadata.name.as_deref(), Some("of-billing"));
    let Answer::Objects(Objects::ClusterRole(roles)) =
        session.ask(objects(ListedKind::ClusterRole, "")).await
    else {
        panic!("ClusterRoles were asked for");
    };
    assert_eq!(roles[0].metadata.name.as_deref(), Some("of-all"));
}

#[tokio::test(start_paused = true)]
async fn objects_that_may_not_be_read_are_unknown_not_absent() {
    let server = ApiServer::new(|call| {
        let is_asked = call.path.ends_with("/networkpolicies");
        is_asked.then(|| Reply::error(403, "Forbidden", "networkpolicies is forbidden"))
    });
    let mut session = Session::with(&server).await;
    let answer = session
        .ask(objects(ListedKind::NetworkPolicy, "shop"))
        .await;
    assert!(matches!(answer, Answer::Unknown { .. }), "{answer:?}");
}

const METRICS: &str = "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods";

fn used() -> Question {
    Question::Usage {
        namespace: "shop".to_owned(),
    }
}

fn measured(name: &str, namespace: &str, containers: &Value) -> Value {
    json!({
        "metadata": { "name": name, "namespace": namespace, "creationTimestamp": "2026-01-01T12:00:00Z" },
        "timestamp": "2026-01-01T11:59:45Z", "window": "15.2s", "containers": containers
    })
}

fn container(name: &str, cpu: &Value, memory: &Value) -> Value {
    json!({ "name": name, "usage": { "cpu": cpu, "memory": memory } })
}

async fn told(status: Reply) -> Answer {
    let status = std::sync::Mutex::new(Some(status));
    let server = ApiServer::new(move |call| {
        (call.path == METRICS).then(|| status.lock().unwrap().take().unwrap())
    });
    Session::with(&server).await.ask(used()).await
}

#[tokio::test(start_paused = true)]
async fn what_is_used_is_read_by_pod_and_container() {
    let pods = [measured(
        "web-1",
        "shop",
        &json!([
            container("app", &json!("123456789n"), &json!("20156Ki")),
            container("proxy", &json!("0"), &json!("1Mi")),
        ]),
    )];
    let Answer::Usage(usage) = told(Reply::json(&list("1", &pods))).await else {
        panic!("there is usage");
    };
    let pod = &usage.pods["web-1"];
    assert_eq!(pod.at.to_string(), "2026-01-01T11:59:45Z");
    // parts of a thousandth are rounded up
    assert_eq!(pod.containers["app"].cpu.get(), 124);
    assert_eq!(pod.containers["app"].memory, Bytes::new(20156 << 10));
    assert_eq!(pod.containers["proxy"].cpu.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_measure_that_cannot_be_read_is_none_and_spoils_no_other() {
    let good = || container("app", &json!("5m"), &json!("1Mi"));
    let pods = [
        measured("good", "shop", &json!([good()])),
        measured("elsewhere", "billing", &json!([good()])),
        measured(
            "minus",
            "shop",
            &json!([good(), container("b", &json!("-1m"), &json!("1Mi"))]),
        ),
        measured(
            "no-number",
            "shop",
            &json!([container("app", &json!("NaN"), &json!("1Mi"))]),
        ),
        measured(
            "number",
            "shop",
            &json!([container("app", &json!(5), &json!("1Mi"))]),
        ),
        measured(
            "too-much",
            "shop",
            &json!([container("app", &json!("5m"), &json!("99999999999Ei"))]),
        ),
        measured(
            "no-memory",
            "shop",
            &json!([{ "name": "app", "usage": { "cpu": "5m" } }]),
        ),
        measured("twice", "shop", &json!([good(), good()])),
        measured("no-list", "shop", &json!("app")),
        json!({ "metadata": { "name": "no-time", "namespace": "shop" }, "containers": [good()] }),
    ];
    let Answer::Usage(usage) = told(Reply::json(&list("1", &pods))).await else {
        panic!("there is usage");
    };
    assert_eq!(usage.pods.keys().collect::<Vec<_>>(), ["good"]);

    let none = told(Reply::json(&list("1", &[]))).await;
    assert_eq!(none, Answer::Usage(Usage::default()));
}

#[tokio::test(start_paused = true)]
async fn where_nothing_measures_what_is_used_that_is_unknown_and_says_why() {
    for (code, reason, said) in [
        (
            404,
            "NotFound",
            "the server could not find the requested resource",
        ),
        (403, "Forbidden", "pods.metrics.k8s.io is forbidden"),
    ] {
        let answer = told(Reply::error(code, reason, said)).await;
        let Answer::Unknown { why } = answer else {
            panic!("{answer:?}");
        };
        assert!(
            why.contains(&code.to_string()) && why.contains(said),
            "{why}"
        );
    }
    let text = told(Reply::json(&json!("not found"))).await;
    assert!(matches!(text, Answer::Unknown { .. }), "{text:?}");
}
