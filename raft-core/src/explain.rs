//! Why nothing moves, in sentences for whoever is called at night: data, and what it says.
//!
//! All of it is computed from a hull's state when somebody asks ([`crate::hull::Hull::status`],
//! [`crate::hull::Hull::why_no_leader`], [`crate::hull::Hull::why_not_committed`],
//! [`crate::hull::Hull::why_not_readable`], [`crate::hull::Hull::why_not_changed`]), and nothing is kept for it but who refused the last
//! attempt to be elected, and whether this node gave up its term. A reason is a value, so that
//! programs can tell reasons apart, and a sentence that needs no other. Each is a fact about *this* node's
//! state; what a node can't know (why another one is silent) is not guessed.
//!
//! Further features bring their reasons along.

mod change;
mod words;

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::configuration::MemberRole;
use crate::error::Fault;
use crate::ids::{Boot, EntryId, LogIndex, NodeId, Peer, Term};
use crate::states::Role;
use crate::time::Time;

pub use change::NotChanged;
use words::{Asked, Awaited, MemberName, Names};

/// The figures of a hull, by value. Ages are as of the time that was handed in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HullStatus {
    /// This node.
    pub me: Peer,
    /// Its role in the current term.
    pub role: Role,
    /// The current term, durable or not.
    pub term: Term,
    /// Whom it voted for in that term.
    pub vote: Option<NodeId>,
    /// Who leads that term, as far as this node knows.
    pub leader: Option<NodeId>,
    /// Which start of the data folder this is.
    pub boot: Boot,
    /// Whether that is durable. Nothing is said before.
    pub is_boot_durable: bool,
    /// The highest index known to be committed.
    pub commit_index: LogIndex,
    /// The highest index handed to the state machine.
    pub handed_out_index: LogIndex,
    /// The highest index that the state machine has applied.
    pub applied_index: LogIndex,
    /// The highest index that is durable on this node.
    pub durable_index: LogIndex,
    /// The last entry of the log, durable or not.
    pub last: EntryId,
    /// How far the log reached before entries of it were lost, until it does so again.
    pub lost_through: Option<EntryId>,
    /// What this node takes part in; `None` when the configuration in force does not have it. Who is
    /// to become a voter and has not caught up is a learner still.
    pub member: Option<MemberRole>,
    /// The entry that put the configuration in force, if it is in the log.
    pub configuration_index: Option<LogIndex>,
    /// Whether that configuration is joint.
    pub is_joint: bool,
    /// Writes that the log has not acknowledged.
    pub writes_in_flight: usize,
    /// For how long the oldest of them has been outstanding.
    pub oldest_write: Option<Duration>,
    /// Bytes of payload that the state machine was given and has not applied.
    pub applying_bytes: usize,
    /// Bytes of payload proposed to this leader and not committed.
    pub uncommitted_bytes: usize,
    /// For a leader, to whom it hands over, taking no proposals meanwhile.
    pub transferring_to: Option<NodeId>,
    /// For a leader with leases, for how long it may answer reads without asking anybody; zero while
    /// it may not.
    pub lease: Option<Duration>,
    /// For a leader, each follower as it sees it, by ascending id.
    pub followers: Vec<FollowerStatus>,
    /// When the hull wants to be stepped whatever else happens.
    pub deadline: Option<Time>,
    /// What stopped the hull.
    pub fault: Option<Fault>,
}

/// One follower, as its leader sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FollowerStatus {
    /// Which life of which node.
    pub peer: Peer,
    /// What it is known to hold durably.
    pub matched: LogIndex,
    /// The next entry to be sent to it.
    pub next: LogIndex,
    /// How it is sent to.
    pub sending: Sending,
    /// For how long it has said nothing.
    pub silent: Duration,
}

/// How a leader sends to a follower.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sending {
    /// It looks for where the logs agree, one request at a time.
    Probe {
        /// For how long the request has been unanswered, if one is.
        unanswered: Option<Duration>,
    },
    /// It sends without waiting for answers.
    Replicate {
        /// Requests that are not answered.
        requests: usize,
        /// The bytes of memory that they keep alive.
        bytes: usize,
        /// For how long the oldest has been unanswered, if there is one.
        unanswered: Option<Duration>,
    },
    /// It sends a snapshot, since the log no longer has what the follower lacks.
    Snapshot {
        /// The last entry that the snapshot stands for.
        last: EntryId,
        /// How many bytes of it the follower is known to have.
        stored: u64,
        /// How many bytes it has.
        length: u64,
        /// For how long the last part has been unanswered, if it is.
        unanswered: Option<Duration>,
    },
}

/// One reason why a node follows no leader that it hears, and does not lead.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoLeader {
    /// The hull has stopped. Then no other reason is given.
    #[error("this node has stopped: {0}")]
    Stopped(Fault),
    /// The hull asked to be stepped and was not, for an election timeout or longer.
    #[error(
        "this node was to be woken {overdue:?} ago and was not: its process is stopped or overloaded"
    )]
    NotDriven {
        /// For how long the hull's deadline has passed.
        overdue: Duration,
    },
    /// The write that makes this start of the data folder durable is not done.
    #[error("this node says nothing before the number of its start is durable: {0}")]
    BootNotDurable(OldestWrite),
    /// The disk counts as stalled, so this node neither leads nor campaigns.
    #[error(
        "this node does not campaign: its disk is stalled, with a write outstanding for {outstanding:?} (stalled_write_after: {limit:?})"
    )]
    DiskStalled {
        /// For how long a write has been outstanding.
        outstanding: Duration,
        /// For how long it may be.
        limit: Duration,
    },
    /// This node has promised a leader to give no vote, perhaps before it was restarted, and its own
    /// is one.
    #[error(
        "this node does not campaign for {left:?} still: it has promised a leader to give no vote"
    )]
    Promised {
        /// For how long.
        left: Duration,
    },
    /// The configuration in force does not let this node lead.
    #[error("this node never campaigns: it is {}", MemberName(*role))]
    MayNotLead {
        /// What it takes part in; `None` when it is no member.
        role: Option<MemberRole>,
    },
    /// This node led the current term itself and gave up.
    #[error(
        "this node led {term} itself and gave up: it heard no majority, its disk stalled, or it votes no more"
    )]
    GaveUp {
        /// The current term.
        term: Term,
    },
    /// This node was told that a committed configuration does not hold it, and knows of no later one.
    #[error(
        "this node does not campaign: others said that the committed configuration of {configuration} \
         does not hold it"
    )]
    Removed {
        /// The entry of that configuration.
        configuration: LogIndex,
    },
    /// This node's log was damaged, and does not reach as far again as it once did.
    #[error(
        "this node does not campaign, and votes only for who holds as much as it once did: its log \
         was damaged, ends at {last} and reached up to {lost_through}"
    )]
    InRepair {
        /// The last entry it holds.
        last: EntryId,
        /// How far its log reached.
        lost_through: EntryId,
    },
    /// Nobody was heard that leads the current term.
    #[error("nobody has been heard that leads {term}")]
    NoneHeard {
        /// The current term.
        term: Term,
    },
    /// The leader was known and is silent.
    #[error("{leader}, the leader of {term}, has not been heard for {silent:?}")]
    LeaderSilent {
        /// Who it is.
        leader: NodeId,
        /// The current term.
        term: Term,
        /// For how long it has been silent: an election timeout or longer.
        silent: Duration,
    },
    /// The connection to the leader was reported lost, and nothing was heard since.
    #[error("the connection to {leader}, the leader of {term}, is lost")]
    ConnectionLost {
        /// Who it is.
        leader: NodeId,
        /// The current term.
        term: Term,
    },
    /// This node gave its vote to another one, which has not been heard as the leader.
    #[error("this node voted for {candidate} in {term} and has not heard that it leads")]
    VoteGiven {
        /// Who got the vote.
        candidate: NodeId,
        /// The current term.
        term: Term,
    },
    /// This node's last attempt to be elected was refused by some, and none has begun since.
    #[error(
        "when this node asked last whether it would be elected, {} refused: they hear a leader, or \
         hold more of the log",
        Names(by)
    )]
    Refused {
        /// Who refused.
        by: Vec<NodeId>,
    },
    /// Among those who refused is a witness.
    #[error(
        "{witness}, which refused, is a witness: if it hears no leader either, it knows of entries \
         that this node lacks, and nobody can lead before a node is back that holds them"
    )]
    RefusedByWitness {
        /// The witness.
        witness: NodeId,
    },
    /// A follower's patience has not ended yet.
    #[error("this node campaigns in {after:?} if it hears no leader before")]
    Waits {
        /// How long that will be.
        after: Duration,
    },
    /// This node's own vote is not durable, so neither counts it nor are others asked.
    #[error("this node's own vote in {term} is not durable, and nobody is asked before: {write}")]
    OwnVoteNotDurable {
        /// The term it campaigns in.
        term: Term,
        /// What holds it up.
        write: OldestWrite,
    },
    /// This node campaigns, and has no majority of these voters (of each half of a joint
    /// configuration that it has none of, one reason).
    #[error(
        "{ballot} must be granted by {needed} of {half}: {} did, {} refused, {} did not answer",
        Names(granted),
        Names(refused),
        Names(silent)
    )]
    VotesMissing {
        /// What it asked for.
        ballot: Ballot,
        /// Of whom.
        half: Half,
        /// How many must grant it.
        needed: usize,
        /// Who did.
        granted: Vec<NodeId>,
        /// Who refused.
        refused: Vec<NodeId>,
        /// Who has not answered; not this node itself.
        silent: Vec<NodeId>,
    },
}

/// One reason why an entry does not count as committed on a node.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotCommitted {
    /// The hull has stopped. Then no other reason is given.
    #[error("this node has stopped: {0}")]
    Stopped(Fault),
    /// This node's log ends before it.
    #[error("the log of this node ends at {last}")]
    NotInLog {
        /// The last entry.
        last: LogIndex,
    },
    /// This leader takes nothing new while it hands over.
    #[error(
        "this leader hands over to {to} and takes no proposals until that has succeeded or failed"
    )]
    HandingOver {
        /// Who is to lead.
        to: NodeId,
    },
    /// Only a leader decides, and another node leads.
    #[error("{leader} leads and has not told that it is committed; ask there")]
    LeaderDecides {
        /// Who leads.
        leader: NodeId,
    },
    /// Only a leader decides, and this node neither leads nor knows who does
    /// ([`crate::hull::Hull::why_no_leader`]).
    #[error("only a leader can commit it, and this node knows of none")]
    NobodyLeads,
    /// The entry is of an earlier term, and no entry of the leader's own term is committed yet
    /// (paper 5.4.2).
    #[error("it is of an earlier term, {}, and is committed with {with}, the first entry of this leader", entry.term)]
    EarlierTerm {
        /// The entry.
        entry: EntryId,
        /// The entry with which it will be committed.
        with: LogIndex,
    },
    /// Too few voters hold it durably (of each half of a joint configuration in which they are too
    /// few, one reason).
    #[error(
        "{index} must be durable on {needed} of {half}: it is on {}",
        Names(holders)
    )]
    TooFewHold {
        /// The entry that must be held: the one asked about, or [`NotCommitted::EarlierTerm`]'s.
        index: LogIndex,
        /// Of which voters.
        half: Half,
        /// How many must hold it.
        needed: usize,
        /// Who does, as far as is known.
        holders: Vec<NodeId>,
    },
    /// Other voters decide since this configuration, of whom enough hold it: the leader counts them
    /// when it next hears of anything that became durable.
    #[error(
        "enough of those hold it who vote since the configuration at {since}; they are counted when \
         the next write is done or acknowledged"
    )]
    NotCounted {
        /// The entry of the configuration.
        since: LogIndex,
    },
    /// A voter that does not hold it, and why.
    #[error("{voter} is known to hold up to {matched}: {lag}")]
    Lags {
        /// Who lags.
        voter: NodeId,
        /// What it is known to hold durably.
        matched: LogIndex,
        /// Why.
        lag: Lag,
    },
}

/// One reason why a linearizable read that is handed to a node now would wait or be refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotReadable {
    /// The hull has stopped. Then no other reason is given.
    #[error("this node has stopped: {0}")]
    Stopped(Fault),
    /// Only a leader confirms reads, and another node leads.
    #[error("{leader} leads and confirms reads; ask there")]
    LeaderConfirms {
        /// Who leads.
        leader: NodeId,
    },
    /// Only a leader confirms reads, and this node neither leads nor knows who does
    /// ([`crate::hull::Hull::why_no_leader`]).
    #[error("only a leader can confirm a read, and this node knows of none")]
    NobodyLeads,
    /// The leader does not know yet how far the log is committed
    /// ([`crate::hull::Hull::why_not_committed`] of that entry says why).
    #[error("this leader's first entry, {first}, is not committed, and all reads wait for that")]
    NewLeader {
        /// The entry.
        first: LogIndex,
    },
    /// As many reads are pending as may be: more are refused.
    #[error("{pending} reads are pending, of at most {limit} (max_pending_reads)")]
    Full {
        /// Reads that are not confirmed.
        pending: usize,
        /// The limit in the settings.
        limit: usize,
    },
    /// The settings have leases, and this leader has told another to take over.
    #[error("this leader has no lease any more in its term: it has told another to take over")]
    LeaseGivenUp,
    /// The settings have leases, and too few voters have promised to vote for nobody else (of each half
    /// of a joint configuration in which they are too few, one reason).
    #[error(
        "this leader has no lease: {needed} of {half} must have promised lately to vote for nobody, \
         and {} did",
        Names(promised)
    )]
    NoLease {
        /// Of which voters.
        half: Half,
        /// How many must have promised.
        needed: usize,
        /// Whose promise lasts still, this node among them.
        promised: Vec<NodeId>,
    },
    /// Reads wait for a majority to answer a round of heartbeats (of each half of a joint
    /// configuration in which too few did, one reason).
    #[error(
        "heartbeat {round} must be answered by {needed} of {half}: {} did, {} did not",
        Names(answered),
        Names(silent)
    )]
    Unconfirmed {
        /// The round.
        round: u64,
        /// Of which voters.
        half: Half,
        /// How many must answer.
        needed: usize,
        /// Who did, this node among them.
        answered: Vec<NodeId>,
        /// Who did not.
        silent: Vec<NodeId>,
    },
    /// This node has no state machine to read from.
    #[error("this node is a witness and holds no data; ask another one")]
    Witness,
    /// The state machine is behind what is committed, and reads wait for it.
    #[error("{commit} is committed and the state machine has applied {applied}")]
    Applying {
        /// The commit index.
        commit: LogIndex,
        /// What is applied.
        applied: LogIndex,
    },
}

/// Why a voter is not known to hold an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Lag {
    /// It is the leader itself.
    #[error("it is not durable on the leader itself, {0}")]
    OwnDisk(OldestWrite),
    /// Nothing has been heard of it for an election timeout or longer.
    #[error("nothing has been heard of it for {silent:?}: it is down or cut off")]
    Silent {
        /// For how long.
        silent: Duration,
    },
    /// What it lacks is no longer in the leader's log.
    #[error("the leader's log no longer holds what it lacks, from {next} on; it needs a snapshot")]
    NeedsSnapshot {
        /// The first entry it lacks.
        next: LogIndex,
    },
    /// It is sent a snapshot.
    #[error("it is sent a snapshot up to {last}, and has {stored} of {length} bytes")]
    ReceivesSnapshot {
        /// The last entry that the snapshot stands for.
        last: EntryId,
        /// How many bytes of it the follower is known to have.
        stored: u64,
        /// How many bytes it has.
        length: u64,
    },
    /// It is not known where its log and the leader's agree.
    #[error(
        "the leader looks for where the logs agree, {} {previous}",
        Asked(*unanswered)
    )]
    Probing {
        /// The entry asked about.
        previous: LogIndex,
        /// For how long the question has been unanswered; `None` when it is about to be asked.
        unanswered: Option<Duration>,
    },
    /// What it lacks is being read back from the leader's disk.
    #[error("the leader reads what it lacks back from its own disk, from {next} on")]
    Loading {
        /// The first entry to be sent.
        next: LogIndex,
    },
    /// It is a witness, and those that keep payloads come first.
    #[error(
        "a witness is told of no entry from {next} on before {} holds it, or has been waited for in \
         vain for half an election timeout",
        Awaited(*awaited)
    )]
    Withheld {
        /// The first entry that it is not told of.
        next: LogIndex,
        /// A voter that is waited for; `None` when it is the leader's own disk.
        awaited: Option<NodeId>,
    },
    /// So much is unanswered that no more may be sent.
    #[error(
        "{requests} requests of {bytes} bytes are unanswered, as many as may be, the oldest for \
         {unanswered:?}"
    )]
    WindowFull {
        /// Requests that are not answered.
        requests: usize,
        /// The bytes of memory that they keep alive.
        bytes: usize,
        /// For how long the oldest has been unanswered.
        unanswered: Duration,
    },
    /// The entry was sent.
    #[error("it was sent up to there, and has not acknowledged that for {unanswered:?}")]
    Unanswered {
        /// For how long the oldest request has been unanswered.
        unanswered: Duration,
    },
    /// The entry may be sent, and the driver did not take it.
    #[error(
        "entries from {next} on wait to be sent: the transport takes no more, or its driver is busy"
    )]
    NotSent {
        /// The next entry to be sent.
        next: LogIndex,
    },
}

/// What holds up a write that has to be durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OldestWrite {
    /// The log was given it, or one before it, and has not acknowledged it.
    #[error("a write has been outstanding at the log for {0:?}")]
    Outstanding(Duration),
    /// The driver has not handed it to the log.
    #[error("the driver has not begun the write")]
    NotBegun,
}

/// What a node asks others for when it campaigns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ballot {
    /// Whether it would be elected (thesis 9.6).
    PreVote,
    /// Their votes in this term.
    Vote {
        /// The term.
        term: Term,
    },
}

/// Which voters: all, or a half of a joint configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Half {
    /// All voters; the configuration is not joint.
    All(Vec<NodeId>),
    /// The voters of the incoming configuration.
    Incoming(Vec<NodeId>),
    /// The voters of the outgoing configuration.
    Outgoing(Vec<NodeId>),
}

impl Half {
    /// The voters, by ascending id.
    pub fn voters(&self) -> &[NodeId] {
        match self {
            Self::All(voters) | Self::Incoming(voters) | Self::Outgoing(voters) => voters,
        }
    }
}

impl fmt::Display for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All(_) => "the voters",
            Self::Incoming(_) => "the incoming voters",
            Self::Outgoing(_) => "the outgoing voters",
        })?;
        write!(f, " ({})", Names(self.voters()))
    }
}

impl fmt::Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PreVote => f.write_str("a pre-vote"),
            Self::Vote { term } => write!(f, "a vote in {term}"),
        }
    }
}
