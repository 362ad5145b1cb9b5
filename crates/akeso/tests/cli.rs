//! The program as a user types it: what it prints, where, and its exit code.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::Path,
    process::{Command, Output},
};

use akeso_core::journal::{Chain, Entry, Fact};

fn akeso(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_akeso"));
    // a test's key lies beside its store, not among the user's
    let store = arguments
        .iter()
        .skip_while(|word| **word != "--store")
        .nth(1);
    let folder = store.and_then(|store| Path::new(store).parent());
    let key = folder
        .unwrap_or(Path::new("nowhere"))
        .join("signing-key.pem");
    command
        .env_remove("KUBECONFIG")
        .env("AKESO_SIGNING_KEY", key)
        .args(arguments)
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// An error is one line on stderr, and exit code 2.
fn sentence(output: &Output) -> String {
    let errors = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert_eq!(errors.trim_end().lines().count(), 1, "{errors}");
    assert!(out(output).is_empty());
    errors
}

fn kubeconfig(folder: &Path, server: &str) -> String {
    let path = folder.join("kubeconfig");
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: '{server}'}}}}]\n\
         users: [{{name: u, user: {{token: t}}}}]\ncontexts: [{{name: x, context: {{cluster: c, user: u}}}}]\ncurrent-context: x\n"
    );
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_demo_heals_the_four_and_says_so_in_the_articles_layout() {
    let output = akeso(&["demo"]);
    let text = out(&output);
    assert!(output.status.success());
    let rule = "=".repeat(70);
    assert!(
        text.contains(&format!("\n{rule}\nITERATION #1 - ")),
        "{text}"
    );
    for line in [
        "[OBSERVE] Checking pod status...",
        "Reason:      ErrImagePull",
        "[PLAN] Creating remediation plan...",
        "  MYSQL_ROOT_PASSWORD = password123 (placeholder)",
        "Remediation plan (2 steps):",
        "  Executing step 2/2: INCREASE_MEMORY",
        "   SUCCESS: Updated deployment mysql-client",
        "   Added environment variables: MYSQL_HOST, MYSQL_ROOT_PASSWORD",
        "[LEARN] Storing results in memory...",
        "Stored: update_env attempt (success=True)",
        "Stored: increase_memory attempt (success=False)",
        "Issues:            4 (4 healed, 0 waiting for a person)",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[test]
fn a_demos_store_tells_its_incidents_and_patterns_and_forgets_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("demo.db");
    let store = store.to_str().unwrap();
    let journal = akeso(&["demo", "-o", "json", "--store", store]);
    let mut chain = Chain::default();
    for line in out(&journal).lines() {
        chain
            .follow(&serde_json::from_str::<Entry>(line).unwrap())
            .unwrap();
    }

    let incidents = out(&akeso(&["incidents", "list", "--all", "--store", store]));
    assert_eq!(
        incidents
            .lines()
            .filter(|line| line.contains(" healed "))
            .count(),
        4,
        "{incidents}"
    );
    let shown = out(&akeso(&[
        "incidents",
        "show",
        "incident-4",
        "--store",
        store,
    ]));
    assert!(
        shown.contains("NotHealed") && shown.contains("Healed"),
        "{shown}"
    );

    let since = ["--since", "2026-01-01T00:00:00Z", "--store", store];
    let report = |arguments: &[&str]| out(&akeso(&[&["report"], arguments, &since].concat()));
    let text = report(&[]);
    for line in [
        "Handled correctly:  4 of 4 (100 %)",
        "Harmful:            0",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let told: serde_json::Value = serde_json::from_str(&report(&["-o", "json"])).unwrap();
    assert_eq!(
        (&told["incidents"], &told["healed"]),
        (&4.into(), &4.into()),
        "{told}"
    );
    assert_eq!(
        told["actions"]["increase_memory"]["not_healed"], 1,
        "{told}"
    );
    assert!(report(&["--html"]).starts_with("<!doctype html>"));
    // the demo acts: nothing was only observed
    assert!(report(&["--shadow"]).contains("No incident of this time had a step"));
    let told: serde_json::Value =
        serde_json::from_str(&report(&["--shadow", "-o", "json"])).unwrap();
    assert_eq!((&told["incidents"], &told["same"]), (&0.into(), &0.into()));
    assert!(report(&["--shadow", "--html"]).contains("Where Akeso only observes"));
    assert!(out(&akeso(&["report", "--since", "1s", "--store", store])).contains("No incident"));

    let yesterday = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24);
    let yesterday = yesterday.strftime("%Y-%m-%d").to_string();
    let file = folder.path().join("memory.json");
    let other = folder.path().join("other.db");
    let (file, other) = (file.to_str().unwrap(), other.to_str().unwrap());
    for format in ["akeso", "article"] {
        let exported = out(&akeso(&[
            "memory", "export", "--format", format, "--store", store,
        ]));
        // what is older than half a year is forgotten, and the demo plays at the beginning of 2026
        let exported = exported.replace("2026-01-01", &yesterday);
        std::fs::write(file, &exported).unwrap();
        let import = || akeso(&["memory", "import", file, "--store", other]);
        assert!(out(&import()).starts_with("Taken in: "), "{exported}");
        std::fs::write(file, &exported[..exported.len() / 2]).unwrap();
        let refused = sentence(&import());
        assert!(
            refused.contains("memory.json") && refused.contains("line "),
            "{refused}"
        );
    }
    let list = |store: &str, level: &str| {
        let listed = akeso(&[
            "memory", "list", "--level", level, "-o", "json", "--store", store,
        ]);
        out(&listed).lines().count()
    };
    assert_eq!(list(other, "program"), list(store, "program"));
    assert!(
        akeso(&["memory", "prune", "--unused-since", "1s", "--store", other])
            .status
            .success()
    );
    assert_eq!(list(other, "all"), 0);

    let patterns = out(&akeso(&["memory", "list", "-o", "json", "--store", store]));
    assert_eq!(patterns.lines().count(), 4, "{patterns}");
    let first: serde_json::Value = serde_json::from_str(patterns.lines().next().unwrap()).unwrap();
    let id = first["id"].as_str().unwrap();
    assert!(
        akeso(&["memory", "forget", id, "--store", store])
            .status
            .success()
    );
    assert_eq!(
        out(&akeso(&["memory", "list", "-o", "json", "--store", store]))
            .lines()
            .count(),
        3
    );
    assert!(
        sentence(&akeso(&["memory", "show", id, "--store", store])).contains("akeso memory list")
    );
}

#[test]
fn two_demos_write_the_same_journal_to_the_byte() {
    let journal = || out(&akeso(&["demo", "-o", "json"]));
    let first = journal();
    assert_eq!(first, journal());
    let entries = first
        .lines()
        .map(|line| serde_json::from_str::<Entry>(line).unwrap());
    assert_eq!(
        entries
            .filter(|entry| matches!(entry.fact, Fact::Learned { .. }))
            .count(),
        4
    );
}

#[test]
fn whatever_is_wrong_is_one_sentence_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let nobody = kubeconfig(folder.path(), "http://127.0.0.1:1");
    std::fs::write(
        path("notes.txt"),
        "not a store, but long enough to be one at first sight",
    )
    .unwrap();

    let unreachable = sentence(&akeso(&["scan", "--kubeconfig", &nobody]));
    assert!(
        unreachable.contains("cannot be reached") && unreachable.contains("check that"),
        "{unreachable}"
    );
    let no_config = sentence(&akeso(&["scan", "--kubeconfig", &path("none")]));
    assert!(no_config.contains("give --kubeconfig FILE"), "{no_config}");
    let no_context = sentence(&akeso(&["scan", "--kubeconfig", &nobody, "--context", "y"]));
    assert!(no_context.contains('y'), "{no_context}");
    let corrupt = sentence(&akeso(&[
        "monitor",
        "--kubeconfig",
        &nobody,
        "--store",
        &path("notes.txt"),
    ]));
    assert!(corrupt.contains("left as it is"), "{corrupt}");
    let missing = sentence(&akeso(&["incidents", "list", "--store", &path("none.db")]));
    assert!(missing.contains("there is no store"), "{missing}");
    assert!(sentence(&akeso(&["demo", "--log", "a=b=c"])).contains("--log"));
}

#[test]
fn without_a_terminal_a_diagnosis_names_the_flag_that_answers_its_question() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = kubeconfig(folder.path(), "http://127.0.0.1:1");
    let store = folder.path().join("store.db");
    let store = store.to_str().unwrap();
    let diagnose = |arguments: &[&str]| {
        let common = ["diagnose", "--kubeconfig", &nobody, "--store", store];
        sentence(&akeso(&[&common, arguments].concat()))
    };
    let which = diagnose(&[]);
    assert!(which.contains("--namespace NAME"), "{which}");
    let unreachable = diagnose(&["-n", "shop", "web", "--approve", "--keep"]);
    assert!(unreachable.contains("cannot be reached"), "{unreachable}");
    let json = diagnose(&["-n", "shop", "-o", "json"]);
    assert!(json.contains("akeso scan -o json"), "{json}");
    // nothing was said, so nothing is kept
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn beside_a_monitor_a_diagnosis_says_who_decides() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let lock = std::fs::File::create(folder.path().join("store.db.lock")).unwrap();
    lock.lock().unwrap();
    let output = akeso(&["diagnose", "-n", "shop", "--store", path.to_str().unwrap()]);
    let told = sentence(&output);
    assert!(
        told.contains("a monitor runs") && told.contains("akeso approve"),
        "{told}"
    );
}

#[test]
fn a_wrong_flag_is_told_with_what_would_be_right() {
    for (arguments, advice) in [
        (&["monitor", "--interval", "soon"][..], "30s"),
        (&["monitor", "--registry-mirror", "docker.io"], "HOST=URL"),
        (&["monitor", "--autonomy", "ful"], "full"),
        (&["monitor", "--memory-ceiling", "much"], "Gi"),
        (&["monitor", "--retention", "1d"], "at least 2d"),
        (&["audit", "export", "--since", "yesterday"], "7d"),
        (&["diagnose", "--set", "memory"], "memory=512Mi"),
        (&["diagnose", "--approve", "--reject"], "--reject"),
        (&["incidents", "show", "seven"], "incident-1"),
        (&["scna"], "scan"),
    ] {
        let output = akeso(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(errors.contains(advice), "{arguments:?}: {errors}");
    }
}

#[test]
fn completions_and_the_manual_page_are_printed() {
    assert!(out(&akeso(&["completions", "bash"])).contains("_akeso"));
    assert!(out(&akeso(&["man"])).contains(".TH akeso"));
}
