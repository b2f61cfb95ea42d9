//! A node of a cluster inside this process: durable, on the network, and asked by name.
//!
//! ```no_run
//! use raft_tokio::Node;
//! use raft_tokio::raft_node::state_machine::App;
//!
//! #[derive(Default, serde::Serialize, serde::Deserialize)]
//! struct Counter(u64);
//!
//! impl App for Counter {
//!     type Command = u64;
//!     type Reply = u64;
//!     fn apply(&mut self, add: u64) -> u64 {
//!         self.0 += add;
//!         self.0
//!     }
//! }
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let node = Node::builder(1)
//!     .members([(1, "127.0.0.1:7001"), (2, "127.0.0.1:7002"), (3, "127.0.0.1:7003")])
//!     .data_dir("/var/lib/counter")
//!     .start(Counter::default())
//!     .await?;
//! let sum = node.submit(5).await?;
//! assert!(sum >= 5);
//! node.shutdown().await?;
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use raft_core::configuration::Members;
use raft_core::ids::EntryId;
use raft_log::WritePath;
use raft_node::codec::PayloadCodec;
use raft_node::error::{Exit, NodeFault, ReadError, ReconfigureError};
use raft_node::handle::Handle;
use raft_node::state_machine::{App, AppMachine};
use raft_node::status::Status;
use tokio::task::{AbortHandle, JoinHandle};

use crate::error::{ShutdownError, SubmitError};
use crate::metrics::{Counters, Mishap};
use builder::NodeBuilder;

pub(crate) mod builder;

/// A running node. Everything works on any node of the cluster: what only the leader can do is
/// forwarded to it. Dropping a node stops it without waiting; [`Node::shutdown`] waits.
pub struct Node<A> {
    handle: Handle<AppMachine<A>>,
    codec: PayloadCodec,
    address: SocketAddr,
    /// Nothing on a file system that was handed in.
    writes: Option<WritePath>,
    counters: Arc<Counters>,
    driver: Option<JoinHandle<Exit>>,
    door: AbortHandle,
}

impl Node<()> {
    /// Begins to describe the node of this name. Names are chosen by the user, one for each
    /// machine, and never given to another one.
    pub fn builder(id: u64) -> NodeBuilder {
        NodeBuilder::new(id)
    }
}

impl<A: App> Node<A> {
    /// Has the cluster apply a command, exactly once, and returns the app's reply from this
    /// node's copy.
    ///
    /// # Errors
    ///
    /// See [`SubmitError`]: it says whether the command may have been applied.
    pub async fn submit(&self, command: A::Command) -> Result<A::Reply, SubmitError> {
        let payload =
            AppMachine::<A>::encode_command(self.codec, &command).map_err(SubmitError::Command)?;
        let reply = self.handle.submit(payload).await?;
        Ok(AppMachine::<A>::decode_reply(self.codec, &reply)?)
    }

    /// Looks at the app, which then reflects everything that was acknowledged anywhere before
    /// this call (a linearizable read).
    ///
    /// # Errors
    ///
    /// See [`ReadError`]. Nothing was changed; try again.
    pub async fn read<R: Send + 'static>(
        &self,
        look: impl FnOnce(&A) -> R + Send + 'static,
    ) -> Result<R, ReadError> {
        self.handle.read(|machine| look(machine.app())).await
    }

    /// Looks at this node's copy of the app as it is, which may be out of date by any amount.
    ///
    /// # Errors
    ///
    /// See [`ReadError`].
    pub async fn read_stale<R: Send + 'static>(
        &self,
        look: impl FnOnce(&A) -> R + Send + 'static,
    ) -> Result<R, ReadError> {
        self.handle.read_stale(|machine| look(machine.app())).await
    }

    /// Makes these all the members, if this node leads: those that stay, as
    /// [`Status::configuration`] has them, and those that come, each in the life that its own
    /// [`Status::me`] names and with the address that the others reach it at. A node that comes is
    /// started before ([`NodeBuilder::join`]). Returns once the new members alone decide.
    ///
    /// # Errors
    ///
    /// See [`ReconfigureError`]: whether anything was begun, and whom to ask.
    pub async fn reconfigure(&self, target: Members) -> Result<EntryId, ReconfigureError> {
        self.handle.reconfigure(target).await
    }

    /// What the node says of itself.
    pub fn status(&self) -> Status {
        self.handle.status()
    }

    /// What the network dropped or refused since the node started, by reason.
    pub fn mishaps(&self) -> BTreeMap<Mishap, u64> {
        self.counters.snapshot()
    }

    /// Where the node listens for peers and clients.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Which way writes go to the disk, as was settled when the node opened its folder; the node also says so
    /// then, through `tracing`. `None` on a file system of your own ([`NodeBuilder::start_on`]), which knows
    /// that itself ([`StdFs::writes`]).
    ///
    /// [`StdFs::writes`]: raft_log::StdFs::writes
    pub const fn writes(&self) -> Option<WritePath> {
        self.writes
    }

    /// The node below the app's types: bytes in and out, sessions of remote clients.
    pub const fn handle(&self) -> &Handle<AppMachine<A>> {
        &self.handle
    }

    /// Stops the node: gives everything under way its outcome, finishes the writes that were
    /// begun, and closes the log. The data folder and the address are free when this returns.
    ///
    /// # Errors
    ///
    /// The node had stopped before, because of a fault.
    pub async fn shutdown(mut self) -> Result<(), ShutdownError> {
        self.handle.shutdown();
        self.door.abort();
        let Some(driver) = self.driver.take() else {
            return Ok(());
        };
        match driver.await {
            Ok(Exit::Shutdown) => Ok(()),
            Ok(Exit::Fault(fault)) => Err(ShutdownError::Fault(fault)),
            Err(_) => Err(ShutdownError::Cancelled),
        }
    }

    /// Waits until the node stops on its own account, and says why. Its data folder and its address
    /// are free then.
    ///
    /// # Errors
    ///
    /// The task was cancelled, since its runtime ended, or the state machine panicked.
    pub async fn stopped(&mut self) -> Result<Option<NodeFault>, ShutdownError> {
        let Some(driver) = &mut self.driver else {
            return Ok(None);
        };
        let exit = driver.await;
        self.driver = None;
        match exit {
            Ok(Exit::Shutdown) => Ok(None),
            Ok(Exit::Fault(fault)) => Ok(Some(fault)),
            Err(_) => Err(ShutdownError::Cancelled),
        }
    }
}

impl<A> Drop for Node<A> {
    fn drop(&mut self) {
        self.door.abort();
        if let Some(driver) = &self.driver {
            driver.abort();
        }
    }
}

impl<A> fmt::Debug for Node<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("address", &self.address)
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}
