//! `fix_image_name`: one container's image reference is corrected; nothing else changes.

use serde::{Deserialize, Serialize};

use super::{
    Change, NotApplicable, ONLY_ALIKE, PatchOp, Treatment,
    patch::{annotate, container_path, guard},
};
use crate::{
    cluster::Workload,
    plan::Proof,
    workload::{AttemptId, ContainerRef, WorkloadRef},
};

/// Corrects a container's image reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixImageName {
    /// The container.
    pub container: ContainerRef,
    /// The reference that it has.
    pub from: String,
    /// The reference that it gets.
    pub to: String,
}

impl Treatment for FixImageName {
    fn summary(&self) -> String {
        format!(
            "set the image of {} from {} to {}",
            self.container, self.from, self.to
        )
    }

    fn command(&self, workload: &WorkloadRef) -> String {
        format!(
            "kubectl -n {} set image {} {}={}",
            workload.namespace,
            workload.kubectl(),
            self.container.name,
            self.to
        )
    }

    fn change(&self, workload: &Workload<'_>, attempt: AttemptId) -> Result<Change, NotApplicable> {
        let path = container_path(workload, &self.container)?;
        let found = workload
            .container(&self.container)
            .and_then(|(_, c)| c.image.clone())
            .unwrap_or_default();
        if found != self.from {
            return Err(NotApplicable::Changed {
                workload: workload.reference.clone(),
                field: format!("the image of {}", self.container),
                expected: self.from.clone(),
                found,
            });
        }
        let (name, image) = (format!("{path}/name"), format!("{path}/image"));
        let mut forward = guard(workload);
        forward.extend([
            PatchOp::test(&name, self.container.name.clone()),
            PatchOp::test(&image, self.from.clone()),
            PatchOp::replace(&image, self.to.clone()),
        ]);
        forward.extend(annotate(workload.metadata(), attempt, &[]));
        let inverse = vec![
            PatchOp::test(&name, self.container.name.clone()),
            PatchOp::test(&image, self.to.clone()),
            PatchOp::replace(&image, self.from.clone()),
        ];
        Ok(Change::Patch { forward, inverse })
    }

    fn holds(&self, workload: &Workload<'_>) -> bool {
        workload
            .container(&self.container)
            .is_some_and(|(_, c)| c.image.as_deref() == Some(&self.to))
    }

    fn acts_when_cautious(&self, proof: Proof) -> bool {
        proof == Proof::Confirmed
    }

    // a name that is only alike is no proof
    fn needs_confirmation(&self) -> Option<&'static str> {
        Some(ONLY_ALIKE)
    }
}
