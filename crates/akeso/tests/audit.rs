//! `akeso audit`, as a user types it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, Output},
    time::Duration,
};

use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

/// The store of a demo, with its key.
struct Demo(TempDir);

impl Demo {
    fn new() -> Self {
        let demo = Self(tempfile::tempdir().unwrap());
        assert!(demo.akeso(&["demo"]).status.success());
        demo
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn akeso(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_akeso"))
            .args(arguments)
            .arg("--store")
            .arg(self.path("demo.db"))
            .env("AKESO_SIGNING_KEY", self.path("keys/signing-key.pem"))
            .output()
            .unwrap()
    }

    fn sql(&self, statement: &str) {
        let store = Connection::open(self.path("demo.db")).unwrap();
        assert!(store.execute(statement, []).unwrap() > 0, "{statement}");
    }

    fn head(&self) -> PathBuf {
        let files = std::fs::read_dir(self.path("keys")).unwrap();
        files
            .map(|file| file.unwrap().path())
            .find(|path| path.extension().is_some_and(|end| end == "head"))
            .unwrap()
    }
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_whole_journal_is_said_to_be_whole_by_a_verifier_without_the_private_key() {
    let demo = Demo::new();
    std::fs::copy(
        demo.path("keys/signing-key.pub.pem"),
        demo.path("given.pem"),
    )
    .unwrap();
    std::fs::remove_file(demo.path("keys/signing-key.pem")).unwrap();
    std::fs::remove_file(demo.path("keys/signing-key.pub.pem")).unwrap();
    let given = demo.path("given.pem");
    let given = ["audit", "verify", "--public-key", given.to_str().unwrap()];
    let verified = demo.akeso(&given);
    assert!(verified.status.success());
    let text = out(&verified);
    assert!(
        text.contains("entries, chain whole, signed by ") && text.lines().count() == 1,
        "{text}"
    );
    // nothing was made by looking
    assert!(!demo.path("keys/signing-key.pem").exists());

    let no_key = demo.akeso(&["audit", "verify"]);
    assert_eq!(no_key.status.code(), Some(2));
    assert!(errors(&no_key).contains("--public-key"));
}

#[test]
fn the_first_bad_entry_is_named_with_exit_code_1_and_nothing_is_written_on() {
    let demo = Demo::new();
    demo.sql("UPDATE journal SET entry = 'not JSON' WHERE seq = 30");
    demo.sql("DELETE FROM journal WHERE seq = 20");
    let verified = demo.akeso(&["audit", "verify"]);
    assert!(out(&verified).starts_with("Entry 20 was removed"));
    demo.sql("UPDATE journal SET entry = replace(entry, 'alpine', 'apline') WHERE seq = 7");
    let verified = demo.akeso(&["audit", "verify"]);
    assert_eq!(verified.status.code(), Some(1));
    assert!(out(&verified).starts_with("Entry 7 was edited"));
    let verified = demo.akeso(&["audit", "verify", "-o", "json"]);
    let object: Value = serde_json::from_str(&out(&verified)).unwrap();
    assert_eq!(
        (&object["whole"], &object["entry"], &object["flaw"]),
        (&false.into(), &7.into(), &"edited".into())
    );
    for command in [&["demo"][..], &["incidents", "list"], &["audit", "export"]] {
        let refused = demo.akeso(command);
        assert_eq!(refused.status.code(), Some(2), "{command:?}");
        assert!(errors(&refused).contains("`akeso audit verify` shows where"));
    }
}

#[test]
fn an_end_that_was_cut_off_is_named_as_long_as_the_head_is_there() {
    let demo = Demo::new();
    demo.sql("DELETE FROM journal WHERE seq > 30");
    let verified = demo.akeso(&["audit", "verify"]);
    assert_eq!(verified.status.code(), Some(1));
    let text = out(&verified);
    assert!(
        text.starts_with("Entry 31 was removed from the end"),
        "{text}"
    );
    let refused = errors(&demo.akeso(&["demo"]));
    assert!(
        refused.contains("cut off") && refused.contains("delete"),
        "{refused}"
    );

    std::fs::remove_file(demo.head()).unwrap();
    let verified = demo.akeso(&["audit", "verify"]);
    assert!(verified.status.success());
    assert!(out(&verified).contains("cannot be told"));
}

#[test]
fn the_export_says_who_changed_what_from_what_to_what_and_why() {
    let demo = Demo::new();
    let patterns = out(&demo.akeso(&["memory", "list", "-o", "json"]));
    let pattern: Value = serde_json::from_str(patterns.lines().next().unwrap()).unwrap();
    let id = pattern["id"].as_str().unwrap();
    assert!(demo.akeso(&["memory", "forget", id]).status.success());

    let rows: Vec<Value> = out(&demo.akeso(&["audit", "export"]))
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let image = "/spec/template/spec/containers/0/image";
    let change = rows
        .iter()
        .find(|row| row["fact"] == "intended" && row["action"] == "fix_image_name")
        .unwrap();
    assert_eq!(change["who"], "akeso");
    assert_eq!(change["workload"], "Deployment agentic-demo/alpine-app");
    assert_eq!(change["before"][image], "apline:3.18");
    assert_eq!(change["after"][image], "alpine:3.18");
    assert!(change["why"].as_str().unwrap().contains("registry"));
    let taken_back = rows.iter().find(|row| row["fact"] == "judged").unwrap();
    assert_eq!(taken_back["outcome"], "healed");
    assert_eq!(rows.last().unwrap()["who"], "person");

    let table = out(&demo.akeso(&["audit", "export", "--format", "csv"]));
    assert_eq!(table.lines().count(), rows.len() + 1);
    assert!(table.starts_with("at,seq,who,workload,"));
    assert!(table.contains("\"{\"\"/spec/template"));
    // the demo is in the past; the person was there just now
    let recent = out(&demo.akeso(&["audit", "export", "--since", "1h"]));
    assert_eq!(recent.lines().count(), 1, "{recent}");
}

/// An API server of a cluster in which nothing is: every list is empty, no watch tells anything.
fn empty_cluster() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || answer(stream.unwrap()));
        }
    });
    format!("http://{address}")
}

fn answer(mut stream: TcpStream) {
    let mut request = String::new();
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    lines.read_line(&mut request).unwrap();
    let mut header = String::new();
    while lines.read_line(&mut header).unwrap() > 2 {
        header.clear();
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
    if request.contains("watch=true") {
        drop(write!(stream, "{head}\r\n"));
        std::thread::sleep(Duration::from_mins(1));
        return;
    }
    let body = r#"{"kind":"List","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}"#;
    // who ends does not wait for an answer
    drop(write!(
        stream,
        "{head}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ));
}

#[test]
fn a_monitor_takes_out_what_is_older_than_the_retention_and_the_chain_stays_whole() {
    let demo = Demo::new();
    let config = format!(
        "apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: '{}'}}}}]\n\
         users: [{{name: u, user: {{token: t}}}}]\ncontexts: [{{name: x, context: {{cluster: c, user: u}}}}]\ncurrent-context: x\n",
        empty_cluster()
    );
    std::fs::write(demo.path("kubeconfig"), config).unwrap();
    let kubeconfig = demo.path("kubeconfig");
    let kubeconfig = kubeconfig.to_str().unwrap();
    let monitor = |retention: &str| {
        let once = ["monitor", "-A", "--once", "--retention", retention];
        let ended = demo.akeso(&[&once[..], &["--kubeconfig", kubeconfig]].concat());
        assert!(ended.status.success(), "{}", errors(&ended));
    };
    let patterns = out(&demo.akeso(&["memory", "list"]));
    let verified = || out(&demo.akeso(&["audit", "verify"]));

    monitor("off");
    assert!(!verified().contains("sealed"));
    // the demo was in the past
    monitor("2d");
    let text = verified();
    assert!(
        text.starts_with("1 entry behind 1 sealed segment (through entry 40), chain whole"),
        "{text}"
    );
    assert_eq!(out(&demo.akeso(&["memory", "list"])), patterns);
    assert!(out(&demo.akeso(&["incidents", "list", "--all"])).contains("No incident"));

    // a second demo goes on behind the seal, and its numbers are new
    assert!(demo.akeso(&["demo"]).status.success());
    let incidents = out(&demo.akeso(&["incidents", "list", "--all"]));
    assert!(
        incidents.contains("incident-5 ") && !incidents.contains("incident-1 "),
        "{incidents}"
    );
    assert!(
        verified().contains("behind 1 sealed segment (through entry 40), chain whole"),
        "{}",
        verified()
    );
}
