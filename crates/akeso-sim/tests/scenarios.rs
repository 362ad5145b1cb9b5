//! Every scenario on the simulated cluster.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::path::{Path, PathBuf};

use akeso_sim::{
    listed_images,
    scenario::{Scenario, facts},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn images() -> Vec<String> {
    let list = std::fs::read_to_string(root().join("devcluster/images.json")).unwrap();
    listed_images(&list).unwrap()
}

fn scenarios() -> Vec<Scenario> {
    let all = Scenario::load_all(&root().join("scenarios")).unwrap();
    assert!(!all.is_empty(), "no scenario was found");
    all
}

#[test]
fn every_scenario_comes_out_as_it_must() {
    let images = images();
    let all = scenarios();
    let failed: Vec<_> = all
        .iter()
        .filter_map(|scenario| {
            let what = match scenario.run(&images) {
                Ok(simulation) => {
                    let failures = scenario.failures(&simulation).unwrap();
                    if failures.is_empty() {
                        return None;
                    }
                    format!(
                        "{}
{}",
                        failures.join(
                            "
"
                        ),
                        facts(&simulation.journal)
                    )
                }
                Err(error) => error.to_string(),
            };
            Some(format!(
                "== {}: {}
{what}",
                scenario.name, scenario.expect.summary
            ))
        })
        .collect();
    let (count, report) = (
        failed.len(),
        failed.join(
            "
",
        ),
    );
    assert!(
        failed.is_empty(),
        "{count} of {} scenarios failed
{report}",
        all.len()
    );
}

#[test]
fn two_runs_of_the_same_scenario_write_the_same_journal() {
    let images = images();
    let lines = |scenario: &Scenario| {
        let simulation = scenario.run(&images).unwrap();
        let lines: Vec<_> = simulation
            .journal
            .iter()
            .map(|entry| serde_json::to_string(entry).unwrap())
            .collect();
        lines.join("\n")
    };
    for scenario in scenarios() {
        assert_eq!(lines(&scenario), lines(&scenario), "{}", scenario.name);
    }
}
