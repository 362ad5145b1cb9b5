use akeso_core::{engine::Engine, learn::Standing, policy::Settings};
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn now() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

/// The article's example.
fn article() -> Value {
    json!({
        "attempts": [{
            "issue": {"pod_name": "memory-hungry-abc123", "namespace": "agentic-demo",
                "status": "Terminated", "reason": "OOMKilled", "message": "",
                "timestamp": "2025-10-16T10:30:40", "container_name": "data-processor"},
            "action": "increase_memory", "action_details": {"new_limit": "512Mi"}, "success": true,
            "timestamp": "2025-10-16T10:30:45", "reasoning": "it was killed"}],
        "patterns": {"Terminated_OOMKilled": {
            "successful_actions": [{"action": "increase_memory", "details": {"new_limit": "512Mi"}, "reasoning": "it was killed"}],
            "success_count": 5, "total_count": 5}},
    })
}

fn engine() -> Engine {
    Engine::new(Settings::default())
}

fn taken_in(engine: &mut Engine, value: &Value) {
    for it in read(&value.to_string(), None, now()).unwrap() {
        engine.import((it.from, it.patterns, it.article), now());
    }
}

#[test]
fn the_articles_file_comes_out_as_it_went_in() {
    let mut engine = engine();
    taken_in(&mut engine, &article());
    assert_eq!(export_article(engine.ledger()), article());
    // the same file again makes no difference
    taken_in(&mut engine, &article());
    assert_eq!(export_article(engine.ledger()), article());
    // the other spelling, and what the article's program may have added
    let mut other = article();
    let attempt = other["attempts"][0].as_object_mut().unwrap();
    let details = attempt.remove("action_details").unwrap();
    attempt.insert("details".into(), details);
    attempt.insert("note".into(), json!("by hand"));
    let mut engine = self::engine();
    taken_in(&mut engine, &other);
    assert_eq!(export_article(engine.ledger()), other);
}

#[test]
fn what_the_article_learned_of_memory_kills_is_known() {
    let mut engine = engine();
    taken_in(&mut engine, &article());
    let known: Vec<_> = engine.ledger().patterns().iter().collect();
    assert_eq!(known.len(), 1);
    assert_eq!((known[0].successes, known[0].failures), (5, 0));
    assert!(known[0].from.as_ref().unwrap().starts_with("article-"));
    let failure = &known[0].fingerprint;
    let standing = engine
        .ledger()
        .patterns()
        .standing(failure, known[0].kind, now());
    assert!(matches!(standing, Standing::Helps(_)));
}

fn pattern() -> Value {
    json!({"fingerprint": {"fault": "out-of-memory", "image": "web:1", "command": "e3b0c44298fc"},
        "kind": "increase_memory", "successes": 3, "failures": 1, "helped": 3000, "failed": 1000,
        "last_used": "2025-12-01T00:00:00Z", "is_demoted": false})
}

fn own(patterns: &Value) -> Value {
    json!({"format": FORM, "from": "a93219", "at": "2026-01-01T00:00:00Z", "patterns": patterns})
}

#[test]
fn what_a_store_has_learned_is_known_in_another_with_where_it_comes_from() {
    let mut one = engine();
    taken_in(&mut one, &own(&json!([pattern()])));
    let exported = export(one.ledger(), now()).unwrap();
    assert_eq!(exported["patterns"][0]["from"], "a93219");
    let mut other = engine();
    taken_in(&mut other, &exported);
    assert!(
        other
            .ledger()
            .patterns()
            .iter()
            .eq(one.ledger().patterns().iter())
    );
    // it comes home to nobody
    let text = exported.to_string();
    assert!(read(&text, Some("a93219"), now()).unwrap().is_empty());
    // what is known better by now takes the place of what was known
    let mut better = pattern();
    better["successes"] = json!(9);
    taken_in(&mut other, &own(&json!([better])));
    let known: Vec<_> = other.ledger().patterns().iter().collect();
    assert_eq!((known.len(), known[0].successes), (1, 9));
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place() {
    let with = |pointer: &str, value: Value| {
        let mut file = own(&json!([pattern(), pattern()]));
        let (above, name) = pointer.rsplit_once('/').unwrap();
        file.pointer_mut(above).unwrap()[name] = value;
        file.to_string()
    };
    let of_article = |pointer: &str, value: Value| {
        let mut file = article();
        *file.pointer_mut(pointer).unwrap() = value;
        file.to_string()
    };
    let later = (now() + SignedDuration::from_secs(1)).to_string();
    let set_env = json!({"action": "update_env", "container": {"name": "app", "role": "main"}, "variables": []});
    for (text, word) in [
        ("{".to_owned(), "line 1 column 1"),
        ("[]".to_owned(), "neither"),
        ("{\"patterns\": {}}".to_owned(), "neither"),
        (with("/format", json!("akeso-memory/9")), "akeso-memory/9"),
        (
            with("/patterns/1/kind", json!("delete_namespace")),
            "delete_namespace",
        ),
        (with("/patterns/1/kind", json!(null)), "names one action"),
        (
            with("/patterns/1/successes", json!(4_000_000)),
            "patterns[1]: successes",
        ),
        (
            with("/patterns/1/helped", json!(3001)),
            "patterns[1]: successes: they weigh",
        ),
        (with("/patterns/1/successes", json!(-1)), "line 1 column"),
        (
            with("/patterns/1/last_used", json!(later)),
            "patterns[1]: last_used",
        ),
        (
            with("/patterns/1/fingerprint/fault", json!("")),
            "patterns[1]: fingerprint.fault",
        ),
        (
            with("/patterns/1/fingerprint/image", json!("\u{1b}[2J")),
            "patterns[1]: fingerprint.image",
        ),
        (with("/patterns/1/from", json!("a\nb")), "patterns[1]: from"),
        (
            with("/patterns/1/action", set_env.clone()),
            "names one action",
        ),
        (
            with("/from", json!("x".repeat(5_000))),
            "from: it is no name",
        ),
        (with("/secret", json!(1)), "unknown field `secret`"),
        (
            of_article("/attempts/0/timestamp", json!("yesterday")),
            "attempts[0].timestamp",
        ),
        (
            of_article("/attempts/0/issue", json!({})),
            "missing field `status`",
        ),
        (
            of_article("/patterns/Terminated_OOMKilled/success_count", json!(6)),
            "patterns.Terminated_OOMKilled: 6 of 5",
        ),
    ] {
        let refused = format!("{:#}", read(&text, None, now()).unwrap_err());
        assert!(refused.contains(word), "{word}: {refused}");
    }
    let mut several = pattern();
    several["kind"] = json!("update_env");
    several["action"] = set_env;
    let refused = read(&own(&json!([several])).to_string(), None, now()).unwrap_err();
    assert!(
        format!("{refused:#}").contains("patterns[0]: action"),
        "{refused:#}"
    );
    let many = vec![pattern(); MOST + 1];
    assert!(read(&own(&json!(many)).to_string(), None, now()).is_err());
}

proptest! {
    #[test]
    fn no_file_makes_it_panic(text in "\\PC{0,200}") {
        drop(read(&text, None, now()));
    }
}
