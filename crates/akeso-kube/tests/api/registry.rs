//! Registries, over real sockets: what is an answer, and what is none.

use std::time::Duration;

use akeso_core::evidence::{Answer, ImageAnswer, Question};
use akeso_kube::Mirrors;
use http::StatusCode;
use k8s_openapi::ByteString;
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{basic_auth, header_exists, method, path, query_param, query_param_is_missing},
};

use crate::{
    api_server::{ApiServer, Reply},
    session::{Session, connected, install_crypto},
};

const MANIFEST: &str = "/v2/team/app/manifests/1.0";
const TAGS: &str = "/v2/team/app/tags/list";

struct World {
    registry: MockServer,
    session: Session,
}

impl World {
    /// A registry that needs no credentials.
    async fn open() -> Self {
        let world = Self::with(ApiServer::new(|_| None)).await;
        world.answer("/v2/", ResponseTemplate::new(200)).await;
        world
    }

    async fn with(server: ApiServer) -> Self {
        install_crypto();
        let registry = MockServer::start().await;
        let session = session(&server, &registry.address().to_string()).await;
        Self { registry, session }
    }

    async fn answer(&self, at: &str, response: ResponseTemplate) {
        Mock::given(path(at))
            .respond_with(response)
            .mount(&self.registry)
            .await;
    }

    async fn ask(&mut self) -> Answer {
        self.ask_with(&[]).await
    }

    async fn ask_with(&mut self, pull_secrets: &[&str]) -> Answer {
        let question = question(&self.registry.address().to_string(), pull_secrets);
        self.session.ask(question).await
    }

    async fn requests_for(&self, at: &str) -> Vec<Request> {
        let mut all = self.registry.received_requests().await.unwrap();
        all.retain(|request| request.url.path() == at);
        all
    }
}

async fn session(server: &ApiServer, registry: &str) -> Session {
    let plain: Mirrors = format!("{registry}=http://{registry}").parse().unwrap();
    Session::over(connected(server.client()), plain).await
}

fn question(registry: &str, pull_secrets: &[&str]) -> Question {
    Question::Image {
        reference: format!("{registry}/team/app:1.0"),
        pull_secrets: pull_secrets.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn manifest() -> ResponseTemplate {
    let digest = format!("sha256:{}", "a".repeat(64));
    ResponseTemplate::new(200).insert_header("docker-content-digest", digest.as_str())
}

fn error(code: u16, name: &str) -> ResponseTemplate {
    ResponseTemplate::new(code)
        .set_body_json(json!({ "errors": [{ "code": name, "message": name }] }))
}

fn tags(tags: &[&str]) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({ "name": "team/app", "tags": tags }))
}

fn is_unknown(answer: &Answer) -> bool {
    matches!(answer, Answer::Unknown { .. })
}

#[tokio::test]
async fn a_tag_that_is_there_exists() {
    let mut world = World::open().await;
    world.answer(MANIFEST, manifest()).await;
    assert_eq!(world.ask().await, Answer::Image(ImageAnswer::Exists));
}

#[tokio::test]
async fn a_mirror_is_asked_in_the_registrys_place() {
    install_crypto();
    let mirror = MockServer::start().await;
    for (at, response) in [
        ("/v2/", ResponseTemplate::new(200)),
        ("/v2/library/nginx/manifests/latest", manifest()),
    ] {
        Mock::given(path(at))
            .respond_with(response)
            .mount(&mirror)
            .await;
    }
    let mirrors: Mirrors = format!("docker.io={}", mirror.uri()).parse().unwrap();
    let server = ApiServer::new(|_| None);
    let mut session = Session::over(connected(server.client()), mirrors).await;
    let question = Question::Image {
        reference: "nginx".to_owned(),
        pull_secrets: vec![],
    };
    assert_eq!(
        session.ask(question).await,
        Answer::Image(ImageAnswer::Exists)
    );
}

#[tokio::test]
async fn of_a_tag_that_is_missing_all_tags_are_told_however_short_the_registrys_pages_are() {
    let mut world = World::open().await;
    world.answer(MANIFEST, error(404, "MANIFEST_UNKNOWN")).await;
    for (last, page) in [
        (None, tags(&["0.9", "1.1"])),
        (Some("1.1"), tags(&["1.2", "latest"])),
        (Some("latest"), tags(&[])),
    ] {
        let mock = Mock::given(method("GET")).and(path(TAGS));
        let mock = match last {
            None => mock.and(query_param_is_missing("last")),
            Some(last) => mock.and(query_param("last", last)),
        };
        mock.respond_with(page).mount(&world.registry).await;
    }
    let all = ["0.9", "1.1", "1.2", "latest"].map(str::to_owned).to_vec();
    assert_eq!(
        world.ask().await,
        Answer::Image(ImageAnswer::NoSuchTag { tags: all })
    );
}

#[tokio::test]
async fn a_registry_without_pages_is_not_asked_for_ever() {
    let mut world = World::open().await;
    world.answer(MANIFEST, error(404, "MANIFEST_UNKNOWN")).await;
    world.answer(TAGS, tags(&["0.9", "1.1"])).await;
    let all = ["0.9", "1.1"].map(str::to_owned).to_vec();
    assert_eq!(
        world.ask().await,
        Answer::Image(ImageAnswer::NoSuchTag { tags: all })
    );
    assert_eq!(world.requests_for(TAGS).await.len(), 2);
}

#[tokio::test]
async fn a_repository_without_tags_has_none() {
    let mut world = World::open().await;
    world.answer(MANIFEST, error(404, "MANIFEST_UNKNOWN")).await;
    let null = json!({ "name": "team/app", "tags": Value::Null });
    world
        .answer(TAGS, ResponseTemplate::new(200).set_body_json(null))
        .await;
    let none = ImageAnswer::NoSuchTag { tags: vec![] };
    assert_eq!(world.ask().await, Answer::Image(none));
}

#[tokio::test]
async fn a_repository_that_is_missing_or_hidden_is_told_so() {
    for (manifest, list) in [
        (error(404, "NAME_UNKNOWN"), error(404, "NAME_UNKNOWN")),
        (error(404, "MANIFEST_UNKNOWN"), error(404, "NAME_UNKNOWN")),
        (error(401, "UNAUTHORIZED"), error(401, "UNAUTHORIZED")),
        (error(403, "DENIED"), error(403, "DENIED")),
    ] {
        let mut world = World::open().await;
        world.answer(MANIFEST, manifest).await;
        world.answer(TAGS, list).await;
        assert_eq!(
            world.ask().await,
            Answer::Image(ImageAnswer::NoSuchRepository)
        );
    }
}

#[tokio::test]
async fn a_registry_that_is_busy_or_broken_gives_no_answer() {
    let broken = || {
        [
            error(429, "TOOMANYREQUESTS"),
            ResponseTemplate::new(429).set_body_string("slow down"),
            ResponseTemplate::new(500),
            ResponseTemplate::new(503).set_body_string("<html>"),
        ]
    };
    for response in broken() {
        let mut world = World::open().await;
        world.answer(MANIFEST, response).await;
        let answer = world.ask().await;
        assert!(is_unknown(&answer), "{answer:?}");
    }
    // the tag is missing, but which there are cannot be had
    for response in broken() {
        let mut world = World::open().await;
        world.answer(MANIFEST, error(404, "MANIFEST_UNKNOWN")).await;
        world.answer(TAGS, response).await;
        let answer = world.ask().await;
        assert!(is_unknown(&answer), "{answer:?}");
    }
}

#[tokio::test]
async fn half_a_list_of_tags_is_no_answer() {
    let mut world = World::open().await;
    world.answer(MANIFEST, error(404, "MANIFEST_UNKNOWN")).await;
    let half = ResponseTemplate::new(200).set_body_string(r#"{"name":"team/app","tags":["0.9","#);
    world.answer(TAGS, half).await;
    let answer = world.ask().await;
    assert!(is_unknown(&answer), "{answer:?}");
}

#[tokio::test]
async fn a_registry_that_cannot_be_reached_gives_no_answer() {
    install_crypto();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap().to_string();
    drop(listener);
    let mut session = session(&ApiServer::new(|_| None), &nobody).await;
    let answer = session.ask(question(&nobody, &[])).await;
    assert!(is_unknown(&answer), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_never_answers_or_hangs_up_gives_no_answer() {
    install_crypto();
    let replies: [fn() -> Reply; 2] = [|| Reply::Never, || Reply::cut_off(r#"{"name":"#)];
    for reply in replies {
        let registry = ApiServer::new(move |call| match call.path.as_str() {
            "/v2/" => Some(Reply::text(StatusCode::OK, "{}")),
            MANIFEST => Some(Reply::text(StatusCode::NOT_FOUND, "")),
            _ => Some(reply()),
        });
        let address = registry.listen().await.to_string();
        let mut session = session(&ApiServer::new(|_| None), &address).await;
        let answer = session.ask(question(&address, &[])).await;
        assert!(is_unknown(&answer), "{answer:?}");
    }
}

#[tokio::test]
async fn what_is_no_image_reference_is_not_asked_for() {
    let mut world = World::open().await;
    let question = Question::Image {
        reference: "Not An Image".to_owned(),
        pull_secrets: vec![],
    };
    let answer = world.session.ask(question).await;
    assert!(is_unknown(&answer), "{answer:?}");
    assert!(world.registry.received_requests().await.unwrap().is_empty());
}

/// A registry's answer is believed for half a minute; that it gave none is not.
#[tokio::test(start_paused = true)]
async fn the_same_question_is_asked_once_in_half_a_minute() {
    install_crypto();
    let registry = ApiServer::new(|call| {
        Some(match call.path.as_str() {
            TAGS => Reply::text(StatusCode::OK, r#"{"name":"team/app","tags":["0.9"]}"#),
            MANIFEST => Reply::text(StatusCode::NOT_FOUND, ""),
            _ => Reply::text(StatusCode::OK, "{}"),
        })
    });
    let address = registry.listen().await.to_string();
    let mut session = session(&ApiServer::new(|_| None), &address).await;
    let first = session.ask(question(&address, &[])).await;
    let expected = ImageAnswer::NoSuchTag {
        tags: vec!["0.9".to_owned()],
    };
    assert_eq!(first, Answer::Image(expected));
    let asked = registry.calls().len();
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(session.ask(question(&address, &[])).await, first);
    assert_eq!(registry.calls().len(), asked);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(session.ask(question(&address, &[])).await, first);
    assert!(registry.calls().len() > asked);
}

#[tokio::test]
async fn no_answer_is_not_remembered() {
    let mut world = World::open().await;
    let once = Mock::given(path(MANIFEST)).respond_with(ResponseTemplate::new(500));
    once.up_to_n_times(2).mount(&world.registry).await; // HEAD and GET
    world.answer(MANIFEST, manifest()).await;
    assert!(is_unknown(&world.ask().await));
    assert_eq!(world.ask().await, Answer::Image(ImageAnswer::Exists));
}

/// Pull secrets `mine` and `yours`, both for every registry that a test may ask, and `broken`.
fn pull_secrets() -> ApiServer {
    ApiServer::new(|call| {
        let name = call.path.strip_prefix("/api/v1/namespaces/shop/secrets/")?;
        Some(match name {
            "mine" | "yours" => Reply::json(&pull_secret(name)),
            "broken" => Reply::error(500, "InternalError", "etcdserver: leader changed"),
            _ => return None,
        })
    })
}

/// The registry's port is not known when the secret is made, so it holds the host of every port:
/// as a wildcard would, if there were one.
fn pull_secret(user: &str) -> Value {
    let auth = json!({ "username": user, "password": "pass" });
    let auths: serde_json::Map<_, _> = (1..=u16::MAX)
        .map(|port| (format!("127.0.0.1:{port}"), auth.clone()))
        .collect();
    let config = ByteString(json!({ "auths": auths }).to_string().into_bytes());
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": { "name": user, "namespace": "shop" },
        "data": { ".dockerconfigjson": config },
    })
}

/// A registry that wants to know who asks, and shows the image only to `user`.
async fn show_only_to(world: &World, user: &str) {
    let challenge =
        error(401, "UNAUTHORIZED").insert_header("www-authenticate", r#"Basic realm="here""#);
    show_only_with(world, basic_auth(user, "pass"), challenge).await;
}

/// A registry that shows the image to a request that has what it wants, and else challenges it.
async fn show_only_with(
    world: &World,
    wanted: impl wiremock::Match + 'static,
    challenge: ResponseTemplate,
) {
    Mock::given(path(MANIFEST))
        .and(wanted)
        .respond_with(manifest())
        .with_priority(1)
        .mount(&world.registry)
        .await;
    Mock::given(wiremock::matchers::any())
        .respond_with(challenge)
        .with_priority(9)
        .mount(&world.registry)
        .await;
}

#[tokio::test]
async fn the_credentials_of_a_pull_secret_are_sent() {
    let mut world = World::with(pull_secrets()).await;
    show_only_to(&world, "mine").await;
    let answer = world.ask_with(&["missing", "mine"]).await;
    assert_eq!(answer, Answer::Image(ImageAnswer::Exists));
}

#[tokio::test]
async fn credentials_are_sent_for_those_who_named_them_and_for_nobody_else() {
    let mut world = World::with(pull_secrets()).await;
    show_only_to(&world, "mine").await;
    let hidden = Answer::Image(ImageAnswer::NoSuchRepository);
    assert_eq!(world.ask().await, hidden, "a stranger");
    assert_eq!(world.ask_with(&["yours"]).await, hidden, "somebody else");
    let seen = world.ask_with(&["mine"]).await;
    assert_eq!(seen, Answer::Image(ImageAnswer::Exists));
    assert_eq!(
        world.ask_with(&["yours"]).await,
        hidden,
        "somebody else, afterwards"
    );
    assert_eq!(world.ask().await, hidden, "a stranger, afterwards");
}

#[tokio::test]
async fn what_is_hidden_from_us_because_a_pull_secret_could_not_be_read_is_unknown() {
    let mut world = World::with(pull_secrets()).await;
    show_only_to(&world, "mine").await;
    let answer = world.ask_with(&["broken"]).await;
    assert!(is_unknown(&answer), "{answer:?}");
}

/// A registry that wants a token, which is to be had at `/token`, if at all.
async fn with_tokens(world: &World, token: ResponseTemplate) {
    let realm = format!(
        r#"Bearer realm="{}/token",service="here""#,
        world.registry.uri()
    );
    let challenge = error(401, "UNAUTHORIZED").insert_header("www-authenticate", realm.as_str());
    world.answer("/token", token).await;
    show_only_with(world, header_exists("authorization"), challenge).await;
}

#[tokio::test]
async fn a_token_is_fetched_where_one_is_wanted() {
    let mut world = World::with(pull_secrets()).await;
    let token = ResponseTemplate::new(200).set_body_json(json!({ "token": "t" }));
    with_tokens(&world, token).await;
    assert_eq!(
        world.ask_with(&["mine"]).await,
        Answer::Image(ImageAnswer::Exists)
    );
    let asked = world.requests_for("/token").await;
    assert_eq!(asked[0].headers["authorization"], "Basic bWluZTpwYXNz");
}

#[tokio::test]
async fn a_registry_whose_tokens_cannot_be_had_gives_no_answer() {
    for token in [
        ResponseTemplate::new(500),
        ResponseTemplate::new(429).set_body_string("slow down"),
        ResponseTemplate::new(200).set_body_string(r#"{"tok"#),
        ResponseTemplate::new(401)
            .set_body_json(json!({ "details": "incorrect username or password" })),
    ] {
        let mut world = World::with(pull_secrets()).await;
        with_tokens(&world, token).await;
        let answer = world.ask().await;
        assert!(is_unknown(&answer), "{answer:?}");
    }
}

#[tokio::test]
async fn a_token_that_is_denied_for_the_repository_says_that_it_is_hidden() {
    let mut world = World::with(pull_secrets()).await;
    with_tokens(&world, error(403, "DENIED")).await;
    assert_eq!(
        world.ask().await,
        Answer::Image(ImageAnswer::NoSuchRepository)
    );
}
