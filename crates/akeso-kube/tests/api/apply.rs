//! Changes: what is sent, how often, and what is said of it when answers are refused or lost.

use std::sync::{Arc, Mutex};

use akeso_core::{
    act::{LAST_ATTEMPT, PatchOp},
    engine::ChangeRequest,
    journal::Outcome,
};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    api_server::{ApiServer, Call, Reply},
    session::{Session, web},
};

const PATH: &str = "/apis/apps/v1/namespaces/shop/deployments/web";
const MARK: &str = "/metadata/annotations/akeso.dev~1last-attempt";
/// What the API server says of a JSON Patch whose `test` failed.
const TEST_FAILED: &str = "the server rejected our request due to an error in our request";

fn request(mark: &str) -> ChangeRequest {
    ChangeRequest::Patch(vec![
        PatchOp::Test {
            path: "/metadata/generation".to_owned(),
            value: json!(4),
        },
        PatchOp::Replace {
            path: "/spec/template/spec/containers/0/image".to_owned(),
            value: json!("nginx:latest"),
        },
        PatchOp::Add {
            path: MARK.to_owned(),
            value: json!(mark),
        },
    ])
}

fn forward() -> ChangeRequest {
    request("attempt-7")
}

fn backward() -> ChangeRequest {
    let request = request("attempt-7-taken-back");
    assert!(request.takes_back());
    request
}

fn deployment(generation: i64, mark: Option<&str>) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "web", "namespace": "shop", "generation": generation, "annotations": {} },
    });
    if let Some(mark) = mark {
        object["metadata"]["annotations"][LAST_ATTEMPT] = json!(mark);
    }
    object
}

/// What the API server does with a real patch.
enum Fate {
    /// It is made, and answered so.
    Made(Reply),
    /// It is not made, and answered so.
    NotMade(Reply),
}

/// An API server with one deployment, of generation 4. Dry-runs and real patches are answered by
/// `dry` and `real`, and well where these say nothing.
fn server(
    mut dry: impl FnMut(usize) -> Option<Reply> + Send + 'static,
    mut real: impl FnMut(usize) -> Option<Fate> + Send + 'static,
) -> ApiServer {
    let state = Arc::new(Mutex::new(deployment(4, None)));
    let mut patches = (0, 0);
    ApiServer::new(move |call| {
        let mut state = state.lock().unwrap();
        if call.is(&Method::GET, PATH) {
            return Some(Reply::json(&state));
        }
        if !call.is(&Method::PATCH, PATH) {
            return None;
        }
        if call.is_dry_run() {
            patches.0 += 1;
            return dry(patches.0).or_else(|| Some(Reply::json(&state)));
        }
        patches.1 += 1;
        let fate = real(patches.1);
        if let Some(Fate::NotMade(reply)) = fate {
            return Some(reply);
        }
        *state = deployment(5, call.body[2]["value"].as_str());
        match fate {
            Some(Fate::Made(reply)) => Some(reply),
            _ => Some(Reply::json(&state)),
        }
    })
}

fn fine(_: usize) -> Option<Reply> {
    None
}

fn done(_: usize) -> Option<Fate> {
    None
}

const DONE: Outcome = Outcome::Done {
    generation: Some(5),
};

fn real_patches(server: &ApiServer) -> Vec<Call> {
    let mut calls = server.changes();
    calls.retain(|call| !call.is_dry_run());
    calls
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_comes_before_the_patch_and_both_bear_our_name() {
    let server = server(fine, done);
    let mut session = Session::with(&server).await;
    assert_eq!(session.apply(&web(), forward()).await, DONE);
    let changes = server.changes();
    assert_eq!(changes.len(), 2);
    assert!(changes[0].is_dry_run());
    assert!(!changes[1].query.contains_key("dryRun"));
    for change in &changes {
        assert!(change.is(&Method::PATCH, PATH), "{change:?}");
        assert_eq!(change.query["fieldManager"], "akeso");
        assert_eq!(
            change.headers["content-type"],
            "application/json-patch+json"
        );
        assert!(!change.query.contains_key("force"));
    }
    assert_eq!(changes[0].body, changes[1].body);
    let ChangeRequest::Patch(operations) = forward() else {
        panic!("it is a patch");
    };
    assert_eq!(changes[1].body, json!(operations));
}

#[tokio::test(start_paused = true)]
async fn when_somebody_else_was_first_it_is_a_conflict_and_nothing_more_is_sent() {
    for (code, reason, message) in [
        (422, "Invalid", TEST_FAILED),
        (409, "Conflict", "the object has been modified"),
        (404, "NotFound", r#"deployments.apps "web" not found"#),
    ] {
        let server = server(move |_| Some(Reply::error(code, reason, message)), done);
        let mut session = Session::with(&server).await;
        let outcome = session.apply(&web(), forward()).await;
        assert_eq!(
            outcome,
            Outcome::Conflict {
                why: message.to_owned()
            }
        );
        assert_eq!(server.changes().len(), 1, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_at_the_dry_run_is_never_sent() {
    for (code, reason, message) in [
        (
            403,
            "Forbidden",
            r#"deployments.apps "web" is forbidden: User "akeso" cannot patch"#,
        ),
        (
            403,
            "Forbidden",
            r#"deployments.apps "web" is forbidden: exceeded quota: memory"#,
        ),
        (
            400,
            "BadRequest",
            r#"admission webhook "policy" denied the request: no latest"#,
        ),
        (
            422,
            "Invalid",
            r#"Deployment.apps "web" is invalid: spec.template: Required value"#,
        ),
        (
            422,
            "",
            r#"admission webhook "policy" denied the request: no latest"#,
        ),
    ] {
        let server = server(move |_| Some(Reply::error(code, reason, message)), done);
        let mut session = Session::with(&server).await;
        let outcome = session.apply(&web(), forward()).await;
        assert_eq!(
            outcome,
            Outcome::Refused {
                why: message.to_owned()
            }
        );
        assert!(real_patches(&server).is_empty(), "{code}: {message}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_to_the_dry_run_nothing_is_sent() {
    let replies: [fn() -> Reply; 3] = [
        || Reply::Never,
        || Reply::error(500, "InternalError", "failed calling webhook"),
        || Reply::cut_off("{"),
    ];
    for reply in replies {
        let server = server(move |_| Some(reply()), done);
        let mut session = Session::with(&server).await;
        let outcome = session.apply(&web(), forward()).await;
        assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
        assert_eq!(server.changes().len(), 1);
    }
}

/// API priority and fairness answers with plain text, other layers with a Status.
fn too_busy(is_plain: bool) -> Reply {
    let mut reply = if is_plain {
        Reply::text(
            StatusCode::TOO_MANY_REQUESTS,
            "Too many requests, please try again later.",
        )
    } else {
        let details = json!({
            "reason": "TooManyRequests", "message": "storage is (re)initializing",
            "details": { "retryAfterSeconds": 1 },
        });
        Reply::status(429, &details)
    };
    if let Reply::Now(response) = &mut reply {
        response
            .headers_mut()
            .insert("retry-after", "1".parse().unwrap());
    }
    reply
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_too_busy_is_asked_again() {
    for is_plain in [true, false] {
        for over_socket in [true, false] {
            let server = server(
                move |count| (count <= 2).then(|| too_busy(is_plain)),
                move |count| (count <= 1).then(|| Fate::NotMade(too_busy(is_plain))),
            );
            let mut session = if over_socket {
                Session::over_socket(&server).await
            } else {
                Session::with(&server).await
            };
            assert_eq!(session.apply(&web(), forward()).await, DONE);
            assert_eq!(server.changes().len(), 3 + 2);
            for pair in server.changes().windows(2).take(2) {
                assert!(pair[1].at - pair[0].at >= std::time::Duration::from_secs(1));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_stays_too_busy_has_not_refused() {
    let server = server(|_| Some(too_busy(true)), done);
    let mut session = Session::with(&server).await;
    let outcome = session.apply(&web(), forward()).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert!((2..10).contains(&server.changes().len()));
}

/// A way in which the answer to a patch gets lost.
type Loss = (&'static str, fn() -> Reply);

fn losses() -> [Loss; 6] {
    [
        ("500", || {
            Reply::error(500, "InternalError", "etcdserver: request timed out")
        }),
        ("504", || {
            Reply::error(504, "Timeout", "Timeout: request did not complete")
        }),
        ("503 of a proxy", || {
            Reply::text(StatusCode::SERVICE_UNAVAILABLE, "<html>")
        }),
        ("no answer", || Reply::Never),
        ("cut connection", || Reply::cut_off(r#"{"apiVersion":"#)),
        ("half a body", || {
            Reply::text(StatusCode::OK, r#"{"apiVersion":"#)
        }),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_answer_was_lost_is_found_by_its_mark_and_not_sent_again() {
    for (name, reply) in losses() {
        let server = server(fine, move |_| Some(Fate::Made(reply())));
        let mut session = Session::over_socket(&server).await;
        assert_eq!(session.apply(&web(), forward()).await, DONE, "{name}");
        assert_eq!(real_patches(&server).len(), 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_never_arrived_has_failed_and_is_not_sent_again() {
    for (name, reply) in losses() {
        let server = server(fine, move |_| Some(Fate::NotMade(reply())));
        let mut session = Session::over_socket(&server).await;
        let outcome = session.apply(&web(), forward()).await;
        assert!(
            matches!(outcome, Outcome::Failed { .. }),
            "{name}: {outcome:?}"
        );
        assert_eq!(real_patches(&server).len(), 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_of_which_somebody_between_sent_a_copy_is_made_not_refused() {
    // the copy fails the tests that the first one passed
    let server = server(fine, |_| {
        Some(Fate::Made(Reply::error(422, "Invalid", TEST_FAILED)))
    });
    let mut session = Session::with(&server).await;
    assert_eq!(session.apply(&web(), forward()).await, DONE);
}

#[tokio::test(start_paused = true)]
async fn a_patch_that_loses_the_race_after_its_dry_run_is_a_conflict() {
    let server = server(fine, |_| {
        Some(Fate::NotMade(Reply::error(422, "Invalid", TEST_FAILED)))
    });
    let mut session = Session::with(&server).await;
    let outcome = session.apply(&web(), forward()).await;
    assert_eq!(
        outcome,
        Outcome::Conflict {
            why: TEST_FAILED.to_owned()
        }
    );
    assert_eq!(real_patches(&server).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_object_is_read_until_it_can_be() {
    let mut reads = 0;
    let server = ApiServer::new(move |call| {
        if call.is(&Method::GET, PATH) {
            reads += 1;
            return Some(match reads {
                1 => Reply::error(500, "InternalError", "etcdserver: leader changed"),
                2 => Reply::Never,
                3 => Reply::text(StatusCode::OK, "{"),
                _ => Reply::json(&deployment(5, Some("attempt-7"))),
            });
        }
        match (call.is(&Method::PATCH, PATH), call.is_dry_run()) {
            (true, true) => Some(Reply::json(&deployment(4, None))),
            (true, false) => Some(Reply::error(
                500,
                "InternalError",
                "etcdserver: leader changed",
            )),
            (false, _) => None,
        }
    });
    let mut session = Session::with(&server).await;
    assert_eq!(session.apply(&web(), forward()).await, DONE);
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_read_either_is_not_called_undone() {
    let server = ApiServer::new(|call| match (call.path == PATH, call.is_dry_run()) {
        (true, true) => Some(Reply::json(&deployment(4, None))),
        (true, false) => Some(Reply::error(500, "InternalError", "etcdserver: no leader")),
        (false, _) => None,
    });
    let mut session = Session::with(&server).await;
    let Outcome::Failed { why } = session.apply(&web(), forward()).await else {
        panic!("it has not been made");
    };
    assert!(why.contains("what became of it cannot be read"), "{why}");
    assert_eq!(real_patches(&server).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_mark_of_another_attempt_is_not_ours() {
    let server = ApiServer::new(|call| {
        (call.path == PATH).then(|| Reply::json(&deployment(5, Some("attempt-6"))))
    });
    let mut session = Session::with(&server).await;
    let outcome = session.settle(&web(), forward()).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_a_change_that_never_arrived_is_not_made_any_more() {
    let server = server(fine, done);
    let mut session = Session::with(&server).await;
    let outcome = session.settle(&web(), forward()).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert!(server.changes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_taking_back_is_completed_once() {
    let server = server(fine, done);
    let mut session = Session::with(&server).await;
    assert_eq!(session.settle(&web(), backward()).await, DONE);
    assert_eq!(server.changes().len(), 2);
    assert_eq!(real_patches(&server).len(), 1);
    // and again, as after one more restart
    assert_eq!(session.settle(&web(), backward()).await, DONE);
    assert_eq!(server.changes().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_a_change_that_arrived_is_done_without_a_word() {
    for request in [forward(), backward()] {
        let mark = request.mark().unwrap().to_owned();
        let server = ApiServer::new(move |call| {
            call.is(&Method::GET, PATH)
                .then(|| Reply::json(&deployment(5, Some(&mark))))
        });
        let mut session = Session::with(&server).await;
        assert_eq!(session.settle(&web(), request).await, DONE);
        assert!(server.changes().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_a_workload_that_is_gone_has_no_change() {
    let server = ApiServer::new(|_| None);
    let mut session = Session::with(&server).await;
    let outcome = session.settle(&web(), forward()).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert!(server.changes().is_empty());
}
