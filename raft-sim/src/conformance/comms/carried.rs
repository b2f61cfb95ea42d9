//! What the kit sends.

use std::fmt;
use std::time::Duration;

use raft_core::chunk::{Chunk, ChunkBuilder};
use raft_core::configuration::{Configuration, Member};
use raft_core::few::Few;
use raft_core::ids::{Boot, EntryId, Incarnation, LogIndex, NodeId, Peer, Term};
use raft_core::message::{
    AppendEntries, AppendEntriesReply, AppendVerdict, Body, Heartbeat, HeartbeatReply,
    InstallSnapshot, InstallSnapshotReply, InstallVerdict, Lane, MAX_CHUNKS, Message, PreVote,
    PreVoteReply, Removed, RequestVote, RequestVoteReply, TimeoutNow,
};
use raft_core::record::ClientHeader;
use raft_core::snapshot::{Snapshot, SnapshotId};
use raft_core::time::LogTime;
use raft_node::letter::{Forward, ForwardReply, ForwardedCommand, Letter, News, Packet};

use super::CLUSTER;

/// What comms carry: a hull's [`Message`], a node's [`Letter`], or something of your own around one of them.
pub trait Carried: Clone + PartialEq + fmt::Debug {
    /// This message, as what these comms carry.
    fn of(message: Message) -> Self;

    /// The message in it, if it is of that kind.
    fn message(&self) -> Option<&Message>;

    /// What these comms carry beside messages: the `which`th kind, from `from` to `to`, and the lane in which it
    /// goes; `None` when there are no more. [`Self::number`] finds `number` in it again.
    fn other_kind(_which: usize, _from: Peer, _to: Peer, _number: u64) -> Option<(Lane, Self)> {
        None
    }

    /// The node it says it is from.
    fn sender(&self) -> NodeId;

    /// Which of all that the kit sent this is; that of a message is its term.
    fn number(&self) -> Option<u64>;

    /// The name of its kind.
    fn name(&self) -> &'static str;
}

impl Carried for Message {
    fn of(message: Message) -> Self {
        message
    }

    fn message(&self) -> Option<&Message> {
        Some(self)
    }

    fn sender(&self) -> NodeId {
        self.from.id
    }

    fn number(&self) -> Option<u64> {
        Some(self.term.get())
    }

    fn name(&self) -> &'static str {
        self.body.name()
    }
}

impl Carried for Letter {
    fn of(message: Message) -> Self {
        letter(message.from, message.to, Packet::Raft(message))
    }

    fn message(&self) -> Option<&Message> {
        match &self.packet {
            Packet::Raft(message) => Some(message),
            _ => None,
        }
    }

    fn other_kind(which: usize, from: Peer, to: Peer, number: u64) -> Option<(Lane, Self)> {
        let packet = packets(to, number).into_iter().nth(which)?;
        Some((packet.lane(), letter(from, to, packet)))
    }

    fn sender(&self) -> NodeId {
        self.from.id
    }

    fn number(&self) -> Option<u64> {
        match &self.packet {
            Packet::Hello => None,
            Packet::Raft(message) => message.number(),
            Packet::Genesis(news) => {
                let bytes = news.keeps.as_ref()?.first_chunk()?;
                Some(u64::from_le_bytes(*bytes))
            }
            Packet::Forward(forward) => forward.reads.first().copied(),
            Packet::ForwardReply(reply) => reply.refused.first().map(|(_, serial)| *serial),
        }
    }

    fn name(&self) -> &'static str {
        self.packet.name()
    }
}

fn letter(from: Peer, to: Peer, packet: Packet) -> Letter {
    Letter {
        cluster: Some(CLUSTER),
        from,
        boot: Boot::new(1),
        to: to.id,
        packet,
    }
}

fn packets(to: Peer, number: u64) -> [Packet; 4] {
    let command = |length: u64| ForwardedCommand {
        session: u64::MAX,
        serial: length,
        settled: 0,
        payload: payload(number, length as usize).into(),
    };
    let news = |length| News {
        to: Some(to),
        keeps: Some(
            [&number.to_le_bytes(), &*payload(number, length)]
                .concat()
                .into(),
        ),
        founded: true,
        wants_answer: false,
    };
    [
        Packet::Genesis(news(0)),
        Packet::Genesis(news(10_000)),
        Packet::Forward(Forward {
            commands: [0, 1, 300, 70_000].map(command).to_vec(),
            reads: vec![number, 0, u64::MAX],
        }),
        Packet::ForwardReply(ForwardReply {
            to,
            boot: Boot::new(u64::MAX),
            refused: vec![(u64::MAX, number), (0, 0)],
            reads: vec![(1, None), (2, Some(LogIndex::new(u64::MAX)))],
            leader: Some(NodeId::new(3)),
        }),
    ]
}

/// A node, in the only life that it has here.
pub(super) fn peer(node: NodeId) -> Peer {
    Peer::new(node, Incarnation::new(u128::MAX - u128::from(node.get())))
}

/// Every kind of message, with nothing in it and with as much as may be.
pub(super) fn bodies(largest: usize) -> Vec<Body> {
    let chunks = |lengths: &[&[usize]]| entries(1, lengths);
    let half = largest / 2;
    let many = vec![&[7_usize][..]; MAX_CHUNKS];
    let mut bodies = small_bodies();
    bodies.extend([
        append(Few::new()),
        append(chunks(&[&[0]])),
        append(chunks(&[&[1, 0, 300], &[40; 500], &[9]])),
        append([configuration()].into_iter().collect()),
        append(chunks(&many)),
        append(chunks(&[&[half, 10], &[largest - half]])),
        part(0),
        part(1),
        part(largest),
    ]);
    bodies
}

/// Messages without entries and without snapshots.
fn small_bodies() -> Vec<Body> {
    let last = EntryId::new(Term::new(3), LogIndex::new(u64::MAX));
    let (hint, refused) = (EntryId::new(Term::ZERO, LogIndex::ZERO), last.index);
    let mut bodies = vec![
        Body::PreVote(PreVote { attempt: 0, last }),
        Body::PreVoteReply(PreVoteReply {
            attempt: u64::MAX,
            asked: Term::new(u64::MAX),
            granted: true,
        }),
        Body::RequestVote(RequestVote {
            last,
            transfer: true,
        }),
        Body::RequestVoteReply(RequestVoteReply { granted: false }),
        Body::HeartbeatReply(HeartbeatReply::NO_ROUND),
        Body::HeartbeatReply(HeartbeatReply {
            round: Some(1),
            promise: Duration::from_nanos(1_000_000_001),
        }),
        Body::TimeoutNow(TimeoutNow { round: 1, last }),
        Body::Removed(Removed {
            configuration: last.index,
        }),
        heartbeat(),
    ];
    for verdict in [
        AppendVerdict::Matched(last.index),
        AppendVerdict::Conflict { refused, hint },
        AppendVerdict::StaleTerm,
        AppendVerdict::Lost { refused, hint },
    ] {
        let request = 1;
        bodies.push(Body::AppendEntriesReply(AppendEntriesReply {
            request,
            verdict,
        }));
    }
    for verdict in [
        InstallVerdict::Stored(u64::MAX),
        InstallVerdict::Matched(last.index),
        InstallVerdict::StaleTerm,
    ] {
        let request = 2;
        bodies.push(Body::InstallSnapshotReply(InstallSnapshotReply {
            request,
            verdict,
        }));
    }
    bodies
}

/// A message for this lane, with so many bytes or hardly any.
pub(super) fn body_for(lane: Lane, length: usize) -> Body {
    match lane {
        Lane::Control => heartbeat(),
        Lane::Entries => append(entries(1, &[&[length]])),
        Lane::Snapshot => part(length),
    }
}

const fn heartbeat() -> Body {
    Body::Heartbeat(Heartbeat {
        round: u64::MAX,
        commit: LogIndex::ZERO,
        quiet: true,
    })
}

fn append(chunks: Few<Chunk>) -> Body {
    let first = chunks.first().map_or(LogIndex::new(5), Chunk::first_index);
    Body::AppendEntries(AppendEntries {
        request: u64::MAX,
        previous: EntryId::new(Term::new(1), first.previous()),
        commit: LogIndex::new(u64::MAX),
        chunks,
    })
}

fn part(length: usize) -> Body {
    let snapshot = Snapshot {
        id: SnapshotId {
            last: EntryId::new(Term::new(1), LogIndex::new(9)),
            length: u64::MAX,
            digest: 0xD16E57,
        },
        configuration: members(),
        time: LogTime::from_millis(8),
    };
    Body::InstallSnapshot(Box::new(InstallSnapshot {
        request: 0,
        snapshot,
        offset: 1,
        part: payload(5, length).into(),
    }))
}

/// Chunks of commands of these lengths, one after the other.
fn entries(term: u64, lengths: &[&[usize]]) -> Few<Chunk> {
    let mut next = 1;
    let chunk = |lengths: &&[usize]| {
        let mut builder = ChunkBuilder::new();
        for length in *lengths {
            let header = ClientHeader {
                serial: next,
                ..ClientHeader::default()
            };
            // Far below what a chunk takes.
            let _ = builder.push_client(header, &payload(next, *length));
            next += 1;
        }
        sealed(builder, term, next - lengths.len() as u64)
    };
    lengths.iter().map(chunk).collect()
}

fn configuration() -> Chunk {
    let mut builder = ChunkBuilder::new();
    let _ = builder.push_config(&members());
    sealed(builder, 1, 1)
}

fn members() -> Configuration {
    let member = |address: String| Member {
        address,
        ..Member::voter(Incarnation::new(7))
    };
    Configuration::new([
        (NodeId::new(1), member("here:1".to_owned())),
        (NodeId::new(u64::MAX), member("ö".repeat(128))),
    ])
}

#[expect(
    clippy::expect_used,
    reason = "each of these has a record, and few bytes"
)]
fn sealed(builder: ChunkBuilder, term: u64, first: u64) -> Chunk {
    let (term, first) = (Term::new(term), LogIndex::new(first));
    let time = LogTime::from_millis(first.get() * 7);
    builder
        .seal(term, first, time, crc32c::crc32c_append)
        .expect("a chunk that holds something")
}

/// Bytes in which none is like its neighbours, and no page like another.
fn payload(of: u64, length: usize) -> Vec<u8> {
    let byte = |at: usize| (at as u64 * 167 + (at as u64 >> 8) * 31).wrapping_add(of) as u8;
    (0..length).map(byte).collect()
}
