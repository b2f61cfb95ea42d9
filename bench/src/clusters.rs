//! The systems compared, each as some nodes in one thread, driven by its own documented loop.
//!
//! All of them do the same work: copy each payload in, replicate it, hand it to all state
//! machines, and answer whoever proposed it once the leader has applied it. None encodes its
//! messages: they are handed over as they are.

use std::error::Error;

pub(crate) mod chunks_alone;
pub(crate) mod omni_paxos;
pub(crate) mod quorate;
pub(crate) mod raft_rs;

/// Why a cluster could not go on: a bench that is wrong should say so.
pub(crate) type Failure = Box<dyn Error>;

/// What a cluster is founded for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// How many nodes vote.
    pub(crate) voters: u64,
    /// How many proposals are handed in at a time.
    pub(crate) at: usize,
}

/// Nodes that agree.
pub(crate) trait Cluster: Sized {
    /// Founds a cluster and elects a leader.
    fn found(shape: Shape) -> Result<Self, Failure>;

    /// Hands in `count` copies of the payload at once, and drives everybody until nobody has
    /// anything left to do.
    fn commit(&mut self, payload: &[u8], count: usize) -> Result<(), Failure>;

    /// What the state machines have seen.
    fn digests(&self) -> Vec<Digest>;

    /// How many proposals were answered.
    fn answered(&self) -> u64;
}

/// A state machine that reads what it is given and keeps next to nothing.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Digest {
    pub(crate) commands: u64,
    pub(crate) bytes: u64,
    pub(crate) first_bytes: u64,
}

impl Digest {
    /// Applies one command.
    pub(crate) fn apply(&mut self, payload: &[u8]) {
        self.commands += 1;
        self.bytes += payload.len() as u64;
        self.first_bytes += payload.first().copied().map_or(0, u64::from);
    }
}
