//! The mind of Akeso: observe, diagnose, plan, gate, act, verify, learn.
//!
//! [`engine::Engine::handle`] takes an event and the time and returns effects; everything else in
//! this crate is what it consults on the way, in the order of the loop.
//!
//! **Invariant:** no clock, randomness, environment, file, network or async code. The same events
//! and times in give the same effects out (held by `clippy.toml` and `tests/purity.rs`).

pub mod act;
pub mod certificate;
pub mod cluster;
pub mod consult;
pub mod diagnose;
pub mod digest;
pub mod engine;
pub mod evidence;
pub mod gate;
pub mod image_reference;
pub mod journal;
pub mod learn;
pub mod observe;
pub mod plan;
pub mod policy;
pub mod quantity;
pub mod retention;
pub mod severity;
pub mod similar;
pub mod verify;
pub mod workload;

/// The field manager of every change (<https://kubernetes.io/docs/reference/using-api/server-side-apply/#managers>).
pub const FIELD_MANAGER: &str = "akeso";
