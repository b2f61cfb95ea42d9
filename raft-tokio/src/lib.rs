//! Quorate in the real world: tokio, TCP, files.

#![expect(dead_code, reason = "the listener and the node that use it follow")]

pub mod clock;
pub mod comms;
mod handshake;
mod identity;
pub mod metrics;
mod stream;

pub use comms::{CommsSettings, TcpComms};
pub use handshake::Refusal;
pub use metrics::Mishap;
