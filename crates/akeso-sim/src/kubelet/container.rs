//! The life of one container: pulled, started, seen, ended, backed off, started again.
//!
//! The times are measured on a real kubelet: it sees what happened to a process only when it
//! lists them, about a second later, and a back-off shows only when it next looks at the pod.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Container;

use super::{
    backoff::{BACKOFF_MEMORY, RESYNC, backoff_end, in_go, next_backoff},
    probes::Probes,
    process::{self, End, Process},
    shown::Shown,
};
use crate::{
    behaviour::Behaviour,
    registry::{PullError, Registry},
    warnings::Saying,
    world::later,
};

/// From the image to a running process.
const CREATE: SignedDuration = SignedDuration::from_millis(200);
/// Until the kubelet sees that a process was started.
const SEE_START: SignedDuration = SignedDuration::from_millis(700);
/// Until the kubelet sees that a process, which it saw running, has ended.
const SEE_END: SignedDuration = SignedDuration::from_millis(500);
/// From seeing an end to starting anew.
const RESTART: SignedDuration = SignedDuration::from_millis(200);
/// How long a pull takes to fail.
const PULL_FAILS: SignedDuration = SignedDuration::from_millis(900);

/// What the kubelet knows of one container.
#[derive(Debug)]
pub(super) struct ContainerLife {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) is_init: bool,
    pub(super) is_sidecar: bool,
    stage: Stage,
    starts: u32,
    /// The back-off after the end of the process.
    backoff: Option<SignedDuration>,
    pull_backoff: Option<SignedDuration>,
    /// What the API server is told.
    pub(super) shown: Shown,
    current: Vec<String>,
    previous: Option<Vec<String>>,
}

#[derive(Debug)]
enum Stage {
    /// Its turn has not come.
    Idle,
    /// A pull that will fail.
    Pulling { until: Timestamp, error: PullError },
    /// A pull that has failed.
    PullFailed {
        show_at: Option<Timestamp>,
        retry_at: Timestamp,
        message: String,
    },
    /// Its variables cannot be made.
    Misconfigured { retry_at: Timestamp },
    /// It is being started.
    Creating { until: Timestamp },
    /// Its process runs, or has ended unseen.
    Running(Process),
    /// Its process was seen to have ended.
    Ended { code: i32, restart: Option<Restart> },
}

#[derive(Debug)]
struct Restart {
    /// When `CrashLoopBackOff` shows.
    show_at: Option<Timestamp>,
    at: Timestamp,
    delay: SignedDuration,
}

/// What a container lives in.
pub(super) struct Setting<'a> {
    pub(super) container: &'a Container,
    pub(super) behaviour: Behaviour,
    pub(super) variables: Result<BTreeMap<String, String>, String>,
    pub(super) registry: &'a Registry,
    /// The `.dockerconfigjson` of each of the pod's pull secrets.
    pub(super) credentials: Vec<String>,
    pub(super) restarts: RestartPolicy,
    /// `POD_NAMESPACE(UID)`, as in the kubelet's messages.
    pub(super) pod: String,
    /// The pod's name.
    pub(super) name: &'a str,
    /// The pod's address.
    pub(super) ip: &'a str,
    /// How long a process may take to stop.
    pub(super) grace: SignedDuration,
}

/// When a container is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

impl ContainerLife {
    pub(super) fn new(container: &Container, reason: &str) -> Self {
        Self {
            name: container.name.clone(),
            image: container.image.clone().unwrap_or_default(),
            is_init: false,
            is_sidecar: false,
            stage: Stage::Idle,
            starts: 0,
            backoff: None,
            pull_backoff: None,
            shown: Shown::waiting(reason),
            current: Vec::new(),
            previous: None,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Idle)
    }

    pub(super) fn has_process(&self) -> bool {
        matches!(self.stage, Stage::Running(_))
    }

    /// The exit code, if it has ended and is not started again.
    pub(super) fn final_code(&self) -> Option<i32> {
        match &self.stage {
            Stage::Ended {
                code,
                restart: None,
            } => Some(*code),
            _ => None,
        }
    }

    /// Whether the containers after this init container may start.
    pub(super) fn lets_next_start(&self) -> bool {
        if self.is_sidecar {
            self.shown.started
        } else {
            self.final_code() == Some(0)
        }
    }

    /// What it logged in this life, or in the one before.
    pub(super) fn log(&self) -> Option<&[String]> {
        (self.starts > 0).then_some(self.current.as_slice())
    }

    /// What it logged in the life before this one.
    pub(super) fn previous_log(&self) -> Option<&[String]> {
        self.previous.as_deref()
    }

    /// Its turn has come.
    pub(super) fn begin(&mut self, setting: &Setting<'_>, at: Timestamp) {
        let policy = setting
            .container
            .image_pull_policy
            .as_deref()
            .unwrap_or("IfNotPresent");
        self.stage = match setting
            .registry
            .pull(&self.image, policy, &setting.credentials)
        {
            Ok(()) if setting.variables.is_ok() => Stage::Creating {
                until: later(at, CREATE),
            },
            // what is wrong with its variables shows as late as a start would
            Ok(()) => Stage::Creating {
                until: later(at, CREATE + SEE_START),
            },
            Err(error) => Stage::Pulling {
                until: later(at, PULL_FAILS),
                error,
            },
        };
    }

    /// Somebody has changed its image.
    pub(super) fn change_image(&mut self, setting: &Setting<'_>, at: Timestamp) {
        self.image = setting.container.image.clone().unwrap_or_default();
        self.backoff = None;
        self.pull_backoff = None;
        match &mut self.stage {
            Stage::Idle | Stage::Ended { restart: None, .. } => {}
            Stage::Running(process) => process.end = Some(End::killed(at)),
            Stage::Pulling { .. }
            | Stage::PullFailed { .. }
            | Stage::Misconfigured { .. }
            | Stage::Creating { .. }
            | Stage::Ended {
                restart: Some(_), ..
            } => self.begin(setting, at),
        }
    }

    /// When something happens to it next by itself.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        match &self.stage {
            Stage::Idle | Stage::Ended { restart: None, .. } => None,
            Stage::Pulling { until, .. } | Stage::Creating { until } => Some(*until),
            Stage::PullFailed {
                show_at, retry_at, ..
            } => Some(show_at.unwrap_or(*retry_at)),
            Stage::Misconfigured { retry_at } => Some(*retry_at),
            Stage::Running(process) if !process.is_seen => Some(later(process.since, SEE_START)),
            Stage::Running(process) => {
                let end = process.end.as_ref().map(|end| later(end.at, SEE_END));
                let has_no_probes = process.probes.is_none();
                let ready = (!self.shown.ready && has_no_probes).then_some(process.ready_at);
                let probes = process.probes.as_deref().and_then(Probes::next_at);
                // what is being killed is not asked any more
                let probes = probes.filter(|_| !process.is_killed);
                let times = [end, ready, process.probe_at, probes];
                times.into_iter().flatten().min()
            }
            Stage::Ended {
                restart: Some(restart),
                ..
            } => Some(restart.show_at.unwrap_or(restart.at)),
        }
    }

    /// Lives on until `now`; returns what the kubelet says of it.
    pub(super) fn live(&mut self, setting: &Setting<'_>, now: Timestamp) -> Vec<Saying> {
        let mut sayings = Vec::new();
        while let Some(at) = self.next_at().filter(|at| *at <= now) {
            self.step(setting, at, &mut sayings);
        }
        let list = if self.is_init {
            "initContainers"
        } else {
            "containers"
        };
        for saying in &mut sayings {
            saying.field = Some(format!("spec.{list}{{{}}}", self.name));
        }
        sayings
    }

    fn step(&mut self, setting: &Setting<'_>, at: Timestamp, sayings: &mut Vec<Saying>) {
        let warn = |reason: &str, message: String| Saying::warning(reason, message, "kubelet");
        match std::mem::replace(&mut self.stage, Stage::Idle) {
            idle @ (Stage::Idle | Stage::Ended { restart: None, .. }) => self.stage = idle,
            Stage::Pulling {
                error: PullError { reason, message },
                ..
            } => {
                sayings.push(warn(
                    "Failed",
                    format!("Failed to pull image \"{}\": {message}", self.image),
                ));
                sayings.push(warn("Failed", format!("Error: {reason}")));
                self.shown.wait(reason, message.clone());
                let delay = next_backoff(self.pull_backoff);
                self.pull_backoff = Some(delay);
                let show_at = (reason == "ErrImagePull").then(|| later(at, RESYNC));
                // two seconds more, so that the back-off can be seen before it ends
                let retry_at = later(backoff_end(at, delay), SignedDuration::from_secs(2));
                self.stage = Stage::PullFailed {
                    show_at,
                    retry_at,
                    message,
                };
            }
            Stage::PullFailed {
                show_at: Some(_),
                retry_at,
                message,
            } => {
                sayings.push(warn("Failed", "Error: ImagePullBackOff".to_owned()));
                let shown = format!(
                    "Back-off pulling image \"{}\": ErrImagePull: {message}",
                    self.image
                );
                self.shown.wait("ImagePullBackOff", shown);
                self.stage = Stage::PullFailed {
                    show_at: None,
                    retry_at,
                    message,
                };
            }
            Stage::PullFailed { show_at: None, .. } | Stage::Misconfigured { .. } => {
                self.begin(setting, at);
            }
            Stage::Creating { .. } => self.start(setting, at, sayings),
            Stage::Running(process) => self.step_running(process, setting, at, sayings),
            Stage::Ended {
                code,
                restart:
                    Some(Restart {
                        show_at: Some(_),
                        at: restart_at,
                        delay,
                    }),
            } => {
                let container = &self.name;
                let message = format!(
                    "Back-off restarting failed container {container} in pod {}",
                    setting.pod
                );
                sayings.push(warn("BackOff", message));
                let shown = format!(
                    "back-off {} restarting failed container={container} pod={}",
                    in_go(delay),
                    setting.pod
                );
                self.shown.wait("CrashLoopBackOff", shown);
                self.stage = Stage::Ended {
                    code,
                    restart: Some(Restart {
                        show_at: None,
                        at: restart_at,
                        delay,
                    }),
                };
            }
            Stage::Ended {
                restart: Some(_), ..
            } => self.begin(setting, at),
        }
    }

    fn start(&mut self, setting: &Setting<'_>, at: Timestamp, sayings: &mut Vec<Saying>) {
        self.shown.pulled = true;
        self.pull_backoff = None;
        let variables = match &setting.variables {
            Ok(variables) => variables,
            Err(message) => {
                sayings.push(Saying::warning(
                    "Failed",
                    format!("Error: {message}"),
                    "kubelet",
                ));
                self.shown
                    .wait("CreateContainerConfigError", message.clone());
                self.stage = Stage::Misconfigured {
                    retry_at: later(at, RESYNC),
                };
                return;
            }
        };
        self.starts += 1;
        let (process, log) = process::start(
            setting.container,
            &setting.behaviour,
            variables,
            (setting.ip, setting.name),
            self.starts,
            at,
        );
        let before = std::mem::replace(&mut self.current, log);
        self.previous = (self.starts > 1).then_some(before);
        if let Some(end) = process.end.as_ref().filter(|end| end.at <= at) {
            self.current.extend(end.log.iter().cloned());
        }
        self.stage = Stage::Running(process);
    }

    fn step_running(
        &mut self,
        mut process: Process,
        setting: &Setting<'_>,
        at: Timestamp,
        sayings: &mut Vec<Saying>,
    ) {
        let is_first_look = !process.is_seen;
        process.is_seen = true;
        let is_over = |end: &End| end.at <= at && (is_first_look || later(end.at, SEE_END) <= at);
        if is_first_look {
            self.shown.remember();
            self.shown.restarts = i32::try_from(self.starts - 1).unwrap_or(i32::MAX);
        }
        if let Some(end) = process.end.clone().filter(is_over) {
            if end.at > process.since {
                self.current.extend(end.log.iter().cloned());
            }
            self.end(&process, &end, setting, at);
            return;
        }
        if is_first_look {
            self.shown.run(&process);
        }
        if let Some(probes) = process.probes.as_mut().filter(|_| !process.is_killed) {
            let outcome = probes.step(setting.container, at);
            self.shown.ready = probes.is_ready();
            self.shown.started = probes.has_started();
            let said = outcome.unhealthy.into_iter();
            sayings.extend(said.map(|said| Saying::warning("Unhealthy", said, "kubelet")));
            if outcome.kills {
                process.is_killed = true;
                process.end = Some(End::killed(later(at, setting.grace)));
            }
            self.stage = Stage::Running(process);
            return;
        }
        self.shown.ready = process.ready_at <= at && process.probes.is_none();
        if let Some(due) = process.probe_at.filter(|due| *due <= at) {
            if !self.shown.ready {
                sayings.push(Saying::warning(
                    "Unhealthy",
                    "Readiness probe failed: ",
                    "kubelet",
                ));
            }
            let period = setting
                .container
                .readiness_probe
                .as_ref()
                .and_then(|probe| probe.period_seconds);
            let next = later(
                due,
                SignedDuration::from_secs(period.unwrap_or(10).max(1).into()),
            );
            process.probe_at = Some(next).filter(|next| *next < process.ready_at);
        }
        self.stage = Stage::Running(process);
    }

    /// The kubelet sees that the process has ended.
    fn end(&mut self, process: &Process, end: &End, setting: &Setting<'_>, at: Timestamp) {
        self.shown.end(process, end, self.starts);
        let again = match setting.restarts {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => end.code != 0,
            RestartPolicy::Never => false,
        };
        if end.at.duration_since(process.since) >= BACKOFF_MEMORY {
            self.backoff = None;
        }
        let restart = again.then(|| match self.backoff {
            None => Restart {
                show_at: None,
                at: later(at, RESTART),
                delay: SignedDuration::ZERO,
            },
            Some(delay) => Restart {
                show_at: Some(later(end.at, RESYNC).max(at)),
                at: backoff_end(end.at, delay).max(at),
                delay,
            },
        });
        self.backoff = Some(next_backoff(self.backoff));
        self.stage = Stage::Ended {
            code: end.code,
            restart,
        };
    }
}
