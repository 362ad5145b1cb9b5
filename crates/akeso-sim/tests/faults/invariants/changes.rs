//! Each change is the one that was announced, bears its mark, and overwrites nobody.

use std::collections::{BTreeMap, BTreeSet};

use akeso_core::engine::ChangeRequest;
use akeso_sim::Accepted;
use serde_json::Value;

use super::Run;

pub(super) fn broken(run: &Run) -> Vec<String> {
    let accepted = run.simulation.cluster.accepted();
    let patches = accepted
        .iter()
        .filter(|change| matches!(change.request, ChangeRequest::Patch(_)));
    let mut broken = Vec::new();
    for change in patches {
        if let Some(key) = template_marks(change) {
            broken.push(format!(
                "{} has Akeso's {key} in its pod template",
                change.workload
            ));
        }
        if change.request.takes_back() {
            let forward = accepted
                .iter()
                .find(|it| it.attempt == change.attempt && !it.request.takes_back());
            match forward {
                Some(forward) => broken.extend(overwritten(forward, change)),
                None => broken.push(format!("{} was taken back and never made", change.attempt)),
            }
        }
    }
    broken
}

fn template_marks(change: &Accepted) -> Option<String> {
    let annotations = change
        .after
        .as_ref()?
        .pointer("/spec/template/metadata/annotations")?;
    let mut keys = annotations.as_object()?.keys();
    keys.find(|key| key.starts_with("akeso.dev/")).cloned()
}

/// What taking a change back has changed although it was not what the change had made of it, or
/// into something else than was there before.
fn overwritten(forward: &Accepted, back: &Accepted) -> Vec<String> {
    let spec = |object: &Option<Value>| {
        let mut leaves = BTreeMap::new();
        if let Some(spec) = object.as_ref().and_then(|object| object.get("spec")) {
            flatten("/spec", spec, &mut leaves);
        }
        leaves
    };
    let (before, made) = (spec(&forward.before), spec(&forward.after));
    let (found, left) = (spec(&back.before), spec(&back.after));
    let paths: BTreeSet<_> = found.keys().chain(left.keys()).collect();
    let changed = paths
        .into_iter()
        .filter(|path| found.get(*path) != left.get(*path));
    changed
        .filter(|path| found.get(*path) != made.get(*path) || left.get(*path) != before.get(*path))
        .map(|path| {
            format!(
                "taking back {} made {path} {:?} where it found {:?}, made had been {:?}, before that {:?}",
                back.attempt,
                left.get(path),
                found.get(path),
                made.get(path),
                before.get(path)
            )
        })
        .collect()
}

/// The scalars of a value, by their paths.
fn flatten(path: &str, value: &Value, leaves: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                flatten(&format!("{path}/{key}"), member, leaves);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                flatten(&format!("{path}/{index}"), item, leaves);
            }
        }
        scalar => {
            leaves.insert(path.to_owned(), scalar.clone());
        }
    }
}
