//! What may not be done now is done when it may.

use akeso_core::engine::State;

use crate::bench::Bench;

fn is_waiting(bench: &Bench, name: &str) -> bool {
    matches!(bench.state(name), Some(State::Waiting { .. }))
}

#[test]
fn a_freeze_waits_until_its_window_ends() {
    let mut bench = Bench::under(
        "{autonomy: full, canary: off, freeze: [{name: night, from: '00:00', to: '00:30'}]}",
    );
    bench.apply("web", 1, "nginx:latst", "");
    bench.run(29 * 60);
    assert!(
        is_waiting(&bench, "web") && bench.made().is_empty(),
        "{}",
        bench.story()
    );
    bench.run(3 * 60);
    assert_eq!(
        (bench.made(), bench.heals()),
        (vec!["patch"], 1),
        "{}",
        bench.story()
    );
}

#[test]
fn what_the_hourly_budget_holds_back_goes_on_an_hour_later() {
    let mut bench =
        Bench::under("{autonomy: full, canary: off, budgets: {namespace: {perHour: 1}}}");
    bench.apply("web", 1, "nginx:latst", "");
    bench.apply("api", 1, "alpin:3.18", "");
    bench.run(50 * 60);
    assert_eq!(
        (bench.made(), bench.heals()),
        (vec!["patch"], 1),
        "{}",
        bench.story()
    );
    bench.run(15 * 60);
    assert_eq!(bench.heals(), 2, "{}", bench.story());
    assert_eq!(bench.simulation.idle_ticks(), 0);
}

#[test]
fn one_waits_for_another_where_only_one_may_be_changed_at_once() {
    let mut bench =
        Bench::under("{autonomy: full, canary: off, budgets: {cluster: {concurrent: 1}}}");
    bench.apply("web", 1, "nginx:latst", "");
    bench.apply("api", 1, "alpin:3.18", "");
    bench.run(5);
    assert_eq!(bench.made(), ["patch"], "{}", bench.story());
    bench.run(120);
    assert_eq!(bench.heals(), 2, "{}", bench.story());
}

/// Runs twice an hour, and its image is misspelt.
const HALF_HOURLY: &str = "{apiVersion: batch/v1, kind: CronJob, metadata: {name: report}, spec: {schedule: '*/30 * * * *', concurrencyPolicy: Replace, jobTemplate: {spec: {backoffLimit: 0, \
    template: {spec: {restartPolicy: Never, terminationGracePeriodSeconds: 1, containers: [{name: tick, image: 'busybox:latst', command: [sh, -c, 'echo tick']}]}}}}}}";

#[test]
fn a_cron_job_that_is_verified_by_its_next_run_holds_nobody_up() {
    let mut bench =
        Bench::under("{autonomy: full, canary: off, budgets: {cluster: {concurrent: 1}}}");
    bench.behave("containers: {report/tick: {exits: {after: 1s, code: 0, log: [tick]}}}");
    bench
        .simulation
        .cluster
        .apply_yaml("shop", HALF_HOURLY)
        .unwrap();
    bench.run(31 * 60);
    assert_eq!(bench.made(), ["patch"], "{}", bench.story());
    bench.apply("web", 1, "nginx:latst", "");
    bench.run(90);
    assert_eq!(
        (bench.made(), bench.heals()),
        (vec!["patch", "patch"], 1),
        "{}",
        bench.story()
    );
    bench.run(31 * 60);
    assert_eq!(bench.heals(), 2, "{}", bench.story());
}

#[test]
fn what_was_under_way_in_a_namespace_that_is_not_watched_any_more_holds_nobody_up() {
    let mut bench =
        Bench::under("{autonomy: full, canary: off, budgets: {cluster: {concurrent: 1}}}");
    bench.apply("web", 1, "nginx:latst", "");
    bench.run(5);
    assert_eq!(bench.made(), ["patch"], "{}", bench.story());
    bench.watch_only("mall");
    bench.apply_in("mall", "api", 1, "alpin:3.18", "");
    bench.run(10);
    assert_eq!(bench.made(), ["patch", "patch"], "{}", bench.story());
}
