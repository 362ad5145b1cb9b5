//! A person has a change taken back, whenever and however.

use akeso_core::{
    engine::{Event, Request, State},
    journal::Fact,
};
use akeso_sim::Death;
use serde_json::json;

use crate::bench::{Bench, IMAGE};

const FULL: &str = "{autonomy: full, canary: off}";
const DAYS: i64 = 86_400;

fn healed() -> Bench {
    let mut bench = Bench::under(FULL);
    bench.apply("web", 2, "nginx:latst", "");
    bench.run(60);
    assert_eq!(bench.heals(), 1, "{}", bench.story());
    bench
}

#[test]
fn a_change_is_taken_back_days_after_its_incident_was_closed() {
    let mut bench = healed();
    bench.run(3 * DAYS);
    bench.take_back("web");
    bench.run(5);
    assert_eq!(bench.made(), ["patch", "back"], "{}", bench.story());
    assert_eq!(bench.object("web", IMAGE), "nginx:latst");
}

#[test]
fn what_was_taken_back_is_not_done_again_without_asking() {
    let mut bench = healed();
    bench.take_back("web");
    bench.run(120);
    assert_eq!(bench.made(), ["patch", "back"], "{}", bench.story());
    assert!(matches!(
        bench.state("web"),
        Some(State::AwaitingApproval { .. })
    ));
}

#[test]
fn what_somebody_sets_back_by_hand_is_not_done_again_without_asking() {
    let mut bench = Bench::under(FULL);
    bench.apply("web", 2, "nginx:latst", "");
    bench.run(6);
    assert_eq!(bench.made(), ["patch"], "{}", bench.story());
    bench.patch("web", IMAGE, &json!("nginx:latst"));
    bench.run(120);
    assert_eq!(bench.made(), ["patch"], "{}", bench.story());
    assert!(matches!(
        bench.state("web"),
        Some(State::AwaitingApproval { .. })
    ));
}

#[test]
fn nothing_is_taken_back_of_a_workload_that_is_gone() {
    let mut bench = healed();
    bench
        .simulation
        .cluster
        .delete("Deployment", "shop", "web")
        .unwrap();
    bench.run(30);
    bench.take_back("web");
    bench.run(30);
    assert_eq!(bench.made(), ["patch"]);
}

#[test]
fn a_take_back_of_long_ago_is_brought_to_its_end_when_the_program_dies_in_it() {
    let mut bench = healed();
    bench.run(3 * DAYS);
    // recalled, rollback-intended
    let seq = bench.simulation.journal.len() as u64 + 2;
    bench.simulation.dies(Death::Written(seq));
    bench.take_back("web");
    assert!(bench.simulation.is_down(), "{}", bench.story());
    bench.restart();
    bench.run(5);
    assert_eq!(
        bench.object("web", IMAGE),
        "nginx:latst",
        "{}",
        bench.story()
    );
    assert_eq!(
        bench.count(|fact| matches!(fact, Fact::RolledBack { .. })),
        1
    );
}

#[test]
fn while_another_change_is_being_verified_an_earlier_one_is_not_taken_back() {
    let mut bench = healed();
    let first = bench.incident("web");
    bench.patch("web", IMAGE, &json!("busybx:latest"));
    bench.run(10);
    assert!(matches!(bench.state("web"), Some(State::Verifying { .. })));
    let attempt = first.attempts[0].id;
    let request = |by: &str| {
        Event::Requested(Request::TakeBack {
            incident: Box::new(first.clone()),
            attempt,
            by: by.to_owned(),
        })
    };
    bench.simulation.say(request("ada"));
    bench.run(120);
    assert_eq!(bench.made(), ["patch", "patch"], "{}", bench.story());
    assert_eq!(bench.count(|fact| matches!(fact, Fact::Recalled { .. })), 0);
    // the second one has its verdict, and nothing is looked at without end
    assert_eq!(bench.heals(), 2, "{}", bench.story());
    assert!(bench.simulation.idle_ticks() < 100);
}
