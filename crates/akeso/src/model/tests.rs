//! The endpoint as it is, and as it should not be.

use super::*;
use wiremock::{
    Match, Mock, MockServer, Request, ResponseTemplate,
    matchers::{body_partial_json, header as has_header, method, path, query_param},
};

fn prompt() -> Prompt {
    Prompt {
        system: "rules".into(),
        user: "facts".into(),
        wanted: Wanted::Steps,
    }
}

fn completion(text: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "choices": [{"message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 700, "completion_tokens": 30},
    }))
}

fn install_tls() {
    drop(rustls::crypto::ring::default_provider().install_default());
}

async fn server() -> MockServer {
    install_tls();
    MockServer::start().await
}

fn endpoint(server: &MockServer) -> Endpoint {
    Endpoint::new(&format!("{}/v1", server.uri()), "small", "k3y".into()).unwrap()
}

async fn asked(response: ResponseTemplate) -> (Reply, usize) {
    let server = server().await;
    Mock::given(method("POST"))
        .respond_with(response)
        .mount(&server)
        .await;
    let reply = endpoint(&server).ask(&prompt()).await;
    let calls = server.received_requests().await.unwrap().len();
    (reply, calls)
}

fn failed(reply: &Reply) -> (&str, bool) {
    match reply {
        Reply::Failed { why, is_billed } => (why, *is_billed),
        Reply::Text { text, .. } => panic!("{text}"),
    }
}

#[tokio::test]
async fn it_is_asked_as_the_protocol_says() {
    let server = server().await;
    Mock::given(method("POST"))
        .and(path("/v1/chat/completions"))
        .and(has_header("authorization", "Bearer k3y"))
        .and(body_partial_json(json!({
            "model": "small",
            "messages": [{"role": "system", "content": "rules"}, {"role": "user", "content": "facts"}],
            "response_format": {"type": "json_schema", "json_schema": {"strict": true, "schema": schema()}},
        })))
        .respond_with(completion("{}"))
        .mount(&server)
        .await;
    let reply = endpoint(&server).ask(&prompt()).await;
    let tokens = Some(Tokens {
        input: 700,
        output: 30,
    });
    assert_eq!(
        reply,
        Reply::Text {
            text: "{}".into(),
            tokens
        }
    );
}

#[test]
fn azure_has_its_own_header_and_keeps_its_query() {
    install_tls();
    let base = "https://shop.openai.azure.com/openai/deployments/small?api-version=2024-10-21";
    let endpoint = Endpoint::new(base, "small", "k3y".into()).unwrap();
    assert_eq!(
        endpoint.0.url.as_str(),
        "https://shop.openai.azure.com/openai/deployments/small/chat/completions?api-version=2024-10-21"
    );
    assert!(is_azure(&endpoint.0.url));
    let other = Url::parse("https://azure.com.example.net/v1").unwrap();
    assert!(!is_azure(&other));
}

#[tokio::test]
async fn a_query_is_sent() {
    let server = server().await;
    Mock::given(path("/x/chat/completions"))
        .and(query_param("api-version", "1"))
        .respond_with(completion("{}"))
        .mount(&server)
        .await;
    let base = format!("{}/x/?api-version=1", server.uri());
    let endpoint = Endpoint::new(&base, "small", "k3y".into()).unwrap();
    assert!(matches!(endpoint.ask(&prompt()).await, Reply::Text { .. }));
}

/// A request that has a field in its body.
struct Has(&'static str);

impl Match for Has {
    fn matches(&self, request: &Request) -> bool {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        body.get(self.0).is_some()
    }
}

#[tokio::test]
async fn an_older_endpoint_is_asked_in_its_own_words() {
    let server = server().await;
    let refusal =
        |what: &str| ResponseTemplate::new(400).set_body_string(format!("unknown {what}"));
    Mock::given(Has("max_completion_tokens"))
        .respond_with(refusal("max_completion_tokens"))
        .mount(&server)
        .await;
    Mock::given(Has("response_format"))
        .respond_with(refusal("response_format"))
        .mount(&server)
        .await;
    Mock::given(Has("max_tokens"))
        .respond_with(completion("{}"))
        .mount(&server)
        .await;
    let endpoint = endpoint(&server);
    assert!(matches!(endpoint.ask(&prompt()).await, Reply::Text { .. }));
    let calls = server.received_requests().await.unwrap().len();
    assert_eq!(calls, 3);
    assert!(matches!(endpoint.ask(&prompt()).await, Reply::Text { .. }));
    let calls = server.received_requests().await.unwrap().len();
    assert_eq!(calls, 4, "it remembers");
}

#[tokio::test]
async fn what_will_not_pass_is_not_tried_again() {
    for (status, says) in [(400, "400"), (401, "401"), (404, "404"), (302, "302")] {
        let body = "no: sk-live-abcdefghijklmnop1234\u{7}";
        let (reply, calls) = asked(ResponseTemplate::new(status).set_body_string(body)).await;
        let (why, is_billed) = failed(&reply);
        assert!(why.contains(says) && !why.contains("abcdefgh"), "{why}");
        assert!(!why.contains('\u{7}'), "{why}");
        assert_eq!((calls, is_billed), (1, false), "{status}");
    }
}

#[tokio::test]
async fn a_complaint_that_repeats_the_key_is_told_without_it() {
    let complaint = "Incorrect API key provided: k3y. See the manual.";
    let (reply, _) = asked(ResponseTemplate::new(401).set_body_string(complaint)).await;
    assert!(!failed(&reply).0.contains("k3y"), "{reply:?}");
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let server = server().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(429).insert_header("retry-after", "1"))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .respond_with(completion("{}"))
        .mount(&server)
        .await;
    let reply = endpoint(&server).ask(&prompt()).await;
    assert!(matches!(reply, Reply::Text { .. }), "{reply:?}");
}

#[tokio::test]
async fn after_three_tries_it_has_failed() {
    let (reply, calls) = asked(ResponseTemplate::new(503)).await;
    assert!(failed(&reply).0.contains("503"));
    assert_eq!(calls, 3);
}

#[tokio::test]
async fn what_is_no_completion_is_no_answer() {
    for body in ["", "<html>", "{}", r#"{"choices": 3}"#] {
        let (reply, calls) = asked(ResponseTemplate::new(200).set_body_string(body)).await;
        assert_eq!(
            failed(&reply),
            ("the endpoint's answer is no chat completion", true)
        );
        assert_eq!(calls, 1);
    }
    let endless = "x".repeat(MOST_BYTES + 1);
    let (reply, _) = asked(ResponseTemplate::new(200).set_body_string(endless)).await;
    assert!(failed(&reply).0.contains("longer than"));
    let refusal = json!({"choices": [{"message": {"content": null}}]});
    let (reply, _) = asked(ResponseTemplate::new(200).set_body_json(refusal)).await;
    let nothing = Reply::Text {
        text: String::new(),
        tokens: None,
    };
    assert_eq!(reply, nothing);
}

#[tokio::test]
async fn one_that_is_not_there_cannot_be_reached() {
    install_tls();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let endpoint = Endpoint::new(&format!("http://{address}/v1"), "small", "k".into()).unwrap();
    let reply = endpoint.ask(&prompt()).await;
    assert_eq!(failed(&reply), ("the endpoint cannot be reached", false));
}

#[test]
fn what_cannot_be_an_endpoint_says_what_one_looks_like() {
    install_tls();
    for base in ["", "api.openai.com/v1", "ftp://x/v1", "http://"] {
        let error = Endpoint::new(base, "small", "k".into()).unwrap_err();
        assert!(
            error.to_string().contains("https://api.openai.com/v1"),
            "{error}"
        );
    }
    let key = Endpoint::new("http://localhost/v1", "small", "a\nb".into());
    assert!(key.unwrap_err().to_string().contains("no key has"));
}

#[test]
fn a_key_and_a_model_belong_together() {
    install_tls();
    let arguments = |name: Option<&str>, file: Option<&std::path::Path>| ModelArguments {
        name: name.map(str::to_owned),
        url: "http://localhost/v1".into(),
        key_file: file.map(Into::into),
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    fs::write(&file, "k3y\n").unwrap();
    let both = Endpoint::from(&arguments(Some("small"), Some(&file)));
    assert_eq!(both.unwrap().unwrap().0.key, "k3y");
    let no_name = Endpoint::from(&arguments(None, Some(&file))).unwrap_err();
    assert!(no_name.to_string().contains("--model"), "{no_name}");
    let gone = Endpoint::from(&arguments(None, Some(&folder.path().join("gone")))).unwrap_err();
    assert!(gone.to_string().contains("cannot be read"), "{gone}");
    fs::write(&file, "\n").unwrap();
    let empty = Endpoint::from(&arguments(Some("small"), Some(&file))).unwrap_err();
    assert!(empty.to_string().contains("AKESO_MODEL_KEY"), "{empty}");
}

#[test]
fn its_key_is_not_in_what_is_logged() {
    install_tls();
    let endpoint = Endpoint::new("http://localhost/v1", "small", "k3y".into()).unwrap();
    assert!(!format!("{endpoint:?}").contains("k3y"));
}
