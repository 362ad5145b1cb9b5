//! What is spent is a fold of the journal: a restart refills nothing.

use akeso_core::{
    engine::Ledger,
    gate::Spent,
    journal::{End, Fact, SharedCause, Verdict},
    learn::{Level, Standing},
    policy::Settings,
    workload::{AttemptId, IncidentId, WorkloadKind, WorkloadRef},
};
use proptest::prelude::*;

use crate::world::story::{
    Story, applied, at, closed, done, fingerprint, image, intended, judged, opened, taken_back,
    taking_back, workload,
};

fn web() -> WorkloadRef {
    workload("shop", "web")
}

/// What has been tried on `shop/web`.
fn spent(story: &Story) -> Spent {
    story.ledger.spent(&web(), &Settings::default())
}

fn failures(story: &Story) -> usize {
    spent(story)
        .closed
        .map_or(0, |closure| closure.failures.len())
}

#[test]
fn changes_count_where_they_are_made_and_for_an_hour() {
    let mut story = Story::default();
    story
        .attempted(0, 1, &workload("shop", "api"))
        .attempted(10, 2, &workload("blog", "web"))
        .attempted(20, 3, &web());
    let changes = |story: &Story| {
        (
            spent(story).in_namespace.changes,
            spent(story).in_cluster.changes,
        )
    };
    assert_eq!(
        changes(&story),
        (vec![at(0), at(20)], vec![at(0), at(10), at(20)])
    );
    // the first is an hour old when the next is made
    story.attempted(60, 4, &workload("shop", "front"));
    assert_eq!(
        changes(&story),
        (vec![at(20), at(60)], vec![at(10), at(20), at(60)])
    );
}

#[test]
fn other_workloads_between_a_change_and_its_verdict_are_busy() {
    let mut story = Story::default();
    story
        .attempted(0, 1, &workload("shop", "api"))
        .attempted(0, 2, &workload("blog", "web"))
        .attempted(0, 3, &web());
    let busy = |story: &Story| (spent(story).in_namespace.busy, spent(story).in_cluster.busy);
    assert_eq!(busy(&story), (1, 2));
    story.tell(1, judged(1, 1, Verdict::Partly));
    assert_eq!(busy(&story), (0, 1));
    story.tell(1, closed(2, End::Healed));
    assert_eq!(busy(&story), (0, 0));
}

#[test]
fn a_failed_attempt_counts_against_its_workload_once() {
    for (verdict, counted) in [
        (Verdict::NotHealed, 1),
        (Verdict::Worse, 1),
        (Verdict::Healed, 0),
        (Verdict::Partly, 0),
        (Verdict::Passed, 0),
        (Verdict::Superseded, 0),
    ] {
        let mut story = Story::default();
        story.attempted(0, 1, &web()).tell(1, judged(1, 1, verdict));
        assert_eq!(failures(&story), counted, "{verdict:?}");
        // a guess that was kept and is taken back later has failed as well
        story
            .tell(2, taking_back(1, 1))
            .tell(3, taken_back(1, 1, done()));
        let counted = usize::from(verdict != Verdict::Passed);
        assert_eq!(failures(&story), counted, "{verdict:?}, taken back");
    }
    let mut unjudged = Story::default();
    unjudged
        .attempted(0, 1, &web())
        .tell(1, taken_back(1, 1, done()));
    assert_eq!(failures(&unjudged), 1);
    assert!(
        unjudged
            .ledger
            .spent(&workload("shop", "api"), &Settings::default())
            .closed
            .is_none()
    );
}

#[test]
fn three_failures_close_the_workload_and_a_relapse_is_one_of_them() {
    let mut story = Story::default();
    story.attempted(0, 1, &web());
    for attempt in 1..=2 {
        story.tell(attempt, judged(1, 1, Verdict::NotHealed));
    }
    assert_eq!(failures(&story), 2);
    let (incident, attempt) = (IncidentId(1), AttemptId(1));
    story.tell(
        3,
        Fact::Reopened {
            incident,
            attempt,
            why: String::new(),
        },
    );
    let closure = spent(&story).closed.unwrap();
    assert_eq!((closure.failures, closure.closed), (vec![], vec![at(3)]));
}

#[test]
fn who_sets_a_change_back_is_remembered() {
    let mut story = Story::default();
    story
        .attempted(0, 1, &web())
        .tell(5, judged(1, 1, Verdict::Superseded));
    assert_eq!(spent(&story).set_back, Some((at(5), "kubectl".into())));
    // and so is a person who wants it taken back, which opens the incident again
    let (incident, attempt, by) = (IncidentId(1), AttemptId(1), "ada".to_owned());
    story.tell(6, closed(1, End::Healed)).tell(
        7,
        Fact::Recalled {
            incident,
            attempt,
            by,
        },
    );
    assert_eq!(spent(&story).set_back, Some((at(7), "ada".into())));
    assert_eq!(story.ledger.open_incident(&web()), Some(incident));
    assert_eq!(story.incident(1).recalled.as_deref(), Some("ada"));
    let mut unnamed = Story::default();
    let (why, by) = (String::new(), None);
    unnamed.attempted(0, 1, &web()).tell(
        5,
        Fact::Judged {
            incident,
            attempt,
            verdict: Verdict::Superseded,
            why,
            by,
        },
    );
    assert_eq!(spent(&unnamed).set_back, Some((at(5), "somebody".into())));
}

#[test]
fn what_is_learned_is_forgotten_when_a_person_says_so() {
    let mut story = Story::default();
    let fingerprint = fingerprint();
    let learned = Fact::Learned {
        incident: IncidentId(1),
        fingerprint: fingerprint.clone(),
        action: image(),
    };
    story.attempted(0, 1, &web()).tell(1, learned);
    let helps = |story: &Story| {
        let patterns = story.ledger.patterns();
        matches!(
            patterns.standing(&fingerprint, image().kind(), at(3)),
            Standing::Helps(_)
        )
    };
    assert!(helps(&story));
    // a failure counts against it
    story.tell(2, judged(1, 1, Verdict::NotHealed));
    assert!(!helps(&story));
    story.tell(
        3,
        Fact::Forgotten {
            fingerprint: fingerprint.clone(),
            action: None,
        },
    );
    let known = story.ledger.patterns().iter();
    assert!(
        known
            .map(|it| it.fingerprint.level())
            .eq([Level::Fault, Level::Image]),
        "they are wider"
    );
}

#[test]
fn a_shared_cause_lasts_until_its_incident_is_closed() {
    let mut story = Story::default();
    let cause = SharedCause::Storm { broken: 6, of: 20 };
    story.tell(
        4,
        Fact::SharedOpened {
            incident: IncidentId(1),
            cause: cause.clone(),
        },
    );
    let shared: Vec<_> = story
        .ledger
        .shared()
        .map(|(id, shared)| (id, shared.clone()))
        .collect();
    assert_eq!(
        (shared[0].0, &shared[0].1.cause, shared[0].1.opened),
        (IncidentId(1), &cause, at(4))
    );
    story.tell(5, closed(1, End::Healed));
    assert_eq!(story.ledger.shared().count(), 0);
}

#[test]
fn what_is_over_is_forgotten_but_for_what_was_healed_lately() {
    let mut story = Story::default();
    for (number, name) in [(1, "a"), (2, "b"), (3, "c"), (4, "d")] {
        story.tell(0, opened(number, &workload("shop", name)));
    }
    let dismissed = End::dismissed("");
    story
        .tell(10, closed(1, End::Healed))
        .tell(20, closed(2, End::Healed))
        .tell(20, closed(3, dismissed));
    story.ledger.drop_closed(at(20));
    let left: Vec<_> = story.ledger.incidents().map(|it| it.id.0).collect();
    assert_eq!(left, [2, 4]);
}

#[test]
fn a_place_is_taken_by_what_has_a_verdict_soon_and_is_watched() {
    let busy = |story: &Story, settings: &Settings| {
        let spent = story.ledger.spent(&web(), settings);
        (spent.in_namespace.busy, spent.in_cluster.busy)
    };
    let everywhere = Settings::default();
    let there_only = Settings {
        namespace: Some("mall".to_owned()),
        ..Settings::default()
    };
    let mut story = Story::default();
    story.attempted(0, 1, &workload("shop", "api"));
    assert_eq!(busy(&story, &everywhere), (1, 1));
    assert_eq!(busy(&story, &there_only), (0, 0));

    let cron_job = WorkloadRef {
        kind: WorkloadKind::CronJob,
        ..workload("mall", "report")
    };
    story.attempted(2, 2, &cron_job);
    assert_eq!(busy(&story, &everywhere), (1, 1));
    story.tell(4, taking_back(2, 2));
    assert_eq!(busy(&story, &everywhere), (1, 2));
    assert_eq!(busy(&story, &there_only), (0, 1));
}

/// What a program knows of a workload after a restart must be what it knew before.
fn is_the_same(told: &Ledger, again: &Ledger, workload: &WorkloadRef) -> bool {
    let all = |ledger: &Ledger| {
        let incidents: Vec<_> = ledger.incidents().cloned().collect();
        let open: Vec<_> = ledger.open().map(|it| it.id).collect();
        let spent = ledger.spent(workload, &Settings::default());
        let namespace = (spent.in_namespace.busy, spent.in_namespace.changes);
        let cluster = (spent.in_cluster.busy, spent.in_cluster.changes);
        (
            incidents,
            open,
            spent.closed,
            spent.set_back,
            namespace,
            cluster,
        )
    };
    all(told) == all(again)
}

proptest! {
    #[test]
    fn a_restart_refills_nothing(steps in proptest::collection::vec((0_i64..40, 1_u64..4, 0_u8..7), 1..40)) {
        let workloads = [workload("shop", "a"), workload("shop", "b"), workload("blog", "c")];
        let (mut story, mut minute, mut attempt) = (Story::default(), 0, 10);
        for (number, workload) in (1..).zip(&workloads) {
            story.attempted(0, number, workload);
        }
        for (minutes, number, what) in steps {
            minute += minutes;
            let incident = IncidentId(number);
            attempt += u64::from(what == 0);
            let last = story.incident(number).attempts.last().map_or(number, |last| last.id.0);
            let fact = match what {
                0 => intended(number, attempt, 0),
                1 => applied(number, last, done()),
                2 => judged(number, last, Verdict::NotHealed),
                3 => judged(number, last, Verdict::Superseded),
                4 => taken_back(number, last, done()),
                5 => closed(number, End::Healed),
                _ => Fact::Reopened { incident, attempt: AttemptId(last), why: String::new() },
            };
            story.tell(minute, fact);
            let again = story.told_again();
            for workload in &workloads {
                prop_assert!(is_the_same(&story.ledger, &again, workload));
            }
        }
        // and what was written reads back
        let lines = serde_json::to_string(&story.entries).unwrap();
        prop_assert_eq!(serde_json::from_str::<Vec<akeso_core::journal::Entry>>(&lines).unwrap(), story.entries);
    }
}
