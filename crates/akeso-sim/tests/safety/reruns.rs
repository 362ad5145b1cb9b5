//! A Job is run again once, when what it gave up over is there; never for what it fails for again,
//! and not against whoever has stopped it.

use akeso_core::{
    cluster::{Kind, Object},
    engine::State,
    journal::{Fact, Verdict},
    workload::{WorkloadKind, WorkloadRef},
};
use jiff::SignedDuration;

use crate::bench::Bench;

const JOB: &str = "{apiVersion: batch/v1, kind: Job, metadata: {name: migrate}, spec: {backoffLimit: 1, \
     template: {spec: {restartPolicy: Never, terminationGracePeriodSeconds: 1, containers: [{name: work, image: 'redis:7'}]}}}}";
const SERVICE: &str = "{apiVersion: v1, kind: Service, metadata: {name: store}, spec: {selector: {app: store}, ports: [{port: 6379}]}}";
/// It does its work, once it reaches the store.
const WORKS: &str = "containers: {migrate/work: {needs: {service: store, exit: 1, log: ['Could not connect to Redis at store:6379: Connection refused']}, exits: {after: 1s, code: 0}}}";
/// The same, and its work takes an hour.
const TAKES_LONG: &str = "containers: {migrate/work: {needs: {service: store, exit: 1, log: ['Could not connect to Redis at store:6379: Connection refused']}, exits: {after: 1h, code: 0}}}";
/// It never reaches the store, whatever there is.
const NEVER_WORKS: &str = "containers: {migrate/work: {exits: {after: 20s, code: 1, log: ['Could not connect to Redis at store:6379: Connection refused']}}}";

fn migrate() -> WorkloadRef {
    WorkloadRef {
        kind: WorkloadKind::Job,
        namespace: "shop".to_owned(),
        name: "migrate".to_owned(),
    }
}

fn state(bench: &Bench) -> Option<State> {
    let ledger = bench.simulation.engine.ledger();
    let open = ledger.open_incident(&migrate())?;
    Some(ledger.get(open)?.state.clone())
}

/// The Job has given up, and its store comes only then.
fn given_up(policy: &str, behaviours: &str) -> Bench {
    let mut bench = Bench::under(policy);
    bench.behave(behaviours);
    let cluster = &mut bench.simulation.cluster;
    cluster.apply_yaml("shop", JOB).unwrap();
    bench.run(120);
    assert!(
        matches!(state(&bench), Some(State::Escalated { .. })),
        "{}",
        bench.story()
    );
    assert_eq!(bench.made(), Vec::<&str>::new());
    let cluster = &mut bench.simulation.cluster;
    cluster.apply_yaml("shop", SERVICE).unwrap();
    bench.apply("store", 1, "redis:7", "ports: [{containerPort: 6379}]");
    bench
}

fn run(bench: &Bench) -> Option<String> {
    let jobs = bench.simulation.cluster.list(Kind::Job).into_iter();
    let mut names = jobs.filter_map(|job| match job {
        Object::Job(job) => job.metadata.name,
        _ => None,
    });
    names.find(|name| name.starts_with("migrate-rerun-"))
}

#[test]
fn it_is_run_again_when_what_a_person_was_told_of_is_there() {
    for is_restarted in [false, true] {
        let mut bench = given_up("{autonomy: full}", WORKS);
        if is_restarted {
            bench.restart();
        }
        bench.run(240);
        assert_eq!(bench.made(), ["create"], "{}", bench.story());
        assert_eq!(
            (bench.heals(), state(&bench)),
            (1, None),
            "{}",
            bench.story()
        );
        bench.run(7200);
        assert_eq!(bench.made(), ["create"]);
    }
}

#[test]
fn somebody_is_asked_first_unless_the_policy_says_otherwise() {
    let mut bench = given_up("{}", WORKS);
    bench.run(240);
    let Some(State::AwaitingApproval { question }) = state(&bench) else {
        panic!("{}", bench.story());
    };
    assert_eq!(bench.made(), Vec::<&str>::new());
    bench.consent(question.attempt);
    bench.run(240);
    assert_eq!(bench.made(), ["create"], "{}", bench.story());
    assert_eq!(bench.heals(), 1);
}

#[test]
fn what_fails_in_the_same_way_again_is_removed_and_stays_with_a_person() {
    let mut bench = given_up("{autonomy: full}", NEVER_WORKS);
    bench.run(900);
    assert_eq!(bench.made(), ["create", "remove"], "{}", bench.story());
    let in_vain = |fact: &Fact| matches!(fact, Fact::Judged { verdict, .. } if *verdict == Verdict::NotHealed);
    assert_eq!(bench.count(in_vain), 1);
    assert!(
        matches!(state(&bench), Some(State::Escalated { .. })),
        "{}",
        bench.story()
    );
    bench.run(4 * 3600);
    assert_eq!(bench.made(), ["create", "remove"], "{}", bench.story());
}

#[test]
fn a_run_that_takes_long_is_waited_for() {
    let mut bench = given_up("{autonomy: full}", TAKES_LONG);
    bench.run(1800);
    bench.restart();
    bench.run(1200);
    assert!(
        matches!(state(&bench), Some(State::Verifying { .. })),
        "{}",
        bench.story()
    );
    bench.run(1200);
    assert_eq!(bench.made(), ["create"], "{}", bench.story());
    assert_eq!(bench.heals(), 1, "{}", bench.story());
}

#[test]
fn a_run_that_somebody_has_stopped_is_not_made_again() {
    for is_restarted in [false, true] {
        let mut bench = given_up("{autonomy: full}", TAKES_LONG);
        bench.run(240);
        let name = run(&bench).unwrap();
        let cluster = &mut bench.simulation.cluster;
        cluster.delete("Job", "shop", &name).unwrap();
        if is_restarted {
            bench.restart();
        }
        bench.run(1200);
        assert_eq!(bench.made(), ["create"], "{}", bench.story());
        assert!(run(&bench).is_none());
    }
}

#[test]
fn what_failed_long_ago_is_not_run_again() {
    let mut bench = Bench::under("{autonomy: full}");
    bench.behave(WORKS);
    let cluster = &mut bench.simulation.cluster;
    cluster.apply_yaml("shop", JOB).unwrap();
    bench.run(SignedDuration::from_hours(2).as_secs());
    let cluster = &mut bench.simulation.cluster;
    cluster.apply_yaml("shop", SERVICE).unwrap();
    bench.apply("store", 1, "redis:7", "ports: [{containerPort: 6379}]");
    bench.run(900);
    assert_eq!(bench.made(), Vec::<&str>::new(), "{}", bench.story());
}
