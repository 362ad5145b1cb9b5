//! Where Akeso only observes, the journal tells whether a person did what it would have done.

use akeso_core::{
    engine::State,
    gate::Decision,
    journal::{Came, End, Fact},
};
use serde_json::json;

use crate::bench::{Bench, IMAGE};

const ENV: &str = "/spec/template/spec/containers/0/env";
const MEMORY: &str = "/spec/template/spec/containers/0/resources/limits/memory";

/// An image that is misspelt, seen under this policy.
fn misspelt_under(policy: &str) -> Bench {
    let mut bench = Bench::under(policy);
    bench.apply("web", 2, "nginx:latst", "");
    bench.run(10);
    bench
}

fn misspelt() -> Bench {
    let bench = misspelt_under("{autonomy: observe}");
    assert!(
        matches!(bench.state("web"), Some(State::Escalated { .. })),
        "{}",
        bench.story()
    );
    bench
}

/// What the first incident of the workload came to.
fn came(bench: &Bench) -> Option<Came> {
    let ended = bench.simulation.journal.iter().find_map(|entry| {
        let Fact::Closed { end, .. } = &entry.fact else {
            return None;
        };
        Some(end.clone())
    });
    assert!(bench.made().is_empty(), "{}", bench.story());
    match ended {
        Some(End::Dismissed { came, .. }) => came,
        other => panic!("{other:?}\n{}", bench.story()),
    }
}

/// What would have been decided under `standard` on the first step that was only observed.
fn standard(bench: &Bench) -> Option<Decision> {
    let mut facts = bench.simulation.journal.iter().map(|entry| &entry.fact);
    facts.find_map(|fact| {
        let Fact::Gated { ruling, .. } = fact else {
            return None;
        };
        Some(ruling.shadow.as_ref()?.standard)
    })
}

#[test]
fn a_person_who_makes_the_same_fix_did_the_same() {
    let mut bench = misspelt();
    bench.patch("web", IMAGE, &json!("nginx:latest"));
    bench.run(120);
    assert_eq!(came(&bench), Some(Came::Same), "{}", bench.story());
}

#[test]
fn a_person_who_makes_it_after_a_restart_did_the_same_as_well() {
    let mut bench = misspelt();
    bench.restart();
    bench.patch("web", IMAGE, &json!("nginx:latest"));
    bench.run(120);
    assert_eq!(came(&bench), Some(Came::Same), "{}", bench.story());
}

#[test]
fn another_value_in_the_same_place_is_told_apart_from_another_fix() {
    let mut bench = misspelt();
    bench.patch("web", IMAGE, &json!("nginx:1.27"));
    bench.run(120);
    assert_eq!(came(&bench), Some(Came::OtherValue), "{}", bench.story());

    let mut bench = misspelt();
    bench.patch(
        "web",
        ENV,
        &json!([{"name": "PULLED_BY", "value": "nobody"}]),
    );
    bench.run(10);
    assert_eq!(came(&bench), Some(Came::SomethingElse), "{}", bench.story());
}

#[test]
fn more_memory_than_planned_is_another_value() {
    let mut bench = Bench::under("{autonomy: observe}");
    bench.behave(
        "containers: {web/app: {memory: {start: 10Mi, step: 5Mi, every: 500ms, peak: 515Mi}}}",
    );
    bench.apply(
        "web",
        1,
        "nginx:latest",
        "resources: {limits: {memory: 128Mi}}",
    );
    bench.run(120);
    bench.patch("web", MEMORY, &json!("1Gi"));
    bench.run(10);
    assert_eq!(came(&bench), Some(Came::OtherValue), "{}", bench.story());
}

#[test]
fn what_goes_away_without_a_change_of_the_workload_was_no_fix_of_it() {
    let mut bench = Bench::under("{autonomy: observe}");
    let map = |bench: &mut Bench, name: &str| {
        let manifest = format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}, data: {{GREETING: hello}}}}"
        );
        let cluster = &mut bench.simulation.cluster;
        cluster.apply_yaml("shop", &manifest).unwrap();
    };
    map(&mut bench, "app-settings");
    let env =
        "env: [{name: GREETING, valueFrom: {configMapKeyRef: {name: app-setings, key: GREETING}}}]";
    bench.apply("web", 1, "nginx:latest", env);
    bench.run(60);
    assert!(bench.state("web").is_some(), "{}", bench.story());
    map(&mut bench, "app-setings"); // it was no slip of the finger: the ConfigMap was late
    bench.run(300);
    assert_eq!(came(&bench), Some(Came::Unchanged), "{}", bench.story());
}

#[test]
fn what_was_done_on_a_workload_that_is_gone_cannot_be_told() {
    let mut bench = misspelt();
    let cluster = &mut bench.simulation.cluster;
    cluster.delete("Deployment", "shop", "web").unwrap();
    bench.run(60);
    assert_eq!(came(&bench), Some(Came::Unknown), "{}", bench.story());
}

#[test]
fn what_an_autoscaler_does_is_no_fix_and_what_is_put_to_sleep_is_no_wait() {
    let mut bench = misspelt();
    bench.patch("web", "/spec/replicas", &json!(3));
    bench.run(60);
    assert!(bench.state("web").is_some(), "{}", bench.story());
    bench.patch("web", "/spec/replicas", &json!(0));
    bench.run(600);
    assert_eq!(came(&bench), Some(Came::SomethingElse), "{}", bench.story());
}

#[test]
fn what_goes_on_under_another_policy_has_come_to_nothing_yet() {
    let mut bench = misspelt();
    assert_eq!(standard(&bench), Some(Decision::Execute));
    bench.configure("{autonomy: standard}");
    bench.run(120);
    assert_eq!(bench.heals(), 1, "{}", bench.story());
    let is_told = |fact: &Fact| matches!(fact, Fact::Closed { end: End::Dismissed { came, .. }, .. } if came.is_some());
    assert_eq!(bench.count(is_told), 0, "{}", bench.story());
}

#[test]
fn it_is_noted_what_would_have_been_decided_under_standard() {
    let under = |policy: &str| standard(&misspelt_under(policy));
    let observe = |more: &str| under(&format!("{{autonomy: observe, {more}}}"));
    let no_image = "actions: {fix_image_name: ask}";
    assert_eq!(observe(no_image), Some(Decision::Ask));
    let never = "actions: {fix_image_name: never}";
    assert_eq!(observe(never), Some(Decision::Refuse));
    let always = "freeze: [{name: always, from: '00:00', to: '24:00'}]";
    assert_eq!(observe(always), Some(Decision::Wait));
    assert_eq!(under("{autonomy: standard, canary: off}"), None);
}
