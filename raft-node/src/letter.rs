//! What nodes send each other: a letter names its sender's life and cluster and carries a packet.
//!
//! Letters may be lost, doubled, delayed and reordered. Nothing here relies on more.

use bytes::Bytes;
use raft_core::ids::{Boot, ClusterId, LogIndex, NodeId, Peer};
use raft_core::message::{Lane, Message};
use serde::{Deserialize, Serialize};

/// One packet on its way from one life of a node to another node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Letter {
    /// The sender's cluster; `None` while that is still to be founded.
    pub cluster: Option<ClusterId>,
    /// Who sends, in which life of its data folder.
    pub from: Peer,
    /// In which boot of that life.
    pub boot: Boot,
    /// Whom it is for.
    pub to: NodeId,
    /// What it carries.
    pub packet: Packet,
}

/// What a letter carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Packet {
    /// Nothing but who the sender is: for a transport's handshake. A driver ignores it.
    Hello,
    /// A message from hull to hull.
    Raft(Message),
    /// Founders agreeing on how their cluster begins.
    Genesis(News),
    /// Commands that the receiver is asked to propose, and reads to confirm, being leader.
    Forward(Forward),
    /// What became of a [`Packet::Forward`].
    ForwardReply(ForwardReply),
}

/// What one founder tells another: see [`crate::genesis`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct News {
    /// The receiver's life as the sender knows it, if it has heard from it.
    pub to: Option<Peer>,
    /// The genesis record that the sender keeps durably, encoded
    /// ([`crate::identity::GenesisRecord`]).
    pub keeps: Option<Bytes>,
    /// Whether the sender knows that every founder keeps that record.
    pub founded: bool,
    /// Whether the sender would like an answer.
    pub wants_answer: bool,
}

/// Commands for a leader to propose, and reads for it to confirm.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Forward {
    /// Commands. There is no reply when they are committed: the sender will see them applied.
    pub commands: Vec<ForwardedCommand>,
    /// Numbers of reads; each is answered with the index to be applied before it.
    pub reads: Vec<u64>,
}

/// A command as it will stand in the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ForwardedCommand {
    /// The session; zero for what is addressed to the sessions themselves
    /// ([`crate::session`]).
    pub session: u64,
    /// The command's number in the session.
    pub serial: u64,
    /// All serials below this one are answered.
    pub settled: u64,
    /// The command.
    pub payload: Bytes,
}

/// What became of a [`Forward`], as far as the sender can't see it itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ForwardReply {
    /// Who had forwarded: another life or boot takes no answer of an earlier one.
    pub to: Peer,
    /// In which boot it had.
    pub boot: Boot,
    /// Commands that were refused, by session and serial. Nothing of them is in any log on
    /// account of that letter.
    pub refused: Vec<(u64, u64)>,
    /// Reads: each number and, when it is known, the index to be applied before the read.
    pub reads: Vec<(u64, Option<LogIndex>)>,
    /// Whom the sender takes for the leader.
    pub leader: Option<NodeId>,
}

impl Packet {
    /// The lane the packet travels in.
    pub const fn lane(&self) -> Lane {
        match self {
            Self::Raft(message) => message.body.lane(),
            Self::Forward(_) => Lane::Entries,
            Self::Hello | Self::Genesis(_) | Self::ForwardReply(_) => Lane::Control,
        }
    }

    /// The name of the packet's kind; for [`Packet::Raft`] that of its message.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Hello => "Hello",
            Self::Raft(message) => message.body.name(),
            Self::Genesis(_) => "Genesis",
            Self::Forward(_) => "Forward",
            Self::ForwardReply(_) => "ForwardReply",
        }
    }
}
