//! Why there is no leader, and why an entry is not committed: each reason in a state that has it,
//! and no other.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that finds nothing to look at has failed"
)]

mod support;

#[path = "explain/no_leader.rs"]
mod no_leader;
#[path = "explain/not_changed.rs"]
mod not_changed;
#[path = "explain/not_committed.rs"]
mod not_committed;
#[path = "explain/not_readable.rs"]
mod not_readable;
#[path = "explain/status.rs"]
mod status;
