//! `rollback_to_revision`: the pod template of the last good revision is put back, as
//! `kubectl rollout undo` does.

use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde::{Deserialize, Serialize};

use super::{
    Change, NotApplicable, PatchOp, Treatment,
    patch::{annotate, guard},
};
use crate::{
    cluster::Workload,
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
}

const TEMPLATE: &str = "/spec/template";

/// The template as JSON. Serialising plain data cannot fail.
fn as_json(template: &PodTemplateSpec) -> serde_json::Value {
    serde_json::to_value(template).unwrap_or_default()
}

impl Treatment for RollbackToRevision {
    fn name(&self) -> &'static str {
        "rollback_to_revision"
    }

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
            .filter(|r| r.name == self.holder)
            .ok_or_else(gone)?;
        let old = as_json(workload.template().ok_or_else(gone)?);
        let new = as_json(&good.template);
        // the whole template is too large, and too full of defaults, for a `test`: the generation
        // tells as well that nobody has touched the spec since
        let mut forward = guard(workload);
        forward.push(PatchOp::replace(TEMPLATE, new.clone()));
        forward.extend(annotate(workload.metadata(), attempt, &[]));
        let mut inverse: Vec<_> = (good
            .template
            .spec
            .iter()
            .flat_map(|spec| &spec.containers)
            .enumerate())
        .map(|(index, c)| {
            let image = c.image.clone().unwrap_or_default();
            PatchOp::test(format!("{TEMPLATE}/spec/containers/{index}/image"), image)
        })
        .collect();
        inverse.push(PatchOp::replace(TEMPLATE, old));
        Ok(Change::Patch { forward, inverse })
    }

    fn holds(&self, workload: &Workload<'_>) -> bool {
        let images = workload.pod_spec().map(|spec| {
            spec.containers
                .iter()
                .map(|c| c.image.clone().unwrap_or_default())
                .collect::<Vec<_>>()
        });
        images.as_ref() == Some(&self.images)
    }
}
