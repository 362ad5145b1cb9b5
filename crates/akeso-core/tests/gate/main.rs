//! What may be executed, what asks, what waits and what is refused, by which rule.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test uses its part of the world")]

#[path = "../world/mod.rs"]
mod world;

mod attempts;
mod attended;
mod autoscalers;
mod budgets;
mod ceilings;
mod decision;
mod levels;
mod own_gates;
mod owners;
mod protection;
mod situation;
