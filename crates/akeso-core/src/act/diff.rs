//! A change in lines that a person can read.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::{Change, LAST_ATTEMPT, PatchOp, patch::annotation_path};

/// What a change does, a line for each field: `spec.replicas: 2 -> 3`.
pub fn diff(change: &Change) -> Vec<String> {
    match change {
        Change::Patch { forward, .. } => patch_lines(forward),
        Change::Evict { pod, .. } => vec![format!("- pod {pod} (its controller makes it anew)")],
        Change::Trial { name, .. } => vec![format!("+ pod {name} (a trial, removed afterwards)")],
        Change::Rerun { name, .. } => {
            vec![format!("+ job {name} (a copy, by which it is run again)")]
        }
        Change::Grant {
            name,
            role,
            binding,
        } => vec![
            format!("+ role {name}: {}", role["rules"]),
            format!("+ rolebinding {name}: {}", binding["subjects"]),
        ],
    }
}

/// What a JSON Patch does, a line for each field that it writes.
fn patch_lines(operations: &[PatchOp]) -> Vec<String> {
    let mark = annotation_path(LAST_ATTEMPT);
    let tested = |written: &str| {
        operations.iter().find_map(|operation| match operation {
            PatchOp::Test { path, value } if path == written => Some(short(value)),
            PatchOp::Test { .. }
            | PatchOp::Add { .. }
            | PatchOp::Replace { .. }
            | PatchOp::Remove { .. } => None,
        })
    };
    let lines = operations.iter().filter_map(|operation| match operation {
        PatchOp::Test { .. } => None,
        PatchOp::Add { path, .. } if *path == mark || path == "/metadata/annotations" => None,
        PatchOp::Add { path, value } => Some(format!("+ {}: {}", dotted(path), short(value))),
        PatchOp::Replace { path, value } => {
            let old = tested(path).unwrap_or_else(|| "(another value)".to_owned());
            Some(format!("~ {}: {old} -> {}", dotted(path), short(value)))
        }
        PatchOp::Remove { path } => {
            let old = tested(path).unwrap_or_default();
            Some(format!("- {}: {old}", dotted(path)))
        }
    });
    lines.collect()
}

fn short(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    };
    match PASSWORD.as_ref() {
        Some(password) => password.replace_all(&text, "$1***@").into_owned(),
        None => text,
    }
}

/// The password of a URL (RFC 3986, section 3.2.1).
static PASSWORD: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(://[^\s/@:"]*:)[^\s/@"]+@"#).ok());

/// `/spec/containers/0/image` as people write it: `spec.containers[0].image`.
fn dotted(pointer: &str) -> String {
    let parts = pointer.split('/').skip(1);
    let written = parts.map(|part| {
        let part = part.replace("~1", "/").replace("~0", "~");
        let is_place = part == "-" || part.parse::<usize>().is_ok();
        match (is_place, part.contains(['.', '/'])) {
            (true, _) => format!("[{part}]"),
            (false, true) => format!("[{part:?}]"),
            (false, false) => format!(".{part}"),
        }
    });
    written
        .collect::<String>()
        .trim_start_matches('.')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_patch_is_told_field_by_field_with_what_was_there_before() {
        let patch: Vec<PatchOp> = serde_json::from_value(json!([
            {"op": "test", "path": "/metadata/generation", "value": 3},
            {"op": "test", "path": "/spec/template/spec/containers/0/image", "value": "nginx:latst"},
            {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "nginx:latest"},
            {"op": "add", "path": "/spec/template/spec/containers/0/env/-", "value": {"name": "A", "value": "b"}},
            {"op": "add", "path": "/metadata/annotations/akeso.dev~1last-attempt", "value": "attempt-1"},
        ]))
        .unwrap();
        let lines = patch_lines(&patch);
        assert_eq!(
            lines,
            [
                "~ spec.template.spec.containers[0].image: nginx:latst -> nginx:latest",
                "+ spec.template.spec.containers[0].env[-]: {\"name\":\"A\",\"value\":\"b\"}",
            ]
        );
    }

    #[test]
    fn the_password_of_an_address_is_not_shown() {
        let old = "pg://me:hunter2@databse:5432/shop";
        let patch: Vec<PatchOp> = serde_json::from_value(json!([
            {"op": "test", "path": "/a", "value": old},
            {"op": "replace", "path": "/a", "value": old.replace("databse", "database")},
            {"op": "add", "path": "/b", "value": {"value": old}},
        ]))
        .unwrap();
        assert_eq!(
            patch_lines(&patch),
            [
                "~ a: pg://me:***@databse:5432/shop -> pg://me:***@database:5432/shop",
                "+ b: {\"value\":\"pg://me:***@databse:5432/shop\"}",
            ]
        );
    }

    #[test]
    fn what_is_removed_is_told_with_what_it_was_and_a_key_with_dots_in_quotes() {
        let patch: Vec<PatchOp> = serde_json::from_value(json!([
            {"op": "test", "path": "/spec/template/metadata/annotations/a.b~1c", "value": "x"},
            {"op": "remove", "path": "/spec/template/metadata/annotations/a.b~1c"},
            {"op": "remove", "path": "/spec/paused"},
            {"op": "add", "path": "/metadata/annotations/akeso.dev~1placeholder", "value": "A"},
            {"op": "add", "path": "/metadata/annotations", "value": {"akeso.dev/last-attempt": "attempt-1"}},
        ]))
        .unwrap();
        assert_eq!(
            patch_lines(&patch),
            [
                "- spec.template.metadata.annotations[\"a.b/c\"]: x",
                "- spec.paused: ",
                "+ metadata.annotations[\"akeso.dev/placeholder\"]: A",
            ]
        );
    }
}
