//! A person looks after one workload: every step on it asks, its values may be chosen otherwise
//! within the same bounds, and nothing else is touched.

use akeso_core::{
    act::Action,
    engine::{Event, Request, State},
    journal::Fact,
    plan::Origin,
    workload::AttemptId,
};

use crate::bench::{Bench, IMAGE, deployment};

const MEMORY: &str = "/spec/template/spec/containers/0/resources/limits/memory";

fn attended() -> Bench {
    let mut bench = Bench::under("{autonomy: full, canary: off}");
    bench.attend(&deployment("web"));
    bench.apply("web", 1, "nginx:latst", "");
    bench.run(10);
    bench
}

fn amend(bench: &mut Bench, attempt: AttemptId, action: Action) {
    let (action, by) = (Box::new(action), "ada".to_owned());
    bench.simulation.say(Event::Requested(Request::Amend {
        attempt,
        action,
        by,
    }));
}

fn choose(bench: &mut Bench, field: &str, value: &str) {
    let question = bench.question("web");
    let action = question.step.action.with_value(field, value).unwrap();
    amend(bench, question.attempt, action);
    bench.run(1);
}

#[test]
fn a_step_asks_though_everything_acts_and_is_done_with_the_value_that_was_chosen() {
    let mut bench = attended();
    let first = bench.question("web");
    assert!(bench.made().is_empty());
    choose(&mut bench, "image", "nginx:1.27");
    let second = bench.question("web");
    assert_ne!(first.attempt, second.attempt);
    assert_eq!(second.step.origin, Origin::Operator);
    assert!(second.step.reasoning.contains("ada"), "{:?}", second.step);
    assert!(second.diff.iter().any(|line| line.ends_with("nginx:1.27")));
    // what was shown first is not to be had any more
    bench.consent(first.attempt);
    bench.run(10);
    assert!(bench.made().is_empty(), "{}", bench.story());
    bench.consent(second.attempt);
    bench.run(60);
    assert_eq!(bench.object("web", IMAGE), "nginx:1.27");
    assert_eq!((bench.made(), bench.heals()), (vec!["patch"], 1));
}

#[test]
fn a_value_beyond_a_ceiling_or_of_another_action_leaves_the_question_as_it_is() {
    let mut bench = Bench::under("{autonomy: full, canary: off, ceilings: {memory: 256Mi}}");
    bench.attend(&deployment("web"));
    bench.behave(
        "containers: {web/app: {memory: {start: 10Mi, step: 10Mi, every: 500ms, peak: 150Mi}}}",
    );
    bench.apply(
        "web",
        1,
        "busybox:1.36",
        "resources: {limits: {memory: 64Mi}}",
    );
    bench.run(90);
    let question = bench.question("web");
    let too_much = question.step.action.with_value("memory", "1Gi").unwrap();
    let engine = &bench.simulation.engine;
    let refused = engine.amended(question.attempt, &too_much, "ada");
    assert!(refused.unwrap_err().to_string().contains("256Mi"));
    amend(&mut bench, question.attempt, too_much);
    bench.run(1);
    assert_eq!(bench.question("web"), question);

    choose(&mut bench, "memory", "200Mi");
    let chosen = bench.question("web");
    bench.consent(chosen.attempt);
    bench.run(120);
    assert_eq!(bench.object("web", MEMORY), "200Mi", "{}", bench.story());
    assert_eq!(bench.heals(), 1, "{}", bench.story());
}

#[test]
fn a_value_that_does_not_help_is_taken_back_like_any_other_guess() {
    let mut bench = attended();
    choose(&mut bench, "image", "nginx:no-such-tag");
    bench.consent(bench.question("web").attempt);
    bench.run(600);
    assert_eq!(bench.object("web", IMAGE), "nginx:latst");
    assert_eq!(bench.made(), ["patch", "back"], "{}", bench.story());
}

#[test]
fn what_nobody_looks_after_is_left_as_it_is_in_the_journal_and_in_the_cluster() {
    let mut bench = Bench::under("{autonomy: full, canary: off}");
    bench.apply("other", 1, "nginx:latst", "");
    bench.run(6);
    let before = bench.simulation.journal.len();
    let state = bench.state("other");
    assert!(state.is_some());
    bench.attend(&deployment("web"));
    bench.restart();
    bench.run(300);
    assert_eq!(bench.state("other"), state);
    assert_eq!(bench.simulation.journal.len(), before, "{}", bench.story());
}

#[test]
fn who_answers_for_another_workload_is_not_heard_meanwhile() {
    let mut bench = Bench::under("{autonomy: full, canary: off, actions: {fix_image_name: ask}}");
    bench.apply("other", 1, "nginx:latst", "");
    bench.run(10);
    let question = bench.question("other");
    bench.attend(&deployment("web"));
    bench.restart();
    bench.run(10);
    bench.consent(question.attempt);
    bench.run(60);
    assert_eq!(bench.question("other"), question, "{}", bench.story());
    assert!(bench.made().is_empty());
    bench.attend_all();
    bench.restart();
    bench.run(1);
    bench.consent(question.attempt);
    bench.run(60);
    assert_eq!((bench.made(), bench.heals()), (vec!["patch"], 1));
}

#[test]
fn a_no_stands_when_nobody_looks_after_it_any_more_and_the_same_person_can_ask_anew() {
    let mut bench = attended();
    let (attempt, by) = (bench.question("web").attempt, "ada".to_owned());
    bench
        .simulation
        .say(Event::Requested(Request::Decline { attempt, by }));
    bench.run(1);
    bench.attend_all();
    bench.restart();
    bench.run(600);
    assert!(bench.made().is_empty(), "{}", bench.story());
    assert!(matches!(bench.state("web"), Some(State::Escalated { .. })));

    bench.attend(&deployment("web"));
    bench.restart();
    bench.run(1);
    let (incident, by) = (bench.incident("web").id, "ada".to_owned());
    bench
        .simulation
        .say(Event::Requested(Request::Reconsider { incident, by }));
    bench.run(20);
    bench.consent(bench.question("web").attempt);
    bench.run(60);
    assert_eq!((bench.made(), bench.heals()), (vec!["patch"], 1));
}

#[test]
fn what_a_person_has_changed_first_earns_nothing_for_what_was_proposed() {
    let mut bench = Bench::under(
        "{autonomy: full, canary: off, approvals: {promoteAfter: 1}, actions: {fix_image_name: ask}}",
    );
    bench.apply("web", 1, "nginx:latst", "");
    bench.run(10);
    choose(&mut bench, "image", "nginx:1.27");
    bench.consent(bench.question("web").attempt);
    bench.run(60);
    assert_eq!(bench.heals(), 1, "{}", bench.story());
    let is_promoted = |fact: &Fact| matches!(fact, Fact::Promoted { .. });
    assert_eq!(bench.count(is_promoted), 0, "{}", bench.story());
}

#[test]
fn what_a_person_has_put_off_is_not_decided_by_who_comes_next() {
    let mut bench = attended();
    let question = bench.question("web");
    bench.attend_all();
    bench.restart();
    bench.run(600);
    assert_eq!(bench.question("web"), question, "{}", bench.story());
    assert!(bench.made().is_empty());
    bench.consent(question.attempt);
    bench.run(60);
    assert_eq!((bench.made(), bench.heals()), (vec!["patch"], 1));
}
