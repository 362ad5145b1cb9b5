//! What asks is executed as it was shown, or not at all.

use akeso_core::{
    act::Change,
    engine::{ChangeRequest, Event, Request, State},
    journal::Fact,
};
use serde_json::json;

use crate::bench::{Bench, IMAGE, deployment};

const ASKS: &str =
    "{autonomy: full, canary: off, actions: {fix_image_name: ask}, approvals: {expireAfter: PT5M}}";

fn asked() -> Bench {
    let mut bench = Bench::under(ASKS);
    bench.apply("web", 2, "nginx:latst", "");
    bench.run(10);
    bench
}

#[test]
fn approve_executes_exactly_what_was_shown() {
    let mut bench = asked();
    let question = bench.question("web");
    assert!(bench.made().is_empty());
    bench.consent(question.attempt);
    bench.run(60);
    let Change::Patch { forward, .. } = question.change else {
        panic!("{:?}", question.change);
    };
    let accepted = bench.simulation.cluster.accepted();
    assert_eq!(accepted[0].request, ChangeRequest::Patch(forward));
    assert_eq!((accepted.len(), bench.heals()), (1, 1), "{}", bench.story());
}

#[test]
fn what_has_changed_since_it_was_shown_is_planned_anew_and_asked_anew() {
    let mut bench = asked();
    let first = bench.question("web");
    bench.patch("web", "/spec/replicas", &json!(3));
    bench.run(2);
    bench.consent(first.attempt);
    bench.run(20);
    assert!(bench.made().is_empty(), "{}", bench.story());
    let second = bench.question("web");
    assert_ne!(first.change, second.change);
    bench.consent(second.attempt);
    bench.run(60);
    assert_eq!((bench.made(), bench.heals()), (vec!["patch"], 1));
}

#[test]
fn a_question_that_nobody_answers_expires_and_cannot_be_answered_any_more() {
    let mut bench = asked();
    let attempt = bench.question("web").attempt;
    bench.run(330);
    assert!(matches!(bench.state("web"), Some(State::Escalated { .. })));
    bench.consent(attempt);
    bench.run(60);
    assert!(bench.made().is_empty(), "{}", bench.story());
}

#[test]
fn what_is_declined_is_not_done() {
    let mut bench = asked();
    let (attempt, by) = (bench.question("web").attempt, "ada".to_owned());
    bench
        .simulation
        .say(Event::Requested(Request::Decline { attempt, by }));
    bench.consent(attempt);
    bench.run(600);
    assert!(matches!(bench.state("web"), Some(State::Escalated { .. })));
    assert!(bench.made().is_empty(), "{}", bench.story());
}

#[test]
fn approving_twice_changes_once() {
    let mut bench = asked();
    let attempt = bench.question("web").attempt;
    bench.consent(attempt);
    bench.consent(attempt);
    bench.run(60);
    bench.consent(attempt);
    bench.run(60);
    assert_eq!(bench.made(), ["patch"]);
    assert_eq!(
        bench.count(|fact| matches!(fact, Fact::Consented { .. })),
        1
    );
}

#[test]
fn the_owner_of_the_workload_can_answer_by_an_annotation() {
    let mut bench = asked();
    let mark = bench.question("web").mark();
    let cluster = &mut bench.simulation.cluster;
    cluster.annotate(&deployment("web"), "akeso.dev/approve", &mark);
    bench.run(60);
    assert_eq!(
        (bench.made(), bench.heals()),
        (vec!["patch"], 1),
        "{}",
        bench.story()
    );
    assert_eq!(bench.object("web", IMAGE), "nginx:latest");
    let names_them =
        |fact: &Fact| matches!(fact, Fact::Consented { by, .. } if by.starts_with("kubectl-patch"));
    assert_eq!(bench.count(names_them), 1, "{}", bench.story());
}
