//! What a change made of what: the values before and after.

use akeso_core::act::{Change, PatchOp};
use serde_json::{Map, Value, json};

/// Values by their JSON pointer, before and after a change; null where there is none.
pub type BeforeAfter = (Value, Value);

/// Akeso's marks on a workload (the last attempt, its placeholders) are not what a change is for.
const MARKS: &str = "/metadata/annotations";

/// What an attempt changes.
pub fn of_change(change: &Change) -> BeforeAfter {
    match change {
        Change::Patch { forward, .. } => of_patch(forward),
        Change::Evict { pod, uid } => (json!({"pod": pod, "uid": uid}), Value::Null),
        Change::Trial { pod: made, .. } | Change::Rerun { job: made, .. } => {
            (Value::Null, made.clone())
        }
        Change::Grant { role, binding, .. } => {
            (Value::Null, json!({"role": role, "binding": binding}))
        }
    }
}

/// What a patch changes. It tests each value that it replaces, so that it knows what was there.
pub fn of_patch(operations: &[PatchOp]) -> BeforeAfter {
    let mut tested = Map::new();
    let (mut before, mut after) = (Map::new(), Map::new());
    for operation in operations {
        let (path, value) = match operation {
            PatchOp::Test { path, value } => {
                tested.insert(path.clone(), value.clone());
                continue;
            }
            PatchOp::Add { path, value } | PatchOp::Replace { path, value } => {
                (path, value.clone())
            }
            PatchOp::Remove { path } => (path, Value::Null),
        };
        if path.starts_with(MARKS) {
            continue;
        }
        let was = tested.get(path).cloned().unwrap_or_default();
        // of several writes to one place, the first knows what was there
        before.entry(path.clone()).or_insert(was);
        after.insert(path.clone(), value);
    }
    (Value::Object(before), Value::Object(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_tested_is_what_was_there() {
        let patch: Vec<PatchOp> = serde_json::from_value(json!([
            {"op": "test", "path": "/metadata/generation", "value": 3},
            {"op": "add", "path": "/metadata/annotations/akeso.dev~1last-attempt", "value": "attempt-1"},
            {"op": "test", "path": "/spec/image", "value": "ngnix"},
            {"op": "replace", "path": "/spec/image", "value": "nginx"},
            {"op": "add", "path": "/spec/env", "value": []},
            {"op": "test", "path": "/spec/args", "value": ["-x"]},
            {"op": "remove", "path": "/spec/args"},
        ]))
        .unwrap();
        let (before, after) = of_patch(&patch);
        assert_eq!(
            before,
            json!({"/spec/image": "ngnix", "/spec/env": null, "/spec/args": ["-x"]})
        );
        assert_eq!(
            after,
            json!({"/spec/image": "nginx", "/spec/env": [], "/spec/args": null})
        );
    }
}
