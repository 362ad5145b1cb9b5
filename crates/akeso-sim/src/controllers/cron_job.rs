//! The CronJob controller: a Job each time the schedule says. Only schedules of the form
//! `* * * * *` and `*/N * * * *` are known; others never run.

use akeso_core::cluster::{Key, Kind};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{
        batch::v1::{CronJob, Job},
        core::v1::ObjectReference,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::job::{has, is_finished};
use crate::{
    agenda::Work,
    api_server::Rules,
    store::key_of,
    world::{World, owner_reference, stamp},
};

pub(super) fn reconcile(world: &mut World, key: &Key) {
    let Some(mut cron) = world.store.get::<CronJob>(key).cloned() else {
        return;
    };
    let status = cron.status.clone().unwrap_or_default();
    let last = status
        .last_schedule_time
        .as_ref()
        .or(cron.metadata.creation_timestamp.as_ref())
        .map(|time| time.0);
    let due = last.and_then(|last| next_run(&cron.spec.schedule, last));
    if let Some(due) = due.filter(|_| cron.spec.suspend != Some(true)) {
        if due <= world.now {
            run(world, &mut cron, due);
            world.wake(
                Work::Reconcile(Kind::CronJob, key.clone()),
                SignedDuration::ZERO,
            );
        } else {
            world
                .agenda
                .add(Work::Reconcile(Kind::CronJob, key.clone()), due);
        }
    }
    let jobs: Vec<Job> = world
        .store
        .controlled_by::<Job>(&cron.metadata)
        .cloned()
        .collect();
    let status = cron.status.get_or_insert_default();
    let active = jobs
        .iter()
        .filter(|job| !is_finished(job))
        .map(reference)
        .collect::<Vec<_>>();
    status.active = (!active.is_empty()).then_some(active);
    let done = jobs.iter().filter(|job| has(job, "Complete"));
    let done = done
        .filter_map(|job| job.status.as_ref()?.completion_time.clone())
        .max();
    status.last_successful_time = done.or(status.last_successful_time.take());
    let cron = world.put(cron);
    forget_old_jobs(world, &cron, jobs);
}

/// The first time after `last` at which a schedule says to run.
fn next_run(schedule: &str, last: Timestamp) -> Option<Timestamp> {
    let minutes = schedule.strip_suffix(" * * * *")?;
    let every: i64 = match minutes {
        "*" => 1,
        _ => minutes
            .strip_prefix("*/")?
            .parse()
            .ok()
            .filter(|every| (1..60).contains(every))?,
    };
    let first = last.as_second().div_euclid(60) + 1;
    // minute 0 of each hour is in every such schedule
    let minute = (first..=first + 60).find(|minute| minute.rem_euclid(60) % every == 0)?;
    Timestamp::from_second(minute * 60).ok()
}

fn run(world: &mut World, cron: &mut CronJob, due: Timestamp) {
    let jobs = world.store.controlled_by::<Job>(&cron.metadata);
    let active: Vec<_> = jobs
        .filter(|job| !is_finished(job))
        .map(|job| key_of(&job.metadata))
        .collect();
    let policy = cron.spec.concurrency_policy.as_deref();
    cron.status.get_or_insert_default().last_schedule_time = Some(stamp(due));
    if policy == Some("Forbid") && !active.is_empty() {
        return;
    }
    if policy == Some("Replace") {
        for key in &active {
            world.remove::<Job>(key);
        }
    }
    let template = cron.spec.job_template.clone();
    let of_template = template.metadata.unwrap_or_default();
    let name = format!(
        "{}-{}",
        cron.metadata.name.as_deref().unwrap_or_default(),
        due.as_second() / 60
    );
    let mut annotations = of_template.annotations.unwrap_or_default();
    annotations.insert(
        "batch.kubernetes.io/cronjob-scheduled-timestamp".to_owned(),
        due.to_string(),
    );
    let mut job = Job {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: cron.metadata.namespace.clone(),
            labels: of_template.labels,
            annotations: Some(annotations),
            owner_references: Some(vec![owner_reference(cron)]),
            ..ObjectMeta::default()
        },
        spec: template.spec,
        status: None,
    };
    if job.prepare(None).is_ok() {
        world.put(job);
    }
}

fn reference(job: &Job) -> ObjectReference {
    ObjectReference {
        api_version: Some("batch/v1".to_owned()),
        kind: Some("Job".to_owned()),
        name: job.metadata.name.clone(),
        namespace: job.metadata.namespace.clone(),
        uid: job.metadata.uid.clone(),
        ..ObjectReference::default()
    }
}

fn forget_old_jobs(world: &mut World, cron: &CronJob, mut jobs: Vec<Job>) {
    jobs.sort_by_key(|job| std::cmp::Reverse(job.metadata.creation_timestamp.clone()));
    let limits = [
        (
            "Complete",
            cron.spec.successful_jobs_history_limit.unwrap_or(3),
        ),
        ("Failed", cron.spec.failed_jobs_history_limit.unwrap_or(1)),
    ];
    for (condition, limit) in limits {
        let ended = jobs.iter().filter(|job| has(job, condition));
        let spent: Vec<_> = ended
            .skip(usize::try_from(limit).unwrap_or(0))
            .map(|job| key_of(&job.metadata))
            .collect();
        for key in &spent {
            world.remove::<Job>(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_run_is_the_next_minute_that_the_schedule_names() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let last = at("2026-01-01T10:59:30Z");
        assert_eq!(
            next_run("* * * * *", last),
            Some(at("2026-01-01T11:00:00Z"))
        );
        assert_eq!(
            next_run("*/7 * * * *", at("2026-01-01T10:00:00Z")),
            Some(at("2026-01-01T10:07:00Z"))
        );
        assert_eq!(
            next_run("*/59 * * * *", last),
            Some(at("2026-01-01T11:00:00Z"))
        );
        assert_eq!(next_run("30 4 * * *", last), None);
    }
}
