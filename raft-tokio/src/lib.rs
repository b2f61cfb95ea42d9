//! Quorate in the real world: tokio, TCP, files.
//!
//! | module | part |
//! |---|---|
//! | [`node`] | a node in this process: [`Node::builder`] |
//! | [`client`] | a remote client: [`Client::connect`] |
//! | [`comms`] | letters between nodes over TCP |
//! | [`clock`] | the monotonic clock and the driver's timer |
//! | [`metrics`] | what the network dropped or refused |
//! | [`recover`] | going on alone when a majority is lost for good |
//! | [`error`] | what can go wrong |
//!
//! No rule of Raft is here, and nothing of how a node works: that is raft-node's driver, which
//! this crate gives sockets, files and time. A node is two tasks: the driver, which also reads and
//! writes the peers' sockets, and the door, which accepts connections; each remote client's
//! connection is a task of its own. The disk has a thread, in raft-log.
//!
//! Left out so far: TLS. Whoever reaches the port can speak as a member, so keep it on a network
//! that you trust.

pub mod client;
pub mod clock;
pub mod comms;
pub mod error;
mod handshake;
mod identity;
mod listener;
pub mod metrics;
pub mod node;
mod protocol;
pub mod recover;
mod serve;
mod socket;
mod stream;

pub use client::{AppClient, Client, ClientSettings};
pub use comms::{CommsSettings, TcpComms};
pub use error::{ShutdownError, StartError, SubmitError};
pub use handshake::Refusal;
pub use metrics::Mishap;
pub use node::Node;
pub use node::builder::NodeBuilder;
pub use raft_core;
pub use raft_log;
pub use raft_node;
pub use serve::ServiceSettings;
