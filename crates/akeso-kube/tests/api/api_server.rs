//! An API server that answers by a script and remembers what it was asked.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use akeso_core::cluster::Kind;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Query, Request, State},
    response::Response,
};
use futures::{StreamExt, stream};
use http::{HeaderMap, Method, StatusCode};
use kube::Client;
use serde_json::{Value, json};
use tokio::time::Instant;

/// One request.
#[derive(Debug, Clone)]
pub struct Call {
    pub at: Instant,
    pub method: Method,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Call {
    pub fn is(&self, method: &Method, path: &str) -> bool {
        self.method == method && self.path == path
    }

    pub fn is_dry_run(&self) -> bool {
        self.query.get("dryRun").is_some_and(|all| all == "All")
    }

    pub fn is_watch(&self) -> bool {
        self.query.contains_key("watch")
    }

    /// The single small list by which it is found out what may be read.
    pub fn is_probe(&self) -> bool {
        self.query.get("limit").is_some_and(|limit| limit == "1")
    }
}

/// What the script says.
#[derive(Debug)]
pub enum Reply {
    Now(Response),
    Never,
}

impl Reply {
    pub fn json(body: &Value) -> Self {
        Self::text(StatusCode::OK, &body.to_string())
    }

    pub fn text(code: StatusCode, body: &str) -> Self {
        Self::Now(response(code, Body::from(body.to_owned())))
    }

    /// An error as the API server words it.
    pub fn error(code: u16, reason: &str, message: &str) -> Self {
        Self::status(code, &json!({ "reason": reason, "message": message }))
    }

    /// An error with more to it than reason and message.
    pub fn status(code: u16, more: &Value) -> Self {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code,
        });
        for (key, value) in more.as_object().unwrap() {
            status[key] = value.clone();
        }
        Self::text(StatusCode::from_u16(code).unwrap(), &status.to_string())
    }

    /// Lines of a watch that stays open and silent after them.
    pub fn open_watch(lines: &[Value]) -> Self {
        let lines = body_of(lines).into_bytes();
        let body = stream::iter([Ok::<_, io::Error>(Bytes::from(lines))]).chain(stream::pending());
        Self::Now(response(StatusCode::OK, Body::from_stream(body)))
    }

    /// Text, and when it is under way the connection breaks.
    pub fn cut_off(text: &str) -> Self {
        let text = stream::iter([Ok(Bytes::from(text.to_owned()))]);
        let cut = stream::once(async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Err(io::Error::other("the connection is cut"))
        });
        Self::Now(response(StatusCode::OK, Body::from_stream(text.chain(cut))))
    }
}

fn response(code: StatusCode, body: Body) -> Response {
    let response = Response::builder().status(code);
    let response = response.header("content-type", "application/json");
    response.body(body).unwrap()
}

/// Objects as the lines of a watch.
pub fn body_of(lines: &[Value]) -> String {
    let lines = lines.iter().map(Value::to_string);
    lines.flat_map(|line| [line, "\n".to_owned()]).collect()
}

type Script = dyn FnMut(&Call) -> Option<Reply> + Send;

/// The API server. What its script has no word on is answered as by an empty, quiet cluster with
/// the namespace `shop`.
#[derive(Clone)]
pub struct ApiServer {
    script: Arc<Mutex<Script>>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl ApiServer {
    pub fn new(script: impl FnMut(&Call) -> Option<Reply> + Send + 'static) -> Self {
        Self {
            script: Arc::new(Mutex::new(script)),
            calls: Arc::default(),
        }
    }

    /// A client in the same process, without retries of its own.
    pub fn client(&self) -> Client {
        Client::new(self.router(), "shop")
    }

    fn router(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }

    /// Listens on a real socket.
    pub async fn listen(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = self.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    /// What was asked so far.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// What was asked so far and could have changed something.
    pub fn changes(&self) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| call.method != Method::GET);
        calls
    }
}

async fn answer(
    State(server): State<ApiServer>,
    Query(query): Query<BTreeMap<String, String>>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let call = Call {
        at: Instant::now(),
        method: head.method,
        path: head.uri.path().to_owned(),
        query,
        headers: head.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    server.calls.lock().unwrap().push(call.clone());
    let reply = (server.script.lock().unwrap())(&call).unwrap_or_else(|| quiet(&call));
    match reply {
        Reply::Now(response) => response,
        Reply::Never => std::future::pending().await,
    }
}

fn quiet(call: &Call) -> Reply {
    let names: &[&str] = match call.path.as_str() {
        "/version" => {
            return Reply::json(&json!({
                "major": "1", "minor": "37", "gitVersion": "v1.37.0", "gitCommit": "", "gitTreeState": "",
                "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
            }));
        }
        "/api/v1/namespaces/shop" => return Reply::json(&named("shop")),
        "/api/v1/namespaces" => &["default", "shop"],
        _ => &[],
    };
    if call.method != Method::GET {
        Reply::error(405, "MethodNotAllowed", "nothing may be changed here")
    } else if call.is_watch() {
        Reply::open_watch(&[])
    } else if call
        .path
        .rsplit('/')
        .next()
        .is_some_and(|last| last.ends_with('s'))
    {
        Reply::json(&list(
            "1",
            &names.iter().map(|name| named(name)).collect::<Vec<_>>(),
        ))
    } else {
        Reply::error(404, "NotFound", "not found")
    }
}

/// An object with a name and nothing else.
pub fn named(name: &str) -> Value {
    json!({ "metadata": { "name": name, "resourceVersion": "1" } })
}

/// A list as the API server sends it.
pub fn list(resource_version: &str, items: &[Value]) -> Value {
    json!({
        "kind": "List", "apiVersion": "v1",
        "metadata": { "resourceVersion": resource_version }, "items": items,
    })
}

/// Where a kind is listed in the namespace `shop`.
pub fn path_of(kind: Kind) -> String {
    let plural = format!("{kind:?}s").to_lowercase();
    match kind {
        Kind::Namespace | Kind::Node => format!("/api/v1/{plural}"),
        Kind::Pod | Kind::Service | Kind::PersistentVolumeClaim | Kind::Event => {
            format!("/api/v1/namespaces/shop/{plural}")
        }
        Kind::Ingress => "/apis/networking.k8s.io/v1/namespaces/shop/ingresses".to_owned(),
        Kind::PodDisruptionBudget => format!("/apis/policy/v1/namespaces/shop/{plural}"),
        Kind::Job | Kind::CronJob => format!("/apis/batch/v1/namespaces/shop/{plural}"),
        Kind::Deployment
        | Kind::ReplicaSet
        | Kind::StatefulSet
        | Kind::DaemonSet
        | Kind::ControllerRevision => format!("/apis/apps/v1/namespaces/shop/{plural}"),
        Kind::HorizontalPodAutoscaler => {
            format!("/apis/autoscaling/v2/namespaces/shop/{plural}")
        }
    }
}

/// A kubeconfig for an API server at `address`, and the directory that holds it.
pub fn kubeconfig(address: SocketAddr) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config");
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{ "name": "test", "cluster": { "server": format!("http://{address}") } }],
        "users": [{ "name": "test", "user": {} }],
        "contexts": [{
            "name": "test", "context": { "cluster": "test", "user": "test", "namespace": "shop" },
        }],
    });
    std::fs::write(&path, text.to_string()).unwrap();
    (directory, path)
}
