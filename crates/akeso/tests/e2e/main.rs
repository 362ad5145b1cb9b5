//! Every scenario on a real cluster, each in a namespace of its own, with the program as a user
//! runs it, and permitted what `akeso rbac` prints and nothing else.
//!
//! `devcluster/devcluster exec cargo test -p akeso --test e2e -- --ignored`
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod account;
mod diagnose;
mod listed;
mod model;
mod monitor;
mod namespace;
mod safety;
mod together;

use std::{
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")
}

fn kubectl(arguments: &[&str]) -> String {
    let output = Command::new("kubectl")
        .args(arguments)
        .output()
        .expect("kubectl is on the PATH");
    assert!(
        output.status.success(),
        "kubectl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn akeso() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_akeso"));
    if std::env::var_os("AKESO_REGISTRY_MIRROR").is_none() {
        command.env(
            "AKESO_REGISTRY_MIRROR",
            "docker.io=http://127.0.0.1:5000,private.registry.test=http://127.0.0.1:5001",
        );
    }
    command
}

fn wait_for(what: &str, patience: Duration, mut wrong: impl FnMut() -> Vec<String>) {
    let end = Instant::now() + patience;
    loop {
        let failures = wrong();
        if failures.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "{what}:\n{}", failures.join("\n"));
        sleep(Duration::from_secs(1));
    }
}
