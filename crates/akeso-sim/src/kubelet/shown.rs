//! A container as the API server is told of it, which is later than it happens.

use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
};

use super::process::{End, Process};
use crate::world::stamp;

/// A container as its pod's status shows it.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) state: ContainerState,
    pub(super) last: Option<ContainerStateTerminated>,
    pub(super) restarts: i32,
    pub(super) ready: bool,
    pub(super) started: bool,
    pub(super) pulled: bool,
}

impl Shown {
    /// It has not been started yet.
    pub(super) fn waiting(reason: &str) -> Self {
        Self {
            state: waiting(reason, None),
            ..Self::default()
        }
    }

    /// It waits, and does not run.
    pub(super) fn wait(&mut self, reason: &str, message: String) {
        self.remember();
        self.state = waiting(reason, Some(message));
        self.ready = false;
        self.started = false;
    }

    /// It runs.
    pub(super) fn run(&mut self, process: &Process) {
        let running = ContainerStateRunning {
            started_at: Some(stamp(process.since)),
        };
        self.state = ContainerState {
            running: Some(running),
            ..ContainerState::default()
        };
        self.started = true;
    }

    /// It has ended, in its `nth` life.
    pub(super) fn end(&mut self, process: &Process, end: &End, nth: u32) {
        let terminated = ContainerStateTerminated {
            exit_code: end.code,
            reason: Some(end.reason.to_owned()),
            started_at: Some(stamp(process.since)),
            finished_at: Some(stamp(end.at)),
            container_id: Some(format!("containerd://{nth:064x}")),
            ..ContainerStateTerminated::default()
        };
        self.state = ContainerState {
            terminated: Some(terminated),
            ..ContainerState::default()
        };
        self.ready = false;
        self.started = false;
    }

    /// What it did before is its last state now.
    pub(super) fn remember(&mut self) {
        if let Some(ended) = self.state.terminated.take() {
            self.last = Some(ended);
        }
    }
}

fn waiting(reason: &str, message: Option<String>) -> ContainerState {
    let waiting = ContainerStateWaiting {
        reason: Some(reason.to_owned()),
        message,
    };
    ContainerState {
        waiting: Some(waiting),
        ..ContainerState::default()
    }
}
