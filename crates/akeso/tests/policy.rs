//! `akeso policy` and `--policy`, as a user types them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

fn akeso(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_akeso"));
    command
        .env_remove("KUBECONFIG")
        .env_remove("AKESO_POLICY")
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_check_says_what_a_policy_means_or_what_is_wrong_with_it_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    written(
        folder,
        "good.yaml",
        "autonomy: cautious\ngates: [{name: big, when: workload.replicas > 9, decision: ask}]\n",
    );
    written(
        folder,
        "bad.yaml",
        "budgets:\n  cluster: {perHour: 0}\nstorm: {within: 0s}\n",
    );

    let good = akeso(folder, &["policy", "check", "good.yaml"]);
    assert_eq!(good.status.code(), Some(0), "{}", errors(&good));
    assert!(
        out(&good).contains("Autonomy:   cautious"),
        "{}",
        out(&good)
    );
    let good = akeso(folder, &["policy", "check", "good.yaml", "-o", "json"]);
    let object: Value = serde_json::from_str(&out(&good)).unwrap();
    assert_eq!(object["usable"], true);
    assert_eq!(object["policy"]["autonomy"], "cautious");

    let bad = akeso(folder, &["policy", "check", "bad.yaml"]);
    assert_eq!(bad.status.code(), Some(1));
    let told: Vec<_> = out(&bad).lines().map(str::to_owned).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].starts_with("bad.yaml:2:13: budgets.cluster.perHour: "),
        "{told:?}"
    );
    let bad = akeso(folder, &["policy", "check", "bad.yaml", "-o", "json"]);
    let object: Value = serde_json::from_str(&out(&bad)).unwrap();
    assert_eq!(object["findings"][1]["key"], "storm.within");
    assert_eq!(bad.status.code(), Some(1));

    let none = akeso(folder, &["policy", "check", "none.yaml"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(
        errors(&none).contains("none.yaml cannot be read"),
        "{}",
        errors(&none)
    );
}

#[test]
fn a_policy_that_cannot_be_used_stops_the_program_at_its_start_with_all_findings() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    written(
        folder,
        "bad.yaml",
        "budgets:\n  cluster: {perHour: 0}\nstorm: {within: 0s}\n",
    );
    for command in ["monitor", "scan"] {
        let output = akeso(
            folder,
            &[command, "--policy", "bad.yaml", "--store", "x.db"],
        );
        let told = errors(&output);
        assert_eq!(output.status.code(), Some(2), "{told}");
        for place in ["bad.yaml:2:13: ", "bad.yaml:3:9: "] {
            assert!(told.contains(place), "{told}");
        }
        assert!(!folder.join("x.db").exists());
    }
}

#[test]
fn what_was_decided_on_an_incident_is_explained_from_the_store_alone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert!(akeso(folder, &["demo", "--store", "d.db"]).status.success());
    written(
        folder,
        "akeso.yaml",
        "namespaces: [{names: [agentic-*], autonomy: observe}]\n",
    );

    let explain = |more: &[&str]| {
        let output = akeso(
            folder,
            &[
                &["policy", "explain", "incident-4", "--store", "d.db"],
                more,
            ]
            .concat(),
        );
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        out(&output)
    };
    let text = explain(&[]);
    for line in [
        "Step 1: increase_memory: raise the memory limit of container data-processor from 128Mi to 256Mi",
        "    RULE          SAYS      WHY",
        "    budgets       -",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(text.contains("give --policy FILE"), "{text}");
    let under = explain(&["--policy", "akeso.yaml"]);
    assert!(
        under.contains("In effect now: observe (by namespaces[0].autonomy"),
        "{under}"
    );
    let object: Value = serde_json::from_str(&explain(&["-o", "json"])).unwrap();
    assert_eq!(object["decisions"].as_array().unwrap().len(), 2);
    assert_eq!(object["decisions"][0]["checks"][0]["rule"], "protection");

    let unknown = akeso(
        folder,
        &["policy", "explain", "incident-99", "--store", "d.db"],
    );
    assert_eq!(unknown.status.code(), Some(2));
    assert!(errors(&unknown).contains("akeso incidents list --all"));
}

#[test]
fn the_policies_of_the_rollout_can_be_used_and_mean_what_their_phase_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rollout");
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().collect();
    assert_eq!(files.len(), 4);
    files.sort_by_key(|file| file.as_ref().unwrap().path());
    let levels = ["observe", "cautious", "cautious", "standard"];
    let mut policies = Vec::new();
    for (file, level) in files.into_iter().zip(levels) {
        let file = file.unwrap().path();
        let file = file.to_str().unwrap();
        let checked = akeso(&folder, &["policy", "check", file, "-o", "json"]);
        assert_eq!(checked.status.code(), Some(0), "{file}: {}", out(&checked));
        let object: Value = serde_json::from_str(&out(&checked)).unwrap();
        assert_eq!(object["policy"]["autonomy"], level, "{file}");
        policies.push(object["policy"].clone());
    }
    // what `cautious` would do by itself asks in phase 2, and in phase 3 where nobody chose
    let asks = serde_json::json!({"fix_image_name": "ask", "increase_memory": "ask"});
    assert_eq!(policies[1]["actions"], asks);
    assert_eq!(policies[2]["namespaces"][1]["actions"], asks);
}
