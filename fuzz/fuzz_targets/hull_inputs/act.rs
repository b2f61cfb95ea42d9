//! What the fuzzer's bytes mean: a plan for the world, then one act after the other.

use arbitrary::Arbitrary;

use crate::lie::Lie;

/// All of one run.
#[derive(Arbitrary, Debug)]
pub(crate) struct Schedule {
    pub(crate) plan: Plan,
    pub(crate) acts: Vec<Act>,
}

/// What stays the same during a run.
#[derive(Arbitrary, Debug)]
pub(crate) struct Plan {
    /// Three to five hulls that hear each other; otherwise one, that hears only what is made up.
    pub(crate) several: Option<u8>,
    /// What each takes part in at first, if the cluster is to have more than voters.
    pub(crate) parts: Option<[Part; 5]>,
    /// Whether the run begins with a leader that is changing the members.
    pub(crate) changing: bool,
    /// Whether messages are made up that no hull would send.
    pub(crate) lies: bool,
    /// Whether disk, state machine and store of snapshots answer at once.
    pub(crate) eager: bool,
    /// Whether disks may lose what was durable, and say so.
    pub(crate) losses: bool,
    /// Whether to ask before campaigning, and to step down without a quorum.
    pub(crate) pre_vote: bool,
    /// Bits that choose between ordinary settings and unusual ones.
    pub(crate) unusual: u16,
}

/// What a node takes part in when the cluster is founded.
#[derive(Arbitrary, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    Voter,
    Learner,
    Witness,
    /// None: it waits to be added.
    Outsider,
    /// None yet, and it is to be a witness.
    WitnessOutside,
}

/// One thing that happens. `node` is taken modulo the number of nodes.
#[derive(Arbitrary, Debug)]
pub(crate) enum Act {
    /// The n-th message under way arrives, and stays under way if it is to come again.
    Deliver { which: u8, again: bool },
    /// The oldest messages under way arrive, so many of them.
    DeliverMany { count: u8 },
    /// Messages arrive and what was begun is done, in order, so many rounds.
    Settle { rounds: u8 },
    /// The n-th message under way is lost.
    Lose { which: u8 },
    /// A message that somebody made up.
    Lie { node: u8, lie: Lie },
    /// Time passes, in milliseconds; who has a deadline by then is told.
    Wait { node: u8, milliseconds: u16 },
    /// A deadline is reported, passed or not.
    DeadlinePassed { node: u8 },
    /// Somebody wants something.
    Ask { node: u8, wish: Wish },
    /// Something that a node began comes to its end.
    Complete { node: u8, what: Completion },
    /// A connection is lost.
    ConnectionLost { node: u8, other: u8 },
    /// The node crashes; so many of the writes under way are on its disk, of which it then loses so
    /// many of the latest, if disks may.
    Restart { node: u8, kept: u8, lost: u8 },
}

/// What a driver asks of its node.
#[derive(Arbitrary, Debug)]
pub(crate) enum Wish {
    /// Proposals, by the length of their payloads.
    Propose { lengths: Vec<u8> },
    /// A barrier.
    ProposeNoOp,
    /// Reads, so many at once.
    Read { count: u8 },
    /// Hand over leadership; 0 is to whoever is fit.
    Transfer { to: u8 },
    /// Other members: each node with what it is to take part in.
    Reconfigure { members: Vec<(u8, u8)> },
    /// Give up the change of members.
    Cancel,
    /// A snapshot of the state machine.
    TakeSnapshot,
    /// Somebody wants something of the cluster.
    Rouse,
}

/// What comes back from disk, state machine and store of snapshots.
#[derive(Arbitrary, Debug)]
pub(crate) enum Completion {
    /// The oldest writes reach the disk.
    Sync { count: u8 },
    /// A load is answered, the oldest or a later one.
    Load { which: u8 },
    /// The state machine is done with the oldest portion, or says so of any index.
    Apply { index: Option<Number> },
    /// The store does its oldest jobs.
    Store { count: u8, how: Doing },
    /// The store's answer to a job comes, the oldest or a later one.
    Stored { which: u8 },
    /// A write or a load fails.
    Fail { load: bool },
}

/// How the store does a job.
#[derive(Arbitrary, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Doing {
    Well,
    /// It can't be done.
    Fails,
    /// What is written is not what came.
    Spoils,
}

/// A number: near one that matters, or anywhere.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Number {
    /// Near what the node has now.
    Near(i8),
    /// Near the second thing that matters: for indexes the commit index.
    NearOther(i8),
    Small(u8),
    Any(u64),
}

impl Number {
    /// The number, given the two that matter.
    pub(crate) fn of(self, present: u64, other: u64) -> u64 {
        match self {
            Self::Near(distance) => present.saturating_add_signed(distance.into()),
            Self::NearOther(distance) => other.saturating_add_signed(distance.into()),
            Self::Small(number) => number.into(),
            Self::Any(number) => number,
        }
    }
}
