//! Messages that no hull sent: made up, or changed on their way.

use core::fmt;

use bytes::Bytes;
use raft_core::checksum::crc32c;
use raft_core::chunk::{Chunk, ChunkBuilder};
use raft_core::configuration::Configuration;
use raft_core::few::Few;
use raft_core::ids::{EntryId, Incarnation, LogIndex, Peer, Term};
use raft_core::message::{
    AppendEntries, AppendEntriesReply, AppendVerdict, Body, Heartbeat, HeartbeatReply,
    InstallSnapshot, InstallSnapshotReply, InstallVerdict, Message, PreVote, PreVoteReply, Removed,
    RequestVote, RequestVoteReply, TimeoutNow,
};
use raft_core::record::ClientHeader;
use raft_core::snapshot::{Snapshot, SnapshotId};
use raft_core::time::LogTime;

use super::error::DirectedError;
use super::pattern::MessageKind;

/// A message that says as little as its kind allows: term zero, nothing granted, no entries.
pub fn blank(kind: MessageKind, from: Peer, to: Peer) -> Message {
    let last = EntryId::ORIGIN;
    let body = match kind {
        MessageKind::PreVote => Body::PreVote(PreVote { attempt: 0, last }),
        MessageKind::PreVoteReply => Body::PreVoteReply(PreVoteReply {
            attempt: 0,
            asked: Term::ZERO,
            granted: false,
        }),
        MessageKind::RequestVote => Body::RequestVote(RequestVote {
            last,
            transfer: false,
        }),
        MessageKind::RequestVoteReply => {
            Body::RequestVoteReply(RequestVoteReply { granted: false })
        }
        MessageKind::AppendEntries => Body::AppendEntries(AppendEntries {
            request: 0,
            previous: last,
            commit: LogIndex::ZERO,
            chunks: Few::new(),
        }),
        MessageKind::AppendEntriesReply => Body::AppendEntriesReply(AppendEntriesReply {
            request: 0,
            verdict: AppendVerdict::StaleTerm,
        }),
        MessageKind::Heartbeat => Body::Heartbeat(Heartbeat {
            quiet: false,
            round: 0,
            commit: LogIndex::ZERO,
        }),
        MessageKind::HeartbeatReply => Body::HeartbeatReply(HeartbeatReply::NO_ROUND),
        MessageKind::TimeoutNow => Body::TimeoutNow(TimeoutNow { round: 0, last }),
        MessageKind::Removed => Body::Removed(Removed {
            configuration: LogIndex::ZERO,
        }),
        MessageKind::InstallSnapshot => Body::InstallSnapshot(Box::new(blank_install())),
        MessageKind::InstallSnapshotReply => Body::InstallSnapshotReply(InstallSnapshotReply {
            request: 0,
            verdict: InstallVerdict::StaleTerm,
        }),
    };
    Message {
        from,
        to,
        term: Term::ZERO,
        body,
    }
}

/// A part of no snapshot.
fn blank_install() -> InstallSnapshot {
    InstallSnapshot {
        request: 0,
        snapshot: Snapshot {
            id: SnapshotId {
                last: EntryId::ORIGIN,
                length: 0,
                digest: 0,
            },
            configuration: Configuration::default(),
            time: LogTime::ZERO,
        },
        offset: 0,
        part: Bytes::new(),
    }
}

/// One entry of a made-up message: a no-op without a command.
pub fn entry(id: EntryId, command: Option<&[u8]>) -> Result<Chunk, DirectedError> {
    let mut builder = ChunkBuilder::new();
    let pushed = match command {
        Some(command) => builder.push_client(ClientHeader::default(), command),
        None => builder.push_no_op(),
    };
    pushed.map_err(DirectedError::TooLarge)?;
    builder
        .seal(id.term, id.index, LogTime::ZERO, crc32c)
        .ok_or(DirectedError::TooLarge(raft_core::chunk::PushError::Full))
}

/// A field of a message, and what is to stand there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// The message's term.
    Term(Term),
    /// The life of its sender.
    FromLife(Incarnation),
    /// The life of its receiver.
    ToLife(Incarnation),
    /// The attempt of a pre-vote, or the one answered.
    Attempt(u64),
    /// The term that a pre-vote's answer is about.
    Asked(Term),
    /// The last entry of who asks for a vote.
    Last(EntryId),
    /// Whether a leader asked for the election.
    Transfer(bool),
    /// Whether a vote is granted.
    Granted(bool),
    /// The number of an append, or of the one answered.
    Request(u64),
    /// The entry before those sent.
    Previous(EntryId),
    /// The commit index.
    Commit(LogIndex),
    /// The entries.
    Entries(Vec<Chunk>),
    /// What was matched.
    Matched(LogIndex),
    /// What was refused, and the hint.
    Conflict(LogIndex, EntryId),
    /// That the term was over.
    StaleTerm,
    /// What was lost, and the hint.
    Lost(LogIndex, EntryId),
    /// The round of a heartbeat, or of the one answered.
    Round(u64),
}

impl Change {
    /// The field's name.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Term(_) => "term",
            Self::FromLife(_) => "from-life",
            Self::ToLife(_) => "to-life",
            Self::Attempt(_) => "attempt",
            Self::Asked(_) => "asked",
            Self::Last(_) => "last",
            Self::Transfer(_) => "transfer",
            Self::Granted(_) => "granted",
            Self::Request(_) => "request",
            Self::Previous(_) => "previous",
            Self::Commit(_) => "commit",
            Self::Entries(_) => "entries",
            Self::Matched(_) => "matched",
            Self::Conflict(_, _) => "conflict",
            Self::StaleTerm => "stale",
            Self::Lost(_, _) => "lost",
            Self::Round(_) => "round",
        }
    }

    /// Changes a message.
    ///
    /// # Errors
    ///
    /// The message has no such field; it is as it was.
    pub fn apply(&self, message: &mut Message) -> Result<(), DirectedError> {
        let kind = message.body.name();
        match self {
            Self::Term(term) => message.term = *term,
            Self::FromLife(life) => message.from.incarnation = *life,
            Self::ToLife(life) => message.to.incarnation = *life,
            _ if self.change_body(&mut message.body) => {}
            _ => {
                let field = self.field();
                return Err(DirectedError::NoSuchField { field, kind });
            }
        }
        Ok(())
    }

    fn change_body(&self, body: &mut Body) -> bool {
        match (self, body) {
            (Self::Attempt(attempt), Body::PreVote(ask)) => ask.attempt = *attempt,
            (Self::Attempt(attempt), Body::PreVoteReply(reply)) => reply.attempt = *attempt,
            (Self::Asked(term), Body::PreVoteReply(reply)) => reply.asked = *term,
            (Self::Last(last), Body::PreVote(ask)) => ask.last = *last,
            (Self::Last(last), Body::RequestVote(ask)) => ask.last = *last,
            (Self::Transfer(transfer), Body::RequestVote(ask)) => ask.transfer = *transfer,
            (Self::Granted(granted), Body::PreVoteReply(reply)) => reply.granted = *granted,
            (Self::Granted(granted), Body::RequestVoteReply(reply)) => reply.granted = *granted,
            (Self::Request(number), Body::AppendEntries(append)) => append.request = *number,
            (Self::Request(number), Body::AppendEntriesReply(reply)) => reply.request = *number,
            (Self::Previous(previous), Body::AppendEntries(append)) => append.previous = *previous,
            (Self::Commit(commit), Body::AppendEntries(append)) => append.commit = *commit,
            (Self::Commit(commit), Body::Heartbeat(beat)) => beat.commit = *commit,
            (Self::Entries(chunks), Body::AppendEntries(append)) => {
                append.chunks = chunks.clone().into();
            }
            (Self::Matched(index), Body::AppendEntriesReply(reply)) => {
                reply.verdict = AppendVerdict::Matched(*index);
            }
            (Self::Conflict(refused, hint), Body::AppendEntriesReply(reply)) => {
                let (refused, hint) = (*refused, *hint);
                reply.verdict = AppendVerdict::Conflict { refused, hint };
            }
            (Self::Lost(refused, hint), Body::AppendEntriesReply(reply)) => {
                let (refused, hint) = (*refused, *hint);
                reply.verdict = AppendVerdict::Lost { refused, hint };
            }
            (Self::StaleTerm, Body::AppendEntriesReply(reply)) => {
                reply.verdict = AppendVerdict::StaleTerm;
            }
            (Self::Round(round), Body::Heartbeat(beat)) => beat.round = *round,
            (Self::Round(round), Body::HeartbeatReply(reply)) => reply.round = Some(*round),
            (Self::Round(round), Body::TimeoutNow(told)) => told.round = *round,
            _ => return false,
        }
        true
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.field())
    }
}
