//! What happened inside, for tracing, tests and pictures. Nothing in the core depends on it.
//!
//! Events are named after the actions of Ongaro's TLA+ specification where it has one, and carry
//! the key of the rule that caused them (docs/rules.toml).

use crate::error::Dropped;
use crate::ids::{EntryId, LogIndex, NodeId, Term};
use crate::states::Role;

/// A key of `docs/rules.toml`, such as `F2.AE.3`.
pub type RuleKey = &'static str;

/// One thing that happened inside a hull.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// The rule that caused it.
    pub rule: RuleKey,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventKind {
    /// A deadline passed without a leader: the node starts to campaign (TLA+ `Timeout`).
    Timeout {
        /// The term it is in.
        term: Term,
    },
    /// The node took a role in a term (TLA+ `Timeout`, `BecomeLeader`).
    BecameRole {
        /// The role.
        role: Role,
        /// The term.
        term: Term,
    },
    /// Nobody wants anything: no heartbeats are sent, or none is waited for, from here on.
    FellQuiet,
    /// Somebody wants something of a node that was quiet.
    Roused,
    /// The leader begins to hand over.
    TransferBegan {
        /// To whom.
        to: NodeId,
    },
    /// The leader gives up handing over, and takes proposals again.
    TransferEnded {
        /// To whom.
        to: NodeId,
    },
    /// A follower campaigns because its leader told it to.
    TookOver {
        /// The leader.
        from: NodeId,
        /// The term it leads.
        term: Term,
    },
    /// A leader gives up office because it was away too often to be of use.
    OftenAway {
        /// The term it led.
        term: Term,
    },
    /// A later term was learned (TLA+ `UpdateTerm`).
    UpdateTerm {
        /// The new term.
        term: Term,
    },
    /// A leader was recognised.
    LeaderKnown {
        /// Who leads.
        leader: NodeId,
        /// In which term.
        term: Term,
    },
    /// A vote was granted (TLA+ `HandleRequestVoteRequest`).
    VoteGranted {
        /// To whom.
        candidate: NodeId,
        /// In which term.
        term: Term,
    },
    /// A vote or pre-vote was refused.
    VoteRefused {
        /// To whom.
        candidate: NodeId,
    },
    /// Proposals were appended by their leader (TLA+ `ClientRequest`).
    ClientRequest {
        /// The last entry appended.
        last: EntryId,
    },
    /// Entries of a leader were appended (TLA+ `AcceptAppendEntriesRequest`).
    Appended {
        /// The last entry appended.
        last: EntryId,
    },
    /// A request's previous entry is not in this log (TLA+ `RejectAppendEntriesRequest`).
    AppendRefused {
        /// The previous entry asked for.
        previous: EntryId,
    },
    /// Conflicting entries were removed (TLA+ `ConflictAppendEntriesRequest`).
    Truncated {
        /// The first index removed.
        from: LogIndex,
    },
    /// The commit index rose (TLA+ `AdvanceCommitIndex`).
    AdvanceCommitIndex {
        /// To this index.
        commit: LogIndex,
    },
    /// A quorum confirmed the leader after reads had been handed in (thesis 6.4).
    ReadsConfirmed {
        /// From which index on they may be answered.
        index: LogIndex,
        /// How many.
        count: usize,
    },
    /// Another configuration is in force: it was appended, or the one after it was overwritten.
    ConfigurationInForce {
        /// The index of its entry; zero for the one before all entries.
        since: LogIndex,
    },
    /// A committed configuration does not hold this node as one that may lead: a leader steps
    /// down, others no longer campaign.
    Removed {
        /// The index of its entry.
        configuration: LogIndex,
    },
    /// A snapshot of the own state machine is stored.
    SnapshotTaken {
        /// The last entry it stands for.
        last: EntryId,
    },
    /// A leader's snapshot takes the place of the log.
    SnapshotInstalled {
        /// The last entry it stands for.
        last: EntryId,
    },
    /// A snapshot could not be taken, received or read, or was not what it should be.
    SnapshotFailed,
    /// Entries were forgotten: a snapshot stands for them.
    Compacted {
        /// The last of them.
        last: EntryId,
    },
    /// A leader no longer hears a quorum and steps down.
    QuorumLost {
        /// The term it led.
        term: Term,
    },
    /// A message was dropped (TLA+ `DropStaleResponse`, and what the world must not do).
    MessageDropped {
        /// Whose.
        from: NodeId,
        /// Why.
        why: Dropped,
    },
    /// The log reaches as far again as before entries of it were lost.
    Repaired {
        /// Its last durable entry.
        last: EntryId,
    },
    /// The hull stopped; [`crate::hull::Hull::fault`] says why.
    Stopped,
}
