//! What somebody else sets back is not fought over.

use std::{path::Path, thread::sleep, time::Duration};

use akeso_core::{gate::Decision, journal::Fact, policy::Autonomy};

use akeso_sim::scenario::facts;

use super::{has, image, until};
use crate::{monitor::Monitor, namespace::Namespace};

#[test]
#[ignore = "needs a cluster: devcluster/devcluster up"]
fn what_a_cron_job_sets_back_is_changed_once_and_then_asked_about() {
    let namespace = Namespace::new("e2e-set-back");
    let mut monitor = Monitor::start(&namespace.0, Autonomy::Full);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/safety");
    namespace.apply(&folder.join("set_back.yaml"));
    let is_asked = |fact: &Fact| {
        matches!(fact, Fact::Gated { ruling, .. }
            if ruling.decision == Decision::Ask && ruling.rule == "set-back" && ruling.why.contains("image-sync"))
    };
    until("it asks instead of fighting", &monitor, |journal| {
        has(journal, is_asked)
    });
    sleep(Duration::from_secs(70)); // the CronJob has its next run
    let journal = monitor.journal();
    let changes = journal
        .iter()
        .filter(|entry| matches!(entry.fact, Fact::Intended { .. }));
    assert_eq!(changes.count(), 1, "{}", facts(&journal));
    assert_eq!(image(&namespace, "web"), "nginx:latst");
    monitor.stop();
}
