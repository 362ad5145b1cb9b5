//! How much may be changed at once and within an hour.

use akeso_core::{
    gate::{Decision, Use},
    policy::{Budgets, ClusterBudget, NamespaceBudget},
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::situation::{Situation, ago, image, now};

fn spent(busy: usize, minutes_ago: &[i64]) -> Use {
    Use {
        busy,
        changes: minutes_ago.iter().map(|minutes| ago(*minutes)).collect(),
    }
}

fn situation(in_namespace: Use, in_cluster: Use) -> Situation {
    let mut situation = Situation::of(image());
    situation.settings.policy.budgets = Budgets {
        namespace: NamespaceBudget {
            concurrent: 2,
            per_hour: 3,
        },
        cluster: ClusterBudget {
            concurrent: 4,
            per_hour: 5,
        },
        ..Budgets::default()
    };
    situation.spent.in_namespace = in_namespace;
    situation.spent.in_cluster = in_cluster;
    situation
}

#[test]
fn so_many_workloads_are_changed_at_once_and_no_more() {
    let busy = |namespace, cluster| situation(spent(namespace, &[]), spent(cluster, &[]));
    assert_eq!(busy(1, 3).decision().0, Decision::Execute);
    for (namespace, cluster, place) in [(2, 2, "the namespace"), (0, 4, "the cluster")] {
        let ruling = busy(namespace, cluster).ruling();
        assert_eq!(
            (ruling.decision, ruling.rule.as_str(), ruling.until),
            (Decision::Wait, "concurrency-budget", None)
        );
        assert!(ruling.why.contains(place), "{}", ruling.why);
        let consented = busy(namespace, cluster).consented();
        assert_eq!(consented.decision().0, Decision::Wait);
    }
}

#[test]
fn what_waits_for_the_hour_waits_until_one_more_fits_in() {
    let hour = SignedDuration::from_hours(1);
    let within = |minutes: &[i64]| situation(spent(0, minutes), spent(0, minutes));
    assert_eq!(within(&[50, 40]).decision().0, Decision::Execute);
    let full = within(&[50, 40, 30]).ruling();
    assert_eq!(
        (full.decision, full.rule.as_str(), full.until),
        (Decision::Wait, "hourly-budget", Some(ago(50) + hour))
    );
    assert_eq!(
        full.why,
        "3 changes within an hour in the namespace: no more than 3"
    );
    // with one too many already, two have to grow old
    assert_eq!(
        within(&[55, 50, 40, 30]).ruling().until,
        Some(ago(50) + hour)
    );
    // what is an hour old does not count any more
    assert_eq!(within(&[60, 40, 30]).decision().0, Decision::Execute);
    assert_eq!(
        within(&[70, 60, 40, 30, 20]).ruling().until,
        Some(ago(40) + hour)
    );
}

#[test]
fn the_cluster_waits_though_the_namespace_would_not() {
    let ruling = situation(spent(0, &[]), spent(0, &[50, 40, 30, 20, 10])).ruling();
    assert_eq!(ruling.until, Some(ago(50) + SignedDuration::from_hours(1)));
    assert!(ruling.why.contains("in the cluster: no more than 5"));
}

#[test]
fn a_budget_of_nothing_changes_nothing() {
    let mut nothing = situation(Use::default(), Use::default());
    nothing.settings.policy.budgets.namespace.per_hour = 0;
    let ruling = nothing.ruling();
    assert_eq!((ruling.decision, ruling.until), (Decision::Wait, None));
    nothing.spent.in_namespace = spent(0, &[30, 20]);
    let last = ago(20) + SignedDuration::from_hours(1);
    assert_eq!(nothing.ruling().until, Some(last));
}

#[test]
fn nothing_is_changed_in_a_freeze_and_it_says_when_that_ends() {
    // 500 000 hours after 1970-01-01 it is 2027-01-15T08:00Z
    assert_eq!(now().to_string(), "2027-01-15T08:00:00Z");
    let frozen = Situation::of(image())
        .policy("{freeze: [{name: sale, start: 2027-01-15T08:00, end: 2027-01-16T00:00}]}");
    let ruling = frozen.ruling();
    assert_eq!(
        (ruling.decision, ruling.rule.as_str()),
        (Decision::Wait, "freeze")
    );
    assert_eq!(ruling.until, "2027-01-16T00:00:00Z".parse().ok());
    assert_eq!(frozen.consented().decision().0, Decision::Wait);
    let over = Situation::of(image())
        .policy("{freeze: [{name: sale, start: 2027-01-14T08:00, end: 2027-01-15T08:00}]}");
    assert_eq!(over.decision().0, Decision::Execute);
}

proptest! {
    #[test]
    fn when_the_wait_is_over_one_more_fits_in_and_not_a_minute_before(
        ages in proptest::collection::vec(0_i64..90, 0..9), per_hour in 1_u32..5,
    ) {
        let mut ages = ages;
        ages.sort_unstable_by(|a, b| b.cmp(a));
        ages.dedup();
        let mut waiting = situation(spent(0, &ages), Use::default());
        waiting.settings.policy.budgets.namespace.per_hour = per_hour;
        let most = usize::try_from(per_hour).unwrap();
        let count = |at: Timestamp| {
            let is_recent = |age: &&i64| at.duration_since(ago(**age)) < SignedDuration::from_hours(1);
            ages.iter().filter(is_recent).count()
        };
        match waiting.ruling().until {
            Some(until) => {
                prop_assert!(count(now()) >= most && count(until) < most);
                prop_assert!(count(until - SignedDuration::from_mins(1)) >= most);
            }
            None => prop_assert!(count(now()) < most),
        }
    }
}
