//! What can happen in a world: data only.

use bytes::Bytes;
use raft_core::ids::NodeId;
use raft_core::message::Lane;

use crate::disk::Done;

/// One thing that happens at one moment.
#[derive(Debug)]
pub(crate) enum Event {
    /// A node starts, if it is down; the number tells a start that was overtaken by another crash.
    Start {
        /// Which node, by number.
        node: usize,
        /// How often it was taken down when this start was planned.
        downs: u32,
    },
    /// An alarm that a node's clock was asked for.
    Alarm {
        /// Whose.
        node: NodeId,
    },
    /// A slow node gets to react.
    React {
        /// Which node, by number.
        node: usize,
    },
    /// An operation of a disk is done.
    Disk {
        /// Whose disk.
        node: NodeId,
        /// What is done.
        done: Done,
    },
    /// A frame arrives.
    Arrive(Frame),
    /// A node believes that it lost a connection.
    Lost {
        /// Who believes it.
        node: usize,
        /// To whom.
        peer: usize,
    },
    /// A connection is made again.
    Reopen {
        /// From which node, by number.
        from: usize,
        /// To which node, by number.
        to: usize,
    },
    /// A fault of the plan begins to wait for its occasion.
    Arm(usize),
    /// A fault strikes.
    Strike {
        /// Which, by its place in the plan.
        fault: usize,
        /// The node that gave the occasion, by number.
        cause: Option<usize>,
    },
    /// A fault that lasts is over.
    Over {
        /// Which, by its place in the plan.
        fault: usize,
        /// The node that suffered it, if it was one.
        node: Option<usize>,
    },
    /// A client has something to do.
    Operation(usize),
    /// A client has waited long enough.
    Patience {
        /// Which client.
        client: usize,
        /// Which of its attempts.
        attempt: u64,
    },
    /// A client looks again whether there is an answer.
    Look {
        /// Which client.
        client: usize,
    },
    /// All faults end.
    Heal,
    /// The healed world is looked at.
    Inspect,
}

impl Event {
    /// What the hash over all events has of it.
    pub(crate) fn word(&self) -> u64 {
        let (kind, of) = match self {
            Self::Start { node, .. } => (1, *node as u64),
            Self::Alarm { node } => (2, node.get()),
            Self::React { node } => (3, *node as u64),
            Self::Disk { node, .. } => (4, node.get()),
            Self::Arrive(frame) => (5, frame.word()),
            Self::Lost { node, peer } => (6, (*node << 8 | *peer) as u64),
            Self::Arm(fault) => (7, *fault as u64),
            Self::Strike { fault, .. } => (8, *fault as u64),
            Self::Over { fault, .. } => (9, *fault as u64),
            Self::Operation(number) => (10, *number as u64),
            Self::Patience { client, .. } => (11, *client as u64),
            Self::Look { client } => (12, *client as u64),
            Self::Heal => (13, 0),
            Self::Inspect => (14, 0),
            Self::Reopen { from, to } => (15, (*from << 8 | *to) as u64),
        };
        of << 8 | kind
    }
}

/// A frame on its way.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// From which node, by number.
    pub(crate) from: usize,
    /// To which node, by number.
    pub(crate) to: usize,
    /// In which lane.
    pub(crate) lane: Lane,
    /// The kind of message: which of [`crate::network::KINDS`].
    pub(crate) kind: usize,
    /// The bytes it takes up of its lane's room; zero for what holds no room.
    pub(crate) held: usize,
    /// Its number among all letters, if somebody counts them.
    pub(crate) letter: u64,
    /// Whether another cluster sent it.
    pub(crate) foreign: bool,
    /// The frame.
    pub(crate) bytes: Bytes,
}

impl Frame {
    fn word(&self) -> u64 {
        let link = (self.from << 4 | self.to) as u64;
        u64::from(crc32c::crc32c(&self.bytes)) << 16 | link << 8 | self.kind as u64
    }
}
