//! Earned autonomy: what asks acts by itself once people have approved it often enough and it has
//! healed each time, in that namespace only, and asks again at once when it was not right.

use akeso_core::{act::ActionKind, engine::Event, engine::Request, journal::Fact};

use crate::bench::{Bench, IMAGE};

const TWICE: &str = "{actions: {fix_image_name: ask}, approvals: {promoteAfter: 2}}";

fn asked(bench: &mut Bench, name: &str) {
    bench.apply(name, 1, "nginx:latst", "");
    bench.run(60);
    assert_eq!(
        bench.object(name, IMAGE),
        "nginx:latst",
        "{}",
        bench.story()
    );
}

fn approved(bench: &mut Bench, name: &str) {
    asked(bench, name);
    let attempt = bench.question(name).attempt;
    bench.consent(attempt);
    bench.run(120);
    assert_eq!(
        bench.object(name, IMAGE),
        "nginx:latest",
        "{}",
        bench.story()
    );
}

fn standings(bench: &Bench) -> Vec<bool> {
    let facts = bench.simulation.journal.iter().map(|entry| &entry.fact);
    let told = facts.filter_map(|fact| match fact {
        Fact::Promoted { action, .. } => Some((*action, true)),
        Fact::Demoted { action, .. } => Some((*action, false)),
        _ => None,
    });
    told.map(|(action, is_promoted)| {
        assert_eq!(action, ActionKind::FixImageName);
        is_promoted
    })
    .collect()
}

/// Approved twice, and promoted.
fn promoted() -> Bench {
    let mut bench = Bench::under(TWICE);
    approved(&mut bench, "one");
    assert_eq!(standings(&bench), Vec::<bool>::new());
    approved(&mut bench, "two");
    assert_eq!(standings(&bench), [true], "{}", bench.story());
    bench
}

fn acts_by_itself(bench: &mut Bench, name: &str) {
    bench.apply(name, 1, "nginx:latst", "");
    bench.run(120);
    assert_eq!(
        bench.object(name, IMAGE),
        "nginx:latest",
        "{}",
        bench.story()
    );
}

#[test]
fn what_was_right_often_enough_acts_by_itself_in_that_namespace() {
    let mut bench = promoted();
    acts_by_itself(&mut bench, "three");
    bench.restart();
    acts_by_itself(&mut bench, "four");
    bench.seal();
    acts_by_itself(&mut bench, "five");
    bench.apply_in("billing", "six", 1, "nginx:latst", "");
    bench.run(120);
    let there = bench
        .simulation
        .cluster
        .object("Deployment", "billing", "six");
    assert_eq!(there.unwrap().pointer(IMAGE).unwrap(), "nginx:latst");
    assert_eq!(standings(&bench), [true], "the checkpoint has it");
}

#[test]
fn nothing_is_promoted_unless_the_policy_says_so() {
    let mut bench = Bench::under("{actions: {fix_image_name: ask}}");
    for name in ["one", "two", "three"] {
        approved(&mut bench, name);
    }
    asked(&mut bench, "four");
    assert_eq!(standings(&bench), Vec::<bool>::new());
}

#[test]
fn what_the_policy_does_not_allow_any_more_asks() {
    let mut bench = promoted();
    bench.configure("{actions: {fix_image_name: ask}}");
    asked(&mut bench, "three");
}

#[test]
fn what_is_taken_back_asks_again() {
    let mut bench = promoted();
    acts_by_itself(&mut bench, "three");
    bench.take_back("three");
    bench.run(30);
    assert_eq!(standings(&bench), [true, false], "{}", bench.story());
    asked(&mut bench, "four");
    // and begins anew
    approved(&mut bench, "five");
    asked(&mut bench, "six");
    approved(&mut bench, "seven");
    assert_eq!(standings(&bench), [true, false, true], "{}", bench.story());
}

#[test]
fn one_no_is_enough() {
    let mut bench = Bench::under(TWICE);
    approved(&mut bench, "one");
    asked(&mut bench, "two");
    let (attempt, by) = (bench.question("two").attempt, "ada".to_owned());
    bench
        .simulation
        .say(Event::Requested(Request::Decline { attempt, by }));
    bench.run(10);
    approved(&mut bench, "three");
    assert_eq!(
        standings(&bench),
        Vec::<bool>::new(),
        "it was not twice in a row"
    );
    approved(&mut bench, "four");
    assert_eq!(standings(&bench), [true], "{}", bench.story());
}
