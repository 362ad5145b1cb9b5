//! The program as a user runs it.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use akeso_core::{journal::Entry, policy::Autonomy};

use crate::{account::Account, akeso};

/// `akeso monitor -o json`, its journal in a file.
pub struct Monitor {
    pub process: Child,
    pub folder: tempfile::TempDir,
    pub store: PathBuf,
    account: Account,
    autonomy: &'static str,
    /// What is set for it alone: its policy, its model.
    variables: Vec<(&'static str, String)>,
}

impl Monitor {
    pub fn start(namespace: &str, autonomy: Autonomy) -> Self {
        Self::under(Account::new(namespace, &[]), autonomy)
    }

    pub fn under(account: Account, autonomy: Autonomy) -> Self {
        Self::with_policy(account, autonomy, None)
    }

    pub fn with_policy(account: Account, autonomy: Autonomy, policy: Option<PathBuf>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store.db");
        let policy = policy.map(|policy| ("AKESO_POLICY", policy.display().to_string()));
        Self::spawn(
            account,
            autonomy,
            folder,
            store,
            policy.into_iter().collect(),
        )
    }

    /// With its store in a folder of its own.
    pub fn start_in(namespace: &str, autonomy: Autonomy, store: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = store.join("store.db");
        Self::spawn(
            Account::new(namespace, &[]),
            autonomy,
            folder,
            store,
            Vec::new(),
        )
    }

    pub fn spawn(
        account: Account,
        autonomy: Autonomy,
        folder: tempfile::TempDir,
        store: PathBuf,
        variables: Vec<(&'static str, String)>,
    ) -> Self {
        let autonomy = match autonomy {
            Autonomy::Observe => "observe",
            Autonomy::Cautious => "cautious",
            Autonomy::Standard => "standard",
            Autonomy::Full => "full",
        };
        let process = Self::process(&account, autonomy, folder.path(), &store, &variables);
        Self {
            process,
            folder,
            store,
            account,
            autonomy,
            variables,
        }
    }

    fn process(
        account: &Account,
        autonomy: &str,
        folder: &Path,
        store: &Path,
        variables: &[(&'static str, String)],
    ) -> Child {
        let output = |name| {
            let mut options = File::options();
            options
                .create(true)
                .append(true)
                .open(folder.join(name))
                .unwrap()
        };
        akeso()
            .args([
                "monitor",
                "-n",
                &account.namespace,
                "--autonomy",
                autonomy,
                "-o",
                "json",
                "--kubeconfig",
            ])
            .arg(&account.kubeconfig)
            .arg("--store")
            .arg(store)
            .env("AKESO_SIGNING_KEY", folder.join("signing-key.pem"))
            .envs(variables.iter().cloned())
            .stdout(output("journal"))
            .stderr(output("errors"))
            .spawn()
            .unwrap()
    }

    /// After it has died.
    pub fn start_again(&mut self) {
        self.process = Self::process(
            &self.account,
            self.autonomy,
            self.folder.path(),
            &self.store,
            &self.variables,
        );
    }

    pub fn errors(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("errors")).unwrap()
    }

    pub fn journal(&self) -> Vec<Entry> {
        let text = std::fs::read_to_string(self.folder.path().join("journal")).unwrap();
        // the last line may be half written
        let lines = text.lines().filter(|line| line.ends_with('}'));
        lines
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
            })
            .collect()
    }

    /// SIGTERM: it must end by itself, and well.
    pub fn stop(&mut self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").arg(&id).status().unwrap().success());
        let status = self.process.wait().unwrap();
        let errors = self.errors();
        assert!(
            status.success(),
            "akeso monitor ended with {status}: {errors}"
        );
        self.account.nothing_was_forbidden(&errors);
        let journal = std::fs::read_to_string(self.folder.path().join("journal")).unwrap();
        self.account.nothing_was_forbidden(&journal);
    }

    /// A second monitor on the same store finds nothing to do.
    pub fn a_restart_changes_nothing(&self) {
        let output = akeso()
            .args([
                "monitor",
                "-n",
                &self.account.namespace,
                "--autonomy",
                self.autonomy,
                "--once",
                "-o",
                "json",
                "--kubeconfig",
            ])
            .arg(&self.account.kubeconfig)
            .arg("--store")
            .arg(&self.store)
            .env(
                "AKESO_SIGNING_KEY",
                self.folder.path().join("signing-key.pem"),
            )
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(
            !text.contains("\"intended\""),
            "a restart changed something:\n{text}"
        );
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
