//! `akeso rbac`: what it prints, to the letter, and that nothing else can be made of it.
//!
//! The golden files are what a person reads before applying it: when one of them changes, so does
//! what Akeso may do. `AKESO_WRITE_DOCS=1 cargo test -p akeso --test rbac` writes them anew.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

fn rbac(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_akeso"));
    command
        .env("KUBECONFIG", "/nonexistent")
        .env_remove("AKESO_AUTONOMY")
        .arg("rbac")
        .args(arguments)
        .output()
        .unwrap()
}

fn printed(arguments: &[&str]) -> String {
    let output = rbac(arguments);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn documents(arguments: &[&str]) -> Vec<Value> {
    serde_saphyr::from_multiple(&printed(arguments)).unwrap()
}

/// What a role permits: `verb resource.group`.
fn permissions(arguments: &[&str]) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let texts = |rule: &Value, field: &str| -> Vec<String> {
        serde_json::from_value(rule[field].clone()).unwrap()
    };
    for document in documents(arguments) {
        for rule in document["rules"].as_array().into_iter().flatten() {
            for group in texts(rule, "apiGroups") {
                for resource in texts(rule, "resources") {
                    for verb in texts(rule, "verbs") {
                        all.insert(format!("{verb} {resource}.{group}"));
                    }
                }
            }
        }
    }
    all
}

#[test]
fn every_form_is_printed_as_it_has_been_read() {
    for (name, arguments) in [
        ("one-namespace", &["-n", "shop"][..]),
        (
            "two-namespaces",
            &[
                "-n",
                "shop",
                "-n",
                "billing",
                "--service-account",
                "ops:healer",
                "--with-account",
                "--action",
                "restart_pod",
                "--action",
                "fix_image_name",
                "--without-trials",
            ],
        ),
        ("everywhere", &["-A", "--without-secrets"]),
        ("observe", &["-A", "--autonomy", "observe"]),
        (
            "grants",
            &["-n", "shop", "--grants", "--action", "restart_pod"],
        ),
    ] {
        let path = format!("tests/golden/rbac-{name}.yaml");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let text = printed(arguments);
        if std::env::var_os("AKESO_WRITE_DOCS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            text == golden,
            "{} is not what is printed:\n{text}",
            path.display()
        );
    }
}

#[test]
fn the_order_of_the_arguments_does_not_matter() {
    assert_eq!(
        printed(&["-n", "a", "-n", "b", "--action", "update_env,restart_pod"]),
        printed(&["-n", "b,a,b", "--action", "restart_pod,update_env"])
    );
}

#[test]
fn for_namespaces_there_is_a_role_in_each_and_the_cluster_is_only_read() {
    let documents = documents(&["-n", "shop,billing"]);
    let names: Vec<_> = documents
        .iter()
        .map(|it| {
            let text = |field: &str| it["metadata"][field].as_str().unwrap_or("-").to_owned();
            let kind = it["kind"].as_str().unwrap();
            format!("{kind} {} {}", text("namespace"), text("name"))
        })
        .collect();
    assert_eq!(
        names,
        [
            "Role billing akeso",
            "RoleBinding billing akeso",
            "Role shop akeso",
            "RoleBinding shop akeso",
            "ClusterRole - akeso-cluster-wide",
            "ClusterRoleBinding - akeso-cluster-wide:akeso-system:akeso",
        ]
    );
    let wide = &documents[4]["rules"];
    for rule in wide.as_array().unwrap() {
        for verb in rule["verbs"].as_array().unwrap() {
            assert!(matches!(verb.as_str().unwrap(), "get" | "list" | "watch"));
        }
        for resource in rule["resources"].as_array().unwrap() {
            assert!(matches!(
                resource.as_str().unwrap(),
                "namespaces"
                    | "nodes"
                    | "clusterroles"
                    | "clusterrolebindings"
                    | "storageclasses"
                    | "ingressclasses"
            ));
        }
    }
}

#[test]
fn whoever_observes_can_change_nothing() {
    let all = permissions(&["-n", "shop", "--autonomy", "observe"]);
    assert!(all.contains("list pods."));
    for permission in &all {
        let verb = permission.split(' ').next().unwrap();
        assert!(matches!(verb, "get" | "list" | "watch"), "{permission}");
    }
    // what acts at all needs the same at every level
    let full = permissions(&["-n", "shop", "--autonomy", "full"]);
    assert_eq!(full, permissions(&["-n", "shop", "--autonomy", "cautious"]));
    assert!(full.is_superset(&all));
}

#[test]
fn an_action_that_is_not_named_is_not_permitted() {
    let all = permissions(&["-n", "shop"]);
    let images = permissions(&["-n", "shop", "--action", "fix_image_name"]);
    let restarts = permissions(&["-n", "shop", "--action", "restart_pod"]);
    let but: Vec<_> = all.difference(&images).collect();
    assert_eq!(
        but,
        [
            "create jobs.batch",
            "create pods/eviction.",
            "delete jobs.batch",
            "get ingresses.networking.k8s.io",
            "get jobs.batch",
            "get services.",
            "patch ingresses.networking.k8s.io",
            "patch services.",
        ]
    );
    assert!(
        !restarts.iter().any(|it| it.contains("deployments.apps")
            && (it.starts_with("patch") || it.starts_with("get")))
    );
    assert!(
        !restarts.contains("create pods."),
        "it is never tried first"
    );
}

#[test]
fn rights_may_be_granted_only_where_that_is_asked_for() {
    let is_about_rights =
        |it: &&String| it.ends_with(".rbac.authorization.k8s.io") && !it.starts_with("list ");
    for plain in [
        &["-n", "shop"][..],
        &["-A"],
        &["-A", "--autonomy", "full"],
        &["-n", "shop", "--grants", "--autonomy", "observe"],
    ] {
        let all = permissions(plain);
        assert_eq!(all.iter().find(is_about_rights), None, "{plain:?}");
    }
    let plain = permissions(&["-n", "shop"]);
    for asked in [
        &["-n", "shop", "--grants"][..],
        &["-n", "shop", "--grants", "--action", "grant_access"],
    ] {
        let all = permissions(asked);
        let rights: Vec<_> = all.iter().filter(is_about_rights).collect();
        assert_eq!(
            rights,
            [
                "bind roles.rbac.authorization.k8s.io",
                "create rolebindings.rbac.authorization.k8s.io",
                "create roles.rbac.authorization.k8s.io",
                "delete rolebindings.rbac.authorization.k8s.io",
                "delete roles.rbac.authorization.k8s.io",
                "escalate roles.rbac.authorization.k8s.io",
                "get rolebindings.rbac.authorization.k8s.io",
                "get roles.rbac.authorization.k8s.io",
            ]
        );
        assert!(
            all.iter()
                .all(|it| is_about_rights(&it) || plain.contains(it))
        );
        assert!(printed(asked).starts_with("# With escalate and bind on roles"));
    }
}

#[test]
fn what_is_left_out_is_not_permitted_and_told_with_what_is_lost() {
    let text = printed(&["-A", "--without-secrets", "--without-trials"]);
    assert!(!text.contains("- secrets"), "{text}");
    let all = permissions(&["-A", "--without-secrets", "--without-trials"]);
    assert!(!all.contains("create pods."));
    let notes = text.lines().take_while(|line| *line != "---");
    assert!(notes.clone().all(|line| line.starts_with("# Left out: ")));
    assert_eq!(notes.count(), 4);
}

#[test]
fn every_rule_says_what_it_is_for_and_what_is_lost_without_it() {
    let text = printed(&["-n", "shop"]);
    let lines: Vec<_> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        if line.starts_with("- apiGroups:") {
            let above = lines[index - 1];
            assert!(
                above.starts_with("# ") && above.contains("; without it: "),
                "{above}"
            );
        }
    }
}

#[test]
fn nothing_but_names_comes_into_the_yaml() {
    for arguments in [
        &["-n", "shop\nkind: Secret"][..],
        &["-n", "shop: x"],
        &["-n", "*"],
        &["-n", ""],
        &["-n", "shop", "--service-account", "akeso"],
        &["-n", "shop", "--service-account", "ops:a\n---"],
        &["-n", "shop", "--action", "delete_everything"],
        &["-n", "shop", "-A"],
        &[],
    ] {
        let output = rbac(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    // a name that YAML would take for something else stays a name
    let namespace = &documents(&["-n", "123"])[0]["metadata"]["namespace"];
    assert_eq!(namespace, "123");
    let namespace = &documents(&["-n", "true"])[0]["metadata"]["namespace"];
    assert_eq!(namespace, "true");
}
