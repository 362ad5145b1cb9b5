//! A person has a change taken back, whenever and however.

use akeso_core::{
    engine::{ChangeRequest, Effect, Event, Request, State},
    journal::{Fact, Outcome},
};
use akeso_sim::{Death, Network, Passage, SimCluster};
use jiff::SignedDuration;
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

/// Taking a change back fails so many times; the first time, the patch may arrive all the same.
#[derive(Debug)]
struct Unreachable {
    times: u32,
    first_arrives: bool,
}

impl Network for Unreachable {
    fn passage(&mut self, effect: &Effect, _: &mut SimCluster) -> Passage {
        let (Effect::Apply {
            attempt, request, ..
        }
        | Effect::Settle {
            attempt, request, ..
        }) = effect
        else {
            return Passage::Arrives;
        };
        let is_back = matches!(request, ChangeRequest::Patch(_)) && request.takes_back();
        if !is_back || self.times == 0 {
            return Passage::Arrives;
        }
        self.times -= 1;
        let why = "the API server cannot be reached".to_owned();
        let told = Event::Outcome(*attempt, Outcome::Failed { why });
        if std::mem::take(&mut self.first_arrives) {
            return Passage::Unread(SignedDuration::from_secs(1), told);
        }
        Passage::Answered(told)
    }
}

fn healed_over(times: u32, first_arrives: bool) -> Bench {
    let network = Unreachable {
        times,
        first_arrives,
    };
    let mut bench = Bench::over(Box::new(network), FULL);
    bench.apply("web", 2, "nginx:latst", "");
    bench.run(60);
    bench.take_back("web");
    bench
}

#[test]
fn a_take_back_that_fails_is_tried_again_and_nobody_is_called_for_it() {
    for first_arrives in [false, true] {
        let mut bench = healed_over(4, first_arrives);
        bench.run(120);
        let told = |fact: &Fact| matches!(fact, Fact::Escalated { .. });
        assert_eq!(bench.count(told), 0, "{}", bench.story());
        assert_eq!(bench.made(), ["patch", "back"], "{}", bench.story());
        assert_eq!(bench.object("web", IMAGE), "nginx:latst");
        assert_eq!(bench.simulation.idle_ticks(), 0);
    }
}

#[test]
fn a_take_back_that_keeps_failing_is_a_persons() {
    let mut bench = healed_over(100, false);
    bench.run(10);
    assert!(matches!(
        bench.state("web"),
        Some(State::RollingBack { .. })
    ));
    bench.run(300);
    let told = |fact: &Fact| matches!(fact, Fact::Escalated { .. });
    assert_eq!(bench.count(told), 1, "{}", bench.story());
    assert_eq!(bench.made(), ["patch"]);
}

#[test]
fn a_take_back_that_is_forbidden_meanwhile_is_not_tried_again() {
    let mut bench = healed_over(2, false);
    bench.run(1);
    bench.configure("{autonomy: observe, canary: off}");
    bench.run(120);
    assert_eq!(bench.made(), ["patch"], "{}", bench.story());
    assert!(
        matches!(bench.state("web"), Some(State::Escalated { .. })),
        "{}",
        bench.story()
    );
}
