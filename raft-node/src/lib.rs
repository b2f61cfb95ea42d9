//! One Raft node at work: everything between the hull and the world.
//!
//! The [`Driver`](driver::Driver) is one poll loop over a hull, a log, a transport, a clock and the
//! user's state machine. It is only a future: there is no runtime, no thread and no timer here, so
//! that the same loop runs under tokio and in a simulated world. It knows no rule of Raft; those
//! are raft-core's.
//!
//! Where to read what:
//!
//! - [`driver`]: the loop, its order, what it owns; [`handle`]: what the rest of the program holds.
//! - [`session`]: exactly-once sessions around the user's [`state_machine`]; [`first_state`]: the state
//!   that a start makes of the newest snapshot.
//! - [`status`] and [`explain`]: how a node stands, and why it does not get on.
//! - [`transfer`] and [`membership`]: what an operator asks of the leader.
//! - [`genesis`] and [`identity`]: how a cluster is founded, and what of it is kept on disk.
//! - [`letter`], [`frame`], [`codec`]: what nodes send each other, and as which bytes.
//! - [`rare`]: where a simulator may ask for rare behaviour that is allowed.

mod applier;
pub mod clock;
pub mod codec;
mod desk;
pub mod driver;
pub mod error;
pub mod explain;
pub mod first_state;
pub mod frame;
pub mod genesis;
pub mod handle;
pub mod identity;
pub mod letter;
pub mod membership;
pub mod rare;
pub mod session;
pub mod settings;
mod snapshots;
pub mod state_machine;
pub mod status;
mod tickets;
pub mod transfer;
mod waiting;
