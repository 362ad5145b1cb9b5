//! Evictions: of the pod that was meant and no other, and never against a disruption budget.

use akeso_core::{engine::ChangeRequest, journal::Outcome};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    api_server::{ApiServer, Reply},
    session::{Session, web},
};

const POD: &str = "/api/v1/namespaces/shop/pods/web-1";
const EVICTION: &str = "/api/v1/namespaces/shop/pods/web-1/eviction";

fn request() -> ChangeRequest {
    ChangeRequest::Evict {
        pod: "web-1".to_owned(),
        uid: "uid-1".to_owned(),
    }
}

const DONE: Outcome = Outcome::Done { generation: None };

fn evicted() -> Reply {
    let success = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 });
    Reply::text(StatusCode::CREATED, &success.to_string())
}

/// Evictions are answered by `dry` and `real`; the pod is as `pod` says.
fn server(
    dry: impl Fn() -> Reply + Send + 'static,
    real: impl Fn() -> Reply + Send + 'static,
    pod: Option<Value>,
) -> ApiServer {
    ApiServer::new(move |call| {
        if call.is(&Method::GET, POD) {
            return pod.as_ref().map(Reply::json);
        }
        let is_eviction = call.is(&Method::POST, EVICTION);
        is_eviction.then(|| if call.is_dry_run() { dry() } else { real() })
    })
}

fn pod(uid: &str) -> Value {
    json!({ "metadata": { "name": "web-1", "namespace": "shop", "uid": uid } })
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_evicted_after_a_dry_run_and_only_if_it_has_the_uid() {
    let server = server(evicted, evicted, None);
    let mut session = Session::with(&server).await;
    assert_eq!(session.apply(&web(), request()).await, DONE);
    let changes = server.changes();
    assert_eq!(changes.len(), 2);
    assert!(changes[0].is_dry_run());
    assert!(!changes[1].query.contains_key("dryRun"));
    for change in &changes {
        assert_eq!(change.query["fieldManager"], "akeso");
        // the API server ignores fields whose names it does not know, so these must be right
        let body = &change.body;
        assert_eq!(body["apiVersion"], "policy/v1");
        assert_eq!(body["kind"], "Eviction");
        assert_eq!(body["metadata"]["name"], "web-1");
        assert_eq!(
            body["deleteOptions"]["preconditions"],
            json!({ "uid": "uid-1" })
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_gone_or_another_by_now_needs_no_eviction() {
    for (code, reason, message) in [
        (404, "NotFound", r#"pods "web-1" not found"#),
        (
            409,
            "Conflict",
            "Precondition failed: UID in precondition: uid-1, UID in object meta: uid-2",
        ),
    ] {
        let gone = move || Reply::error(code, reason, message);
        let at_dry_run = server(gone, evicted, None);
        let mut session = Session::with(&at_dry_run).await;
        assert_eq!(session.apply(&web(), request()).await, DONE);
        assert_eq!(at_dry_run.changes().len(), 1);

        let at_eviction = server(evicted, gone, None);
        let mut session = Session::with(&at_eviction).await;
        assert_eq!(session.apply(&web(), request()).await, DONE);
    }
}

fn budget() -> Reply {
    let mut reply = Reply::status(
        429,
        &json!({
            "reason": "TooManyRequests",
            "message": "Cannot evict pod as it would violate the pod's disruption budget.",
            "details": { "causes": [{
                "reason": "DisruptionBudget",
                "message": "The disruption budget web needs 1 healthy pods and has 1 currently",
            }] },
        }),
    );
    if let Reply::Now(response) = &mut reply {
        response
            .headers_mut()
            .insert("retry-after", "10".parse().unwrap());
    }
    reply
}

#[tokio::test(start_paused = true)]
async fn a_disruption_budget_is_a_refusal_and_is_not_argued_with() {
    let in_process = server(budget, evicted, None);
    let mut session = Session::with(&in_process).await;
    let outcome = session.apply(&web(), request()).await;
    assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
    assert_eq!(in_process.changes().len(), 1);

    // nor by the client that the program connects with
    let over_socket = server(evicted, budget, None);
    let mut session = Session::over_socket(&over_socket).await;
    let outcome = session.apply(&web(), request()).await;
    assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
    assert_eq!(over_socket.changes().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_may_not_evict_is_refused_at_the_dry_run() {
    let forbidden = || Reply::error(403, "Forbidden", "pods/eviction is forbidden");
    let server = server(forbidden, evicted, None);
    let mut session = Session::with(&server).await;
    let outcome = session.apply(&web(), request()).await;
    assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
    assert_eq!(server.changes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_eviction_whose_answer_was_lost_is_judged_by_the_pod() {
    let losses: [fn() -> Reply; 3] = [
        || Reply::Never,
        || Reply::error(500, "InternalError", "etcdserver: request timed out"),
        || Reply::cut_off("{"),
    ];
    let mut terminating = pod("uid-1");
    terminating["metadata"]["deletionTimestamp"] = json!("2026-11-02T10:00:00Z");
    for lost in losses {
        for gone in [None, Some(pod("uid-2")), Some(terminating.clone())] {
            let server = server(evicted, lost, gone);
            let mut session = Session::over_socket(&server).await;
            assert_eq!(session.apply(&web(), request()).await, DONE);
            assert_eq!(server.changes().len(), 2);
        }
        let server = server(evicted, lost, Some(pod("uid-1")));
        let mut session = Session::over_socket(&server).await;
        let outcome = session.apply(&web(), request()).await;
        assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
        assert_eq!(server.changes().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_an_eviction_is_done_if_the_pod_is_gone_and_not_made_if_it_is_not() {
    let gone = server(evicted, evicted, None);
    let mut session = Session::with(&gone).await;
    assert_eq!(session.settle(&web(), request()).await, DONE);
    assert!(gone.changes().is_empty());

    let there = server(evicted, evicted, Some(pod("uid-1")));
    let mut session = Session::with(&there).await;
    let outcome = session.settle(&web(), request()).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert!(there.changes().is_empty());
}
