//! What an SRE relies on at night, on a real cluster: nothing is done twice, nothing without a
//! record, nothing that a person has not been asked about, and everything can be taken back.

mod set_back;

use std::{
    path::Path,
    process::{Command, Output},
    thread::sleep,
    time::{Duration, Instant},
};

use akeso_core::{
    gate::Decision,
    journal::{End, Entry, Fact, Outcome},
    policy::Autonomy,
    workload::{AttemptId, WorkloadKind, WorkloadRef},
};
use akeso_sim::scenario::{facts, unhealthy};
use serde_json::Value;

use crate::{
    account::Account, akeso, kubectl, monitor::Monitor, namespace::Namespace, scenarios, wait_for,
};

/// What must come comes within this time, on however slow a machine.
const PATIENCE: Duration = Duration::from_mins(4);

fn deployment(namespace: &Namespace, name: &str) -> WorkloadRef {
    WorkloadRef {
        kind: WorkloadKind::Deployment,
        namespace: namespace.0.clone(),
        name: name.to_owned(),
    }
}

fn apply(namespace: &Namespace, scenario: &str) {
    namespace.apply(&scenarios().join(scenario).join("manifest.yaml"));
}

fn image(namespace: &Namespace, name: &str) -> Value {
    let object = namespace.get(&deployment(namespace, name)).unwrap();
    object["spec"]["template"]["spec"]["containers"][0]["image"].clone()
}

/// `akeso COMMAND --store STORE`, beside the monitor.
fn say(monitor: &Monitor, arguments: &[&str]) -> Output {
    let output = akeso()
        .args(arguments)
        .arg("--store")
        .arg(&monitor.store)
        .env(
            "AKESO_SIGNING_KEY",
            monitor.folder.path().join("signing-key.pem"),
        )
        .env("USER", "ada")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "akeso {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn until(what: &str, monitor: &Monitor, is_there: impl Fn(&[Entry]) -> bool) {
    wait_for(what, PATIENCE, || {
        let journal = monitor.journal();
        if is_there(&journal) {
            Vec::new()
        } else {
            vec![facts(&journal), monitor.errors()]
        }
    });
}

fn has(journal: &[Entry], wanted: impl Fn(&Fact) -> bool) -> bool {
    journal.iter().any(|entry| wanted(&entry.fact))
}

fn is_healed(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::Closed {
            end: End::Healed,
            ..
        }
    )
}

fn asked(journal: &[Entry]) -> Option<AttemptId> {
    journal.iter().find_map(|entry| match &entry.fact {
        Fact::Asked { question, .. } => Some(question.attempt),
        _ => None,
    })
}

/// The name of a fact, as it stands in the journal.
fn name(fact: &Fact) -> String {
    let json = serde_json::to_value(fact).unwrap();
    json["fact"].as_str().unwrap().to_owned()
}

#[test]
#[ignore = "needs a cluster: devcluster/devcluster up"]
fn what_is_approved_is_done_as_it_was_shown_and_what_is_taken_back_by_hand_asks_from_then_on() {
    let namespace = Namespace::new("e2e-approve");
    let mut monitor = Monitor::start(&namespace.0, Autonomy::Standard);
    apply(&namespace, "mysql-client");
    until("it asks", &monitor, |journal| asked(journal).is_some());
    let attempt = asked(&monitor.journal()).unwrap();
    let shown = monitor
        .journal()
        .into_iter()
        .find_map(|entry| match entry.fact {
            Fact::Asked { question, .. } => Some(question.change),
            _ => None,
        });
    let output = say(&monitor, &["approve", &attempt.to_string()]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("approved"));
    until("it heals", &monitor, |journal| has(journal, is_healed));
    let journal = monitor.journal();
    assert!(has(
        &journal,
        |fact| matches!(fact, Fact::Consented { by, .. } if by == "ada")
    ));
    let made = journal.iter().find_map(|entry| match &entry.fact {
        Fact::Intended {
            attempt: made,
            change,
            ..
        } if *made == attempt => Some(change.clone()),
        _ => None,
    });
    assert_eq!(made, shown);

    say(&monitor, &["rollback", &attempt.to_string()]);
    let env = || {
        let object = namespace
            .get(&deployment(&namespace, "mysql-client"))
            .unwrap();
        object["spec"]["template"]["spec"]["containers"][0]["env"].clone()
    };
    wait_for("it is taken back", PATIENCE, || {
        if env().is_null() {
            Vec::new()
        } else {
            vec![facts(&monitor.journal())]
        }
    });
    until("it asks again", &monitor, |journal| {
        journal
            .iter()
            .filter(|entry| matches!(entry.fact, Fact::Asked { .. }))
            .count()
            > 1
    });
    let again = monitor.journal().len();
    assert!(has(&monitor.journal()[..again], |fact| matches!(
        fact,
        Fact::Recalled { .. }
    )));
    assert!(env().is_null());
    monitor.stop();
}

#[test]
#[ignore = "needs a cluster: devcluster/devcluster up"]
fn what_is_rejected_is_not_done_and_an_annotation_is_an_answer_as_well() {
    let namespace = Namespace::new("e2e-reject");
    let mut monitor = Monitor::start(&namespace.0, Autonomy::Standard);
    apply(&namespace, "mysql-client");
    until("it asks", &monitor, |journal| asked(journal).is_some());
    let attempt = asked(&monitor.journal()).unwrap();
    say(&monitor, &["reject", &attempt.to_string()]);
    until("it is told", &monitor, |journal| {
        has(journal, |fact| matches!(fact, Fact::Escalated { .. }))
    });
    assert!(!has(&monitor.journal(), |fact| matches!(
        fact,
        Fact::Intended { .. }
    )));

    // whoever changes the workload has it looked at anew
    let arguments = ["-n", &namespace.0, "patch", "deployment/mysql-client", "-p"];
    let note = r#"{"spec": {"template": {"metadata": {"annotations": {"note": "again"}}}}}"#;
    kubectl(&[&arguments[..], &[note]].concat());
    let last = |journal: &[Entry]| {
        journal.iter().rev().find_map(|entry| match &entry.fact {
            Fact::Asked { question, .. } if question.attempt != attempt => Some(question.mark()),
            _ => None,
        })
    };
    until("it asks again", &monitor, |journal| last(journal).is_some());
    let second = last(&monitor.journal()).unwrap();
    let yes = format!("akeso.dev/approve={second}");
    kubectl(&[
        "-n",
        &namespace.0,
        "annotate",
        "deployment/mysql-client",
        &yes,
    ]);
    until("it heals", &monitor, |journal| has(journal, is_healed));
    monitor.stop();
}

/// Kills the monitor with SIGKILL as soon as a fact is in its journal, and starts it again.
fn dies_at(fact: &str) {
    let namespace = Namespace::new(&format!("e2e-dies-at-{fact}"));
    let mut monitor = Monitor::start(&namespace.0, Autonomy::Standard);
    apply(&namespace, "web-server");
    let begun = Instant::now();
    while !has(&monitor.journal(), |it| name(it) == fact) {
        assert!(
            begun.elapsed() < PATIENCE,
            "no {fact}: {}",
            monitor.errors()
        );
        sleep(Duration::from_millis(2));
    }
    monitor.process.kill().unwrap();
    monitor.process.wait().unwrap();
    sleep(Duration::from_secs(1));
    monitor.start_again();
    wait_for("it heals all the same", PATIENCE, || {
        let stored = stored(&monitor);
        if has(&stored, is_healed) {
            Vec::new()
        } else {
            vec![facts(&stored), monitor.errors()]
        }
    });
    // killed at its very end, it had nothing left to do, and may still be starting
    sleep(Duration::from_secs(5));
    monitor.stop();
    let journal = stored(&monitor);
    let done = journal.iter().filter(|entry| {
        matches!(
            entry.fact,
            Fact::Applied {
                outcome: Outcome::Done { .. },
                ..
            }
        )
    });
    assert_eq!(done.count(), 1, "{}", facts(&journal));
    let object = namespace
        .get(&deployment(&namespace, "web-server"))
        .unwrap();
    assert_eq!(object["metadata"]["generation"], 2, "exactly one patch");
    say(&monitor, &["audit", "verify"]);
}

/// The journal as the store has it: a monitor that was killed may not have printed all of it.
fn stored(monitor: &Monitor) -> Vec<Entry> {
    let store = rusqlite::Connection::open(&monitor.store).unwrap();
    let mut entries = store
        .prepare("SELECT entry FROM journal ORDER BY seq")
        .unwrap();
    let rows = entries
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap();
    rows.map(|row| serde_json::from_str(&row.unwrap()).unwrap())
        .collect()
}

macro_rules! dies_at {
    ($($test:ident: $fact:literal,)*) => {$(
        #[test]
        #[ignore = "needs a cluster: devcluster/devcluster up"]
        fn $test() {
            dies_at($fact);
        }
    )*};
}
dies_at! {
    killed_when_it_has_opened_an_incident_it_makes_one_patch: "opened",
    killed_when_it_has_diagnosed_it_makes_one_patch: "diagnosed",
    killed_when_it_has_planned_it_makes_one_patch: "planned",
    killed_when_it_has_decided_it_makes_one_patch: "gated",
    killed_when_it_has_intended_it_makes_one_patch: "intended",
    killed_when_it_has_applied_it_makes_one_patch: "applied",
    killed_when_it_has_judged_it_makes_one_patch: "judged",
}

/// A file system of its own for the store, so that it can be full or read-only.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    fn mount(path: &'a Path) -> Self {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "akeso-test"])
            .arg(path)
            .status()
            .unwrap();
        assert!(mounted.success(), "mounting needs root");
        Self(path)
    }

    fn remount(&self, how: &str) {
        let options = format!("remount,{how}");
        let arguments = ["-o", &options];
        let status = Command::new("mount").args(arguments).arg(self.0).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(self.0).status());
    }
}

/// A monitor whose store is on a disk, and which has healed something there: it has written.
fn healing_on(disk: &Disk<'_>, namespace: &Namespace) -> Monitor {
    let monitor = Monitor::start_in(&namespace.0, Autonomy::Standard, disk.0);
    apply(namespace, "alpine-app");
    until("the first heals", &monitor, |journal| {
        has(journal, is_healed)
    });
    monitor
}

#[test]
#[ignore = "needs a cluster: devcluster/devcluster up"]
fn while_the_disk_is_full_nothing_is_changed_and_then_it_is_healed() {
    let namespace = Namespace::new("e2e-disk-full");
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::mount(folder.path());
    let mut monitor = healing_on(&disk, &namespace);
    let filler = disk.0.join("filler");
    let too_much = std::fs::write(&filler, vec![0; 8 << 20]);
    assert!(too_much.is_err(), "the disk is not full");
    apply(&namespace, "web-server");
    until("it says that it waits", &monitor, |journal| {
        has(
            journal,
            |fact| matches!(fact, Fact::Gated { ruling, .. } if ruling.decision == Decision::Wait && ruling.rule == "store"),
        )
    });
    sleep(Duration::from_secs(15));
    assert!(
        monitor
            .errors()
            .contains("nothing is changed until it can be")
    );
    assert_eq!(image(&namespace, "web-server"), "nginx:latst");
    std::fs::remove_file(filler).unwrap();
    until("the second heals", &monitor, |journal| {
        journal
            .iter()
            .filter(|entry| is_healed(&entry.fact))
            .count()
            == 2
    });
    assert!(monitor.errors().contains("can be written again"));
    monitor.stop();
    say(&monitor, &["audit", "verify"]);
}

#[test]
#[ignore = "needs a cluster: devcluster/devcluster up"]
fn with_a_read_only_store_it_does_not_start_and_nothing_is_changed() {
    let namespace = Namespace::new("e2e-read-only");
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::mount(folder.path());
    let mut monitor = healing_on(&disk, &namespace);
    monitor.stop();
    disk.remount("ro");
    monitor.start_again();
    apply(&namespace, "web-server");
    let status = monitor.process.wait().unwrap();
    assert_eq!(status.code(), Some(2), "{}", monitor.errors());
    assert!(
        monitor.errors().contains("cannot be opened"),
        "{}",
        monitor.errors()
    );
    assert_eq!(image(&namespace, "web-server"), "nginx:latst");
}

/// Deployments of one small pod, each of which runs `command`.
fn small(names: &[&str], command: &str, more: &str) -> String {
    let one = |name: &&str| {
        format!(
            "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}}}, spec: {{selector: {{matchLabels: {{app: {name}}}}}, \
             template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{terminationGracePeriodSeconds: 1, containers: [{{name: app, \
             image: 'busybox:latest', command: [sh, -c, \"{command}\"], resources: {{requests: {{cpu: 5m, memory: 8Mi}}}}{more}}}]}}}}}}}}"
        )
    };
    names.iter().map(one).collect::<Vec<_>>().join("\n---\n")
}

fn apply_text(namespace: &Namespace, manifest: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), manifest).unwrap();
    namespace.apply(file.path());
}

#[test]
#[ignore = "needs a cluster: devcluster/devcluster up"]
fn workloads_that_lack_the_same_config_map_are_one_incident() {
    let namespace = Namespace::new("e2e-shared-configmap");
    let mut monitor = Monitor::start(&namespace.0, Autonomy::Full);
    let more = ", envFrom: [{configMapRef: {name: settings}}]";
    apply_text(&namespace, &small(&["a", "b", "c"], "sleep 3600", more));
    until("one is told, and two wait for it", &monitor, |journal| {
        let count = |wanted: &str| journal.iter().filter(|it| name(&it.fact) == wanted).count();
        count("escalated") == 1 && count("joined") == 2
    });
    sleep(Duration::from_secs(10));
    let told = monitor.journal();
    assert_eq!(
        told.iter()
            .filter(|it| name(&it.fact) == "escalated")
            .count(),
        1
    );
    assert!(!has(&told, |fact| matches!(fact, Fact::Intended { .. })));
    monitor.stop();
}

#[test]
#[ignore = "needs a cluster: devcluster/devcluster up"]
fn in_a_storm_actions_pause_and_when_it_is_over_they_go_on() {
    const ALL: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
    let namespace = Namespace::new("e2e-storm");
    let policy = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(policy.path(), "storm: {quietFor: 40s}").unwrap();
    let account = Account::new(&namespace.0, &[]);
    let policy = Some(policy.path().to_owned());
    let mut monitor = Monitor::with_policy(account, Autonomy::Full, policy);
    apply_text(
        &namespace,
        &small(&ALL, "trap 'exit 0' TERM; sleep 3600 & wait", ""),
    );
    wait_for("all are well", PATIENCE, || {
        let states = ALL.iter().filter_map(|one| {
            let workload = deployment(&namespace, one);
            unhealthy(workload.kind, namespace.get(&workload).as_ref())
        });
        states.collect()
    });
    sleep(Duration::from_secs(5));
    apply_text(&namespace, &small(&ALL, "exit 1", ""));
    until("the storm is seen", &monitor, |journal| {
        has(journal, |fact| matches!(fact, Fact::SharedOpened { .. }))
    });
    let journal = monitor.journal();
    assert!(
        !has(&journal, |fact| matches!(fact, Fact::Intended { .. })),
        "{}",
        facts(&journal)
    );
    // whose old pod still serves is put back; where none is left, a person is told
    until(
        "each is healed or told when it is over",
        &monitor,
        |journal| {
            let is_end = |fact: &Fact| is_healed(fact) || matches!(fact, Fact::Escalated { .. });
            let ends = journal.iter().filter(|entry| is_end(&entry.fact));
            ends.count() >= ALL.len()
        },
    );
    let journal = monitor.journal();
    let place = |wanted: &dyn Fn(&Fact) -> bool| journal.iter().position(|it| wanted(&it.fact));
    let opened = place(&|fact| matches!(fact, Fact::SharedOpened { .. })).unwrap();
    let shared = journal[opened].fact.incident();
    let closed = place(&|fact| matches!(fact, Fact::Closed { .. }) && fact.incident() == shared);
    let acted = place(&|fact| matches!(fact, Fact::Intended { .. }));
    assert!(
        closed.is_some() && acted.is_none_or(|acted| Some(acted) > closed),
        "{}",
        facts(&journal)
    );
    monitor.stop();
}
