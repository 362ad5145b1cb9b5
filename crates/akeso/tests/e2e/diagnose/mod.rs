//! `akeso diagnose` on a real cluster: typed at a terminal, and by its flags without one.

mod terminal;

use std::{
    os::unix::fs::PermissionsExt,
    process::{Command, Output, Stdio},
};

use akeso_core::{
    journal::{Entry, Fact},
    workload::{WorkloadKind, WorkloadRef},
};
use serde_json::Value;

use crate::{account::Account, akeso, kubectl, namespace::Namespace, scenarios, wait_for};
use terminal::{BACKSPACE, DOWN, ENTER, PATIENCE, Terminal};

const IMAGE: &str = "spec.template.spec.containers[0].image";

/// A namespace with the article's `web-server`, whose image is misspelt.
struct Bench {
    namespace: Namespace,
    account: Account,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new(name: &str) -> Self {
        let namespace = Namespace::new(name);
        namespace.apply(&scenarios().join("web-server/manifest.yaml"));
        wait_for("the image is not missed", PATIENCE, || {
            let waiting = "jsonpath={.items[*].status.containerStatuses[*].state.waiting.reason}";
            let shown = kubectl(&["-n", name, "get", "pods", "-o", waiting]);
            let is_missed = shown.contains("ErrImagePull") || shown.contains("ImagePullBackOff");
            if is_missed { Vec::new() } else { vec![shown] }
        });
        Self {
            account: Account::new(name, &[]),
            namespace,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = akeso();
        command
            .args(["diagnose", "-n", &self.namespace.0, "--kubeconfig"])
            .arg(&self.account.kubeconfig)
            .arg("--store")
            .arg(self.folder.path().join("store.db"))
            .env(
                "AKESO_SIGNING_KEY",
                self.folder.path().join("signing-key.pem"),
            )
            .env("USER", "ada")
            .args(arguments);
        command
    }

    fn type_at(&self, arguments: &[&str]) -> Terminal {
        Terminal::start(&mut self.command(arguments))
    }

    /// Without a terminal.
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null()).output().unwrap()
    }

    fn image(&self) -> Value {
        let web = WorkloadRef {
            kind: WorkloadKind::Deployment,
            namespace: self.namespace.0.clone(),
            name: "web-server".to_owned(),
        };
        let object = self.namespace.get(&web).unwrap();
        object["spec"]["template"]["spec"]["containers"][0]["image"].clone()
    }

    /// What the store's journal says.
    fn has(&self, wanted: impl Fn(&Fact) -> bool) -> bool {
        let shown = akeso()
            .args(["incidents", "list", "--all", "-o", "json", "--store"])
            .arg(self.folder.path().join("store.db"))
            .output()
            .unwrap();
        assert!(shown.status.success());
        let journal = rusqlite::Connection::open(self.folder.path().join("store.db")).unwrap();
        let mut rows = journal.prepare("SELECT entry FROM journal").unwrap();
        let entries = rows.query_map([], |row| row.get::<_, String>(0)).unwrap();
        entries
            .map(|text| serde_json::from_str::<Entry>(&text.unwrap()).unwrap())
            .any(|entry| wanted(&entry.fact))
    }

    /// What was kept of the only session.
    fn session(&self) -> String {
        let folder = self.folder.path().join("store.db.sessions");
        let mut logs = std::fs::read_dir(folder).unwrap();
        let path = logs.next().unwrap().unwrap().path();
        assert!(logs.next().is_none(), "one session, one log");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::read_to_string(path).unwrap()
    }
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
#[ignore = "needs a cluster: devcluster/devcluster up"]
fn a_person_diagnoses_asks_why_changes_a_value_and_sees_it_heal() {
    let bench = Bench::new("e2e-diagnose");
    let mut terminal = bench.type_at(&[]);
    terminal.expect("Broken in e2e-diagnose");
    terminal.expect("Which one?");
    terminal.type_in(&[ENTER]);
    terminal.expect("Diagnosis");
    terminal.expect("nginx:latst");
    terminal.expect(&format!("- {IMAGE}: nginx:latst"));
    terminal.expect(&format!("+ {IMAGE}: nginx:latest"));
    terminal.expect("Leave: decide later");

    terminal.type_in(&[DOWN, DOWN, DOWN, ENTER]);
    terminal.expect("What the gate says");
    terminal.expect("asks: a person looks after it");
    terminal.expect("Leave: decide later");

    terminal.type_in(&[DOWN, DOWN, ENTER]);
    terminal.expect("image:");
    terminal.type_in(&[BACKSPACE; "latest".len()]);
    terminal.type_in(&["1.27", ENTER]);
    terminal.expect(&format!("+ {IMAGE}: nginx:1.27"));
    terminal.expect("Leave: decide later");
    assert_eq!(bench.image(), "nginx:latst", "nothing without a yes");

    terminal.type_in(&[ENTER]);
    terminal.expect("the change is made");
    terminal.expect("must stay so");
    terminal.expect("is well again");
    terminal.expect("Take the change back again?");
    terminal.type_in(&[ENTER]);
    terminal.expect("It stays.");
    assert_eq!(terminal.end().code(), Some(0), "{}", terminal.text());
    assert_eq!(bench.image(), "nginx:1.27");
    // what goes is red, and what comes is green
    assert!(terminal.raw().contains(&format!("\u{1b}[31m- {IMAGE}")));
    assert!(bench.has(|fact| matches!(fact, Fact::Consented { by, .. } if by == "ada")));

    let session = bench.session();
    for line in [
        "> Which one? deployment/web-server",
        "What the gate says",
        "> With other values: image = nginx:1.27",
        "must stay so",
        "is well again",
        "> Take the change back again? no",
    ] {
        assert!(session.contains(line), "{line}\n{session}");
    }
    assert!(!session.contains('\u{1b}'));
}

#[test]
#[ignore = "needs a cluster: devcluster/devcluster up"]
fn what_is_rejected_is_not_done_and_can_be_asked_about_again() {
    let bench = Bench::new("e2e-diagnose-reject");
    // misspelt by one letter
    let mut terminal = bench.type_at(&["web-servr"]);
    terminal.expect("Did you mean web-server?");
    terminal.type_in(&[ENTER]);
    terminal.expect("Leave: decide later");
    terminal.type_in(&[DOWN, ENTER]);
    terminal.expect("Rejected: this is not done.");
    assert_eq!(terminal.end().code(), Some(1));
    assert_eq!(bench.image(), "nginx:latst");
    assert!(bench.has(|fact| matches!(fact, Fact::Declined { by, .. } if by == "ada")));

    let again = bench.run(&["web-server", "--reject", "--no-session-log"]);
    let shown = String::from_utf8_lossy(&again.stdout).into_owned();
    assert_eq!(again.status.code(), Some(1), "{shown}{}", errors(&again));
    assert!(
        shown.contains(&format!("+ {IMAGE}: nginx:latest")),
        "{shown}"
    );
    assert!(!shown.contains('\u{1b}'), "no colours in a file");
    assert_eq!(bench.image(), "nginx:latst");
    assert!(!bench.has(|fact| matches!(fact, Fact::Intended { .. })));
    bench.session();
}

#[test]
#[ignore = "needs a cluster: devcluster/devcluster up"]
fn what_has_healed_is_taken_back_where_the_person_wants_it_so() {
    let bench = Bench::new("e2e-diagnose-rollback");
    let mut terminal = bench.type_at(&["deployment/web-server", "--approve"]);
    terminal.expect("the change is made");
    terminal.expect("must stay so");
    terminal.expect("Take the change back again?");
    assert_eq!(bench.image(), "nginx:latest");
    terminal.type_in(&["y", ENTER]);
    terminal.expect("is taken back");
    assert_eq!(terminal.end().code(), Some(1), "{}", terminal.text());
    assert_eq!(bench.image(), "nginx:latst");
}

#[test]
#[ignore = "needs a cluster: devcluster/devcluster up"]
fn without_a_terminal_every_answer_is_a_flag_and_nothing_is_changed_before_all_are_there() {
    let bench = Bench::new("e2e-diagnose-flags");
    for (arguments, flag) in [
        (&[][..], "the name of a pod or a workload"),
        (&["web-server"], "--approve or --reject"),
        (&["web-server", "--approve"], "--keep or --rollback"),
        (&["web-servr", "--approve"], "did you mean `web-server`?"),
        (
            &["database"],
            "what is broken in e2e-diagnose-flags is deployment/web-server",
        ),
        (
            &["web-server", "--approve", "--keep", "--set", "memory=1Gi"],
            "what can be chosen is image",
        ),
        (
            &["web-server", "--approve", "--keep", "--set", "image=-"],
            "is no image reference",
        ),
    ] {
        let output = bench.run(arguments);
        let said = errors(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(flag), "{arguments:?}: {said}");
    }
    let wrong = akeso()
        .args(["diagnose", "-n", "e2e-diagnose-flag", "--no-session-log"])
        .arg("--store")
        .arg(bench.folder.path().join("other.db"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = errors(&wrong);
    assert_eq!(wrong.status.code(), Some(2), "{said}");
    assert!(
        said.contains("did you mean `e2e-diagnose-flags`?"),
        "{said}"
    );
    assert!(!bench.has(|fact| matches!(fact, Fact::Intended { .. })));
    assert_eq!(bench.image(), "nginx:latst");

    let all = [
        "web-server",
        "--set",
        "image=nginx:alpine",
        "--why",
        "--approve",
        "--keep",
    ];
    let healed = bench.run(&all);
    let shown = String::from_utf8_lossy(&healed.stdout).into_owned();
    assert_eq!(healed.status.code(), Some(0), "{shown}{}", errors(&healed));
    for line in ["What the gate says", "must stay so", "healed", "It stays."] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    assert_eq!(bench.image(), "nginx:alpine");
    assert_eq!(
        bench.run(&["web-server"]).status.code(),
        Some(0),
        "it is well"
    );
}
