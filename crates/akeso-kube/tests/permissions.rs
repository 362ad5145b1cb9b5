//! The table of permissions that people read is that of the code.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, fmt::Write};

use akeso_core::act::ActionKind;
use akeso_kube::permissions::{Loss, Need, Permission, Purpose, Verb};

/// `get, patch: deployments.apps, statefulsets.apps`
fn words(needs: &[Need]) -> String {
    let resource = |permission: &Permission| match permission.group.as_str() {
        "" => permission.path(),
        group => format!("{}.{group}", permission.path()),
    };
    let mut resources: Vec<(String, Vec<&str>)> = Vec::new();
    for Need { permission, .. } in needs {
        let (name, verb) = (resource(permission), permission.verb.as_str());
        match resources.iter_mut().find(|(known, _)| *known == name) {
            Some((_, verbs)) => verbs.push(verb),
            None => resources.push((name, vec![verb])),
        }
    }
    let mut by_verbs: BTreeMap<Vec<&str>, Vec<String>> = BTreeMap::new();
    for (name, verbs) in resources {
        by_verbs.entry(verbs).or_default().push(name);
    }
    let parts = by_verbs.into_iter().map(|(verbs, names)| {
        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        format!("{} {}", verbs.join(", "), names.join(", "))
    });
    parts.collect::<Vec<_>>().join("; ")
}

fn table() -> String {
    let mut text = "| for | needs | without it |\n|---|---|---|\n".to_owned();
    let acting = Purpose::acting(ActionKind::ALL);
    for purpose in Purpose::reading().into_iter().chain(acting) {
        for needs in purpose.needs().chunk_by(|a, b| a.loss == b.loss) {
            let without = match needs[0].loss {
                Loss::All => purpose.without().to_owned(),
                Loss::Kind(kind) => format!("not done to a {}", kind.as_str()),
            };
            let name = match purpose {
                Purpose::Action(action) => format!("`{action}`"),
                other => other.name().to_owned(),
            };
            writeln!(text, "| {name} | {} | {without} |", words(needs)).unwrap();
        }
    }
    text
}

#[test]
fn the_table_in_the_docs_is_that_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/permissions.md");
    let page = std::fs::read_to_string(path).unwrap_or_default();
    let table = table();
    assert!(
        page.contains(&table),
        "docs/permissions.md must hold:\n\n{table}"
    );
}

#[test]
fn every_action_needs_something_that_changes_something() {
    for action in ActionKind::ALL {
        let needs = Purpose::Action(*action).needs();
        let changes = needs.iter().any(|need| {
            matches!(
                need.permission.verb,
                Verb::Create | Verb::Patch | Verb::Delete
            )
        });
        assert!(changes, "{action}");
    }
}
