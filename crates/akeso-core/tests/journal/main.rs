//! The journal's facts, and what their fold says: incidents, budgets, what was set back.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test uses its part of the world")]

#[path = "../world/mod.rs"]
mod world;

mod budgets;
mod facts;
mod incidents;
mod patterns;
