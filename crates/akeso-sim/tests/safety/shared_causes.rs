//! What several have in common is one incident, and the others wait for it.

use akeso_core::{engine::State, journal::Fact};
use serde_json::json;

use crate::bench::{Bench, IMAGE};

#[test]
fn a_config_map_that_three_workloads_miss_is_one_escalated_incident_and_two_joined_ones() {
    let mut bench = Bench::under("{autonomy: full}");
    for name in ["web", "api", "job"] {
        bench.apply(
            name,
            1,
            "nginx",
            "envFrom: [{configMapRef: {name: settings}}]",
        );
    }
    bench.run(120);
    let states: Vec<_> = ["web", "api", "job"]
        .iter()
        .filter_map(|name| bench.state(name))
        .collect();
    let escalated = states
        .iter()
        .filter(|it| matches!(it, State::Escalated { .. }))
        .count();
    let joined = states
        .iter()
        .filter(|it| matches!(it, State::Joined { .. }))
        .count();
    assert_eq!((escalated, joined), (1, 2), "{}", bench.story());

    let map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {A: b}}";
    bench.simulation.cluster.apply_yaml("shop", map).unwrap();
    bench.run(300);
    assert_eq!(
        bench.simulation.engine.ledger().open().count(),
        0,
        "{}",
        bench.story()
    );
}

#[test]
fn a_storm_pauses_all_changes_until_nothing_more_breaks() {
    let mut bench =
        Bench::under("{autonomy: full, canary: off, storm: {atLeast: 3, quietFor: PT1M}}");
    let names = ["web", "api", "job", "cart"];
    for name in names {
        bench.apply(name, 1, "nginx:1.27", "");
    }
    bench.run(60);
    for (name, image) in
        names
            .iter()
            .zip(["nginx:latst", "alpin:3.18", "busybx:latest", "rediss:7"])
    {
        bench.patch(name, IMAGE, &json!(image));
    }
    bench.run(120);
    let storms = bench.count(|fact| matches!(fact, Fact::SharedOpened { .. }));
    let before = bench.made().len();
    assert_eq!(storms, 1, "{}", bench.story());
    bench.run(120);
    assert_eq!(bench.made().len(), before, "{}", bench.story());
    bench.run(900);
    assert!(bench.heals() >= 3, "{}", bench.story());
    assert_eq!(bench.simulation.engine.ledger().shared().count(), 0);
}

#[test]
fn what_is_on_a_lost_node_waits_until_the_node_is_back() {
    let mut bench = Bench::under(
        "{autonomy: full, canary: off, freeze: [{name: night, from: '00:00', to: '00:20'}]}",
    );
    bench.apply("web", 1, "nginx:latst", "");
    bench.run(6 * 60);
    bench.simulation.cluster.set_node_ready("node1", false);
    bench.run(60);
    assert!(
        matches!(bench.state("web"), Some(State::Joined { .. })),
        "{}",
        bench.story()
    );
    bench.run(20 * 60);
    assert!(bench.made().is_empty(), "{}", bench.story());
    bench.simulation.cluster.set_node_ready("node1", true);
    bench.run(300);
    assert_eq!(
        (bench.made(), bench.heals()),
        (vec!["patch"], 1),
        "{}",
        bench.story()
    );
}

#[test]
fn what_rests_on_one_that_runs_between_two_crashes_waits_for_its_incident() {
    for line in [
        "Could not connect to Redis at store:6379: Connection refused",
        "panic: index out of range",
    ] {
        let mut bench = Bench::under("{autonomy: full}");
        for name in ["store", "api"] {
            let service = format!(
                "{{apiVersion: v1, kind: Service, metadata: {{name: {name}}}, spec: {{selector: {{app: {name}}}, ports: [{{port: 6379}}]}}}}"
            );
            let cluster = &mut bench.simulation.cluster;
            cluster.apply_yaml("shop", &service).unwrap();
        }
        // the front has crashed three times before the api, which it needs, has twice
        bench.behave(&format!(
            "{{containers: {{api/app: {{ready_after: 600s, exits: {{after: 12s, code: 1, log: ['{line}']}}}}, \
             front/app: {{needs: {{service: api, exit: 1, log: ['Could not connect to Redis at api:6379: Connection refused']}}}}}}}}"
        ));
        let probe = "readinessProbe: {tcpSocket: {port: 6379}}";
        bench.apply("store", 1, "redis:9.99", "");
        bench.apply("api", 1, "redis:7", probe);
        bench.apply("front", 1, "redis:7", "");
        bench.run(300);
        let api = bench.incident("api").id;
        let state = bench.state("front");
        let is_joined = matches!(state, Some(State::Joined { into, .. }) if into == api);
        assert!(is_joined, "{}", bench.story());
    }
}
