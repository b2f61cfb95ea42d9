//! What others say to a node: one short function for each kind of message.

use bytes::Bytes;
use std::time::Duration;

use raft_core::chunk::Chunk;
use raft_core::ids::{EntryId, Term};
use raft_core::message::{
    AppendEntries, AppendEntriesReply, AppendVerdict, Body, Heartbeat, HeartbeatReply,
    InstallSnapshot, InstallSnapshotReply, InstallVerdict, PreVote, PreVoteReply, Removed,
    RequestVote, RequestVoteReply, TimeoutNow,
};
use raft_core::snapshot::Snapshot;

use super::{chunks, id, index};

pub(crate) fn append(previous: EntryId, chunks: Vec<Chunk>, commit: u64) -> Body {
    append_numbered(1, previous, chunks, commit)
}

pub(crate) fn append_numbered(
    request: u64,
    previous: EntryId,
    chunks: Vec<Chunk>,
    commit: u64,
) -> Body {
    Body::AppendEntries(AppendEntries {
        request,
        previous,
        commit: index(commit),
        chunks: chunks.into(),
    })
}

pub(crate) fn request_vote(last: EntryId) -> Body {
    Body::RequestVote(RequestVote {
        last,
        transfer: false,
    })
}

pub(crate) fn vote_reply(granted: bool) -> Body {
    Body::RequestVoteReply(RequestVoteReply { granted })
}

pub(crate) fn pre_vote(attempt: u64, last: EntryId) -> Body {
    Body::PreVote(PreVote { attempt, last })
}

pub(crate) fn heartbeat(round: u64, commit: u64) -> Body {
    Body::Heartbeat(Heartbeat {
        quiet: false,
        round,
        commit: index(commit),
    })
}

pub(crate) fn heartbeat_reply(round: u64) -> Body {
    Body::HeartbeatReply(HeartbeatReply {
        round: Some(round),
        promise: Duration::ZERO,
    })
}

pub(crate) fn matched(request: u64, at: u64) -> Body {
    let verdict = AppendVerdict::Matched(index(at));
    Body::AppendEntriesReply(AppendEntriesReply { request, verdict })
}

pub(crate) fn conflict(request: u64, refused: u64, hint: EntryId) -> Body {
    let verdict = AppendVerdict::Conflict {
        refused: index(refused),
        hint,
    };
    Body::AppendEntriesReply(AppendEntriesReply { request, verdict })
}

pub(crate) fn lost(request: u64, refused: u64, hint: EntryId) -> Body {
    let verdict = AppendVerdict::Lost {
        refused: index(refused),
        hint,
    };
    Body::AppendEntriesReply(AppendEntriesReply { request, verdict })
}

pub(crate) fn removed(configuration: u64) -> Body {
    Body::Removed(Removed {
        configuration: index(configuration),
    })
}

/// One message of each kind, all of which would change something if they were believed.
pub(crate) fn every_body() -> Vec<Body> {
    vec![
        pre_vote(1, id(9, 9)),
        pre_vote_reply(1, 6),
        request_vote(id(9, 9)),
        vote_reply(true),
        append(id(2, 2), chunks(3, &[3]), 3),
        matched(1, 2),
        conflict(1, 2, id(1, 1)),
        lost(1, 2, id(1, 1)),
        heartbeat(1, 2),
        heartbeat_reply(1),
        Body::TimeoutNow(TimeoutNow {
            round: 1,
            last: id(2, 2),
        }),
        removed(9),
    ]
}

pub(crate) fn pre_vote_reply(attempt: u64, asked: u64) -> Body {
    Body::PreVoteReply(PreVoteReply {
        attempt,
        asked: Term::new(asked),
        granted: true,
    })
}

pub(crate) fn install(request: u64, snapshot: &Snapshot, offset: u64, part: &[u8]) -> Body {
    Body::InstallSnapshot(Box::new(InstallSnapshot {
        request,
        snapshot: snapshot.clone(),
        offset,
        part: Bytes::copy_from_slice(part),
    }))
}

pub(crate) fn stored(request: u64, bytes: u64) -> Body {
    let verdict = InstallVerdict::Stored(bytes);
    Body::InstallSnapshotReply(InstallSnapshotReply { request, verdict })
}

pub(crate) fn installed(request: u64, at: u64) -> Body {
    let verdict = InstallVerdict::Matched(index(at));
    Body::InstallSnapshotReply(InstallSnapshotReply { request, verdict })
}
