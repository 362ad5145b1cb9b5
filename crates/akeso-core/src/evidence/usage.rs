//! What containers were measured to use.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::quantity::{Bytes, MilliCpu};

/// What the containers of a namespace were measured to use, by pod.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage {
    /// The pods that were measured.
    pub pods: BTreeMap<String, PodUsage>,
}

/// What the containers of one pod were measured to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodUsage {
    /// When, by the clock of the cluster.
    pub at: Timestamp,
    /// By container.
    pub containers: BTreeMap<String, Used>,
}

/// What one container was measured to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// CPU, on average over some seconds.
    pub cpu: MilliCpu,
    /// Memory that it cannot give back at once.
    pub memory: Bytes,
}
