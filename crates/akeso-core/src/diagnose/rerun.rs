//! A Job that has given up, and whose cause is gone: a new run of it is the only way on.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::Job;

use super::{Diagnosis, Examination, Remedy, dependency_unreachable};
use crate::{
    act::{Action, RerunJob},
    cluster::Workload,
    plan::{Advice, Origin, Proof, Step},
};

/// What has failed longer ago may have been done by other means, or not be wanted any more.
const STILL_WANTED: SignedDuration = SignedDuration::from_hours(1);

/// Runs the Job again, of which is known why it has failed and that this is over; or says why a
/// person has to.
pub(super) fn or_person(
    examination: &Examination<'_>,
    has_started: bool,
    over: &str,
    advice: Advice,
) -> Remedy {
    let workload = examination.workload;
    let Some((job, action)) = workload
        .job
        .and_then(|job| Some((job, RerunJob::of(job, has_started)?)))
    else {
        return Remedy::Person(advice);
    };
    let is_late = failed_at(job).is_none_or(|at| examination.now.duration_since(at) > STILL_WANTED);
    let late =
        is_late.then(|| "it failed so long ago that it may not be wanted any more".to_owned());
    if let Some(why) = action.why_never(workload).or(late) {
        return Remedy::Person(Advice {
            why: format!("{over}, and a new run is for a person to start: {why}"),
            ..advice
        });
    }
    let step = Step {
        action: Action::RerunJob(action),
        reasoning: format!("{over}, and the Job makes no further tries"),
        origin: Origin::Playbook,
        proof: if has_started {
            Proof::Bounded
        } else {
            Proof::Confirmed
        },
    };
    Remedy::Steps {
        steps: vec![step],
        otherwise: advice,
    }
}

/// Whether what a person was told of a Job is over since: it may be run again.
pub(crate) fn is_over_since(workload: &Workload<'_>, told: &Diagnosis, at: Timestamp) -> bool {
    workload.job.and_then(failed_at).is_some()
        && dependency_unreachable::answers_since(workload.cluster(), told)
            .is_some_and(|since| since > at)
}

/// When the Job gave up.
pub(crate) fn failed_at(job: &Job) -> Option<Timestamp> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let mut failed = conditions
        .iter()
        .filter(|it| it.type_ == "Failed" && it.status == "True");
    Some(failed.next()?.last_transition_time.as_ref()?.0)
}
