//! What clients asked, and what they were told.

use raft_core::ids::NodeId;
use raft_core::time::Time;

/// The number of one submission in its world.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SubmissionId(pub(crate) usize);

/// What became of a submission, as its client learned it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It was answered: it is committed and applied.
    Answered,
    /// It was refused: it has not taken effect and never will.
    Refused,
    /// The node said that it does not know.
    Unknown,
    /// The node that would have answered is gone.
    Lost,
}

/// One submission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientFact {
    /// Its number.
    pub id: SubmissionId,
    /// On which node.
    pub node: NodeId,
    /// A fingerprint of the command.
    pub payload: u64,
    /// When it was submitted, on the world's clock.
    pub submitted: Time,
    /// What became of it, if its client knows.
    pub fate: Option<Fate>,
}
