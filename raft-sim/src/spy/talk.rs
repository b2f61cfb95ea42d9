//! Messages as spies remember them: who, which term, and what they say without their entries.

use std::time::Duration;

use raft_core::chunk::Chunk;
use raft_core::ids::{EntryId, Incarnation, LogIndex, NodeId, Term};
use raft_core::message::{AppendVerdict, Body, InstallVerdict, Message};

/// A message as a spy remembers it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Talk {
    /// The other node: the sender of what was taken in, the receiver of what was sent.
    pub peer: NodeId,
    /// The message's term.
    pub term: Term,
    /// What it says.
    pub says: Says,
}

impl Talk {
    pub(super) fn of(message: &Message, peer: NodeId) -> Self {
        let says = match &message.body {
            Body::PreVote(_) => Says::PreVote,
            Body::PreVoteReply(reply) => Says::PreVoteReply {
                asked: reply.asked,
                granted: reply.granted,
            },
            Body::RequestVote(ask) => Says::RequestVote {
                last: ask.last,
                transfer: ask.transfer,
            },
            Body::RequestVoteReply(reply) => Says::RequestVoteReply {
                granted: reply.granted,
            },
            Body::AppendEntries(append) => Says::Append {
                previous: append.previous,
                last: append.chunks.last().map_or(append.previous, Chunk::last_id),
                commit: append.commit,
                bytes: append.chunks.iter().map(Chunk::payload_bytes).sum(),
                pinned: append.chunks.iter().map(Chunk::pinned_bytes).sum(),
            },
            Body::AppendEntriesReply(reply) => Says::AppendReply(match reply.verdict {
                AppendVerdict::Matched(index) => Answered::Matched(index),
                AppendVerdict::Conflict { refused, hint } => Answered::Conflict { refused, hint },
                AppendVerdict::StaleTerm => Answered::Stale,
                AppendVerdict::Lost { refused, hint } => Answered::Lost { refused, hint },
            }),
            Body::Heartbeat(heartbeat) => Says::Heartbeat {
                round: heartbeat.round,
                commit: heartbeat.commit,
                quiet: heartbeat.quiet,
            },
            Body::HeartbeatReply(reply) => Says::HeartbeatReply {
                round: reply.round,
                promise: reply.promise,
            },
            Body::Removed(removed) => Says::Removed {
                configuration: removed.configuration,
                by: message.from.incarnation,
            },
            Body::InstallSnapshot(install) => Says::Install {
                last: install.snapshot.id.last,
                offset: install.offset,
                bytes: install.part.len(),
            },
            Body::InstallSnapshotReply(reply) => Says::InstallReply(match reply.verdict {
                InstallVerdict::Matched(index) => Some(index),
                InstallVerdict::Stored(_) | InstallVerdict::StaleTerm => None,
            }),
            Body::TimeoutNow(told) => Says::TimeoutNow {
                round: told.round,
                last: told.last,
            },
        };
        Self {
            peer,
            term: message.term,
            says,
        }
    }
}

/// What a message says, without its entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Says {
    /// Would you vote for me?
    PreVote,
    /// Whether its sender would, in this term.
    PreVoteReply {
        /// The term.
        asked: Term,
        /// Whether.
        granted: bool,
    },
    /// Vote for me.
    RequestVote {
        /// The candidate's last entry.
        last: EntryId,
        /// Whether it says that its leader wants it.
        transfer: bool,
    },
    /// Whether its sender does.
    RequestVoteReply {
        /// Whether.
        granted: bool,
    },
    /// Entries.
    Append {
        /// The entry before the first.
        previous: EntryId,
        /// The last one; without any, the one before.
        last: EntryId,
        /// The leader's commit index.
        commit: LogIndex,
        /// What the payloads weigh.
        bytes: usize,
        /// The memory that they keep alive.
        pinned: usize,
    },
    /// What became of entries.
    AppendReply(Answered),
    /// The leader is alive.
    Heartbeat {
        /// In which of its rounds it says so.
        round: u64,
        /// The commit index it tells.
        commit: LogIndex,
        /// Whether it takes leave.
        quiet: bool,
    },
    /// The follower is.
    HeartbeatReply {
        /// Which round it answers, if one.
        round: Option<u64>,
        /// For how long it promises to give no vote.
        promise: Duration,
    },
    /// The receiver is no member any more.
    Removed {
        /// Since this committed configuration.
        configuration: LogIndex,
        /// The life of its sender: of another than the member's nothing is believed.
        by: Incarnation,
    },
    /// A part of a snapshot.
    Install {
        /// The last entry that the snapshot stands for.
        last: EntryId,
        /// Where in the content the part begins.
        offset: u64,
        /// The part's bytes.
        bytes: usize,
    },
    /// What became of it: up to where the follower's log matches, if it is done.
    InstallReply(Option<LogIndex>),
    /// Take over.
    TimeoutNow {
        /// In which of the leader's rounds it says so.
        round: u64,
        /// The leader's last entry.
        last: EntryId,
    },
}

/// What a follower answers to entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answered {
    /// All matches up to here.
    Matched(LogIndex),
    /// The entry before them is not there.
    Conflict {
        /// That entry's index.
        refused: LogIndex,
        /// The last one that could match.
        hint: EntryId,
    },
    /// They are of a term that is over.
    Stale,
    /// An entry that the follower is taken to hold was lost there.
    Lost {
        /// That entry's index.
        refused: LogIndex,
        /// The last one that could match.
        hint: EntryId,
    },
}
