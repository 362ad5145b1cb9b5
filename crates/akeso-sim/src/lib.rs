//! A simulated cluster on virtual time that speaks the engine's [`Event`]s and [`Effect`]s.
//!
//! The objects are the API server's own types. What works on them is what works on them in a real
//! cluster, each in its own file: the API server's rules, the workload controllers,
//! a scheduler, a kubelet with containers that live and die as a
//! `behaviour.yaml` says, and a registry that knows which images exist.
//!
//! **Invariant:** no clock and no randomness. The same manifests, behaviours and effects at the
//! same virtual times give the same events, byte for byte. Where it differs from a real cluster
//! it is wrong.
//!
//! [`Event`]: akeso_core::engine::Event
//! [`Effect`]: akeso_core::engine::Effect

mod agenda;
mod api_server;
mod behaviour;
mod cluster;
mod controllers;
mod kubelet;
mod model;
mod names;
mod network;
mod nodes;
mod registry;
mod requests;
mod scheduler;
mod simulation;
mod store;
mod warnings;
mod world;

#[cfg(test)]
mod workbench;

pub mod learning;
pub mod scenario;

pub use cluster::{Accepted, Announced, SimCluster, SimError, listed_images};
pub use model::{Model, NoModel};
pub use network::{Flawless, LateWatches, Network, Passage};
pub use simulation::{Death, Simulation, StoreState};
