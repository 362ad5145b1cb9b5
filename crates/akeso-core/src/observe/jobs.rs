//! Jobs that have given up, that never end, or that never begin.

use jiff::SignedDuration;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Container, ContainerStatus, Pod},
};

use super::{JobFlaw, Look, Sign, Symptom};
use crate::{
    cluster::Controller,
    workload::{ContainerRef, ContainerRole},
};

/// What runs beside the work may need so long to see that the work is done.
const TIME_TO_END: SignedDuration = SignedDuration::from_mins(1);

pub(super) fn symptoms(look: &Look<'_>) -> Vec<Symptom> {
    let job = look.workload.job;
    let failed = job.and_then(failure);
    let kept = job
        .filter(|job| failed.is_none() && !is_complete(job))
        .and_then(|_| {
            look.workload
                .pods
                .iter()
                .find_map(|pod| kept_running(look, pod))
        });
    failed
        .into_iter()
        .chain(kept)
        .chain(never_due(look))
        .collect()
}

/// The work of a pod has ended well, and what runs on beside it is no work but a server.
fn kept_running(look: &Look<'_>, pod: &Pod) -> Option<Symptom> {
    let status = pod.status.as_ref()?;
    if status.phase.as_deref() != Some("Running") {
        return None;
    }
    let spec = pod.spec.as_ref()?;
    let (running, ended): (Vec<_>, Vec<_>) = status
        .container_statuses
        .iter()
        .flatten()
        .partition(|it| ended_well(it).is_none());
    let is_no_work = |status: &&ContainerStatus| {
        let is_up = status.state.as_ref().is_some_and(|it| it.running.is_some());
        let mut containers = spec.containers.iter();
        is_up && containers.any(|it| it.name == status.name && is_server(it))
    };
    let server = running.first().filter(|_| running.iter().all(is_no_work))?;
    let last = ended.iter().filter_map(|it| ended_well(it)).max()?;
    if !look.has_lasted(last, TIME_TO_END) {
        return None;
    }
    let done: Vec<_> = ended.iter().map(|it| it.name.as_str()).collect();
    Some(Symptom {
        sign: Sign::JobFlawed {
            flaw: JobFlaw::KeptRunning,
        },
        pod: pod.metadata.name.clone(),
        container: Some(ContainerRef {
            name: server.name.clone(),
            role: ContainerRole::Main,
        }),
        status: "Running".to_owned(),
        reason: "KeptRunning".to_owned(),
        message: format!("{} has ended well", done.join(", ")),
    })
}

fn ended_well(status: &ContainerStatus) -> Option<jiff::Timestamp> {
    let ended = status.state.as_ref()?.terminated.as_ref()?;
    (ended.exit_code == 0).then_some(ended.finished_at.as_ref()?.0)
}

/// What is asked whether it lives, or declares a port, serves and does not end by itself.
fn is_server(container: &Container) -> bool {
    container.liveness_probe.is_some()
        || container.readiness_probe.is_some()
        || container.ports.as_ref().is_some_and(|it| !it.is_empty())
}

/// A day of a month that has none: the 31st of April.
fn never_due(look: &Look<'_>) -> Option<Symptom> {
    let Controller::CronJob(cron) = look.workload.controller else {
        return None;
    };
    let schedule = &cron.spec.schedule;
    is_never(schedule).then(|| Symptom {
        sign: Sign::JobFlawed {
            flaw: JobFlaw::NeverDue,
        },
        pod: None,
        container: None,
        status: "Pending".to_owned(),
        reason: "NeverDue".to_owned(),
        message: schedule.clone(),
    })
}

/// Only lists and ranges of plain numbers are judged, and only where no day of the week is named:
/// with one, either of both is enough
/// (<https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax>).
fn is_never(schedule: &str) -> bool {
    const LONGEST: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let fields: Vec<_> = schedule.split_whitespace().collect();
    let [_, _, days, months, "*" | "?"] = fields.as_slice() else {
        return false;
    };
    let least = |field: &str| -> Option<Vec<u8>> {
        let each = field.split(',').map(|part| {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            Some((from.parse::<u8>().ok()?, to.parse::<u8>().ok()?))
        });
        let ranges: Option<Vec<_>> = each.collect();
        Some(
            ranges?
                .into_iter()
                .flat_map(|(from, to)| from..=to)
                .collect(),
        )
    };
    let (Some(days), Some(months)) = (least(days), least(months)) else {
        return false;
    };
    let Some(first) = days.iter().min() else {
        return false;
    };
    let longest = |month: &u8| LONGEST.get(usize::from(*month).wrapping_sub(1));
    !months.is_empty()
        && months
            .iter()
            .all(|month| longest(month).is_some_and(|longest| first > longest))
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

#[cfg(test)]
mod tests {
    use super::is_never;

    #[test]
    fn a_day_that_no_month_has_never_comes() {
        for schedule in [
            "0 0 31 2 *",
            "0 0 30 2 *",
            "* * 31 4,6,9,11 *",
            "5 4 30-31 2 ?",
        ] {
            assert!(is_never(schedule), "{schedule}");
        }
        for schedule in [
            "0 0 29 2 *",
            "0 0 31 1-4 *",
            "0 0 31 2 1",
            "0 0 */31 2 *",
            "0 0 31 FEB *",
            "0 0 31 * *",
            "@yearly",
            "0 0 1,31 2 *",
        ] {
            assert!(!is_never(schedule), "{schedule}");
        }
    }
}
