//! Watches that break in every way, and what is told of them.

use std::{collections::VecDeque, time::Duration};

use akeso_core::{cluster::Kind, engine::Event};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    api_server::{ApiServer, Call, Reply, body_of, list, path_of},
    session::Session,
};

fn pod(name: &str, resource_version: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": "shop", "uid": format!("uid-{name}"),
            "resourceVersion": resource_version,
        },
        "spec": { "containers": [{ "name": "main", "image": "app:1" }] },
    })
}

fn line(kind: &str, object: &Value) -> Value {
    json!({ "type": kind, "object": object })
}

fn pods(resource_version: &str, names: &[&str]) -> Reply {
    let all: Vec<_> = names
        .iter()
        .map(|name| pod(name, resource_version))
        .collect();
    Reply::json(&list(resource_version, &all))
}

/// A namespace in which only pods do something: lists and watches of them are answered in this
/// order, and quietly once the answers are used up.
fn server(lists: Vec<Reply>, watches: Vec<Reply>) -> ApiServer {
    let mut lists = VecDeque::from(lists);
    let mut watches = VecDeque::from(watches);
    ApiServer::new(move |call| {
        if call.path != path_of(Kind::Pod) || call.is_probe() {
            None
        } else if call.is_watch() {
            watches.pop_front()
        } else {
            lists.pop_front()
        }
    })
}

fn lists_of_pods(server: &ApiServer) -> Vec<Call> {
    let mut calls = server.calls();
    calls.retain(|call| call.path == path_of(Kind::Pod) && !call.is_probe() && !call.is_watch());
    calls
}

fn watches_of_pods(server: &ApiServer) -> Vec<Call> {
    let mut calls = server.calls();
    calls.retain(|call| call.path == path_of(Kind::Pod) && call.is_watch());
    calls
}

fn resource_version(call: &Call) -> &str {
    &call.query["resourceVersion"]
}

#[tokio::test(start_paused = true)]
async fn every_kind_is_listed_and_then_it_is_told_once_that_all_are() {
    let server = server(vec![pods("1", &["a", "b"])], vec![]);
    let mut session = Session::with(&server).await;
    let mut told = session.until_synced().await;
    assert_eq!(told.pop().unwrap(), "synced");
    told.sort();
    let mut expected: Vec<_> = Kind::ALL
        .iter()
        .map(|kind| match kind {
            Kind::Pod => "all Pod: a b".to_owned(),
            Kind::Namespace => "all Namespace: default shop".to_owned(),
            _ => format!("all {kind:?}: "),
        })
        .collect();
    expected.sort();
    assert_eq!(told, expected);
    // watches end and are taken up again meanwhile
    assert!(session.is_silent_for(Duration::from_mins(10)).await);
    assert!(watches_of_pods(&server).len() > 2);
    assert_eq!(lists_of_pods(&server).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_appears_changes_and_goes_is_told_in_its_order() {
    let bookmark =
        json!({ "kind": "Pod", "apiVersion": "v1", "metadata": { "resourceVersion": "9" } });
    let watch = Reply::open_watch(&[
        line("ADDED", &pod("b", "2")),
        line("MODIFIED", &pod("a", "3")),
        line("DELETED", &pod("b", "4")),
        line("BOOKMARK", &bookmark),
    ]);
    let server = server(vec![pods("1", &["a"])], vec![watch]);
    let mut session = Session::with(&server).await;
    for expected in ["all Pod: a", "Pod b", "Pod a", "no Pod b"] {
        assert_eq!(session.next_of_pods().await, expected);
    }
    while watches_of_pods(&server).len() < 2 {
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    // a bookmark moves the place from which the watch is taken up
    assert_eq!(resource_version(&watches_of_pods(&server)[1]), "9");
}

#[tokio::test(start_paused = true)]
async fn a_watch_asks_for_bookmarks_and_only_for_events_that_warn() {
    let server = server(vec![], vec![]);
    let mut session = Session::with(&server).await;
    session.until_synced().await;
    while watches_of_pods(&server).is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(
        watches_of_pods(&server)[0].query["allowWatchBookmarks"],
        "true"
    );
    let of_events: Vec<_> = server
        .calls()
        .into_iter()
        .filter(|call| call.path == path_of(Kind::Event) && !call.is_probe())
        .collect();
    assert!(!of_events.is_empty());
    assert!(
        of_events
            .iter()
            .all(|call| call.query["fieldSelector"] == "type=Warning")
    );
}

#[tokio::test(start_paused = true)]
async fn an_object_is_told_without_what_nobody_decides_on() {
    let heavy = |name: &str| {
        let mut pod = pod(name, "1");
        pod["metadata"]["managedFields"] = json!([{
            "manager": "kubelet", "operation": "Update", "fieldsV1": { "f:spec": {} },
        }]);
        pod["metadata"]["annotations"] = json!({
            "kubectl.kubernetes.io/last-applied-configuration": "the-whole-manifest", "kept": "yes",
        });
        pod["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "u", "controller": true,
        }]);
        pod["spec"]["containers"][0]["env"] = json!([{ "name": "PASSWORD", "value": "hunter2" }]);
        pod
    };
    let server = server(
        vec![Reply::json(&list("1", &[heavy("listed")]))],
        vec![Reply::open_watch(&[line("ADDED", &heavy("watched"))])],
    );
    let mut session = Session::with(&server).await;
    let mut seen = 0;
    while seen < 2 {
        let event = session.next().await;
        let objects = match &event {
            Event::Relisted(Kind::Pod, objects) => objects.as_slice(),
            Event::Upserted(object) => std::slice::from_ref(object),
            _ => continue,
        };
        for object in objects {
            let metadata = object.metadata();
            let managers = metadata.managed_fields.iter().flatten();
            let mut fields = managers.map(|manager| manager.fields_v1.as_ref());
            assert!(fields.all(|fields| fields.is_none()));
            let annotations = metadata.annotations.as_ref().unwrap();
            assert_eq!(annotations.keys().collect::<Vec<_>>(), ["kept"]);
        }
        assert!(!format!("{event:?}").contains("hunter2"), "{event:?}");
        seen += 1;
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_answered_with_410_lists_anew_so_that_what_went_meanwhile_is_gone() {
    let gone = || Reply::error(410, "Expired", "too old resource version: 1 (5)");
    let server = server(
        vec![pods("1", &["a", "b"]), pods("5", &["b"])],
        vec![gone(), Reply::open_watch(&[line("ADDED", &pod("c", "6"))])],
    );
    let mut session = Session::with(&server).await;
    for expected in ["all Pod: a b", "all Pod: b", "Pod c"] {
        assert_eq!(session.next_of_pods().await, expected);
    }
    let watches = watches_of_pods(&server);
    assert_eq!(resource_version(&watches[0]), "1");
    assert_eq!(resource_version(&watches[1]), "5");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_tells_of_410_lists_anew_so_that_what_went_meanwhile_is_gone() {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "too old resource version: 1 (5)", "reason": "Expired", "code": 410,
    });
    let server = server(
        vec![pods("1", &["a", "b"]), pods("5", &["b"])],
        vec![
            Reply::open_watch(&[line("ERROR", &status)]),
            Reply::open_watch(&[line("ADDED", &pod("c", "6"))]),
        ],
    );
    let mut session = Session::with(&server).await;
    for expected in ["all Pod: a b", "all Pod: b", "Pod c"] {
        assert_eq!(session.next_of_pods().await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_always_says_410_is_not_flooded_and_synced_is_told_once() {
    let server = ApiServer::new(|call| {
        let is_watch = call.path == path_of(Kind::Pod) && call.is_watch();
        is_watch.then(|| Reply::error(410, "Expired", "too old resource version"))
    });
    let mut session = Session::with(&server).await;
    session.until_synced().await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    let lists = lists_of_pods(&server).len();
    assert!((2..=61).contains(&lists), "{lists} lists in a minute");
    let told = session.told_meanwhile();
    assert!(told.len() >= 2);
    assert!(told.iter().all(|told| told == "all Pod: "), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_fails_is_asked_again_after_a_pause() {
    let server = server(
        vec![
            Reply::error(500, "InternalError", "etcdserver: leader changed"),
            Reply::text(
                StatusCode::TOO_MANY_REQUESTS,
                "Too many requests, please try again later.",
            ),
            Reply::text(StatusCode::OK, r#"{"kind":"PodList","items":[{"meta"#),
            pods("1", &["a"]),
        ],
        vec![],
    );
    let mut session = Session::with(&server).await;
    let told = session.until_synced().await;
    assert!(told.contains(&"all Pod: a".to_owned()), "{told:?}");
    let lists = lists_of_pods(&server);
    assert_eq!(lists.len(), 4);
    for pair in lists.windows(2) {
        assert!(
            pair[1].at - pair[0].at > Duration::from_millis(500),
            "it is hammered"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_cannot_be_started_is_asked_again_where_it_was() {
    let server = server(
        vec![pods("1", &["a"])],
        vec![
            Reply::error(500, "InternalError", "etcdserver: request timed out"),
            Reply::text(
                StatusCode::TOO_MANY_REQUESTS,
                "Too many requests, please try again later.",
            ),
            Reply::open_watch(&[line("ADDED", &pod("b", "2"))]),
        ],
    );
    let mut session = Session::with(&server).await;
    for expected in ["all Pod: a", "Pod b"] {
        assert_eq!(session.next_of_pods().await, expected);
    }
    assert_eq!(lists_of_pods(&server).len(), 1);
}

/// The first watch ends in the middle of the line that tells of `b`.
async fn cut_in_the_middle_of_a_line(cut: impl FnOnce(&str) -> Reply) {
    let whole = body_of(&[line("ADDED", &pod("a", "2"))]);
    let rest = body_of(&[line("ADDED", &pod("b", "3"))]);
    let half = &rest[..rest.len() / 2];
    let server = server(
        vec![pods("1", &[])],
        vec![
            cut(&format!("{whole}{half}")),
            Reply::open_watch(&[line("ADDED", &pod("b", "3"))]),
        ],
    );
    let mut session = Session::over_socket(&server).await;
    for expected in ["all Pod: ", "Pod a", "Pod b"] {
        assert_eq!(session.next_of_pods().await, expected);
    }
    assert_eq!(lists_of_pods(&server).len(), 1);
    // from the last object that came whole
    assert_eq!(resource_version(&watches_of_pods(&server)[1]), "2");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_when_the_connection_breaks_in_the_middle_of_a_line() {
    cut_in_the_middle_of_a_line(Reply::cut_off).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_when_a_watch_ends_in_the_middle_of_a_line() {
    cut_in_the_middle_of_a_line(|text| Reply::text(StatusCode::OK, text)).await;
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_no_json_stops_nothing() {
    let lines = format!("{}<html>\n", body_of(&[line("ADDED", &pod("a", "2"))]));
    let server = server(
        vec![pods("1", &[])],
        vec![
            Reply::text(StatusCode::OK, &lines),
            Reply::open_watch(&[line("ADDED", &pod("b", "3"))]),
        ],
    );
    let mut session = Session::with(&server).await;
    for expected in ["all Pod: ", "Pod a", "Pod b"] {
        assert_eq!(session.next_of_pods().await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_went_dumb_is_noticed_and_taken_up_again() {
    let server = server(
        vec![pods("1", &["a"])],
        vec![
            Reply::open_watch(&[]), // headers, and then nothing, ever
            Reply::open_watch(&[line("DELETED", &pod("a", "2"))]),
        ],
    );
    let mut session = Session::over_socket(&server).await;
    for expected in ["all Pod: a", "no Pod a"] {
        assert_eq!(session.next_of_pods().await, expected);
    }
    let watches = watches_of_pods(&server);
    assert_eq!(resource_version(&watches[1]), "1");
    // the API server would have ended it by itself
    let asked: u64 = watches[0].query["timeoutSeconds"].parse().unwrap();
    assert!(watches[1].at - watches[0].at >= Duration::from_secs(asked));
}

#[tokio::test(start_paused = true)]
async fn a_list_and_a_watch_that_are_never_answered_are_noticed_and_asked_again() {
    let server = server(
        vec![Reply::Never, pods("1", &["a"])],
        vec![
            Reply::Never,
            Reply::open_watch(&[line("ADDED", &pod("b", "2"))]),
        ],
    );
    let mut session = Session::over_socket(&server).await;
    for expected in ["all Pod: a", "Pod b"] {
        assert_eq!(session.next_of_pods().await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_may_not_be_read_or_is_not_served_is_left_out_and_the_rest_works() {
    let server = ApiServer::new(|call| {
        if call.path == path_of(Kind::Event) {
            Some(Reply::error(403, "Forbidden", "events is forbidden"))
        } else if call.path == path_of(Kind::CronJob) {
            Some(Reply::text(StatusCode::NOT_FOUND, "404 page not found"))
        } else {
            None
        }
    });
    let mut session = Session::with(&server).await;
    let told = session.until_synced().await;
    assert_eq!(told.len(), Kind::ALL.len() - 2 + 1);
    assert!(
        !told
            .iter()
            .any(|told| told.starts_with("all Event") || told.starts_with("all CronJob"))
    );
    let asked = server
        .calls()
        .iter()
        .filter(|call| call.path == path_of(Kind::Event))
        .count();
    assert_eq!(asked, 1, "it is not asked for again");
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_could_not_be_read_at_the_start_for_lack_of_an_answer_is_watched_all_the_same()
{
    let server = ApiServer::new(|call| {
        let is_probed = call.path == path_of(Kind::Deployment) && call.is_probe();
        is_probed.then(|| Reply::error(500, "InternalError", "etcdserver: leader changed"))
    });
    let mut session = Session::with(&server).await;
    let told = session.until_synced().await;
    assert!(told.contains(&"all Deployment: ".to_owned()), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_long_list_is_read_page_by_page_and_told_whole() {
    let mut first = list("1", &[pod("a", "1")]);
    first["metadata"]["continue"] = json!("more");
    let server = server(vec![Reply::json(&first), pods("1", &["b"])], vec![]);
    let mut session = Session::with(&server).await;
    assert_eq!(session.next_of_pods().await, "all Pod: a b");
    assert_eq!(lists_of_pods(&server)[1].query["continue"], "more");
}

#[tokio::test(start_paused = true)]
async fn a_list_whose_next_page_has_expired_is_begun_anew_and_told_once() {
    let mut first = list("1", &[pod("a", "1"), pod("gone", "1")]);
    first["metadata"]["continue"] = json!("more");
    let expired = Reply::error(410, "Expired", "The provided continue parameter is too old");
    let server = server(
        vec![Reply::json(&first), expired, pods("2", &["a", "b"])],
        vec![],
    );
    let mut session = Session::with(&server).await;
    assert_eq!(session.next_of_pods().await, "all Pod: a b");
}
