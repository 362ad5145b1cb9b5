//! The remedy for a bad rollout: the last good revision, where one is proven by ready pods.

use k8s_openapi::api::core::v1::{Pod, PodSpec, ResourceRequirements};

use super::{Diagnosis, Examination, Remedy};
use crate::{
    act::{Action, RollbackToRevision, rollback_fingerprint},
    cluster::is_ready,
    observe::{PENDING_LONG, Sign},
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

impl Diagnosis {
    /// The same, in place of a person who would have to change what is blamed, where a rollout has
    /// changed it: what it has not changed keeps the pods of the last good revision out as well.
    /// A node may yet come for what no node takes.
    pub(super) fn undone_if_changed<T: PartialEq>(
        mut self,
        examination: &Examination<'_>,
        blamed: impl Fn(&PodSpec) -> T,
    ) -> Self {
        let good = examination.workload.last_good_revision();
        let before = good.and_then(|good| good.template.spec.as_ref().map(&blamed));
        let is_changed = before.is_some() && before != examination.workload.pod_spec().map(&blamed);
        let (Remedy::Person(advice), true) = (&self.remedy, is_changed) else {
            return self;
        };
        let may_pass =
            matches!(self.symptom.sign, Sign::Unschedulable) && self.symptom.status != PENDING_LONG;
        self.remedy = match step(examination) {
            None => return self,
            Some(_) if may_pass => Remedy::Wait {
                why: "a node that takes it may be on its way".to_owned(),
            },
            Some(step) => Remedy::Steps {
                steps: vec![step],
                otherwise: advice.clone(),
            },
        };
        self
    }
}

/// What each container asks for and may use.
pub(super) fn resources(spec: &PodSpec) -> Vec<Option<ResourceRequirements>> {
    let init = spec.init_containers.iter().flatten();
    let containers = init.chain(&spec.containers);
    containers.map(|it| it.resources.clone()).collect()
}
