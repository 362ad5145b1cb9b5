//! The hands against recorded and hostile answers of API servers and registries.
//!
//! Where time matters it is tokio's paused time, which runs ahead whenever everybody waits: also
//! over real sockets, as long as both ends live in the test's own runtime.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod api_server;
mod session;

mod announce;
mod apply;
mod connect;
mod evict;
mod gather;
mod grant;
mod registry;
mod review;
mod watch;
