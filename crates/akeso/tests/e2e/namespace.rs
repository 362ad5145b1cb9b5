//! A namespace that goes away with the test.

use std::{path::Path, process::Command};

use akeso_core::workload::{WorkloadKind, WorkloadRef};
use akeso_sim::scenario::with_newest_run;
use serde_json::Value;

use crate::kubectl;

/// A namespace that goes away with the test.
pub struct Namespace(pub String);

impl Namespace {
    pub fn new(name: &str) -> Self {
        kubectl(&[
            "delete",
            "namespace",
            name,
            "--ignore-not-found",
            "--timeout=120s",
        ]);
        kubectl(&["create", "namespace", name]);
        Self(name.to_owned())
    }

    pub fn apply(&self, file: &Path) {
        kubectl(&["-n", &self.0, "apply", "-f", file.to_str().unwrap()]);
    }

    pub fn get(&self, workload: &WorkloadRef) -> Option<Value> {
        let text = kubectl(&[
            "-n",
            &self.0,
            "get",
            &workload.kubectl(),
            "--ignore-not-found",
            "-o",
            "json",
        ]);
        let object = serde_json::from_str(&text).ok()?;
        if workload.kind != WorkloadKind::Job {
            return Some(object);
        }
        let jobs = kubectl(&["-n", &self.0, "get", "jobs", "-o", "json"]);
        let mut jobs: Value = serde_json::from_str(&jobs).ok()?;
        let jobs: Vec<Value> = serde_json::from_value(jobs["items"].take()).ok()?;
        Some(with_newest_run(object, jobs))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(
            Command::new("kubectl")
                .args(["delete", "namespace", &self.0, "--wait=false"])
                .output(),
        );
    }
}
