//! VERIFY: did the workload really get well?
//!
//! Well means: the new revision is rolled out, every pod of it is ready, nothing is broken and
//! nothing restarts, for a window no shorter than the time that this fault took to show last time.

pub mod neighbours;
pub mod next_start;

use jiff::{SignedDuration, Timestamp};

use crate::{
    act::Action,
    cluster::{Controller, Support, Workload, has_ready_pod, is_ready},
    observe::{Crash, Flaw, ProbeTiming, Sign, Symptom, TIME_TO_MEET},
    plan::requests::WARM_UP,
    quantity::Bytes,
};

/// No fault is called healed sooner than this: what a fix has brought to run for the first time may
/// still crash when its caches are warm or its first connection times out.
const LEAST_WINDOW: SignedDuration = SignedDuration::from_secs(30);
/// No fault is watched longer than this.
const LONGEST_WINDOW: SignedDuration = SignedDuration::from_hours(24);
/// A fault may take a little longer to show than it did last time: the window is so many percent
/// of that.
const MARGIN_PERCENT: u64 = 125;
/// What a Deployment gives a rollout unless it says otherwise
/// (<https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#progress-deadline-seconds>)
/// is given to each pod of what has no deadline of its own.
const TIME_FOR_A_POD: SignedDuration = SignedDuration::from_secs(600);

/// A verification that is under way.
#[derive(Debug, Clone)]
pub struct Watch {
    window: SignedDuration,
    deadline: Timestamp,
    started: Timestamp,
    ready_before: usize,
    well: Option<Well>,
}

/// Since when the workload is well, and how often its containers had restarted by then.
#[derive(Debug, Clone, Copy)]
struct Well {
    since: Timestamp,
    restarts: i32,
}

/// How a verification stands.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is too early to tell; look again at this time at the latest.
    Waiting(Timestamp),
    /// The workload is well and stayed so.
    Healed,
    /// Something is broken.
    Broken,
    /// Nothing is broken, but the workload did not become well in time.
    Overdue {
        /// What is missing.
        why: String,
        /// Whether fewer pods are ready than before the change.
        is_worse: bool,
    },
}

/// What a verification waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Awaits {
    /// That the workload becomes well.
    Well {
        /// What it lacks, for people.
        lacks: String,
        /// Until when it may take, if there is a time.
        until: Option<Timestamp>,
    },
    /// That it stays so.
    Steady {
        /// Until when.
        until: Timestamp,
    },
}

/// How long the workload must stay well after `action` against `symptom`, which showed when the
/// memory limit was `killed_at`.
pub fn window(symptom: &Symptom, action: &Action, killed_at: Option<Bytes>) -> SignedDuration {
    // with more memory, filling it takes longer in proportion
    let same = Bytes::new(1);
    let (more, less) = action.as_memory().map_or((same, same), |action| {
        (action.to, killed_at.unwrap_or(action.from))
    });
    scaled(took(symptom), more, less)
}

/// How long a fault that showed as `symptom` must be gone to be over, when nothing was changed
/// that could make it slower to show.
pub fn recurrence(symptom: Option<&Symptom>) -> SignedDuration {
    let took = symptom.map_or(SignedDuration::ZERO, took);
    scaled(took, Bytes::new(1), Bytes::new(1))
}

/// How long the fault took to show.
fn took(symptom: &Symptom) -> SignedDuration {
    match &symptom.sign {
        Sign::Crash(crash) | Sign::OutOfMemory(crash) => lifetime(crash),
        Sign::ImagePull { .. }
        | Sign::Config
        | Sign::Mount { .. }
        | Sign::Start
        | Sign::Probe { .. }
        | Sign::Awaits
        | Sign::Unschedulable
        | Sign::RolloutOverdue
        | Sign::PodsRefused
        | Sign::StuckOnOldPod { .. }
        | Sign::JobFailed
        | Sign::JobFlawed { .. }
        | Sign::Evicted => SignedDuration::ZERO,
        // an autoscaler reckons with the CPU of a pod when it has run for so long
        Sign::Support {
            flaw: Flaw::NoRequests,
        } => WARM_UP,
        // what was written just now is given time to meet what it is for
        Sign::Support { .. } => TIME_TO_MEET,
    }
}

fn scaled(took: SignedDuration, more: Bytes, less: Bytes) -> SignedDuration {
    let took_millis = u128::try_from(took.as_millis()).unwrap_or_default();
    let scaled = took_millis * u128::from(more.get()) * u128::from(MARGIN_PERCENT)
        / u128::from(less.get().max(1))
        / 100;
    let window = SignedDuration::from_millis(i64::try_from(scaled).unwrap_or(i64::MAX));
    window.clamp(LEAST_WINDOW, LONGEST_WINDOW)
}

fn lifetime(crash: &Crash) -> SignedDuration {
    // the kubelet's times are whole seconds, so a lifetime may be a second short
    crash.lifetime.map_or(SignedDuration::ZERO, |lifetime| {
        lifetime + SignedDuration::from_secs(1)
    })
}

/// How long the slowest liveness probe lets a container run that never answers.
fn time_to_be_killed(workload: &Workload<'_>) -> SignedDuration {
    let spec = workload.pod_spec();
    let containers = spec.into_iter().flat_map(|spec| &spec.containers);
    let probes = containers.filter_map(|container| container.liveness_probe.as_ref());
    let longest = probes.map(|probe| ProbeTiming::of(probe).patience()).max();
    longest
        .unwrap_or_default()
        .clamp(SignedDuration::ZERO, LONGEST_WINDOW)
}

impl Watch {
    /// Begins to watch a workload that was changed just now.
    pub fn begin(
        workload: &Workload<'_>,
        window: SignedDuration,
        ready_before: usize,
        now: Timestamp,
    ) -> Self {
        let window = window.max(time_to_be_killed(workload));
        let deadline = match workload.controller {
            // a rollout that makes no progress is told of by its own condition, and what runs to its
            // end is verified by its next run, whenever that is
            Controller::Deployment(_) | Controller::CronJob(_) | Controller::Job(_) => {
                Timestamp::MAX
            }
            Controller::StatefulSet(_)
            | Controller::DaemonSet(_)
            | Controller::ReplicaSet(_)
            | Controller::Pod(_)
            | Controller::Support(_) => {
                // they are rolled out pod by pod
                let pods = workload.desired().max(1);
                let allowed = TIME_FOR_A_POD.saturating_mul(pods);
                now.checked_add(allowed.saturating_add(window))
                    .unwrap_or(Timestamp::MAX)
            }
        };
        Self {
            window,
            deadline,
            started: now,
            ready_before,
            well: None,
        }
    }

    /// What is waited for, as the workload stands.
    pub fn awaits(&self, workload: &Workload<'_>) -> Awaits {
        if let Some(well) = self.well {
            let end = well.since.checked_add(self.window);
            return Awaits::Steady {
                until: end.unwrap_or(Timestamp::MAX),
            };
        }
        let lacks = missing(workload, self.started);
        Awaits::Well {
            lacks: lacks.unwrap_or_else(|| "it has just restarted".to_owned()),
            until: Some(self.deadline).filter(|at| *at != Timestamp::MAX),
        }
    }

    /// Looks at the workload again. `symptoms` are what is broken about it now.
    pub fn look(
        &mut self,
        workload: &Workload<'_>,
        symptoms: &[Symptom],
        now: Timestamp,
    ) -> Progress {
        if symptoms.iter().any(Symptom::is_lasting) {
            self.well = None;
            return Progress::Broken;
        }
        let missing = if symptoms.is_empty() {
            missing(workload, self.started)
        } else {
            Some("a container has crashed".to_owned())
        };
        if let Some(why) = missing {
            self.well = None;
            if now < self.deadline {
                return Progress::Waiting(self.deadline);
            }
            return Progress::Overdue {
                why,
                is_worse: workload.ready_pods() < self.ready_before,
            };
        }
        let restarts = restarts(workload);
        let well = match self.well {
            // of a clock that was set back, nothing can be concluded
            Some(well) if well.restarts == restarts && well.since <= now => well,
            Some(_) | None => *self.well.insert(Well {
                since: now,
                restarts,
            }),
        };
        let end = well
            .since
            .checked_add(self.window)
            .unwrap_or(Timestamp::MAX);
        if is_finished(workload) || now >= end {
            Progress::Healed
        } else {
            Progress::Waiting(end)
        }
    }
}

fn restarts(workload: &Workload<'_>) -> i32 {
    let statuses = workload.pods.iter().filter_map(|pod| pod.status.as_ref());
    statuses
        .flat_map(|status| {
            status
                .container_statuses
                .iter()
                .chain(&status.init_container_statuses)
                .flatten()
        })
        .map(|status| status.restart_count)
        .sum()
}

/// A Job that is complete cannot become ill again.
fn is_finished(workload: &Workload<'_>) -> bool {
    let Some(job) = workload.job else {
        return false;
    };
    job.status
        .as_ref()
        .is_some_and(|status| status.completion_time.is_some())
}

/// What the workload lacks to be well, apart from symptoms.
fn missing(workload: &Workload<'_>, changed_at: Timestamp) -> Option<String> {
    if !workload.is_settled() {
        return Some("its controller has not seen the change yet".to_owned());
    }
    let wanted = workload.desired();
    let (updated, old) = match workload.controller {
        Controller::Deployment(o) => {
            let status = o.status.as_ref()?;
            let updated = status.updated_replicas.unwrap_or(0);
            (updated, status.replicas.unwrap_or(0) - updated)
        }
        Controller::StatefulSet(o) => {
            let status = o.status.as_ref()?;
            let updated = if status.current_revision == status.update_revision {
                status.replicas
            } else {
                status.updated_replicas.unwrap_or(0)
            };
            (updated, 0)
        }
        Controller::DaemonSet(o) => (o.status.as_ref()?.updated_number_scheduled.unwrap_or(0), 0),
        Controller::CronJob(_) => {
            let run_since = workload.job.filter(|job| {
                job.metadata
                    .creation_timestamp
                    .as_ref()
                    .is_some_and(|made| made.0 >= changed_at)
            });
            return match run_since {
                None => Some("it has not run since".to_owned()),
                Some(_) if is_finished(workload) => None,
                Some(_) => Some("its run has not ended yet".to_owned()),
            };
        }
        Controller::Job(_) => {
            return (!is_finished(workload)).then(|| "it has not ended yet".to_owned());
        }
        Controller::ReplicaSet(_) | Controller::Pod(_) => (wanted, 0),
        Controller::Support(Support::Service(service)) => {
            return (!has_ready_pod(workload.cluster(), service))
                .then(|| "it selects no ready pod".to_owned());
        }
        Controller::Support(_) => return None,
    };
    let ready =
        i32::try_from(workload.pods.iter().filter(|pod| is_ready(pod)).count()).unwrap_or(i32::MAX);
    if updated < wanted {
        Some(format!(
            "{updated} of {wanted} pods are of the new revision"
        ))
    } else if old > 0 || !workload.old_pods.is_empty() {
        Some("pods of the old revision are left".to_owned())
    } else if ready < wanted {
        Some(format!("{ready} of {wanted} pods are ready"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        act::IncreaseMemory,
        workload::{ContainerRef, ContainerRole},
    };
    use proptest::prelude::*;

    fn oom(lifetime: i64) -> Symptom {
        let crash = Crash {
            exit_code: 137,
            restarts: 1,
            lifetime: Some(SignedDuration::from_secs(lifetime)),
            repeated: false,
        };
        Symptom {
            sign: Sign::OutOfMemory(crash),
            pod: None,
            container: None,
            status: String::new(),
            reason: String::new(),
            message: String::new(),
        }
    }

    fn memory(from: u64, to: u64) -> Action {
        let container = ContainerRef {
            name: "app".into(),
            role: ContainerRole::Main,
        };
        Action::IncreaseMemory(IncreaseMemory {
            container,
            from: Bytes::mebi(from),
            to: Bytes::mebi(to),
            request: None,
        })
    }

    #[test]
    fn an_oom_that_needs_longer_than_the_window_is_not_called_healed() {
        // 25 s at 256Mi are at least 50 s at 512Mi
        assert!(window(&oom(25), &memory(256, 512), None) > SignedDuration::from_secs(50));
    }

    #[test]
    fn a_second_step_is_measured_from_the_limit_at_which_the_kill_was_seen() {
        // 12 s at 128Mi are 96 s at 1Gi, however many steps led there
        let window = window(&oom(12), &memory(256, 1024), Some(Bytes::mebi(128)));
        assert!(window > SignedDuration::from_secs(96));
    }

    proptest! {
        #[test]
        fn the_window_is_never_shorter_than_the_fault_took(lifetime in 0_i64..1_200, from in 1_u64..4_096, growth in 1_u64..8) {
            let window = window(&oom(lifetime), &memory(from, from * growth), None);
            prop_assert!(window >= SignedDuration::from_secs(lifetime) || window == LONGEST_WINDOW);
            prop_assert!(window >= LEAST_WINDOW && window <= LONGEST_WINDOW);
        }
    }
}
