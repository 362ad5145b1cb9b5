//! The actions: what they write, what takes it back, when they do not apply, and what is tried on
//! a pod first.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test uses its part of the world")]

#[path = "../world/mod.rs"]
mod world;

mod amend;
mod applicable;
mod corrections;
mod grants;
mod patches;
mod reruns;
mod rollback;
mod taking_back;
mod trial;
mod words;
