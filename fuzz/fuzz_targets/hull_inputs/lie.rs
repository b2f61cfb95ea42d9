//! What no hull need have said: what the fuzzer's bytes make of a message, and the message.

use std::time::Duration;

use arbitrary::Arbitrary;
use bytes::Bytes;
use raft_core::checksum::crc32c;
use raft_core::chunk::{Chunk, ChunkBuilder};
use raft_core::configuration::{Configuration, Member, MemberRole, Members};
use raft_core::few::Few;
use raft_core::ids::{EntryId, Incarnation, LogIndex, NodeId, Peer, Term};
use raft_core::message::{
    AppendEntries, AppendEntriesReply, AppendVerdict, Body, Heartbeat, HeartbeatReply,
    InstallSnapshot, InstallSnapshotReply, InstallVerdict, Message, PreVote, PreVoteReply, Removed,
    RequestVote, RequestVoteReply, TimeoutNow,
};
use raft_core::snapshot::{Snapshot, SnapshotId};
use raft_core::store::ContentDigest;
use raft_core::time::LogTime;

use crate::act::Number;
use crate::node::Node;
use crate::setup::peer;

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
    Vote(FalseVote),
    Append(FalseAppend),
    Install(FalseInstall),
    /// Round, commit index, and whether the leader takes leave.
    Heartbeat(Number, Number, bool),
    HeartbeatReply {
        round: Option<Number>,
        promise: u16,
    },
    TimeoutNow {
        round: Number,
        last: Id,
    },
    Removed {
        configuration: Number,
    },
}

/// Of what candidates and voters say.
#[derive(Arbitrary, Debug)]
pub(crate) enum FalseVote {
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
}

/// Of what is said with entries.
#[derive(Arbitrary, Debug)]
pub(crate) enum FalseAppend {
    Entries {
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
}

/// Of what is said with snapshots.
#[derive(Arbitrary, Debug)]
pub(crate) enum FalseInstall {
    Part {
        request: Number,
        snapshot: FalseSnapshot,
        /// Near how much of it is there, or the end.
        offset: Number,
        length: u8,
    },
    /// Request, and how many bytes are said to be there.
    Stored(Number, Number),
    /// Request, and up to where the log is said to match.
    Matched(Number, Number),
    StaleTerm {
        request: Number,
    },
}

/// A snapshot to be made up.
#[derive(Arbitrary, Debug)]
pub(crate) struct FalseSnapshot {
    pub(crate) last: Id,
    pub(crate) time: Number,
    /// The length of its content, and what it is said to be where that is another.
    pub(crate) length: u8,
    pub(crate) said: Option<Number>,
    /// Whether the digest is not the content's.
    pub(crate) is_spoilt: bool,
    /// The members, unless they are those that the node knows.
    pub(crate) members: Option<Vec<(u8, u8)>>,
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
        target: Option<Vec<(u8, u8)>>,
    },
}

#[derive(Arbitrary, Debug)]
pub(crate) struct Id {
    pub(crate) term: Number,
    pub(crate) index: Number,
}

/// The message that a lie says was sent to this node.
pub(crate) fn message_of(lie: &Lie, node: &Node) -> Message {
    let lives = |id: u64, other: bool| {
        let peer = peer(id);
        if other {
            Peer::new(peer.id, Incarnation::new(7))
        } else {
            peer
        }
    };
    let to = node.hull.me().id.get();
    Message {
        from: lives(u64::from(lie.from % 6), lie.other_lives % 16 == 1),
        to: lives(to, lie.other_lives % 16 == 2),
        term: Term::new(term_of(lie.term, node)),
        body: body_of(&lie.body, node),
    }
}

fn term_of(number: Number, node: &Node) -> u64 {
    number.of(node.hull.term().get(), node.hull.last().term.get())
}

fn index_of(number: Number, node: &Node) -> LogIndex {
    let hull = &node.hull;
    LogIndex::new(number.of(hull.last().index.get(), hull.commit_index().get()))
}

/// An entry's id; near numbers give one that the node has.
fn id_of(id: &Id, node: &Node) -> EntryId {
    let index = index_of(id.index, node);
    let held = node.hull.term_at(index).unwrap_or(node.hull.last().term);
    EntryId::new(
        Term::new(id.term.of(held.get(), node.hull.term().get())),
        index,
    )
}

/// A number that counts requests, rounds or attempts.
fn plain(number: &Number) -> u64 {
    number.of(1, 0)
}

fn body_of(body: &FalseBody, node: &Node) -> Body {
    match body {
        FalseBody::Vote(vote) => of_votes(vote, node),
        FalseBody::Append(append) => of_appends(append, node),
        FalseBody::Install(install) => of_snapshots(install, node),
        FalseBody::Heartbeat(round, commit, quiet) => Body::Heartbeat(Heartbeat {
            round: plain(round),
            commit: index_of(*commit, node),
            quiet: *quiet,
        }),
        FalseBody::HeartbeatReply { round, promise } => Body::HeartbeatReply(HeartbeatReply {
            round: round.as_ref().map(plain),
            promise: Duration::from_millis(u64::from(*promise)),
        }),
        FalseBody::TimeoutNow { round, last } => Body::TimeoutNow(TimeoutNow {
            round: plain(round),
            last: id_of(last, node),
        }),
        FalseBody::Removed { configuration } => Body::Removed(Removed {
            configuration: index_of(*configuration, node),
        }),
    }
}

fn of_votes(body: &FalseVote, node: &Node) -> Body {
    match body {
        FalseVote::PreVote { attempt, last } => Body::PreVote(PreVote {
            attempt: plain(attempt),
            last: id_of(last, node),
        }),
        FalseVote::PreVoteReply {
            attempt,
            asked,
            granted,
        } => Body::PreVoteReply(PreVoteReply {
            attempt: plain(attempt),
            asked: Term::new(asked.of(node.hull.term().next().get(), 0)),
            granted: *granted,
        }),
        FalseVote::RequestVote { last, transfer } => Body::RequestVote(RequestVote {
            last: id_of(last, node),
            transfer: *transfer,
        }),
        FalseVote::RequestVoteReply { granted } => {
            Body::RequestVoteReply(RequestVoteReply { granted: *granted })
        }
    }
}

fn of_appends(body: &FalseAppend, node: &Node) -> Body {
    let reply = |request, verdict| {
        let request = plain(request);
        Body::AppendEntriesReply(AppendEntriesReply { request, verdict })
    };
    match body {
        FalseAppend::Entries {
            request,
            previous,
            commit,
            runs,
        } => {
            let previous = id_of(previous, node);
            Body::AppendEntries(AppendEntries {
                request: plain(request),
                previous,
                commit: index_of(*commit, node),
                chunks: chunks_of(runs, previous, node),
            })
        }
        FalseAppend::Matched { request, index } => {
            reply(request, AppendVerdict::Matched(index_of(*index, node)))
        }
        FalseAppend::Conflict(request, refused, hint, lost) => {
            let (refused, hint) = (index_of(*refused, node), id_of(hint, node));
            let verdict = match lost {
                true => AppendVerdict::Lost { refused, hint },
                false => AppendVerdict::Conflict { refused, hint },
            };
            reply(request, verdict)
        }
        FalseAppend::StaleTerm { request } => reply(request, AppendVerdict::StaleTerm),
    }
}

fn of_snapshots(body: &FalseInstall, node: &Node) -> Body {
    let reply = |request, verdict| {
        let request = plain(request);
        Body::InstallSnapshotReply(InstallSnapshotReply { request, verdict })
    };
    match body {
        FalseInstall::Part {
            request,
            snapshot,
            offset,
            length,
        } => {
            let (snapshot, content) = snapshot_of(snapshot, node);
            let there = node.shelf.received;
            let offset = offset.of(there, content.len() as u64);
            let rest = usize::try_from(offset).ok();
            let rest = rest.and_then(|offset| content.get(offset..));
            let part = rest.unwrap_or(&content);
            let part = part.get(..usize::from(*length)).unwrap_or(part);
            Body::InstallSnapshot(Box::new(InstallSnapshot {
                request: plain(request),
                snapshot,
                offset,
                part: Bytes::copy_from_slice(part),
            }))
        }
        FalseInstall::Stored(request, bytes) => {
            reply(request, InstallVerdict::Stored(bytes.of(100, 0)))
        }
        FalseInstall::Matched(request, index) => {
            reply(request, InstallVerdict::Matched(index_of(*index, node)))
        }
        FalseInstall::StaleTerm { request } => reply(request, InstallVerdict::StaleTerm),
    }
}

/// A snapshot and its content, which may not be what the snapshot says.
fn snapshot_of(body: &FalseSnapshot, node: &Node) -> (Snapshot, Vec<u8>) {
    let content = vec![body.length; body.length.into()];
    let mut digest = ContentDigest::new();
    digest.update(&content);
    let id = SnapshotId {
        last: id_of(&body.last, node),
        length: match body.said {
            Some(said) => said.of(digest.length(), 0),
            None => digest.length(),
        },
        digest: digest.finish() ^ u64::from(body.is_spoilt),
    };
    let configuration = match &body.members {
        Some(members) => Configuration::new(members_of(members)),
        None => node.hull.configuration().clone(),
    };
    let time = LogTime::from_millis(body.time.of(0, 0));
    let snapshot = Snapshot {
        id,
        configuration,
        time,
    };
    (snapshot, content)
}

/// Chunks as they would come through the gate: each is well formed, what they say together need
/// not be.
fn chunks_of(runs: &[Run], previous: EntryId, node: &Node) -> Few<Chunk> {
    let mut chunks = Few::new();
    let mut last = previous.index;
    for run in runs.iter().take(4) {
        let builder = builder_of(&run.what);
        let first = last.next().get().saturating_add_signed(run.gap.into());
        let term = run.term.of(node.hull.term().get(), previous.term.get());
        let time = LogTime::from_millis(run.time.of(0, 0));
        let Some(chunk) = builder.seal(Term::new(term), LogIndex::new(first), time, crc32c) else {
            continue;
        };
        let chunk = match run.what {
            What::IdsOnly { .. } => chunk.ids_only(crc32c),
            _ => chunk,
        };
        // Only what the gate lets in can arrive.
        let limits = Default::default();
        if let Ok(chunk) = Chunk::parse(chunk.encode(crc32c), limits, crc32c) {
            last = chunk.last_index();
            chunks.push(chunk);
        }
    }
    chunks
}

fn builder_of(what: &What) -> ChunkBuilder {
    let mut builder = ChunkBuilder::new();
    let mut push = |count: u8, length: u8| {
        let payload = vec![count; length.into()];
        (0..count % 8 + 1).try_for_each(|_| builder.push_client(Default::default(), &payload))
    };
    let pushed = match what {
        What::Commands { count, length } => push(*count, *length),
        What::IdsOnly { count } => push(*count, 9),
        What::NoOp => builder.push_no_op(),
        What::Unknown { kind, length } => builder.push_raw(*kind, &vec![0; usize::from(*length)]),
        What::Configuration {
            members,
            outgoing,
            target,
        } => {
            let (members, outgoing) = (members_of(members), outgoing.as_ref());
            builder.push_config(&Configuration {
                members,
                outgoing: outgoing.map(|half| members_of(half)),
                target: target.as_ref().map(|target| members_of(target)),
            })
        }
    };
    pushed.expect("a small batch is not full");
    builder
}

fn members_of(members: &[(u8, u8)]) -> Members {
    let members = members.iter().take(6);
    members.map(|(id, role)| member_of(*id, *role)).collect()
}

fn member_of(id: u8, role: u8) -> (NodeId, Member) {
    let peer = peer(u64::from(id % 6));
    let roles = [MemberRole::Voter, MemberRole::Learner, MemberRole::Witness];
    let member = Member {
        role: roles[usize::from(role) % 3],
        ..Member::voter(peer.incarnation)
    };
    (peer.id, member)
}
