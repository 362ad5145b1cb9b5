//! `akeso demo`: the article's four broken workloads, in a simulated cluster.

use std::process::ExitCode;

use crate::cli::{Demo, Global};

/// Heals them before your eyes.
pub fn run(_: &Global, _: &Demo) -> anyhow::Result<ExitCode> {
    anyhow::bail!("waiting for akeso-sim")
}
