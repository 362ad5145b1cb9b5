//! The watches tell of a change later than its outcome does.

use std::collections::BTreeMap;

use akeso_sim::LateWatches;
use jiff::SignedDuration;

use crate::{
    outcomes::{assert_none, broken_rules, failures, report},
    scenarios::{images, scenarios},
};

#[test]
fn it_makes_no_difference_whether_a_change_is_seen_before_or_after_its_outcome() {
    let images = images();
    let (mut wrong, mut runs) = (BTreeMap::new(), 0);
    for scenario in scenarios() {
        for millis in [0, 15, 50, 500] {
            let late = LateWatches(SignedDuration::from_millis(millis));
            let mut simulation = scenario.prepare(&images, Box::new(late)).unwrap();
            scenario.play(&mut simulation).unwrap();
            let end = simulation.cluster.after(scenario.expect.within);
            simulation.run_until(end, |_| {});
            runs += 1;
            let mut found = broken_rules(&scenario, &simulation);
            found.extend(failures(&scenario, &simulation));
            if !found.is_empty() {
                let title = format!("{} with watches {millis} ms late", scenario.name);
                wrong.insert(
                    (scenario.name.clone(), runs),
                    report(&title, &found, &simulation),
                );
            }
        }
    }
    assert_none(&wrong, runs);
}
