//! `fix_claim`: the volumes of the pod template that name a `PersistentVolumeClaim` which does not
//! exist get the one that was meant. No claim is made, changed or removed.

use serde::{Deserialize, Serialize};

use super::{
    Change, NotApplicable, ONLY_ALIKE, Treatment,
    correction::{Place, replace},
    patch::template_path,
};
use crate::{
    cluster::{Key, Workload},
    workload::{AttemptId, WorkloadRef},
};

/// Corrects the name of a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixClaim {
    /// The claim that is not there.
    pub from: String,
    /// The claim that is.
    pub to: String,
}

impl FixClaim {
    /// The volumes of the pod template that name a claim.
    fn places(workload: &Workload<'_>, claim: &str) -> Vec<Place> {
        let path = workload.reference.kind.pod_spec_path();
        let spec = workload.pod_spec();
        let volumes = spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
        let named = volumes.enumerate().filter(|(_, volume)| {
            let source = volume.persistent_volume_claim.as_ref();
            source.is_some_and(|source| source.claim_name == claim)
        });
        named
            .map(|(index, volume)| {
                Place::named(&format!("{path}/volumes/{index}"), &volume.name)
                    .below("persistentVolumeClaim")
                    .below("claimName")
            })
            .collect()
    }
}

impl Treatment for FixClaim {
    fn summary(&self) -> String {
        format!(
            "mount the claim {} in place of {}, which does not exist",
            self.to, self.from
        )
    }

    fn command(&self, workload: &WorkloadRef) -> String {
        format!(
            "kubectl -n {} edit {}  # claimName: {} in place of {}",
            workload.namespace,
            workload.kubectl(),
            self.to,
            self.from
        )
    }

    fn change(&self, workload: &Workload<'_>, attempt: AttemptId) -> Result<Change, NotApplicable> {
        template_path(workload)?;
        let namespace = &workload.reference.namespace;
        let claims = &workload.cluster().claims;
        let is_there = |claim: &str| claims.contains_key(&Key::new(namespace, claim));
        if !is_there(&self.to) {
            let what = format!("PersistentVolumeClaim {namespace}/{}", self.to);
            return Err(NotApplicable::Gone { what });
        }
        if is_there(&self.from) {
            return Err(NotApplicable::Changed {
                workload: workload.reference.clone(),
                field: format!("the claim {}", self.from),
                expected: "missing".to_owned(),
                found: "there".to_owned(),
            });
        }
        let places = Self::places(workload, &self.from);
        let values = (&self.from.clone().into(), &self.to.clone().into());
        let field = "the claimName of a volume".to_owned();
        replace(workload, attempt, field, &places, values)
    }

    fn holds(&self, workload: &Workload<'_>) -> bool {
        Self::places(workload, &self.from).is_empty()
            && !Self::places(workload, &self.to).is_empty()
    }

    fn is_transferable(&self) -> bool {
        false // whose data a claim holds is looked at for each workload
    }

    fn why_no_trial(&self) -> Option<&'static str> {
        Some("what a claim holds is not tried out on")
    }

    fn needs_confirmation(&self) -> Option<&'static str> {
        Some(ONLY_ALIKE)
    }
}
