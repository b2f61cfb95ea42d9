//! What a node says of itself when asked. Data only.

use std::sync::Arc;

use raft_core::configuration::Configuration;
use raft_core::ids::{Boot, ClusterId, EntryId, LogIndex, NodeId, Peer, Term};
use raft_core::states::Role;

use crate::error::NodeFault;

/// A node at one moment: the end of its driver's last turn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// Its name.
    pub id: NodeId,
    /// How far it has come.
    pub phase: Phase,
    /// Itself in this life of its data folder, once that has begun.
    pub me: Option<Peer>,
    /// Its cluster, once that is founded.
    pub cluster: Option<ClusterId>,
    /// The boot it is in.
    pub boot: Boot,
    /// Its role; `None` while there is no hull.
    pub role: Option<Role>,
    /// Its term.
    pub term: Term,
    /// Whom it takes for the leader.
    pub leader: Option<NodeId>,
    /// For a leader: to whom it is handing over; commands wait meanwhile.
    pub transferring_to: Option<NodeId>,
    /// The configuration in force: the latest in its log, committed or not. Empty while there is no
    /// hull.
    pub configuration: Arc<Configuration>,
    /// The last entry known to be committed.
    pub commit_index: LogIndex,
    /// The last entry applied.
    pub applied_index: LogIndex,
    /// The last entry known to be durable on itself.
    pub durable_index: LogIndex,
    /// The last entry of its log.
    pub last: EntryId,
    /// The first entry that its log still holds, or would.
    pub first_index: LogIndex,
    /// The last entry that its newest snapshot stands for.
    pub snapshot: Option<EntryId>,
    /// Submissions, open sessions, reads and forwarded commands under way.
    pub requests: usize,
    /// Founders not heard of yet, while the cluster is being founded; whom it asks, while the node
    /// waits to be added.
    pub missing_founders: Vec<NodeId>,
    /// Letters that were dropped, by reason.
    pub rejected: Rejections,
    /// What stopped it, if anything.
    pub fault: Option<NodeFault>,
}

/// How far a node has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// A new data folder's identity is being written.
    Opening,
    /// The founders are agreeing; see [`Status::missing_founders`].
    Founding,
    /// The node is no founder, and waits for a member to tell how the cluster began: they do so once
    /// it was added.
    Joining,
    /// The state is being restored from a stored snapshot.
    Restoring,
    /// There is a hull.
    Running,
    /// The driver has ended.
    Stopped,
}

/// How many letters were dropped, by reason, and the last one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rejections {
    /// [`Rejection::OtherCluster`].
    pub other_cluster: u64,
    /// [`Rejection::NotForMe`].
    pub not_for_me: u64,
    /// [`Rejection::Stranger`].
    pub stranger: u64,
    /// [`Rejection::NotFounded`].
    pub not_founded: u64,
    /// [`Rejection::OtherRecord`].
    pub other_record: u64,
    /// [`Rejection::Malformed`].
    pub malformed: u64,
    /// [`Rejection::Stale`].
    pub stale: u64,
    /// [`Rejection::Overloaded`].
    pub overloaded: u64,
    /// The last letter dropped.
    pub last: Option<Rejected>,
}

/// A letter that was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rejected {
    /// Who claimed to send it.
    pub from: Peer,
    /// The kind of packet.
    pub packet: &'static str,
    /// Why it was dropped.
    pub why: Rejection,
}

/// Why a letter was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// It is of another cluster.
    #[error("it is of another cluster")]
    OtherCluster,
    /// It is for another node, or claims to be from this one.
    #[error("it is for another node, or claims to be from this one")]
    NotForMe,
    /// Its sender is no member, or another life under a member's name.
    #[error("its sender is no member, or another life of one")]
    Stranger,
    /// This node's cluster is not founded yet.
    #[error("this node's cluster is not founded yet")]
    NotFounded,
    /// It speaks of a genesis record that is not this cluster's.
    #[error("it speaks of another genesis record")]
    OtherRecord,
    /// It makes no sense.
    #[error("it makes no sense")]
    Malformed,
    /// It answers an earlier boot.
    #[error("it answers an earlier boot of this node")]
    Stale,
    /// Too much forwarded is under way; the sender tries again.
    #[error("too much forwarded is under way")]
    Overloaded,
}

impl Rejections {
    /// Counts a letter.
    pub(crate) fn count(&mut self, rejected: Rejected) {
        let counter = match rejected.why {
            Rejection::OtherCluster => &mut self.other_cluster,
            Rejection::NotForMe => &mut self.not_for_me,
            Rejection::Stranger => &mut self.stranger,
            Rejection::NotFounded => &mut self.not_founded,
            Rejection::OtherRecord => &mut self.other_record,
            Rejection::Malformed => &mut self.malformed,
            Rejection::Stale => &mut self.stale,
            Rejection::Overloaded => &mut self.overloaded,
        };
        *counter = counter.saturating_add(1);
        self.last = Some(rejected);
    }

    /// All letters dropped.
    pub const fn total(&self) -> u64 {
        self.other_cluster
            .saturating_add(self.not_for_me)
            .saturating_add(self.stranger)
            .saturating_add(self.not_founded)
            .saturating_add(self.other_record)
            .saturating_add(self.malformed)
            .saturating_add(self.stale)
            .saturating_add(self.overloaded)
    }
}

impl Status {
    /// The status of a node whose driver has not had a turn.
    pub(crate) fn new(id: NodeId) -> Self {
        Self {
            id,
            phase: Phase::Opening,
            me: None,
            cluster: None,
            boot: Boot::default(),
            role: None,
            term: Term::ZERO,
            leader: None,
            transferring_to: None,
            configuration: Arc::default(),
            commit_index: LogIndex::ZERO,
            applied_index: LogIndex::ZERO,
            durable_index: LogIndex::ZERO,
            last: EntryId::ORIGIN,
            first_index: LogIndex::ZERO.next(),
            snapshot: None,
            requests: 0,
            missing_founders: Vec::new(),
            rejected: Rejections::default(),
            fault: None,
        }
    }
}
