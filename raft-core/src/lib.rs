//! Raft as a state machine: no clock, no IO, no randomness of its own.
//!
//! Raft keeps a log the same on several machines, so that each can feed it to a state machine of
//! the user's and all arrive at the same state. One node is elected leader for a term; it alone
//! appends; what a majority holds durably is committed and never lost. Read the paper beside this
//! code: "In Search of an Understandable Consensus Algorithm (Extended Version)" for sections 5
//! to 8 and the figures, Ongaro's thesis for what the paper leaves out (reads 6.4, pre-vote 9.6,
//! writing to the disk in parallel 10.2.1, members 4, handing over 3.10). Comments such as
//! `[F2.AE.3]` name a sentence of either by its key in `docs/rules.toml`; `docs/paper-map.md` leads
//! from each key to its line here and its tests.
//!
//! # The map
//!
//! - [`hull`]: what a user drives. [`hull::Hull::step`] takes one thing that happened; `next_…`
//!   hand out what is to be done. Start there, with `docs/driving-the-hull.md`.
//! - [`states`]: the four roles, one file each, and Figure 4 between them.
//! - [`rules`]: the paper's rules as pure functions, to lay beside Figure 2. [`quorum`] counts.
//! - [`chunk`] and [`record`]: how entries are laid out, once for memory, disk and wire.
//! - [`message`]: what nodes say to each other.
//! - [`mod@log`], [`comms`] and [`store`]: what is asked of a disk, of a network, and of where
//!   snapshots are kept; numbered contracts.
//! - [`configuration`], [`settings`], [`ids`], [`time`]: the vocabulary.
//! - [`error`] and [`trace`]: what can go wrong, and what happened; [`explain`]: why nothing does.
//!
//! # How it holds together
//!
//! *Persist before send, inside.* Whatever promises durability (a granted vote, an acknowledged
//! append, a request for votes) names the write that must be durable first, and does not come out
//! of [`hull::Hull::next_send`] before that write came back. A driver can't get this wrong.
//!
//! *Nothing of the world stops it.* A message that is late, doubled, from a stranger or impossible
//! is dropped and reported as an event. A failed write, and a broken invariant of our own, stop
//! the hull for good, with a [`error::Fault`] that says which.
//!
//! *Same inputs, same outputs*, bit for bit, on every platform: time comes in with each input,
//! randomness is a seed, and no container here has a random order.
//!
//! # What is left out, and what that costs
//!
//! A snapshot's content never passes through here as a whole: whoever drives the hull keeps it, and
//! a hull whose driver has no store never forgets. Of a snapshot, too, a part that
//! overtakes another is sent again: no receiver keeps what it can't write yet.

#![no_std]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

extern crate alloc;

mod by_id;
pub mod checksum;
pub mod chunk;
mod common;
pub mod comms;
pub mod configuration;
pub mod error;
pub mod explain;
pub mod few;
pub mod hull;
pub mod ids;
mod invariants;
pub mod log;
pub mod message;
pub mod quorum;
mod random;
pub mod record;
pub mod rules;
pub mod settings;
pub mod snapshot;
pub mod states;
pub mod store;
pub mod time;
pub mod trace;
