//! The Raft state machine, without clock, IO or randomness of its own.

#![no_std]
#![cfg_attr(
    not(test),
    warn(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unwrap_used
    )
)]

extern crate alloc;

pub mod checksum;
pub mod chunk;
mod common;
pub mod comms;
pub mod configuration;
pub mod error;
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
pub mod states;
pub mod time;
pub mod trace;
