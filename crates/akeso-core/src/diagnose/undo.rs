//! The remedy for a bad rollout: the last good revision, where its pods have proven it.

use k8s_openapi::api::core::v1::{Pod, PodSpec, PodTemplateSpec};

use super::{Diagnosis, Examination, Remedy};
use crate::{
    act::{Action, RollbackToRevision, rollback_fingerprint},
    cluster::{Controller, Good, is_ready},
    observe::{PENDING_LONG, Sign},
    plan::{Advice, Origin, Proof, Step},
};

/// The step that puts the last good revision back, if there is one and it differs.
pub(super) fn step(examination: &Examination<'_>) -> Option<Step> {
    let good = examination.workload.last_good_revision()?;
    let now = examination.workload.template()?;
    // a restart, or the digest of what lies elsewhere, is no change that could have broken it
    let is_same = good.template.spec == now.spec;
    // a revision some of whose pods are well is not bad as a whole; between two crashes, a pod
    // without a readiness probe is ready for a moment, and not well
    let is_well = |pod: &Pod| {
        let mut symptoms = examination.symptoms.iter();
        is_ready(pod) && !symptoms.any(|symptom| symptom.pod == pod.metadata.name)
    };
    // where the old pods are gone, whether other data shall come back is for a person to say
    let other_data =
        matches!(good.good, Good::ServedUntil(_)) && claims(&good.template) != claims(now);
    if is_same || other_data || examination.workload.pods.iter().any(|pod| is_well(pod)) {
        return None;
    }
    let template = rollback_fingerprint(&good.template);
    let images = good.template.spec.iter().flat_map(|spec| &spec.containers);
    let images = images
        .map(|container| container.image.clone().unwrap_or_default())
        .collect();
    let reasoning = format!("revision {} works: {}", good.number, good.good);
    Some(Step {
        action: Action::RollbackToRevision(RollbackToRevision {
            revision: good.number,
            holder: good.holder.name,
            images,
            template,
        }),
        reasoning,
        origin: Origin::Playbook,
        proof: Proof::Confirmed,
    })
}

/// The claims whose data the pods of a template use.
fn claims(template: &PodTemplateSpec) -> Vec<&str> {
    let volumes = template
        .spec
        .iter()
        .flat_map(|spec| &spec.volumes)
        .flatten();
    let sources = volumes.filter_map(|volume| volume.persistent_volume_claim.as_ref());
    sources.map(|source| source.claim_name.as_str()).collect()
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
    Remedy::by(step(examination).or_else(other), advice)
}

/// Nobody waits for a rollout that is given more time than this.
const LONGEST_DEADLINE: i32 = 3600;

impl Diagnosis {
    /// The same, in place of a person who would have to change what is blamed, where a rollout has
    /// changed it: what it has not changed keeps the pods of the last good revision out as well.
    /// What is missing may yet come, such as a node or an account: the rollout has the time that its
    /// owner gives it
    /// (<https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#progress-deadline-seconds>),
    /// or five minutes.
    pub(super) fn undone_if_changed<T: PartialEq>(
        mut self,
        examination: &Examination<'_>,
        blamed: impl Fn(&PodSpec) -> T,
    ) -> Self {
        let Some(time) = self.time_to_come(examination) else {
            return self;
        };
        let good = examination.workload.last_good_revision();
        let before = good.and_then(|good| good.template.spec.as_ref().map(&blamed));
        let is_changed = before.is_some() && before != examination.workload.pod_spec().map(&blamed);
        let (Remedy::Person(advice), true) = (&self.remedy, is_changed) else {
            return self;
        };
        let Some(step) = step(examination) else {
            return self;
        };
        match time {
            Time::Over => {
                self.remedy = Remedy::Steps {
                    steps: vec![step],
                    otherwise: advice.clone(),
                };
            }
            Time::Lasts(why) => self.remedy = Remedy::Wait { why },
            Time::TooLong => {}
        }
        self
    }

    /// How much longer the pods of a rollout may take to come; nothing where nobody can say.
    fn time_to_come(&self, examination: &Examination<'_>) -> Option<Time> {
        match examination.workload.controller {
            Controller::Deployment(deployment) => {
                let deadline = deployment.spec.progress_deadline_seconds.unwrap_or(600);
                let mut symptoms = examination.symptoms.iter();
                Some(
                    if symptoms.any(|symptom| matches!(symptom.sign, Sign::RolloutOverdue)) {
                        Time::Over
                    } else if deadline > LONGEST_DEADLINE {
                        Time::TooLong
                    } else {
                        Time::Lasts(format!(
                            "the rollout has its progressDeadlineSeconds, {deadline} s, to get its pods"
                        ))
                    },
                )
            }
            // it gives its rollouts no time of their own, and a pod that waits shows how long it does
            Controller::StatefulSet(_) if matches!(self.symptom.sign, Sign::Unschedulable) => {
                let is_long = self.symptom.status == PENDING_LONG;
                Some(if is_long {
                    Time::Over
                } else {
                    Time::Lasts("a node for it may come within five minutes".to_owned())
                })
            }
            Controller::StatefulSet(_)
            | Controller::DaemonSet(_)
            | Controller::ReplicaSet(_)
            | Controller::CronJob(_)
            | Controller::Job(_)
            | Controller::Pod(_)
            | Controller::Support(_) => None,
        }
    }
}

/// The time that a rollout has.
enum Time {
    Over,
    Lasts(String),
    /// Longer than anybody waits.
    TooLong,
}
