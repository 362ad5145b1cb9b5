//! There is an end of guesses.

use akeso_core::{act::PatchOp, journal::Outcome};
use akeso_sim::{Flawless, scenario::facts};
use jiff::SignedDuration;
use serde_json::json;

use crate::{
    outcomes::accepted_of,
    scenarios::{images, placeholder_in_vain},
};

#[test]
fn a_guess_that_is_taken_back_is_a_failed_attempt_and_three_are_enough() {
    let scenario = placeholder_in_vain();
    let mut simulation = scenario.prepare(&images(), Box::new(Flawless)).unwrap();
    scenario.play(&mut simulation).unwrap();
    let (workload, _) = scenario.workloads(&scenario.name).unwrap().remove(0);
    for round in 0..6 {
        let at = simulation.cluster.after(SignedDuration::from_mins(2));
        simulation.run_until(at, |_| {});
        // each time that somebody has changed the workload, it is looked at anew
        let touch = json!([{"op": "add", "path": "/spec/template/metadata/annotations", "value": {"round": round.to_string()}}]);
        let touch: Vec<PatchOp> = serde_json::from_value(touch).unwrap();
        let touched = simulation.cluster.patch(&workload, &touch);
        assert!(matches!(touched, Outcome::Done { .. }), "{touched:?}");
    }
    let end = simulation.cluster.after(SignedDuration::from_mins(2));
    simulation.run_until(end, |_| {});
    let changes = simulation.cluster.accepted().iter();
    let tried = changes
        .filter(|change| !change.request.takes_back())
        .count();
    assert_eq!(tried, 3, "{}", facts(&simulation.journal));
    assert_eq!(accepted_of(&simulation, &workload), 6);
}
