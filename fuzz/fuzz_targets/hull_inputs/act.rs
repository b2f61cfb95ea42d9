//! What the fuzzer's bytes mean: a plan for the world, then one act after the other.

use arbitrary::Arbitrary;

/// All of one run.
#[derive(Arbitrary, Debug)]
pub(crate) struct Schedule {
    pub(crate) plan: Plan,
    pub(crate) acts: Vec<Act>,
}

/// What stays the same during a run.
#[derive(Arbitrary, Debug)]
pub(crate) struct Plan {
    /// Three hulls that hear each other; otherwise one, that hears only what is made up.
    pub(crate) three: bool,
    /// Whether messages are made up that no hull would send.
    pub(crate) lies: bool,
    /// Whether disk and state machine answer at once.
    pub(crate) eager: bool,
    /// Whether to ask before campaigning, and to step down without a quorum.
    pub(crate) pre_vote: bool,
    /// Bits that choose between ordinary settings and tiny ones.
    pub(crate) tiny: u8,
}

/// One thing that happens. `node` is taken modulo the number of nodes.
#[derive(Arbitrary, Debug)]
pub(crate) enum Act {
    /// The n-th message under way arrives, and stays under way if it is to come again.
    Deliver { which: u8, again: bool },
    /// The oldest messages under way arrive, so many of them.
    DeliverMany { count: u8 },
    /// The n-th message under way is lost.
    Lose { which: u8 },
    /// A message that somebody made up.
    Lie { node: u8, lie: Lie },
    /// Time passes, in milliseconds; who has a deadline by then is told.
    Wait { node: u8, milliseconds: u16 },
    /// A deadline is reported, passed or not.
    DeadlinePassed { node: u8 },
    /// The oldest writes reach the disk.
    Sync { node: u8, count: u8 },
    /// A load is answered, the oldest or a later one.
    Load { node: u8, which: u8 },
    /// The state machine is done with the oldest portion, or says so of any index.
    Apply { node: u8, index: Option<Number> },
    /// Proposals, by the length of their payloads.
    Propose { node: u8, lengths: Vec<u8> },
    /// A barrier.
    ProposeNoOp { node: u8 },
    /// Hand over leadership; 0 is to whoever is fit.
    Transfer { node: u8, to: u8 },
    /// Somebody wants something of the cluster.
    Rouse { node: u8 },
    /// A connection is lost.
    ConnectionLost { node: u8, other: u8 },
    /// A write or a load fails.
    Fail { node: u8, load: bool },
    /// The node crashes; so many of the writes under way are on its disk.
    Restart { node: u8, kept: u8 },
}

/// A message that no hull need have sent.
#[derive(Arbitrary, Debug)]
pub(crate) struct Lie {
    /// Who is said to have sent it: members, strangers, the node itself.
    pub(crate) from: u8,
    /// Whether sender and receiver are of another life.
    pub(crate) other_lives: u8,
    pub(crate) term: Number,
    pub(crate) body: FalseBody,
}

#[derive(Arbitrary, Debug)]
pub(crate) enum FalseBody {
    PreVote {
        attempt: Number,
        last: Id,
    },
    PreVoteReply {
        attempt: Number,
        asked: Number,
        granted: bool,
    },
    RequestVote {
        last: Id,
        transfer: bool,
    },
    RequestVoteReply {
        granted: bool,
    },
    AppendEntries {
        request: Number,
        previous: Id,
        commit: Number,
        runs: Vec<Run>,
    },
    Matched {
        request: Number,
        index: Number,
    },
    /// Request, what was refused, the hint, and whether entries were lost, not only missing.
    Conflict(Number, Number, Id, bool),
    StaleTerm {
        request: Number,
    },
    /// Round, commit index, and whether the leader takes leave.
    Heartbeat(Number, Number, bool),
    HeartbeatReply {
        round: Number,
        promise: u16,
    },
    TimeoutNow {
        round: Number,
        last: Id,
    },
}

/// A chunk to be made up.
#[derive(Arbitrary, Debug)]
pub(crate) struct Run {
    /// How far it begins after the entry before it: 0 is right after.
    pub(crate) gap: i8,
    pub(crate) term: Number,
    pub(crate) time: Number,
    pub(crate) what: What,
}

#[derive(Arbitrary, Debug)]
pub(crate) enum What {
    Commands {
        count: u8,
        length: u8,
    },
    NoOp,
    Unknown {
        kind: u8,
        length: u8,
    },
    IdsOnly {
        count: u8,
    },
    /// The members by id, each with what it takes part in.
    Configuration {
        members: Vec<(u8, u8)>,
        outgoing: Option<Vec<(u8, u8)>>,
    },
}

#[derive(Arbitrary, Debug)]
pub(crate) struct Id {
    pub(crate) term: Number,
    pub(crate) index: Number,
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
