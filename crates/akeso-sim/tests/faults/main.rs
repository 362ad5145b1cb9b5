//! The engine stays safe, and comes to an end, whatever goes wrong around it: its program dies, the
//! watches are late or break, requests fail, answers are lost, clocks jump, nodes go, the store is
//! full, the policy changes, and others change the same objects.
//!
//! ```text
//! cargo test -p akeso-sim --test faults                                  2,000 seeds
//! AKESO_SEEDS=20000 cargo test -p akeso-sim --test faults --release      20,000
//! AKESO_SEED=17 cargo test -p akeso-sim --test faults seeds              one, with its journal
//! ```
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod chance;
mod deaths;
mod dice;
mod faults;
mod guesses;
mod invariants;
mod late_watches;
mod model;
mod network;
mod outcomes;
mod people;
mod policies;
mod scenarios;
mod seeds;
mod world;
