//! Probe failures. They show in `Unhealthy` events, and in restarts whose exit code says little:
//! 137 (SIGTERM was ignored), 143, or 0 with reason `Completed`.

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{self, Container, ContainerStatus, Event, Pod};

use super::{CRASH_MEMORY, Look, Probe, Sign, Symptom, recent_events};
use crate::{
    cluster::is_ready,
    workload::{ContainerRef, ContainerRole},
};

/// A healthy start emits readiness failures too; this is the least time a container gets, however
/// eager its probe.
const LEAST_START_TIME: SignedDuration = SignedDuration::from_secs(60);

pub(super) fn symptoms(look: &Look<'_>) -> Vec<Symptom> {
    look.workload
        .pods
        .iter()
        .flat_map(|pod| of_pod(look, pod))
        .collect()
}

fn of_pod(look: &Look<'_>, pod: &Pod) -> Vec<Symptom> {
    let statuses = pod
        .status
        .as_ref()
        .and_then(|status| status.container_statuses.as_ref());
    statuses
        .into_iter()
        .flatten()
        .filter_map(|status| {
            let (probe, event) =
                killed_by_probe(look, pod, status).or_else(|| never_ready(look, pod, status))?;
            Some(Symptom {
                sign: Sign::Probe { probe },
                pod: pod.metadata.name.clone(),
                container: Some(ContainerRef {
                    name: status.name.clone(),
                    role: ContainerRole::Main,
                }),
                status: "Running".to_owned(),
                reason: "Unhealthy".to_owned(),
                message: words(event).to_owned(),
            })
        })
        .collect()
}

/// The liveness or startup probe that has the kubelet restart the container again and again.
fn killed_by_probe<'a>(
    look: &Look<'a>,
    pod: &'a Pod,
    status: &ContainerStatus,
) -> Option<(Probe, &'a Event)> {
    let last = status.last_state.as_ref()?.terminated.as_ref()?;
    let killed =
        matches!(last.exit_code, 0 | 137 | 143) && last.reason.as_deref() != Some("OOMKilled");
    let recent = look.now.duration_since(last.finished_at.as_ref()?.0) < CRASH_MEMORY;
    if status.restart_count == 0 || !killed || !recent {
        return None;
    }
    let events = recent_events(look, pod, "Unhealthy", CRASH_MEMORY);
    let answers = events.filter_map(|event| match probe_of(event, &status.name)? {
        Probe::Readiness => None,
        probe @ (Probe::Liveness | Probe::Startup) => Some((probe, event)),
    });
    // the newest tells, but after each restart there is a while in which nobody listens yet
    answers.min_by_key(|(_, event)| words(event).contains("connection refused"))
}

/// The readiness probe that still fails when the container has had all the time its probe allows,
/// three times over.
fn never_ready<'a>(
    look: &Look<'a>,
    pod: &'a Pod,
    status: &ContainerStatus,
) -> Option<(Probe, &'a Event)> {
    if status.ready {
        return None;
    }
    let started = status
        .state
        .as_ref()?
        .running
        .as_ref()?
        .started_at
        .as_ref()?
        .0;
    let spec = pod
        .spec
        .as_ref()?
        .containers
        .iter()
        .find(|container| container.name == status.name)?;
    if !look.has_come(started.checked_add(start_time(spec)).ok()?) {
        return None;
    }
    let mut events = recent_events(look, pod, "Unhealthy", SignedDuration::from_mins(5));
    let (probe, event) = events.find_map(|event| match probe_of(event, &status.name)? {
        Probe::Readiness => Some((Probe::Readiness, event)),
        // a startup probe that fails has the container restarted; one that cannot ask has it wait
        Probe::Startup if is_error(event) => Some((Probe::Startup, event)),
        Probe::Liveness | Probe::Startup => None,
    })?;
    (!is_standby(look, status, event)).then_some((probe, event))
}

/// Whether the probe could not ask at all, in the kubelet's words.
fn is_error(event: &Event) -> bool {
    let message = event.message.as_deref();
    message.is_some_and(|message| message.contains(" probe errored"))
}

/// Of programs that choose a leader, those that stand by answer that they are not ready, and are
/// well: the program answers, has never been restarted, and another pod like it is ready. Where
/// that keeps a rollout from ending, it is no such program.
fn is_standby(look: &Look<'_>, status: &ContainerStatus, event: &Event) -> bool {
    let message = event.message.as_deref().unwrap_or_default();
    // an HTTP status, or the end of a command; nobody answered where there was no connection
    let is_answer = message.contains("statuscode: 503")
        || !(is_error(event)
            || ["Get \"", "dial tcp", "statuscode", "timed out", "timeout"]
                .iter()
                .any(|words| message.contains(words)));
    is_answer
        && status.restart_count == 0
        && look.workload.pods.iter().any(|pod| is_ready(pod))
        && !super::rollout::is_overdue(look)
}

fn start_time(container: &Container) -> SignedDuration {
    let allowed = container.readiness_probe.as_ref().map_or(0, |probe| {
        let timing = ProbeTiming::of(probe);
        timing.delay + 3 * timing.failures * timing.period
    });
    SignedDuration::from_secs(allowed).max(LEAST_START_TIME)
}

/// When a probe asks, in seconds, with the defaults of
/// <https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/#configure-probes>.
#[derive(Debug, Clone, Copy)]
pub struct ProbeTiming {
    /// Before it asks for the first time.
    pub delay: i64,
    /// Between two questions.
    pub period: i64,
    /// How many must fail in a row.
    pub failures: i64,
}

impl ProbeTiming {
    /// What the manifest says.
    pub fn of(probe: &v1::Probe) -> Self {
        Self {
            delay: i64::from(probe.initial_delay_seconds.unwrap_or(0)),
            period: i64::from(probe.period_seconds.unwrap_or(10).max(1)),
            failures: i64::from(probe.failure_threshold.unwrap_or(3).max(1)),
        }
    }

    /// How long a container has that never answers.
    pub const fn patience(self) -> SignedDuration {
        SignedDuration::from_secs(self.delay + self.failures * self.period)
    }
}

/// What an event says; the client of the kubelet says before it that it has seen many like it
/// (<https://github.com/kubernetes/client-go/blob/master/tools/record/events_cache.go>).
fn words(event: &Event) -> &str {
    let message = event.message.as_deref().unwrap_or_default();
    let plain = message.strip_prefix("(combined from similar events): ");
    plain.unwrap_or(message).trim_end()
}

/// Which probe of a container an `Unhealthy` event speaks of.
fn probe_of(event: &Event, container: &str) -> Option<Probe> {
    let path = event
        .involved_object
        .field_path
        .as_deref()
        .unwrap_or_default();
    if !path.is_empty() && path != format!("spec.containers{{{container}}}") {
        return None;
    }
    match words(event).split(' ').next()? {
        "Liveness" => Some(Probe::Liveness),
        "Readiness" => Some(Probe::Readiness),
        "Startup" => Some(Probe::Startup),
        _ => None,
    }
}
