//! Nothing is changed but what the policy allows, when it allows it, and as a person was shown it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod annotations;
mod another_store;
mod approvals;
mod attended;
mod bench;
mod in_vain;
mod model;
mod promotion;
mod relapses;
mod reruns;
mod shadow;
mod shared_causes;
mod take_backs;
mod trials;
mod waits;
