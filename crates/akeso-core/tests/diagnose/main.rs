//! What counts as broken, and what it is explained by.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![allow(dead_code, reason = "each test uses its part of the world")]

#[path = "../world/mod.rs"]
mod world;

mod access;
mod autoscaling;
mod causes;
mod changes;
mod commands;
mod explain;
mod faults_page;
mod images;
mod leading_here;
mod mounts;
mod observe;
mod placement;
mod pods_refused;
mod probes_jobs_network;
mod program_and_reference;
mod requests;
mod revisions;
mod rollouts_and_jobs;
mod services;
mod storage_and_cluster;
