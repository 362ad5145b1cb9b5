//! Values of a spec that are replaced by others of the same form, wherever they stand: what the
//! actions have in common that correct a name, a port or a label.

use serde_json::{Map, Value};

use super::{
    Change, NotApplicable, PatchOp,
    patch::{annotate, guard},
};
use crate::{cluster::Workload, workload::AttemptId};

/// A place in an object's spec, and what must be so for it to be the same place later: the names
/// of the list elements on the way to it.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    path: String,
    anchors: Vec<PatchOp>,
}

impl Place {
    /// The place at this JSON pointer (RFC 6901).
    pub(super) fn at(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            anchors: Vec::new(),
        }
    }

    /// The place of a list element at this JSON pointer, which has this name.
    pub(super) fn named(path: &str, name: &str) -> Self {
        Self {
            path: path.to_owned(),
            anchors: vec![PatchOp::test(format!("{path}/name"), name)],
        }
    }

    /// Its JSON pointer.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The place of a member, of an object; or of an element, of a list.
    pub(super) fn below(&self, key: &str) -> Self {
        let key = key.replace('~', "~0").replace('/', "~1");
        Self {
            path: format!("{}/{key}", self.path),
            anchors: self.anchors.clone(),
        }
    }

    /// The place of an element of the list here, which has this name.
    pub(super) fn element(&self, index: usize, name: impl Into<Value>) -> Self {
        let mut place = self.below(&index.to_string());
        let path = format!("{}/name", place.path);
        place.anchors.push(PatchOp::test(path, name));
        place
    }

    /// Calls `visit` with every object below, the key that it (or the list in which it is) has, and
    /// its place.
    pub(super) fn visit(
        &self,
        key: &str,
        value: &Value,
        visit: &mut impl FnMut(&str, &Map<String, Value>, &Self),
    ) {
        match value {
            Value::Object(members) => {
                visit(key, members, self);
                for (key, value) in members {
                    self.below(key).visit(key, value, visit);
                }
            }
            Value::Array(elements) => {
                for (index, value) in elements.iter().enumerate() {
                    let place = match value.get("name") {
                        Some(name) => self.element(index, name.clone()),
                        None => self.below(&index.to_string()),
                    };
                    place.visit(key, value, visit);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// The change that replaces `from` by `to` at each of these places; `field` is what they are, in
/// words.
pub(super) fn replace(
    workload: &Workload<'_>,
    attempt: AttemptId,
    field: String,
    places: &[Place],
    (from, to): (&Value, &Value),
) -> Result<Change, NotApplicable> {
    let each = places.iter().map(|place| Replaced {
        place: place.clone(),
        from: from.clone(),
        to: to.clone(),
    });
    replace_each(
        workload,
        attempt,
        (field, plain(from)),
        &each.collect::<Vec<_>>(),
    )
}

/// A value at a place, and the one that it gets.
#[derive(Debug)]
pub(super) struct Replaced {
    pub(super) place: Place,
    pub(super) from: Value,
    pub(super) to: Value,
}

/// The same with a value of its own at each place; `expected` is what all have in common, in words.
pub(super) fn replace_each(
    workload: &Workload<'_>,
    attempt: AttemptId,
    (field, expected): (String, String),
    each: &[Replaced],
) -> Result<Change, NotApplicable> {
    if each.is_empty() {
        return Err(NotApplicable::Changed {
            workload: workload.reference.clone(),
            field,
            expected,
            found: "something else".to_owned(),
        });
    }
    let mut forward = guard(workload);
    forward.extend(written(each.iter().map(|it| (&it.place, &it.from, &it.to))));
    forward.extend(annotate(workload.metadata(), attempt, &[]));
    Ok(Change::Patch {
        forward,
        inverse: written(each.iter().map(|it| (&it.place, &it.to, &it.from))),
    })
}

/// The operations that write at each place a new value over an old one.
fn written<'a>(each: impl Iterator<Item = (&'a Place, &'a Value, &'a Value)>) -> Vec<PatchOp> {
    let mut operations: Vec<PatchOp> = Vec::new();
    for (place, old, new) in each {
        let anchors = place.anchors.iter().cloned();
        let both = [
            PatchOp::test(&place.path, old.clone()),
            PatchOp::replace(&place.path, new.clone()),
        ];
        for operation in anchors.chain(both) {
            if !operations.contains(&operation) {
                operations.push(operation);
            }
        }
    }
    operations
}

/// A value without quotes.
pub(super) fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
