//! Several at once, and what is beside the monitor.

use std::{thread::sleep, time::Duration};

use akeso_core::{
    act::ActionKind,
    journal::{End, Entry, Fact},
    policy::Autonomy,
    workload::WorkloadRef,
};
use akeso_sim::scenario::{Scenario, facts, unhealthy};
use serde_json::Value;

use crate::{
    account::Account, akeso, kubectl, monitor::Monitor, namespace::Namespace, scenarios, wait_for,
};

#[test]
#[ignore = "needs a cluster: devcluster/devcluster up"]
fn the_four_are_healed_beside_controls_that_stay_as_they_are() {
    const FOUR: [&str; 4] = ["mysql-client", "memory-hungry", "web-server", "alpine-app"];
    const CONTROLS: [&str; 4] = ["healthy", "completed-job", "scaled-to-zero", "crashed-once"];
    let namespace = Namespace::new("e2e-all-four");
    let mut monitor = Monitor::start(&namespace.0, Autonomy::Full);
    let manifest = |name: &str| scenarios().join(name).join("manifest.yaml");
    CONTROLS
        .iter()
        .chain(&FOUR)
        .for_each(|name| namespace.apply(&manifest(name)));
    let workloads = |names: &[&str]| -> Vec<WorkloadRef> {
        let loaded = names
            .iter()
            .map(|name| Scenario::load(&scenarios().join(name)).unwrap());
        loaded
            .flat_map(|s| {
                s.workloads(&namespace.0)
                    .unwrap()
                    .into_iter()
                    .map(|(w, _)| w)
                    .collect::<Vec<_>>()
            })
            .collect()
    };
    let (four, controls) = (workloads(&FOUR), workloads(&CONTROLS));
    let healed = |journal: &[Entry]| {
        journal
            .iter()
            .filter(|e| {
                matches!(
                    &e.fact,
                    Fact::Closed {
                        end: End::Healed,
                        ..
                    }
                )
            })
            .count()
    };
    wait_for("the four are healed", Duration::from_mins(10), || {
        let journal = monitor.journal();
        if healed(&journal) >= FOUR.len() {
            Vec::new()
        } else {
            vec![facts(&journal)]
        }
    });
    let before = monitor.journal().len();
    sleep(Duration::from_mins(2));
    for workload in &four {
        assert_eq!(
            unhealthy(workload.kind, namespace.get(workload).as_ref()),
            None,
            "{workload} two minutes later"
        );
    }
    let journal = monitor.journal();
    assert!(
        !journal[before..]
            .iter()
            .any(|e| matches!(e.fact, Fact::Opened { .. })),
        "{}",
        facts(&journal)
    );
    for control in &controls {
        let object = namespace.get(control).unwrap();
        let mark = &object["metadata"]["annotations"]["akeso.dev/last-attempt"];
        assert!(mark.is_null(), "{control} was touched");
    }
    monitor.stop();
    monitor.a_restart_changes_nothing();
}

#[test]
#[ignore = "needs a cluster: devcluster/devcluster up"]
fn without_a_permission_its_action_is_off_and_the_others_heal() {
    let all = ActionKind::ALL.iter();
    let others: Vec<_> = all
        .map(|it| it.as_str())
        .filter(|it| *it != "restart_pod")
        .collect();
    let namespace = Namespace::new("e2e-no-restarts");
    let account = Account::new(&namespace.0, &["--action", &others.join(",")]);
    let mut monitor = Monitor::under(account, Autonomy::Full);
    for name in ["statefulset-image", "web-server"] {
        namespace.apply(&scenarios().join(name).join("manifest.yaml"));
    }
    // the image of both is mended; the StatefulSet's broken pod would have to be evicted
    let is_refused = |fact: &Fact| matches!(fact, Fact::Gated { ruling, .. } if ruling.rule == "permission" && ruling.why.contains("restart_pod is off"));
    let is_healed = |fact: &Fact| matches!(fact, Fact::Closed { end, .. } if *end == End::Healed);
    wait_for("one is healed, one refused", Duration::from_mins(4), || {
        let journal = monitor.journal();
        let has = |is: &dyn Fn(&Fact) -> bool| journal.iter().any(|entry| is(&entry.fact));
        if has(&is_refused) && has(&is_healed) {
            Vec::new()
        } else {
            vec![facts(&journal)]
        }
    });
    let errors = monitor.errors();
    let told: Vec<_> = errors.lines().filter(|it| it.contains(" off")).collect();
    assert_eq!(
        told,
        [
            "akeso: restart_pod is off: it is not permitted to create pods/eviction in namespace e2e-no-restarts; akeso rbac prints the role"
        ]
    );
    monitor.stop();
}

#[test]
#[ignore = "needs a cluster: devcluster/devcluster up"]
fn a_scan_tells_everything_with_a_role_that_may_only_read() {
    let namespace = Namespace::new("e2e-scan");
    let account = Account::new(&namespace.0, &["--autonomy", "observe"]);
    namespace.apply(&scenarios().join("web-server").join("manifest.yaml"));
    let mut found = Value::Null;
    wait_for("the finding", Duration::from_mins(2), || {
        let output = akeso()
            .args(["scan", "-n", &namespace.0, "-o", "json", "--kubeconfig"])
            .arg(&account.kubeconfig)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let first = text
            .lines()
            .next()
            .and_then(|line| serde_json::from_str(line).ok());
        found = first.unwrap_or_default();
        if found["fault"] == "image-typo" || found["plan"].is_object() {
            Vec::new()
        } else {
            vec![text, String::from_utf8_lossy(&output.stderr).into_owned()]
        }
    });
    for field in [
        "id",
        "severity",
        "namespace",
        "kind",
        "name",
        "container",
        "fault",
        "cause",
        "evidence",
        "affected",
        "changed_before",
        "plan",
        "gate",
    ] {
        assert!(!found[field].is_null(), "{field} of {found}");
    }
    let generation = ["-n", &namespace.0, "get", "deployment", "web-server", "-o"];
    let generation = kubectl(&[&generation[..], &["jsonpath={.metadata.generation}"]].concat());
    assert_eq!(generation, "1");
}

#[test]
#[ignore = "needs a cluster: devcluster/devcluster up"]
fn the_demo_on_a_cluster_heals_and_cleans_up_and_refuses_a_namespace_in_use() {
    kubectl(&[
        "delete",
        "namespace",
        "agentic-demo",
        "--ignore-not-found",
        "--timeout=120s",
    ]);
    kubectl(&["create", "namespace", "agentic-demo"]);
    kubectl(&[
        "-n",
        "agentic-demo",
        "create",
        "configmap",
        "mine",
        "--from-literal=a=b",
    ]);
    let refused = akeso()
        .args(["demo", "--on-cluster", "--yes"])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("already holds something"));
    kubectl(&["delete", "namespace", "agentic-demo", "--timeout=120s"]);

    let output = akeso()
        .args(["demo", "--on-cluster", "--yes"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("Issues:            4 (4 healed"), "{text}");
    wait_for("the namespace is gone", Duration::from_mins(2), || {
        let left = kubectl(&[
            "get",
            "namespace",
            "agentic-demo",
            "--ignore-not-found",
            "-o",
            "name",
        ]);
        left.lines().map(str::to_owned).collect()
    });
}
