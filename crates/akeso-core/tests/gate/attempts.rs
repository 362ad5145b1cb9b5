//! A workload on which attempts fail is closed, each time for longer; what somebody sets back is
//! not fought over.

use akeso_core::{
    gate::{Closure, Decision},
    policy::WorkloadBudget,
};
use jiff::SignedDuration;
use proptest::prelude::*;

use super::situation::{Situation, ago, image, now};

fn closed_by(minutes_ago: &[i64]) -> Closure {
    let mut closure = Closure::default();
    for minutes in minutes_ago {
        closure.failed(ago(*minutes), &WorkloadBudget::default());
    }
    closure
}

fn after(minutes_ago: &[i64]) -> Situation {
    let mut situation = Situation::of(image());
    situation.spent.closed = Some(closed_by(minutes_ago));
    situation
}

#[test]
fn three_failures_within_an_hour_close_the_workload_until_it_has_passed() {
    assert_eq!(after(&[30, 10]).decision().0, Decision::Execute);
    let closed = after(&[30, 20, 10]).ruling();
    assert_eq!(
        (closed.decision, closed.rule.as_str()),
        (Decision::Refuse, "attempt-budget")
    );
    let until = ago(10) + SignedDuration::from_hours(1);
    assert_eq!(closed.until, Some(until));
    assert_eq!(
        closed.why,
        format!("3 attempts failed: this workload is closed until {until}")
    );
    assert_eq!(
        after(&[30, 20, 10]).consented().decision(),
        (Decision::Refuse, "attempt-budget".into())
    );
    // it opens at that very moment
    assert_eq!(after(&[80, 70, 60]).decision().0, Decision::Execute);
    assert_eq!(after(&[80, 70, 59]).decision().0, Decision::Refuse);
}

#[test]
fn a_failure_counts_for_an_hour_and_no_longer() {
    assert_eq!(after(&[69, 20, 10]).decision().0, Decision::Refuse);
    assert_eq!(after(&[70, 20, 10]).decision().0, Decision::Execute);
    assert_eq!(after(&[75, 20, 10]).decision().0, Decision::Execute);
}

#[test]
fn each_closure_is_twice_as_long_as_the_one_before_up_to_a_day() {
    let budget = WorkloadBudget::default();
    let mut closure = Closure::default();
    let mut at = now();
    for hours in [1, 2, 4, 8, 16, 24, 24] {
        assert_eq!(closure.failures, []);
        for _ in 0..budget.failures {
            closure.failed(at, &budget);
        }
        let until = closure.until(&budget).unwrap();
        assert_eq!(until, at + SignedDuration::from_hours(hours));
        at = until;
    }
}

#[test]
fn what_is_two_days_past_does_not_make_a_closure_longer() {
    let budget = WorkloadBudget {
        failures: 1,
        ..WorkloadBudget::default()
    };
    for (minutes, hours) in [(48 * 60 - 1, 2), (48 * 60, 1), (48 * 60 + 1, 1)] {
        let mut closure = Closure::default();
        closure.failed(ago(minutes), &budget);
        closure.failed(now(), &budget);
        let until = now() + SignedDuration::from_hours(hours);
        assert_eq!(closure.until(&budget), Some(until), "{minutes} minutes ago");
    }
}

#[test]
fn what_was_set_back_asks_for_an_hour() {
    let set_back = |minutes| {
        let mut situation = Situation::of(image());
        situation.spent.set_back = Some((ago(minutes), "kubectl".into()));
        situation
    };
    let ruling = set_back(59).ruling();
    assert_eq!(
        (ruling.decision, ruling.rule.as_str()),
        (Decision::Ask, "set-back")
    );
    assert!(ruling.why.starts_with("kubectl has set a change"));
    assert_eq!(set_back(60).decision().0, Decision::Execute);
    assert_eq!(set_back(61).decision().0, Decision::Execute);
    assert_eq!(set_back(1).consented().decision().0, Decision::Execute);
}

proptest! {
    #[test]
    fn a_workload_is_never_closed_for_longer_than_the_longest_time(
        gaps in proptest::collection::vec(0_i64..3_000, 1..60), failures in 1_u32..5,
    ) {
        let budget = WorkloadBudget { failures, ..WorkloadBudget::default() };
        let mut closure = Closure::default();
        let mut at = now();
        for gap in gaps {
            at += SignedDuration::from_mins(gap);
            closure.failed(at, &budget);
            prop_assert!(closure.failures.len() < usize::try_from(failures).unwrap());
            if let Some(until) = closure.until(&budget) {
                let last = *closure.closed.last().unwrap();
                prop_assert!(until >= last + budget.closed_for && until <= last + budget.longest);
            }
        }
    }
}
