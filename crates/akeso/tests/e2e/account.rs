//! The service account that a monitor runs as: it may do what `akeso rbac` prints, and no more.

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

use serde_json::{Value, json};

use crate::{akeso, kubectl};

/// All namespaces share one `ClusterRole`, which two `kubectl apply` cannot make at once.
static APPLYING: Mutex<()> = Mutex::new(());

pub struct Account {
    pub namespace: String,
    pub kubeconfig: PathBuf,
    /// What the role leaves out; nothing, if it is the whole one.
    left_out: Vec<String>,
    _folder: tempfile::TempDir,
}

impl Account {
    /// Applies what `akeso rbac -n NAMESPACE FLAGS…` prints, and logs in.
    pub fn new(namespace: &str, flags: &[&str]) -> Self {
        let account = format!("{namespace}:akeso");
        let printed = akeso()
            .args(["rbac", "-n", namespace, "--with-account"])
            .args(["--service-account", &account])
            .args(flags)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&printed.stderr);
        assert!(printed.status.success(), "akeso rbac: {errors}");
        apply(&printed.stdout);

        let config = kubectl(&["config", "view", "--minify", "--flatten", "-o", "json"]);
        let mut config: Value = serde_json::from_str(&config).unwrap();
        let token = kubectl(&["-n", namespace, "create", "token", "akeso", "--duration=2h"]);
        config["users"][0]["user"] = json!({ "token": token.trim() });
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, config.to_string()).unwrap();
        Self {
            namespace: namespace.to_owned(),
            kubeconfig,
            left_out: flags
                .iter()
                .filter(|flag| **flag != "--grants")
                .map(|flag| (*flag).to_owned())
                .collect(),
            _folder: folder,
        }
    }

    /// Under the whole role, nothing that Akeso tries is forbidden.
    pub fn nothing_was_forbidden(&self, told: &str) {
        // what a program may not do is its own affair
        let akeso = format!("system:serviceaccount:{}:akeso", self.namespace);
        let signs = ["not permitted", akeso.as_str()];
        let line = told
            .lines()
            .find(|line| signs.iter().any(|sign| line.contains(sign)));
        assert!(line.is_none() || !self.left_out.is_empty(), "{line:?}");
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        // the rest lies in the namespace and goes with it
        let binding = format!("akeso-cluster-wide:{}:akeso", self.namespace);
        drop(
            Command::new("kubectl")
                .args(["delete", "clusterrolebinding", &binding, "--wait=false"])
                .output(),
        );
    }
}

fn apply(manifest: &[u8]) {
    let _alone = APPLYING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut process = Command::new("kubectl")
        .args(["apply", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(manifest).unwrap();
    assert!(process.wait().unwrap().success(), "kubectl apply");
}
