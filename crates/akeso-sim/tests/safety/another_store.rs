//! What stands in the cluster of another store is not taken for this one's, though the numbers of
//! its attempts are the same.

use akeso_core::{
    engine::State,
    journal::{Entry, Fact, Outcome},
};
use akeso_sim::Death;
use serde_json::json;

use crate::{
    bench::{Bench, IMAGE, deployment},
    trials::trials,
};

const ASKS: &str = "{autonomy: full, canary: off, actions: {fix_image_name: ask}}";

#[test]
fn a_yes_or_a_no_to_a_question_of_another_store_is_none_to_this_ones() {
    for key in ["akeso.dev/approve", "akeso.dev/reject"] {
        let mut bench = Bench::under(ASKS);
        bench.apply("web", 1, "nginx:latst", "");
        bench.run(10);
        let first = bench.question("web");
        let cluster = &mut bench.simulation.cluster;
        cluster.annotate(&deployment("web"), key, &first.mark());
        bench.forget_store();
        bench.run(120);
        let second = bench.question("web");
        assert_eq!(first.attempt, second.attempt);
        assert_ne!(first.mark(), second.mark());
        assert!(bench.made().is_empty(), "{}", bench.story());

        let cluster = &mut bench.simulation.cluster;
        cluster.annotate(&deployment("web"), "akeso.dev/approve", &second.mark());
        bench.run(60);
        assert_eq!(
            (bench.made(), bench.heals()),
            (vec!["patch"], 1),
            "{}",
            bench.story()
        );
    }
}

#[test]
fn the_number_alone_is_no_answer() {
    let mut bench = Bench::under(ASKS);
    bench.apply("web", 1, "nginx:latst", "");
    bench.run(10);
    let attempt = bench.question("web").attempt.to_string();
    let cluster = &mut bench.simulation.cluster;
    cluster.annotate(&deployment("web"), "akeso.dev/approve", &attempt);
    bench.run(60);
    assert!(
        matches!(bench.state("web"), Some(State::AwaitingApproval { .. })),
        "{}",
        bench.story()
    );
}

#[test]
fn a_journal_keeps_its_name_when_its_beginning_is_taken_out() {
    let mut bench = Bench::under(ASKS);
    bench.apply("web", 1, "nginx:latst", "");
    bench.run(10);
    let before = bench.question("web").mark();
    bench.consent(bench.question("web").attempt);
    bench.run(60);
    bench.seal();
    bench.run(5);
    bench.patch("web", IMAGE, &json!("nginx:latst"));
    bench.run(60);
    let after = bench.question("web").mark();
    let name = |mark: &str| mark.rsplit_once('-').unwrap().1.to_owned();
    assert_ne!(before, after);
    assert_eq!(name(&before), name(&after));
    assert_eq!(name(&before).len(), 6);
}

/// The first store's attempt-1 has healed `web`; now it has the same fault under a second store.
fn broken_again_under_another_store() -> Bench {
    let mut bench = Bench::under("{autonomy: full, canary: off}");
    bench.apply("web", 1, "nginx:latst", "");
    bench.run(60);
    assert_eq!(bench.heals(), 1, "{}", bench.story());
    bench.forget_store();
    bench.run(5);
    bench.patch("web", IMAGE, &json!("nginx:latst"));
    bench
}

#[test]
fn the_mark_of_another_store_settles_no_intent_of_this_one() {
    let mut rehearsal = broken_again_under_another_store();
    rehearsal.run(30);
    let is_intent = |entry: &&Entry| matches!(entry.fact, Fact::Intended { .. });
    let mut journal = rehearsal.simulation.journal.iter();
    let intent = journal.find(is_intent).unwrap().seq;

    // its intent is on disk, and its change has not been sent
    let mut bench = broken_again_under_another_store();
    bench.survive(Death::Written(intent), 30);
    bench.run(120);
    let settled = bench
        .simulation
        .journal
        .iter()
        .find_map(|it| match &it.fact {
            Fact::Applied { outcome, .. } => Some(outcome.clone()),
            _ => None,
        });
    assert!(
        matches!(settled, Some(Outcome::Failed { .. })),
        "{settled:?}\n{}",
        bench.story()
    );
    assert_eq!(bench.object("web", IMAGE), "nginx:latest");
    assert_eq!(bench.heals(), 1, "{}", bench.story());
}

#[test]
fn a_trial_pod_of_another_store_is_neither_taken_for_this_ones_nor_removed() {
    let mut bench = Bench::under("{autonomy: full}");
    bench.apply("web", 2, "nginx:latst", "");
    bench.run(3);
    assert_eq!(bench.made(), ["create"], "{}", bench.story());
    let theirs = trials(&bench.simulation.cluster);
    bench.simulation.cluster.hang_up();
    bench.forget_store();
    bench.run(120);
    assert_eq!(bench.heals(), 1, "{}", bench.story());
    assert_eq!(
        bench.made(),
        ["create", "create", "remove", "patch"],
        "{}",
        bench.story()
    );
    assert_eq!(trials(&bench.simulation.cluster), theirs);
}
