//! Invariant 1: the mind is a function of its inputs, so it may depend on nothing that reaches the
//! world. (`clippy.toml` of the crate holds the same for the standard library.)
#![expect(clippy::disallowed_types, reason = "a test that asks cargo")]

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

/// Crates by which a program reaches the network, the disk, the clock's timers or other threads.
const FORBIDDEN: [&str; 12] = [
    "tokio",
    "kube",
    "kube-client",
    "kube-runtime",
    "hyper",
    "reqwest",
    "rusqlite",
    "rustls",
    "futures",
    "async-std",
    "rand",
    "chrono",
];

#[test]
fn the_core_depends_on_nothing_that_reaches_the_world() {
    // for this platform only: what others need may not have been downloaded
    let version = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap();
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--offline",
            "--filter-platform",
            host,
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: BTreeMap<&str, &str> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            (
                package["id"].as_str().unwrap(),
                package["name"].as_str().unwrap(),
            )
        })
        .collect();
    let nodes: BTreeMap<&str, &Value> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["id"].as_str().unwrap(), node))
        .collect();
    let core = names
        .iter()
        .find(|(_, name)| **name == "akeso-core")
        .map(|(id, _)| *id)
        .unwrap();
    let mut reached = BTreeSet::new();
    let mut todo = vec![core];
    while let Some(id) = todo.pop() {
        if reached.insert(id) {
            let dependencies = nodes[id]["deps"].as_array().unwrap().iter();
            let normal = dependencies.filter(|dependency| {
                dependency["dep_kinds"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|kind| kind["kind"].is_null())
            });
            todo.extend(normal.map(|dependency| dependency["pkg"].as_str().unwrap()));
        }
    }
    let reached: BTreeSet<_> = reached.into_iter().map(|id| names[id]).collect();
    assert!(reached.contains("serde"), "the graph was not followed");
    let found: Vec<_> = FORBIDDEN
        .iter()
        .filter(|name| reached.contains(**name))
        .collect();
    assert!(found.is_empty(), "akeso-core depends on {found:?}");
}
