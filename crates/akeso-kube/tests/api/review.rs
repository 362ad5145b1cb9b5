//! What is said of missing permissions at start-up, and what is off for it.

use std::time::Duration;

use akeso_core::{act::ActionKind, policy::Settings};
use akeso_kube::{
    Scope,
    permissions::{Purpose, Review},
};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    api_server::{ApiServer, Call, Reply},
    session::{connected, in_time, shop},
};

const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

fn all() -> Vec<Purpose> {
    let acting = Purpose::acting(ActionKind::ALL);
    Purpose::reading().into_iter().chain(acting).collect()
}

/// The question as `kubectl auth can-i` would put it.
fn asked(call: &Call) -> String {
    let attributes = &call.body["spec"]["resourceAttributes"];
    let text = |field: &str| attributes[field].as_str().unwrap_or_default().to_owned();
    let mut asked = format!("{} {}", text("verb"), text("resource"));
    for (field, before) in [("subresource", "/"), ("group", ".")] {
        if !text(field).is_empty() {
            asked.push_str(before);
            asked.push_str(&text(field));
        }
    }
    asked
}

fn answer(allowed: &Value) -> Reply {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "metadata": {},
        "spec": {}, "status": { "allowed": allowed },
    });
    Reply::text(StatusCode::CREATED, &review.to_string())
}

/// An API server that permits everything but what these words are part of.
fn forbids(words: &'static [&'static str]) -> ApiServer {
    ApiServer::new(move |call| {
        (call.path == REVIEWS).then(|| {
            let denied = words.iter().any(|words| asked(call).contains(words));
            answer(&json!(!denied))
        })
    })
}

async fn review(server: &ApiServer) -> Review {
    in_time(connected(server.client()).review(&shop(), &all())).await
}

fn off(review: &Review) -> Vec<ActionKind> {
    review.off.keys().copied().collect()
}

#[tokio::test(start_paused = true)]
async fn with_every_permission_nothing_is_off_and_nothing_is_said() {
    let server = forbids(&[]);
    let review = review(&server).await;
    assert_eq!(review, Review::default());
    assert!(review.sentences().is_empty());
    let calls = server.calls();
    let mut questions: Vec<_> = calls.iter().map(asked).collect();
    let count = questions.len();
    questions.sort();
    questions.dedup();
    assert_eq!(questions.len(), count, "nothing is asked twice");
    for question in [
        "patch deployments.apps",
        "get cronjobs.batch",
        "create pods/eviction",
        "create events.events.k8s.io",
    ] {
        assert!(questions.iter().any(|it| it == question), "{questions:?}");
    }
    for call in &calls {
        let namespace = &call.body["spec"]["resourceAttributes"]["namespace"];
        assert_eq!(namespace, "shop");
    }
}

#[tokio::test(start_paused = true)]
async fn who_watches_all_namespaces_asks_for_all_of_them() {
    let server = forbids(&["eviction"]);
    let connected = connected(server.client());
    let review = in_time(connected.review(&Scope::Cluster, &all())).await;
    for call in server.calls() {
        assert!(call.body["spec"]["resourceAttributes"]["namespace"].is_null());
    }
    assert_eq!(
        review.off[&ActionKind::RestartPod],
        "create pods/eviction in all namespaces"
    );
}

#[tokio::test(start_paused = true)]
async fn only_the_action_that_misses_a_permission_is_off() {
    let review = review(&forbids(&["eviction"])).await;
    assert_eq!(off(&review), [ActionKind::RestartPod]);
    let mut settings = Settings::default();
    review.restrict(&mut settings);
    assert_eq!(settings.not_permitted, review.off);
    assert_eq!(settings.trials_not_permitted, None);
    assert_eq!(
        review.sentences(),
        [
            "restart_pod is off: it is not permitted to create pods/eviction in namespace shop; akeso rbac prints the role"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn without_the_patch_of_deployments_what_patches_is_off() {
    let review = review(&forbids(&["patch deployments"])).await;
    assert_eq!(
        off(&review),
        [
            ActionKind::FixImageName,
            ActionKind::UpdateEnv,
            ActionKind::IncreaseMemory,
            ActionKind::RollbackToRevision,
            ActionKind::FixReference,
            ActionKind::FixProbe,
            ActionKind::FixNodeSelector,
            ActionKind::FixClaim,
            ActionKind::AddPullSecret,
            ActionKind::SetRequest,
            ActionKind::ExtendProbe,
        ]
    );
    assert_eq!(
        review.off[&ActionKind::UpdateEnv],
        "patch deployments.apps in namespace shop"
    );
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_few_workloads_are_of_switches_no_action_off() {
    let review = review(&forbids(&["patch cronjobs", "patch pods"])).await;
    assert!(off(&review).is_empty());
    assert_eq!(
        review.reduced,
        [
            "fix_image_name is not done to a CronJob: it is not permitted to patch cronjobs.batch in namespace shop",
            "fix_image_name is not done to a Pod: it is not permitted to patch pods in namespace shop",
            "update_env is not done to a CronJob: it is not permitted to patch cronjobs.batch in namespace shop",
            "increase_memory is not done to a CronJob: it is not permitted to patch cronjobs.batch in namespace shop",
            "fix_reference is not done to a CronJob: it is not permitted to patch cronjobs.batch in namespace shop",
            "fix_probe is not done to a CronJob: it is not permitted to patch cronjobs.batch in namespace shop",
            "fix_node_selector is not done to a CronJob: it is not permitted to patch cronjobs.batch in namespace shop",
            "add_pull_secret is not done to a CronJob: it is not permitted to patch cronjobs.batch in namespace shop",
            "extend_probe is not done to a CronJob: it is not permitted to patch cronjobs.batch in namespace shop",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_off_is_not_said_again_of_single_kinds() {
    let review = review(&forbids(&["patch "])).await;
    assert!(
        !review
            .sentences()
            .iter()
            .any(|it| it.contains("is not done to"))
    );
}

#[tokio::test(start_paused = true)]
async fn without_pods_to_make_only_trials_are_off() {
    for words in [&["delete pods"][..], &["create pods"]] {
        let server = ApiServer::new(move |call| {
            let denied = words.contains(&asked(call).as_str());
            (call.path == REVIEWS).then(|| answer(&json!(!denied)))
        });
        let review = in_time(connected(server.client()).review(&shop(), &all())).await;
        assert!(off(&review).is_empty());
        let mut settings = Settings::default();
        review.restrict(&mut settings);
        assert_eq!(settings.trials_not_permitted, review.no_trials);
        assert!(settings.not_permitted.is_empty());
        assert_eq!(
            review.no_trials,
            Some(format!("{} in namespace shop", words[0]))
        );
        let [sentence] = &review.sentences()[..] else {
            panic!("{review:?}");
        };
        assert!(sentence.starts_with("trial pods are off: "), "{sentence}");
    }
}

#[tokio::test(start_paused = true)]
async fn secrets_that_are_not_granted_are_told_with_what_is_lost() {
    let review = review(&forbids(&["secrets"])).await;
    assert!(off(&review).is_empty());
    let sentences = review.sentences();
    for told in [
        "list secrets in namespace shop, so",
        "private registries",
        "certificate",
    ] {
        let mut sentences = sentences.iter();
        assert!(sentences.any(|it| it.contains(told)), "{told}: {review:?}");
    }
    assert_eq!(sentences.len(), 3, "{sentences:?}");
}

#[tokio::test(start_paused = true)]
async fn a_review_that_fails_is_told_and_switches_nothing_off() {
    let failures: [fn() -> Reply; 3] = [
        || Reply::error(500, "InternalError", "etcd is away"),
        || Reply::error(403, "Forbidden", "may not ask"),
        || Reply::text(StatusCode::CREATED, "<html>hello</html>"),
    ];
    for failure in failures {
        let server = ApiServer::new(move |call| (call.path == REVIEWS).then(failure));
        let review = review(&server).await;
        assert!(review.off.is_empty() && review.no_trials.is_none() && review.reduced.is_empty());
        let [sentence] = &review.sentences()[..] else {
            panic!("{review:?}");
        };
        assert!(
            sentence.contains("cannot be found out") && sentence.contains("nothing is off"),
            "{sentence}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_review_without_an_answer_is_not_waited_for() {
    let server = ApiServer::new(|call| (call.path == REVIEWS).then_some(Reply::Never));
    let before = tokio::time::Instant::now();
    let review = review(&server).await;
    assert!(before.elapsed() < Duration::from_secs(11));
    assert!(review.off.is_empty());
    assert!(review.unknown.unwrap().contains("no answer within 10 s"));
}

#[tokio::test(start_paused = true)]
async fn what_is_denied_is_off_whatever_else_has_no_answer() {
    let server = ApiServer::new(|call| {
        (call.path == REVIEWS).then(|| match asked(call).as_str() {
            "create pods/eviction" => answer(&json!(false)),
            "patch deployments.apps" => Reply::error(500, "InternalError", "busy"),
            _ => answer(&json!(true)),
        })
    });
    let review = review(&server).await;
    assert_eq!(off(&review), [ActionKind::RestartPod]);
    assert!(review.unknown.is_some());
}
