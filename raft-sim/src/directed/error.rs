//! Why something can't be done to a directed cluster. Nothing was changed, unless the error says
//! that time has passed.

use raft_core::chunk::PushError;
use raft_core::error::OpenError;
use raft_core::ids::NodeId;
use raft_core::log::LogError;

/// Why something can't be done.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DirectedError {
    /// The cluster is empty or too large.
    #[error("a cluster has 1 to {limit} nodes, not {nodes}")]
    ClusterSize {
        /// How many were asked for.
        nodes: u64,
        /// How many there may be.
        limit: u64,
    },
    /// The cluster has no such node.
    #[error("there is no node {node}")]
    NoSuchNode {
        /// Which was named.
        node: NodeId,
    },
    /// A node was named in two groups of a partition.
    #[error("{node} stands in two groups")]
    InTwoGroups {
        /// Which.
        node: NodeId,
    },
    /// The node is not running, or already is.
    #[error("{node} is {what}")]
    Running {
        /// Which.
        node: NodeId,
        /// What it is.
        what: &'static str,
    },
    /// The node is paused: it takes nothing in before it is resumed.
    #[error("{node} is paused; resume it first")]
    Paused {
        /// Which.
        node: NodeId,
    },
    /// The node has no deadline.
    #[error("{node} waits for no deadline")]
    NoDeadline {
        /// Which.
        node: NodeId,
    },
    /// There is nothing to be done next: no message can be delivered and no deadline will pass.
    #[error("nothing is under way that can be delivered, and nobody waits for a deadline")]
    AtRest,
    /// No message that is meant is under way.
    #[error("no message {pattern:?} is under way")]
    NoSuchMessage {
        /// Which was meant.
        pattern: String,
    },
    /// Nothing of the kind is held.
    #[error("nothing like {pattern:?} is held")]
    NotHeld {
        /// What was named.
        pattern: String,
    },
    /// No watch of this number is armed.
    #[error("there is no watch {number}")]
    NoSuchWatch {
        /// Its number.
        number: u64,
    },
    /// The message has no such field.
    #[error("a {kind} has no field {field:?}")]
    NoSuchField {
        /// The field.
        field: &'static str,
        /// The message's kind.
        kind: &'static str,
    },
    /// The world came to rest, or the time given has passed, before a trigger fired.
    #[error("{what} before {waiting:?}")]
    NotReached {
        /// What is still waited for.
        waiting: String,
        /// What came first.
        what: &'static str,
    },
    /// The cluster went on and on.
    #[error("the cluster does not come to rest: {what}")]
    Restless {
        /// Doing what.
        what: &'static str,
    },
    /// There would be too much of something.
    #[error("there would be more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// An action that takes time can't be attached to a trigger: it would run inside itself.
    #[error("what happens at a trigger can't deliver, advance, run or step")]
    NotInside,
    /// A node could not be opened.
    #[error("{node} can't be opened: {error}")]
    NotOpened {
        /// Which.
        node: NodeId,
        /// Why.
        error: OpenError,
    },
    /// The memory log refused a write: the hull broke the log's contract.
    #[error("{node}'s log refused a write: {error}")]
    LogRefused {
        /// Whose.
        node: NodeId,
        /// Why.
        error: LogError,
    },
    /// The commands don't fit one batch.
    #[error("the commands don't fit: {0}")]
    TooLarge(PushError),
}
