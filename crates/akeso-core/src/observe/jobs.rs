//! Jobs that have given up.

use k8s_openapi::api::batch::v1::Job;

use super::{Look, Sign, Symptom};

pub(super) fn symptoms(look: &Look<'_>) -> Vec<Symptom> {
    look.workload.job.and_then(failure).into_iter().collect()
}

fn condition<'a>(
    job: &'a Job,
    type_: &str,
) -> Option<&'a k8s_openapi::api::batch::v1::JobCondition> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    conditions
        .iter()
        .find(|c| c.type_ == type_ && c.status == "True")
}

/// Whether the Job did what it was for.
pub(super) fn is_complete(job: &Job) -> bool {
    condition(job, "Complete").is_some()
}

fn failure(job: &Job) -> Option<Symptom> {
    let failed = condition(job, "Failed")?;
    Some(Symptom {
        sign: Sign::JobFailed,
        pod: None,
        container: None,
        status: "Terminated".to_owned(),
        reason: failed.reason.clone().unwrap_or_else(|| "Failed".to_owned()),
        message: failed.message.clone().unwrap_or_default(),
    })
}
