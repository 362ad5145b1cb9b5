//! No cluster, the wrong one, or not enough permission: one sentence that says what to do.

use akeso_core::cluster::Kind;
use akeso_kube::{ConnectError, Connection, Scope, connect};
use http::{Method, StatusCode};

use crate::{
    api_server::{ApiServer, Reply, kubeconfig, path_of},
    session::{connect_to, connected, in_time, install_crypto, shop},
};

/// The error, and what it tells.
async fn refused(address: std::net::SocketAddr) -> (ConnectError, String) {
    install_crypto();
    let (_directory, path) = kubeconfig(address);
    let connection = Connection {
        kubeconfig: Some(path),
        context: None,
    };
    let Err(error) = in_time(connect(&connection)).await else {
        panic!("it connects");
    };
    let text = error.to_string();
    (error, text)
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_answers_is_connected_to() {
    let server = ApiServer::new(|_| None);
    let connected = connect_to(&server).await;
    assert_eq!(connected.default_namespace, "shop");
    assert!(
        connected.server.starts_with("http://127.0.0.1:"),
        "{}",
        connected.server
    );
    connected.access(&shop()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_may_not_ask_for_the_version_is_connected_all_the_same() {
    let server = ApiServer::new(|call| {
        (call.path == "/version").then(|| Reply::error(403, "Forbidden", "forbidden"))
    });
    connect_to(&server).await.access(&shop()).await.unwrap();
}

#[tokio::test]
async fn nobody_there_is_told_with_the_address_and_what_to_check() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (error, text) = refused(address).await;
    assert!(
        matches!(error, ConnectError::Unreachable { .. }),
        "{error:?}"
    );
    assert!(text.contains(&address.to_string()), "{text}");
    assert!(text.contains("refused"), "{text}");
    assert!(text.contains("check that the cluster runs"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_never_answers_is_not_waited_for() {
    let server = ApiServer::new(|_| Some(Reply::Never));
    let (error, text) = refused(server.listen().await).await;
    assert!(
        matches!(error, ConnectError::Unreachable { .. }),
        "{error:?}"
    );
    assert!(text.contains("no answer"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn somebody_there_who_is_no_api_server_is_told_so() {
    let server = ApiServer::new(|_| Some(Reply::text(StatusCode::OK, "<html>hello</html>")));
    let (error, _) = refused(server.listen().await).await;
    assert!(
        matches!(error, ConnectError::Unreachable { .. }),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_stops_answering_while_it_is_asked_what_may_be_read_is_not_waited_for() {
    let server = ApiServer::new(|call| (call.path == path_of(Kind::Job)).then_some(Reply::Never));
    let connected = connected(server.client());
    let error = in_time(connected.access(&shop())).await.unwrap_err();
    assert!(
        matches!(error, ConnectError::Unreachable { .. }),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn credentials_that_are_not_accepted_are_told_so() {
    let unauthorized = || Reply::error(401, "Unauthorized", "Unauthorized");
    let server = ApiServer::new(move |_| Some(unauthorized()));
    let (error, text) = refused(server.listen().await).await;
    assert!(
        matches!(error, ConnectError::Unauthorized { .. }),
        "{error:?}"
    );
    assert!(text.contains("log in again"), "{text}");

    // most API servers tell everybody their version
    let server = ApiServer::new(move |call| (call.path != "/version").then(unauthorized));
    let connected = connect_to(&server).await;
    let error = connected.access(&Scope::Cluster).await.unwrap_err();
    assert!(
        matches!(error, ConnectError::Unauthorized { .. }),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_does_not_exist_is_told_with_one_that_may_be_meant() {
    let server = ApiServer::new(|_| None);
    let connected = connected(server.client());
    for (name, expected) in [
        ("shpo", "there is no namespace `shpo`; did you mean `shop`?"),
        (
            "zzz",
            "there is no namespace `zzz`; `kubectl get namespaces` lists those there are",
        ),
    ] {
        let scope = Scope::Namespace(name.to_owned());
        let error = connected.access(&scope).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn who_may_not_look_at_namespaces_may_work_in_one() {
    let server = ApiServer::new(|call| {
        let is_cluster_wide = !call.path.contains("/namespaces/shop/");
        is_cluster_wide.then(|| Reply::error(403, "Forbidden", "forbidden: cluster scope"))
    });
    connected(server.client()).access(&shop()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_kind_without_which_nothing_can_be_said_is_named_with_its_place() {
    let server = ApiServer::new(|call| {
        let is_list = call.method == Method::GET && call.path.ends_with("/pods");
        is_list.then(|| {
            Reply::error(
                403,
                "Forbidden",
                r#"User "bob" cannot list resource "pods""#,
            )
        })
    });
    let connected = connected(server.client());
    for (scope, place) in [
        (shop(), "in the namespace shop"),
        (Scope::Cluster, "in all namespaces (name one with -n)"),
    ] {
        let error = connected.access(&scope).await.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, ConnectError::Forbidden { .. }), "{error:?}");
        assert!(
            text.contains(&format!("no permission to list Pods {place}")),
            "{text}"
        );
        assert!(text.contains("bob"), "{text}");
        assert!(text.contains("akeso rbac prints the role"), "{text}");
    }
}

#[tokio::test]
async fn a_configuration_that_cannot_be_used_is_told_with_where_to_give_one() {
    for (path, context) in [
        ("/nonexistent/config", None),
        ("/dev/null", Some("nowhere")),
    ] {
        let connection = Connection {
            kubeconfig: Some(path.into()),
            context: context.map(str::to_owned),
        };
        let Err(error) = in_time(connect(&connection)).await else {
            panic!("it connects");
        };
        assert!(matches!(error, ConnectError::Config(_)), "{error:?}");
        assert!(error.to_string().contains("--kubeconfig"), "{error}");
    }
}
