//! Rights: a Role and a `RoleBinding` are there together or not at all, and only ours are removed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use akeso_core::{
    act::GRANT,
    engine::{ChangeRequest, Granted},
    journal::Outcome,
};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    api_server::{ApiServer, Call, Reply},
    session::{Session, web},
};

const BASE: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop";
const DONE: Outcome = Outcome::Done { generation: None };

fn metadata(mark: &str) -> Value {
    json!({"name": "bot-grant-7", "namespace": "shop", "labels": {GRANT: mark}})
}

fn role(mark: &str, verb: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata(mark),
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": [verb]}],
    })
}

fn binding(mark: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata(mark),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "bot-grant-7"},
        "subjects": [{"kind": "ServiceAccount", "name": "bot", "namespace": "shop"}],
    })
}

fn granted() -> Granted {
    Granted {
        name: "bot-grant-7".to_owned(),
        mark: "attempt-7".to_owned(),
        role: role("attempt-7", "list"),
        binding: binding("attempt-7"),
    }
}

fn grant() -> ChangeRequest {
    ChangeRequest::Grant(granted())
}

fn revoke() -> ChangeRequest {
    let request = ChangeRequest::Revoke(granted());
    assert!(request.takes_back());
    request
}

type Objects = Arc<Mutex<BTreeMap<String, Value>>>;

fn path(kind: &str) -> String {
    format!("{BASE}/{kind}/bot-grant-7")
}

fn there(objects: &Objects) -> Vec<String> {
    let objects = objects.lock().unwrap();
    let names = objects.keys().filter_map(|path| path.split('/').nth(6));
    names.map(str::to_owned).collect()
}

/// An API server with these objects, which makes and removes what it is told unless the script has
/// another answer.
fn server(
    roles: &[(&str, Value)],
    mut script: impl FnMut(&Call) -> Option<(bool, Reply)> + Send + 'static,
) -> (ApiServer, Objects) {
    let held = roles.iter().map(|(kind, object)| {
        let mut object = object.clone();
        object["metadata"]["uid"] = json!(format!("{kind}-uid"));
        object["metadata"]["resourceVersion"] = json!("9");
        (path(kind), object)
    });
    let objects: Objects = Arc::new(Mutex::new(held.collect()));
    let held = Arc::clone(&objects);
    let server = ApiServer::new(move |call| {
        if !call.path.starts_with(BASE) {
            return None;
        }
        let said = script(call);
        let mut held = held.lock().unwrap();
        let is_done = said.as_ref().is_none_or(|(is_done, _)| *is_done);
        let at = format!("{}/bot-grant-7", call.path.trim_end_matches("/bot-grant-7"));
        let found = held.get(&at).cloned();
        let missing = || Reply::error(404, "NotFound", "not found");
        let reply = match call.method {
            Method::GET => found.map_or_else(missing, |it| Reply::json(&it)),
            Method::POST if found.is_some() => Reply::error(409, "AlreadyExists", "already exists"),
            Method::POST => {
                if is_done && !call.is_dry_run() {
                    held.insert(at, call.body.clone());
                }
                Reply::text(StatusCode::CREATED, &call.body.to_string())
            }
            Method::DELETE if is_done && held.remove(&at).is_some() => Reply::json(
                &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}),
            ),
            _ => missing(),
        };
        Some(said.map_or(reply, |(_, reply)| reply))
    });
    (server, objects)
}

fn fine(_: &Call) -> Option<(bool, Reply)> {
    None
}

/// What changes something in earnest, in the order in which it was sent.
fn sent(server: &ApiServer) -> Vec<String> {
    let changes = server.changes().into_iter();
    let real = changes.filter(|call| !call.is_dry_run() && call.path.starts_with(BASE));
    real.map(|call| {
        let kind = call.path.split('/').nth(6).unwrap_or_default();
        format!("{} {kind}", call.method)
    })
    .collect()
}

#[tokio::test(start_paused = true)]
async fn both_are_tried_before_either_is_made() {
    let (server, objects) = server(&[], fine);
    let mut session = Session::over_socket(&server).await;
    assert_eq!(session.apply(&web(), grant()).await, DONE);
    assert_eq!(there(&objects), ["rolebindings", "roles"]);
    let changes = server.changes();
    let is_dry: Vec<_> = changes.iter().map(Call::is_dry_run).collect();
    assert_eq!(is_dry, [true, true, false, false]);
    assert_eq!(sent(&server), ["POST roles", "POST rolebindings"]);
    for (call, body) in changes[2..].iter().zip([granted().role, granted().binding]) {
        assert_eq!(call.query["fieldManager"], "akeso");
        assert_eq!(call.body, body);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_at_a_dry_run_is_never_sent() {
    for kind in ["roles", "rolebindings"] {
        let why = "user \"akeso\" is attempting to grant RBAC permissions not currently held";
        let (server, objects) = server(&[], move |call| {
            let is_it = call.is(&Method::POST, &format!("{BASE}/{kind}"));
            (is_it && call.is_dry_run()).then(|| (false, Reply::error(403, "Forbidden", why)))
        });
        let mut session = Session::with(&server).await;
        let outcome = session.apply(&web(), grant()).await;
        let refused = Outcome::Refused {
            why: why.to_owned(),
        };
        assert_eq!(outcome, refused);
        assert!(sent(&server).is_empty() && there(&objects).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_whose_binding_fails_is_not_left() {
    let refused: fn() -> Reply = || Reply::error(403, "Forbidden", "no");
    let lost: fn() -> Reply = || Reply::error(500, "InternalError", "etcdserver: no leader");
    for reply in [refused, lost] {
        let (server, objects) = server(&[], move |call| {
            let is_it = call.is(&Method::POST, &format!("{BASE}/rolebindings"));
            (is_it && !call.is_dry_run()).then(|| (false, reply()))
        });
        let mut session = Session::with(&server).await;
        let outcome = session.apply(&web(), grant()).await;
        assert!(
            matches!(outcome, Outcome::Refused { .. } | Outcome::Failed { .. }),
            "{outcome:?}"
        );
        assert!(there(&objects).is_empty(), "{:?}", there(&objects));
    }
}

#[tokio::test(start_paused = true)]
async fn a_right_whose_answer_was_lost_is_found_by_its_mark() {
    let (server, objects) = server(&[], |call| {
        let is_it = call.is(&Method::POST, &format!("{BASE}/rolebindings"));
        (is_it && !call.is_dry_run())
            .then(|| (true, Reply::error(504, "Timeout", "did not complete")))
    });
    let mut session = Session::with(&server).await;
    assert_eq!(session.apply(&web(), grant()).await, DONE);
    assert_eq!(sent(&server), ["POST roles", "POST rolebindings"]);
    assert_eq!(there(&objects).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_has_made_of_that_name_is_a_conflict_and_stays() {
    for mark in ["attempt-6", ""] {
        let (server, objects) = server(&[("roles", role(mark, "list"))], fine);
        let mut session = Session::with(&server).await;
        let outcome = session.apply(&web(), grant()).await;
        assert!(matches!(outcome, Outcome::Conflict { .. }), "{outcome:?}");
        assert_eq!(session.apply(&web(), revoke()).await, DONE);
        assert_eq!(there(&objects), ["roles"]);
        assert!(sent(&server).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn the_binding_goes_first_and_only_as_it_was_read() {
    let both = [
        ("roles", role("attempt-7", "list")),
        ("rolebindings", binding("attempt-7")),
    ];
    let (server, objects) = server(&both, fine);
    let mut session = Session::over_socket(&server).await;
    assert_eq!(session.apply(&web(), revoke()).await, DONE);
    assert_eq!(sent(&server), ["DELETE rolebindings", "DELETE roles"]);
    for (call, kind) in server.changes().iter().zip(["rolebindings", "roles"]) {
        let expected = json!({"uid": format!("{kind}-uid"), "resourceVersion": "9"});
        assert_eq!(call.body["preconditions"], expected);
    }
    assert!(there(&objects).is_empty());
    // and again, as after a restart
    assert_eq!(session.settle(&web(), revoke()).await, DONE);
    assert_eq!(sent(&server).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_has_changed_since_is_not_removed() {
    let mut other = binding("attempt-7");
    other["subjects"][0]["name"] = json!("api");
    for (kind, object) in [("roles", role("attempt-7", "get")), ("rolebindings", other)] {
        let (server, objects) = server(&[(kind, object)], fine);
        let mut session = Session::with(&server).await;
        let Outcome::Conflict { why } = session.apply(&web(), revoke()).await else {
            panic!("it was changed");
        };
        assert!(why.starts_with("somebody has changed the Role"), "{why}");
        assert_eq!(there(&objects), [kind]);
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_half_a_right_is_removed_and_a_whole_one_is_done() {
    let half = [("roles", role("attempt-7", "list"))];
    let (server_of_half, objects) = server(&half, fine);
    let mut session = Session::with(&server_of_half).await;
    let outcome = session.settle(&web(), grant()).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert!(there(&objects).is_empty());

    let both = [half[0].clone(), ("rolebindings", binding("attempt-7"))];
    let (server, objects) = server(&both, fine);
    let mut session = Session::with(&server).await;
    assert_eq!(session.settle(&web(), grant()).await, DONE);
    assert!(sent(&server).is_empty());
    assert_eq!(there(&objects).len(), 2);
}
