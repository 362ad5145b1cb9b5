//! Whether a workload got well by what was done, and whether others were harmed by it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test uses its part of the world")]

#[path = "../world/mod.rs"]
mod world;

mod kinds;
mod neighbours;
mod next_start;
mod watch;
