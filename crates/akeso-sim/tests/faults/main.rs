//! The engine stays safe, and comes to an end, whatever goes wrong around it: its program dies, the
//! watches are late or break, requests fail, and others change the same objects.
//!
//! `AKESO_SEED=17 cargo test -p akeso-sim --test faults` replays one seed of the random faults and
//! prints its journal.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod deaths;
mod dice;
mod guesses;
mod late_watches;
mod network;
mod outcomes;
mod scenarios;
mod seeds;
