//! What Akeso does not do, whoever asks and whatever it believes: it does not fight, and under
//! `observe` it changes nothing, not even back.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::path::Path;

use akeso_core::{
    act::PatchOp,
    engine::{Engine, State},
    journal::Fact,
    policy::{Autonomy, Settings},
    workload::{WorkloadKind, WorkloadRef},
};
use akeso_sim::{Flawless, SimCluster, Simulation, listed_images, scenario::Scenario};
use jiff::SignedDuration;
use serde_json::json;

fn prepared(scenario: &str, autonomy: Autonomy) -> (Simulation, WorkloadRef) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let images = std::fs::read_to_string(root.join("devcluster/images.json")).unwrap();
    let mut scenario = Scenario::load(&root.join("scenarios").join(scenario)).unwrap();
    scenario.expect.autonomy = Some(autonomy);
    let images = listed_images(&images).unwrap();
    let mut simulation = scenario.prepare(&images, Box::new(Flawless)).unwrap();
    scenario.play(&mut simulation).unwrap();
    let workload = WorkloadRef {
        kind: WorkloadKind::Deployment,
        namespace: scenario.name.clone(),
        name: scenario.name,
    };
    (simulation, workload)
}

fn run(simulation: &mut Simulation, minutes: i64) {
    let end = simulation.cluster.after(SignedDuration::from_mins(minutes));
    simulation.run_until(end, |_| {});
}

/// The program ends, and is started again with other settings.
fn start_again(simulation: &mut Simulation, autonomy: Autonomy) {
    let settings = Settings::at(autonomy);
    simulation.cluster.hang_up();
    simulation.restart(Engine::restore(settings, &simulation.journal).unwrap());
}

fn is_healed(simulation: &Simulation) -> bool {
    let end = akeso_core::journal::End::Healed;
    simulation
        .journal
        .iter()
        .any(|entry| matches!(&entry.fact, Fact::Closed { end: e, .. } if *e == end))
}

#[test]
fn under_observe_not_even_a_change_of_its_own_is_taken_back() {
    let (mut simulation, _) = prepared("memory-hungry", Autonomy::Full);
    let latest = simulation.cluster.after(SignedDuration::from_mins(5));
    let is_verifying = |simulation: &Simulation| {
        let mut open = simulation.engine.ledger().open();
        open.any(|incident| matches!(incident.state, State::Verifying { .. }))
    };
    assert!(simulation.run_until_or(latest, |_| {}, is_verifying));
    assert_eq!(simulation.cluster.accepted().len(), 1);
    let announced = simulation.cluster.announcements().len();

    start_again(&mut simulation, Autonomy::Observe);
    run(&mut simulation, 30); // 256Mi is not enough: the step fails
    assert_eq!(
        simulation.cluster.accepted().len(),
        1,
        "something was changed"
    );
    assert_eq!(
        simulation.cluster.announcements().len(),
        announced,
        "an Event was published"
    );
    assert!(
        simulation
            .journal
            .iter()
            .any(|entry| matches!(entry.fact, Fact::Escalated { .. }))
    );
}

#[test]
fn what_only_the_level_has_stopped_goes_on_when_the_level_is_raised() {
    for stopped in [Autonomy::Observe, Autonomy::Standard] {
        let (mut simulation, _) = prepared("mysql-client", stopped);
        run(&mut simulation, 2);
        assert_eq!(simulation.cluster.accepted().len(), 0);
        start_again(&mut simulation, Autonomy::Full);
        run(&mut simulation, 3);
        assert!(is_healed(&simulation), "{stopped:?}");
    }
}

#[test]
fn a_change_that_somebody_sets_back_is_not_made_again() {
    let (mut simulation, workload) = prepared("web-server", Autonomy::Full);
    let image = "/spec/template/spec/containers/0/image";
    let is_fixed = |cluster: &SimCluster| {
        let object = cluster.object("Deployment", &workload.namespace, &workload.name);
        object.is_some_and(|object| object.pointer(image) == Some(&json!("nginx:latest")))
    };
    for _ in 0..20 {
        let latest = simulation.cluster.after(SignedDuration::from_mins(1));
        if simulation.run_until_or(latest, |_| {}, |simulation| is_fixed(&simulation.cluster)) {
            // a reconciler of which nothing on the object tells
            let back = PatchOp::Replace {
                path: image.to_owned(),
                value: json!("nginx:latst"),
            };
            simulation.cluster.patch(&workload, &[back]);
        }
    }
    assert_eq!(simulation.cluster.accepted().len(), 1, "it is fought over");
    let asked = simulation.journal.iter().filter(
        |entry| matches!(&entry.fact, Fact::Gated { ruling, .. } if ruling.rule == "set-back"),
    );
    assert!(asked.count() > 0, "nobody was told");
}

#[test]
fn what_a_person_was_told_of_is_explained_anew_when_it_is_gone_and_something_else_is_broken() {
    let (mut simulation, workload) = prepared("web-server", Autonomy::Standard);
    simulation
        .cluster
        .delete("Deployment", &workload.namespace, &workload.name)
        .unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let manifest = std::fs::read_to_string(root.join("web-server/manifest.yaml")).unwrap();
    let greedy = manifest.replace("cpu: 10m", "cpu: 8");
    simulation
        .cluster
        .apply_yaml(&workload.namespace, &greedy)
        .unwrap();
    run(&mut simulation, 2);
    let is_told = |entry: &akeso_core::journal::Entry| matches!(entry.fact, Fact::Escalated { .. });
    assert!(simulation.journal.iter().any(is_told));
    // the node that it needs is added, and its image turns out to be misspelt
    simulation.cluster.set_node("node2", "16", "24Gi");
    run(&mut simulation, 5);
    assert!(
        is_healed(&simulation),
        "{}",
        akeso_sim::scenario::facts(&simulation.journal)
    );
}
