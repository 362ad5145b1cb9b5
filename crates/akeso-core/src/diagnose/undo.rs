//! The remedy for a bad rollout: the last good revision, where one is proven by ready pods.

use k8s_openapi::api::core::v1::Pod;

use super::{Examination, Remedy};
use crate::{
    act::{Action, RollbackToRevision, rollback_fingerprint},
    cluster::is_ready,
    plan::{Advice, Origin, Proof, Step},
};

/// The step that puts the last good revision back, if there is one and it differs.
pub(super) fn step(examination: &Examination<'_>) -> Option<Step> {
    let good = examination.workload.last_good_revision()?;
    let is_same = Some(good.template.as_ref()) == examination.workload.template();
    // a revision some of whose pods are well is not bad as a whole; between two crashes, a pod
    // without a readiness probe is ready for a moment, and not well
    let is_well = |pod: &Pod| {
        let mut symptoms = examination.symptoms.iter();
        is_ready(pod) && !symptoms.any(|symptom| symptom.pod == pod.metadata.name)
    };
    if is_same || examination.workload.pods.iter().any(|pod| is_well(pod)) {
        return None;
    }
    let template = rollback_fingerprint(&good.template);
    let images = good.template.spec.iter().flat_map(|spec| &spec.containers);
    let images = images
        .map(|container| container.image.clone().unwrap_or_default())
        .collect();
    let reasoning = format!(
        "{} pod(s) of revision {} are ready, so that revision works",
        good.ready_pods, good.number
    );
    Some(Step {
        action: Action::RollbackToRevision(RollbackToRevision {
            revision: good.number,
            holder: good.name,
            images,
            template,
        }),
        reasoning,
        origin: Origin::Playbook,
        proof: Proof::Confirmed,
    })
}

/// The same as a remedy: undo if that is proven, else a person.
pub(super) fn or_person(examination: &Examination<'_>, advice: Advice) -> Remedy {
    or_step(examination, || None, advice)
}

/// The same as a remedy: undo if that is proven, else this step if there is one, else a person.
pub(super) fn or_step(
    examination: &Examination<'_>,
    other: impl FnOnce() -> Option<Step>,
    advice: Advice,
) -> Remedy {
    match step(examination).or_else(other) {
        Some(step) => Remedy::Steps {
            steps: vec![step],
            otherwise: advice,
        },
        None => Remedy::Person(advice),
    }
}
