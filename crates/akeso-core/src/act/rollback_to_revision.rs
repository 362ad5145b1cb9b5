//! `rollback_to_revision`: the pod template of the last good revision is put back, as
//! `kubectl rollout undo` does, but only what differs is written.

use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    Change, NotApplicable, PatchOp, Treatment,
    patch::{annotate, difference, guard, guarded},
};
use crate::{
    cluster::Workload,
    digest::hex,
    workload::{AttemptId, WorkloadRef},
};

/// Puts the pod template of an earlier revision back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackToRevision {
    /// The revision's number.
    pub revision: i64,
    /// The object that holds it: a ReplicaSet or a ControllerRevision.
    pub holder: String,
    /// The images that the revision runs, for the reader.
    pub images: Vec<String>,
    /// The SHA-256 of the revision's template, by which it is recognised later.
    pub template: String,
}

const TEMPLATE: &str = "/spec/template";

/// The template as JSON. Serialising plain data cannot fail.
fn as_json(template: &PodTemplateSpec) -> Value {
    serde_json::to_value(template).unwrap_or_default()
}

/// What recognises a template.
pub(crate) fn fingerprint(template: &PodTemplateSpec) -> String {
    hex(&Sha256::digest(as_json(template).to_string()))
}

/// The fields in which a template differs from another, as JSON pointers; never their values.
pub(crate) fn changed_fields(from: &PodTemplateSpec, to: &PodTemplateSpec) -> Vec<String> {
    let operations = difference("", &as_json(from), &as_json(to));
    let written = operations
        .into_iter()
        .filter_map(|operation| match operation {
            PatchOp::Test { .. } => None,
            PatchOp::Add { path, .. }
            | PatchOp::Replace { path, .. }
            | PatchOp::Remove { path } => Some(path),
        });
    written.collect()
}

impl Treatment for RollbackToRevision {
    fn summary(&self) -> String {
        format!(
            "put back revision {} ({})",
            self.revision,
            self.images.join(", ")
        )
    }

    fn command(&self, workload: &WorkloadRef) -> String {
        format!(
            "kubectl -n {} rollout undo {} --to-revision={}",
            workload.namespace,
            workload.kubectl(),
            self.revision
        )
    }

    fn change(&self, workload: &Workload<'_>, attempt: AttemptId) -> Result<Change, NotApplicable> {
        let gone = || NotApplicable::Gone {
            what: format!("revision {} of {}", self.revision, workload.reference),
        };
        let good = workload
            .last_good_revision()
            .filter(|good| good.holder.name == self.holder)
            .ok_or_else(gone)?;
        let old = as_json(workload.template().ok_or_else(gone)?);
        let new = as_json(&good.template);
        let mut forward = guard(workload);
        forward.extend(difference(TEMPLATE, &old, &new));
        forward.extend(annotate(workload.metadata(), attempt, &[]));
        Ok(Change::Patch {
            forward,
            inverse: guarded(difference(TEMPLATE, &new, &old), TEMPLATE, &new),
        })
    }

    fn holds(&self, workload: &Workload<'_>) -> bool {
        workload
            .template()
            .is_some_and(|template| fingerprint(template) == self.template)
    }

    fn is_transferable(&self) -> bool {
        false
    }

    fn why_no_trial(&self) -> Option<&'static str> {
        Some("pods of the revision that is put back run well, or did until they were replaced")
    }
}
