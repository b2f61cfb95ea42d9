//! Quorate: Raft consensus for your own state machine, in real processes and in simulated ones.
//!
//! Write an [`App`]: data, and what one command does to it. Start a [`Node`] of it on each of
//! three machines. What was acknowledged survives the loss of any one of them, each command is
//! applied exactly once, and all nodes apply the same commands in the same order.
//!
//! ```no_run
//! use quorate::{App, Node};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct Counter(u64);
//!
//! impl App for Counter {
//!     type Command = u64;
//!     type Reply = u64;
//!
//!     fn apply(&mut self, add: u64) -> u64 {
//!         self.0 += add;
//!         self.0
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let node = Node::builder(1)
//!     .members([(1, "10.0.0.1:7001"), (2, "10.0.0.2:7001"), (3, "10.0.0.3:7001")])
//!     .data_dir("/var/lib/counter")
//!     .start(Counter::default())
//!     .await?;
//! let sum = node.submit(5).await?; // durable on a majority, from whichever node you ask
//! let same = node.read(|counter| counter.0).await?; // linearizable
//! assert!(same >= sum);
//! # Ok(())
//! # }
//! ```
//!
//! # Where to go from here
//!
//! | you want | look at |
//! |---|---|
//! | a node in your process | [`Node`] |
//! | to submit from elsewhere | [`Client`] |
//! | snapshots at once, handing over, why nothing moves | [`Node::handle`], a [`Handle`] |
//! | to change the members | [`Node::reconfigure`], [`Member`], [`Peer`] |
//! | bytes instead of types | [`StateMachine`] |
//! | your app in a simulated world, with faults, from a seed | `Sim`, behind the feature `sim` |
//! | another transport, disk or clock | [`raft_core::comms`], [`raft_log::fs`], [`raft_node::driver`] |
//! | Raft alone, to drive by hand | [`raft_core::hull`] |
//!
//! # When something goes wrong
//!
//! Errors print as sentences that say what is wrong and what to do: show them with `{error}`. A `main`
//! that returns them shows `{error:?}`, which says less. Nodes tell what they do through `tracing`, and
//! [`Handle::explain`] says why one does not get on.
//!
//! # What is promised
//!
//! - A command whose submission returned a reply is applied on every node, once, and is durable
//!   on a majority of them.
//! - A submission that fails says whether its command may have been applied. Only those errors
//!   that say "unknown" leave it open.
//! - No bytes from the network or the disk make a node panic. What can't be right is refused with
//!   a typed error, or dropped and counted.
//! - One node's data folder is one node's for ever: give it away, copy or restore it, and the
//!   promises are void.

pub use raft_core;
pub use raft_core::configuration::{Member, MemberRole, Members};
pub use raft_core::ids::{ClusterId, Incarnation, LogIndex, NodeId, Peer, Term};
pub use raft_core::settings::{Settings, SnapshotPolicy};
pub use raft_core::states::Role;
pub use raft_log;
pub use raft_log::WalSettings;
pub use raft_node;
pub use raft_node::codec::PayloadCodec;
pub use raft_node::error::{NodeFault, ReadError, ReconfigureError};
pub use raft_node::handle::Handle;
pub use raft_node::settings::NodeSettings;
pub use raft_node::state_machine::{
    App, Command, StateError, StateMachine, StateReader, StateWriter, WholeReader, WholeWriter,
};
pub use raft_node::status::Status;
#[cfg(feature = "sim")]
pub use raft_sim;
#[cfg(feature = "sim")]
pub use raft_sim::sim::Sim;
#[cfg(feature = "tokio")]
pub use raft_tokio;
#[cfg(feature = "tokio")]
pub use raft_tokio::client::{AppSubmitError, ConnectError};
#[cfg(feature = "tokio")]
pub use raft_tokio::{
    AppClient, Client, ClientSettings, CommsSettings, Mishap, Node, NodeBuilder, ServiceSettings,
    ShutdownError, StartError, SubmitError,
};

/// The README's code, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The code in docs/sessions.md, compiled.
#[cfg(doctest)]
#[doc = include_str!("../docs/sessions.md")]
struct SessionsPage;
