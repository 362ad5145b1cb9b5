//! Kubernetes Events on the workload.

use std::time::Duration;

use akeso_core::{
    engine::{Announcement, Effect},
    evidence::Question,
};
use http::{Method, StatusCode};
use serde_json::Value;

use crate::{
    api_server::{ApiServer, Call, Reply},
    session::{Session, web},
};

const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/shop/events";

fn effect(reason: Announcement, note: &str) -> Effect {
    Effect::Announce {
        workload: web(),
        uid: Some("web-uid".to_owned()),
        reason,
        note: note.to_owned(),
    }
}

async fn published(server: &ApiServer) -> Call {
    for _ in 0..1_000 {
        if let Some(call) = server.changes().into_iter().next() {
            return call;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nothing is published");
}

fn echo(call: &Call) -> Option<Reply> {
    call.is(&Method::POST, EVENTS)
        .then(|| Reply::text(StatusCode::CREATED, &call.body.to_string()))
}

#[tokio::test(start_paused = true)]
async fn what_akeso_does_is_an_event_on_the_workload_in_its_own_name() {
    for (reason, kind) in [
        (Announcement::Remediating, "Normal"),
        (Announcement::Remediated, "Normal"),
        (Announcement::RolledBack, "Warning"),
        (Announcement::NeedsAttention, "Warning"),
    ] {
        let server = ApiServer::new(echo);
        let session = Session::with(&server).await;
        session.execute(effect(reason, "set the image"));
        let Value::Object(event) = published(&server).await.body else {
            panic!("it is an object");
        };
        assert_eq!(event["reason"], format!("{reason:?}"));
        assert_eq!(event["type"], kind);
        assert_eq!(event["regarding"]["uid"], "web-uid");
        assert_eq!(event["note"], "set the image");
        assert_eq!(event["reportingController"], "akeso");
        assert_eq!(event["regarding"]["kind"], "Deployment");
        assert_eq!(event["regarding"]["apiVersion"], "apps/v1");
        assert_eq!(event["regarding"]["name"], "web");
        assert_eq!(event["regarding"]["namespace"], "shop");
    }
}

#[tokio::test(start_paused = true)]
async fn a_note_is_no_longer_than_the_api_server_takes() {
    let server = ApiServer::new(echo);
    let session = Session::with(&server).await;
    session.execute(effect(Announcement::NeedsAttention, &"ü".repeat(5_000)));
    let note = published(&server).await.body["note"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(note.len() <= 1_024, "{} bytes", note.len());
}

#[tokio::test(start_paused = true)]
async fn an_event_that_may_not_be_published_stops_nothing() {
    let server = ApiServer::new(|call| {
        (call.path == EVENTS && call.method == Method::POST)
            .then(|| Reply::error(403, "Forbidden", "events is forbidden"))
    });
    let mut session = Session::with(&server).await;
    session.execute(effect(Announcement::Remediating, "set the image"));
    published(&server).await;
    session.ask(Question::Bounds).await;
}
