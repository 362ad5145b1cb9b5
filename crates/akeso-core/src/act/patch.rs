//! JSON Patch operations (RFC 6902), and the paths they speak of.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{LAST_ATTEMPT, Mark, NotApplicable};
use crate::{
    cluster::{Workload, find_container},
    workload::{AttemptId, ContainerRef, WorkloadKind},
};

const ANNOTATIONS: &str = "/metadata/annotations";
const RESOURCE_VERSION: &str = "/metadata/resourceVersion";

/// One operation of a JSON Patch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum PatchOp {
    /// Refuses the whole patch unless the value is this.
    Test {
        /// JSON pointer (RFC 6901).
        path: String,
        /// The value it must have.
        value: Value,
    },
    /// Adds a member or, at an index, an element.
    Add {
        /// JSON pointer (RFC 6901).
        path: String,
        /// The value.
        value: Value,
    },
    /// Replaces a value that exists.
    Replace {
        /// JSON pointer (RFC 6901).
        path: String,
        /// The value.
        value: Value,
    },
    /// Removes a value that exists.
    Remove {
        /// JSON pointer (RFC 6901).
        path: String,
    },
}

impl PatchOp {
    pub(super) fn test(path: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::Test {
            path: path.into(),
            value: value.into(),
        }
    }

    pub(super) fn add(path: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::Add {
            path: path.into(),
            value: value.into(),
        }
    }

    pub(super) fn replace(path: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::Replace {
            path: path.into(),
            value: value.into(),
        }
    }

    /// Writes the mark of a change to the workload, which has annotations by now.
    pub(crate) fn mark(mark: &str) -> Self {
        Self::add(annotation_path(LAST_ATTEMPT), mark)
    }

    /// The mark that this operation writes.
    pub(crate) fn as_mark(&self) -> Option<&str> {
        let Self::Add { path, value } = self else {
            return None;
        };
        if *path == annotation_path(LAST_ATTEMPT) {
            return value.as_str();
        }
        (path == ANNOTATIONS).then(|| value.get(LAST_ATTEMPT)?.as_str())?
    }

    /// The same operation with another mark, if it writes one.
    pub(super) fn marked(self, mark: &Mark) -> Self {
        let Self::Add { path, mut value } = self else {
            return self;
        };
        let place = if path == annotation_path(LAST_ATTEMPT) {
            Some(&mut value)
        } else if path == ANNOTATIONS {
            value.get_mut(LAST_ATTEMPT)
        } else {
            None
        };
        if let Some(place) = place {
            *place = mark.to_string().into();
        }
        Self::Add { path, value }
    }

    /// Whether it is about the workload's annotations, or its generation or version, which they may
    /// raise.
    pub(crate) fn is_about_annotations(&self) -> bool {
        let (Self::Test { path, .. }
        | Self::Add { path, .. }
        | Self::Replace { path, .. }
        | Self::Remove { path }) = self;
        path.starts_with(ANNOTATIONS) || path == "/metadata/generation" || path == RESOURCE_VERSION
    }

    pub(super) fn remove(path: impl Into<String>) -> Self {
        Self::Remove { path: path.into() }
    }
}

/// The path of the pod spec in the workload's object, if its pod template can be changed.
pub(super) fn template_path(workload: &Workload<'_>) -> Result<&'static str, NotApplicable> {
    let kind = workload.reference.kind;
    match kind {
        WorkloadKind::Deployment
        | WorkloadKind::StatefulSet
        | WorkloadKind::DaemonSet
        | WorkloadKind::CronJob => Ok(kind.pod_spec_path()),
        // their template is read once, if they have one: what runs by now would not change
        WorkloadKind::Job
        | WorkloadKind::ReplicaSet
        | WorkloadKind::Pod
        | WorkloadKind::Support(_) => Err(NotApplicable::Immutable {
            workload: workload.reference.clone(),
        }),
    }
}

/// The path of a container in the workload's object, if something of it can be changed. Of a pod
/// that nobody owns, the image can.
pub(super) fn container_path(
    workload: &Workload<'_>,
    container: &ContainerRef,
) -> Result<String, NotApplicable> {
    let reference = &workload.reference;
    let path = match reference.kind {
        WorkloadKind::Pod => reference.kind.pod_spec_path(),
        WorkloadKind::Deployment
        | WorkloadKind::StatefulSet
        | WorkloadKind::DaemonSet
        | WorkloadKind::CronJob
        | WorkloadKind::Job
        | WorkloadKind::ReplicaSet
        | WorkloadKind::Support(_) => template_path(workload)?,
    };
    let no_container = || NotApplicable::NoContainer {
        workload: reference.clone(),
        container: container.clone(),
    };
    let spec = workload.pod_spec().ok_or_else(no_container)?;
    let (index, _) = find_container(spec, container).ok_or_else(no_container)?;
    Ok(format!("{path}/{}/{index}", container.role.field()))
}

/// The operations that every forward patch begins with: nobody has changed the spec since it was
/// looked at.
pub(super) fn guard(workload: &Workload<'_>) -> Vec<PatchOp> {
    let generation = workload.metadata().generation;
    generation
        .map(|generation| PatchOp::test("/metadata/generation", generation))
        .into_iter()
        .collect()
}

/// Writes the attempt's id, and `others`, to the workload's annotations.
///
/// Where there are none, they are added as a whole, which would wipe out what somebody puts there
/// at the same time: not every kind has a new generation by that, and that a path is absent cannot
/// be tested (RFC 6902). So nothing at all of the object may have changed since it was looked at.
pub(super) fn annotate(
    metadata: &ObjectMeta,
    attempt: AttemptId,
    others: &[(&str, String)],
) -> Vec<PatchOp> {
    let mine = (LAST_ATTEMPT, attempt.to_string());
    let pairs = std::iter::once(&mine).chain(others);
    if metadata.annotations.is_none() {
        let all: serde_json::Map<_, _> = pairs
            .map(|(key, value)| ((*key).to_owned(), json!(value)))
            .collect();
        let version = metadata.resource_version.clone();
        let unchanged = version.map(|version| PatchOp::test(RESOURCE_VERSION, version));
        let added = PatchOp::add(ANNOTATIONS, Value::Object(all));
        return unchanged.into_iter().chain([added]).collect();
    }
    pairs
        .map(|(key, value)| PatchOp::add(annotation_path(key), value.clone()))
        .collect()
}

/// The path of an annotation.
pub(super) fn annotation_path(key: &str) -> String {
    format!(
        "/metadata/annotations/{}",
        key.replace('~', "~0").replace('/', "~1")
    )
}

/// The smallest patch from one value to another: only what differs is written, and each value
/// that is replaced or removed is tested first.
pub(super) fn difference(path: &str, old: &Value, new: &Value) -> Vec<PatchOp> {
    let below = |key: &str| format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
    match (old, new) {
        _ if old == new => Vec::new(),
        (Value::Object(before), Value::Object(after)) => {
            let gone = before.iter().filter(|(key, _)| !after.contains_key(*key));
            let removed = gone.flat_map(|(key, value)| {
                [
                    PatchOp::test(below(key), value.clone()),
                    PatchOp::remove(below(key)),
                ]
            });
            let written = after.iter().flat_map(|(key, value)| match before.get(key) {
                Some(old) => difference(&below(key), old, value),
                None => vec![PatchOp::add(below(key), value.clone())],
            });
            removed.chain(written).collect()
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            let pairs = before.iter().zip(after).enumerate();
            pairs
                .flat_map(|(index, (old, new))| difference(&below(&index.to_string()), old, new))
                .collect()
        }
        _ => vec![
            PatchOp::test(path, old.clone()),
            PatchOp::replace(path, new.clone()),
        ],
    }
}

/// The patch, begun with a test of each object or list to which it adds something: what somebody
/// else has put there is not written over, as RFC 6902 has `add` do it. `old` is the value at
/// `path` for which the patch was made.
pub(super) fn guarded(operations: Vec<PatchOp>, path: &str, old: &Value) -> Vec<PatchOp> {
    let mut parents = std::collections::BTreeMap::new();
    for operation in &operations {
        if let PatchOp::Add { path: added, .. } = operation
            && let Some((parent, _)) = added.rsplit_once('/')
            && let Some(value) = parent
                .strip_prefix(path)
                .and_then(|below| old.pointer(below))
        {
            parents.insert(parent.to_owned(), value.clone());
        }
    }
    let tests = parents
        .into_iter()
        .map(|(parent, value)| PatchOp::test(parent, value));
    tests.chain(operations).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<u8>().prop_map(Value::from),
            "[a-c/~]{0,2}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[a-c/~]{1,2}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn operation(value: Value) -> PatchOp {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_mark_of_a_change_is_read_from_where_it_is_written() {
        let path = "/metadata/annotations/akeso.dev~1last-attempt";
        assert_eq!(
            PatchOp::mark("attempt-7"),
            operation(json!({"op": "add", "path": path, "value": "attempt-7"}))
        );
        assert_eq!(PatchOp::mark("attempt-7").as_mark(), Some("attempt-7"));
        // a workload that had no annotations gets them as a whole
        let whole = json!({"op": "add", "path": "/metadata/annotations", "value": {LAST_ATTEMPT: "attempt-8", "other": "x"}});
        assert_eq!(operation(whole).as_mark(), Some("attempt-8"));
        for other in [
            json!({"op": "add", "path": "/metadata/annotations/other", "value": "attempt-7"}),
            json!({"op": "add", "path": "/metadata/annotations", "value": {"other": "x"}}),
            json!({"op": "add", "path": "/metadata/labels", "value": {LAST_ATTEMPT: "attempt-7"}}),
            json!({"op": "replace", "path": path, "value": "attempt-7"}),
            json!({"op": "test", "path": path, "value": "attempt-7"}),
        ] {
            assert_eq!(operation(other).as_mark(), None);
        }
    }

    #[test]
    fn what_is_about_annotations_is_told_from_what_is_not_whatever_the_operation() {
        for op in ["test", "add", "replace", "remove"] {
            let about = |path: &str| operation(json!({"op": op, "path": path, "value": "x"}));
            assert!(about("/metadata/annotations").is_about_annotations());
            assert!(about("/metadata/annotations/a").is_about_annotations());
            assert!(!about("/metadata/labels/a").is_about_annotations());
            assert!(!about("/spec/template/metadata/annotations/a").is_about_annotations());
        }
    }

    /// Whether every member of an object that was not in `old` is still as it was.
    fn keeps(theirs: &Value, old: &Value, now: &Value) -> bool {
        let Value::Object(members) = theirs else {
            return true;
        };
        members.iter().all(|(key, value)| match old.get(key) {
            None => now.get(key) == Some(value),
            Some(old) => now.get(key).is_none_or(|now| keeps(value, old, now)),
        })
    }

    proptest! {
        #[test]
        fn the_difference_leads_from_one_value_to_the_other_and_only_from_that(old in any_json(), new in any_json(), third in any_json()) {
            let path = |value: &Value| json!({"at": value});
            let patch: json_patch::Patch = serde_json::from_value(serde_json::to_value(difference("/at", &old, &new)).unwrap()).unwrap();
            let mut value = path(&old);
            json_patch::patch(&mut value, &patch).unwrap();
            prop_assert_eq!(value, path(&new));
            // nor is anything that somebody else has put there
            let guarded: json_patch::Patch = serde_json::from_value(serde_json::to_value(guarded(difference("/at", &old, &new), "/at", &old)).unwrap()).unwrap();
            let mut other = path(&third);
            if json_patch::patch(&mut other, &guarded).is_ok() && third != old {
                prop_assert!(keeps(&third, &old, &other["at"]), "{third} became {other}");
            }
            // what somebody else has put there is not overwritten
            if old != new && !third.is_object() && !third.is_array() && third != old {
                prop_assert!(json_patch::patch(&mut path(&third), &patch).is_err());
            }
        }
    }
}
