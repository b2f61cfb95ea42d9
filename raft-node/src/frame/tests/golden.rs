//! The bytes of frames of every kind, as they are.
//!
//! What a version number promises is said at [`FORMAT_VERSION`]. [`RELEASED`] is what holds us to it.

use std::collections::BTreeSet;
use std::time::Duration;

use raft_core::configuration::Configuration;
use raft_core::message::{
    AppendEntriesReply, AppendVerdict, Heartbeat, HeartbeatReply, InstallSnapshot,
    InstallSnapshotReply, InstallVerdict, PreVote, PreVoteReply, Removed, RequestVote,
    RequestVoteReply, TimeoutNow,
};
use raft_core::snapshot::{Snapshot, SnapshotId};

use super::*;
use crate::letter::{ForwardReply, News};

/// A packet, and its body's bytes: what stands after the header and the table.
struct Golden {
    packet: Packet,
    postcard: &'static [u8],
    bincode: &'static [u8],
}

/// The versions that were released, each with the checksum of all its golden bytes in both codecs. Such a
/// line stays for ever, and so do the bytes: a change of them is a new version.
const RELEASED: &[(u16, u32)] = &[];

/// How many kinds there are: those that [`kind`] tells apart.
const KINDS: usize = 21;

fn snapshot() -> Snapshot {
    Snapshot {
        id: SnapshotId {
            last: EntryId::new(Term::new(2), LogIndex::new(5)),
            length: 300,
            digest: 7,
        },
        configuration: Configuration::of_voters([peer(1)]),
        time: LogTime::from_millis(4),
    }
}

fn verdict(verdict: AppendVerdict) -> Packet {
    message(Body::AppendEntriesReply(AppendEntriesReply {
        request: 9,
        verdict,
    }))
}

fn installed(verdict: InstallVerdict) -> Packet {
    message(Body::InstallSnapshotReply(InstallSnapshotReply {
        request: 9,
        verdict,
    }))
}

pub(super) fn packets() -> Vec<Packet> {
    golden().into_iter().map(|golden| golden.packet).collect()
}

fn golden() -> Vec<Golden> {
    let parts = [
        beside_hulls(),
        of_elections(),
        of_replication(),
        of_heartbeats(),
        of_snapshots(),
    ];
    parts.into_iter().flatten().collect()
}

fn beside_hulls() -> Vec<Golden> {
    vec![
        Golden {
            packet: Packet::Hello,
            postcard: &[],
            bincode: &[],
        },
        Golden {
            packet: Packet::Genesis(News {
                to: Some(peer(2)),
                keeps: Some(Bytes::from_static(b"record")),
                founded: true,
                wants_answer: false,
            }),
            postcard: &[1, 2, 130, 2, 1, 6, 114, 101, 99, 111, 114, 100, 1, 0],
            bincode: &[1, 2, 251, 2, 1, 1, 6, 114, 101, 99, 111, 114, 100, 1, 0],
        },
        Golden {
            packet: Packet::Forward(Forward {
                commands: vec![ForwardedCommand {
                    session: 7,
                    serial: 8,
                    settled: 6,
                    payload: Bytes::from_static(b"payload"),
                }],
                reads: vec![1, 2],
            }),
            postcard: &[1, 7, 8, 6, 7, 112, 97, 121, 108, 111, 97, 100, 2, 1, 2],
            bincode: &[1, 7, 8, 6, 7, 112, 97, 121, 108, 111, 97, 100, 2, 1, 2],
        },
        Golden {
            packet: Packet::ForwardReply(ForwardReply {
                to: peer(2),
                boot: Boot::new(1),
                refused: vec![(7, 8)],
                reads: vec![(1, None), (2, Some(LogIndex::new(5)))],
                leader: Some(NodeId::new(3)),
            }),
            postcard: &[2, 130, 2, 1, 1, 7, 8, 2, 1, 0, 2, 1, 5, 1, 3],
            bincode: &[2, 251, 2, 1, 1, 1, 7, 8, 2, 1, 0, 2, 1, 5, 1, 3],
        },
    ]
}

fn of_elections() -> Vec<Golden> {
    vec![
        Golden {
            packet: message(Body::TimeoutNow(TimeoutNow {
                round: 300,
                last: EntryId::new(Term::new(2), LogIndex::new(6)),
            })),
            postcard: &[1, 129, 2, 2, 130, 2, 3, 8, 172, 2, 2, 6],
            bincode: &[1, 251, 1, 1, 2, 251, 2, 1, 3, 8, 251, 44, 1, 2, 6],
        },
        Golden {
            packet: message(Body::Removed(Removed {
                configuration: LogIndex::new(300),
            })),
            postcard: &[1, 129, 2, 2, 130, 2, 3, 9, 172, 2],
            bincode: &[1, 251, 1, 1, 2, 251, 2, 1, 3, 9, 251, 44, 1],
        },
        Golden {
            packet: message(Body::PreVote(PreVote {
                attempt: 300,
                last: EntryId::new(Term::new(2), LogIndex::new(6)),
            })),
            postcard: &[1, 129, 2, 2, 130, 2, 3, 0, 172, 2, 2, 6],
            bincode: &[1, 251, 1, 1, 2, 251, 2, 1, 3, 0, 251, 44, 1, 2, 6],
        },
        Golden {
            packet: message(Body::PreVoteReply(PreVoteReply {
                attempt: 300,
                asked: Term::new(4),
                granted: true,
            })),
            postcard: &[1, 129, 2, 2, 130, 2, 3, 1, 172, 2, 4, 1],
            bincode: &[1, 251, 1, 1, 2, 251, 2, 1, 3, 1, 251, 44, 1, 4, 1],
        },
        Golden {
            packet: message(Body::RequestVote(RequestVote {
                last: EntryId::new(Term::new(2), LogIndex::new(6)),
                transfer: true,
            })),
            postcard: &[1, 129, 2, 2, 130, 2, 3, 2, 2, 6, 1],
            bincode: &[1, 251, 1, 1, 2, 251, 2, 1, 3, 2, 2, 6, 1],
        },
        Golden {
            packet: message(Body::RequestVoteReply(RequestVoteReply { granted: true })),
            postcard: &[1, 129, 2, 2, 130, 2, 3, 3, 1],
            bincode: &[1, 251, 1, 1, 2, 251, 2, 1, 3, 3, 1],
        },
    ]
}

fn of_replication() -> Vec<Golden> {
    vec![
        Golden {
            packet: append(vec![]),
            postcard: &[1, 129, 2, 2, 130, 2, 3, 4, 9, 0, 0, 0],
            bincode: &[1, 251, 1, 1, 2, 251, 2, 1, 3, 4, 9, 0, 0, 0],
        },
        Golden {
            packet: append(vec![chunk(1, &[b"a", b"bc"]), chunk(3, &[b""])]),
            postcard: &[1, 129, 2, 2, 130, 2, 3, 4, 9, 0, 0, 0],
            bincode: &[1, 251, 1, 1, 2, 251, 2, 1, 3, 4, 9, 0, 0, 0],
        },
        Golden {
            packet: verdict(AppendVerdict::Lost {
                refused: LogIndex::new(50),
                hint: EntryId::new(Term::new(2), LogIndex::new(7)),
            }),
            postcard: &[1, 129, 2, 2, 130, 2, 3, 5, 9, 3, 50, 2, 7],
            bincode: &[1, 251, 1, 1, 2, 251, 2, 1, 3, 5, 9, 3, 50, 2, 7],
        },
        Golden {
            packet: verdict(AppendVerdict::Matched(LogIndex::new(50))),
            postcard: &[1, 129, 2, 2, 130, 2, 3, 5, 9, 0, 50],
            bincode: &[1, 251, 1, 1, 2, 251, 2, 1, 3, 5, 9, 0, 50],
        },
        Golden {
            packet: verdict(AppendVerdict::Conflict {
                refused: LogIndex::new(50),
                hint: EntryId::new(Term::new(2), LogIndex::new(7)),
            }),
            postcard: &[1, 129, 2, 2, 130, 2, 3, 5, 9, 1, 50, 2, 7],
            bincode: &[1, 251, 1, 1, 2, 251, 2, 1, 3, 5, 9, 1, 50, 2, 7],
        },
        Golden {
            packet: verdict(AppendVerdict::StaleTerm),
            postcard: &[1, 129, 2, 2, 130, 2, 3, 5, 9, 2],
            bincode: &[1, 251, 1, 1, 2, 251, 2, 1, 3, 5, 9, 2],
        },
    ]
}

fn of_heartbeats() -> Vec<Golden> {
    vec![
        Golden {
            packet: message(Body::Heartbeat(Heartbeat {
                round: 5,
                commit: LogIndex::new(300),
                quiet: true,
            })),
            postcard: &[1, 129, 2, 2, 130, 2, 3, 6, 5, 172, 2, 1],
            bincode: &[1, 251, 1, 1, 2, 251, 2, 1, 3, 6, 5, 251, 44, 1, 1],
        },
        Golden {
            packet: message(Body::HeartbeatReply(HeartbeatReply {
                round: Some(300),
                promise: Duration::from_millis(1500),
            })),
            postcard: &[
                1, 129, 2, 2, 130, 2, 3, 7, 1, 172, 2, 1, 128, 202, 181, 238, 1,
            ],
            bincode: &[
                1, 251, 1, 1, 2, 251, 2, 1, 3, 7, 1, 251, 44, 1, 1, 252, 0, 101, 205, 29,
            ],
        },
        Golden {
            packet: message(Body::HeartbeatReply(HeartbeatReply::NO_ROUND)),
            postcard: &[1, 129, 2, 2, 130, 2, 3, 7, 0, 0, 0],
            bincode: &[1, 251, 1, 1, 2, 251, 2, 1, 3, 7, 0, 0, 0],
        },
    ]
}

fn of_snapshots() -> Vec<Golden> {
    vec![
        Golden {
            packet: message(Body::InstallSnapshot(Box::new(InstallSnapshot {
                request: 9,
                snapshot: snapshot(),
                offset: 100,
                part: Bytes::from_static(b"ab"),
            }))),
            postcard: &[
                1, 129, 2, 2, 130, 2, 3, 10, 9, 2, 5, 172, 2, 7, 1, 1, 0, 129, 2, 0, 128, 0, 0, 4,
                100, 2, 97, 98,
            ],
            bincode: &[
                1, 251, 1, 1, 2, 251, 2, 1, 3, 10, 9, 2, 5, 251, 44, 1, 7, 1, 1, 0, 251, 1, 1, 0,
                128, 0, 0, 4, 100, 2, 97, 98,
            ],
        },
        Golden {
            packet: installed(InstallVerdict::Stored(50)),
            postcard: &[1, 129, 2, 2, 130, 2, 3, 11, 9, 0, 50],
            bincode: &[1, 251, 1, 1, 2, 251, 2, 1, 3, 11, 9, 0, 50],
        },
        Golden {
            packet: installed(InstallVerdict::Matched(LogIndex::new(50))),
            postcard: &[1, 129, 2, 2, 130, 2, 3, 11, 9, 1, 50],
            bincode: &[1, 251, 1, 1, 2, 251, 2, 1, 3, 11, 9, 1, 50],
        },
        Golden {
            packet: installed(InstallVerdict::StaleTerm),
            postcard: &[1, 129, 2, 2, 130, 2, 3, 11, 9, 2],
            bincode: &[1, 251, 1, 1, 2, 251, 2, 1, 3, 11, 9, 2],
        },
    ]
}

/// A new kind does not compile until it is named here; then it counts in [`KINDS`], and needs its bytes.
fn kind(packet: &Packet) -> &'static str {
    let message = match packet {
        Packet::Hello => return "Hello",
        Packet::Genesis(_) => return "Genesis",
        Packet::Forward(_) => return "Forward",
        Packet::ForwardReply(_) => return "ForwardReply",
        Packet::Raft(message) => message,
    };
    match &message.body {
        Body::PreVote(_) => "PreVote",
        Body::PreVoteReply(_) => "PreVoteReply",
        Body::RequestVote(_) => "RequestVote",
        Body::RequestVoteReply(_) => "RequestVoteReply",
        Body::AppendEntries(_) => "AppendEntries",
        Body::AppendEntriesReply(reply) => match reply.verdict {
            AppendVerdict::Matched(_) => "AppendEntriesReply Matched",
            AppendVerdict::Conflict { .. } => "AppendEntriesReply Conflict",
            AppendVerdict::StaleTerm => "AppendEntriesReply StaleTerm",
            AppendVerdict::Lost { .. } => "AppendEntriesReply Lost",
        },
        Body::Heartbeat(_) => "Heartbeat",
        Body::HeartbeatReply(_) => "HeartbeatReply",
        Body::TimeoutNow(_) => "TimeoutNow",
        Body::Removed(_) => "Removed",
        Body::InstallSnapshot(_) => "InstallSnapshot",
        Body::InstallSnapshotReply(reply) => match reply.verdict {
            InstallVerdict::Stored(_) => "InstallSnapshotReply Stored",
            InstallVerdict::Matched(_) => "InstallSnapshotReply Matched",
            InstallVerdict::StaleTerm => "InstallSnapshotReply StaleTerm",
        },
    }
}

#[test]
fn every_kind_has_golden_bytes() {
    let kinds: BTreeSet<_> = packets().iter().map(kind).collect();
    assert_eq!(kinds.len(), KINDS, "{kinds:?}");
}

/// The header of a frame of this version that says no more than who its sender is.
fn hello(version: u8) -> Vec<u8> {
    let mut golden = b"QRFM".to_vec();
    golden.extend_from_slice(&[version, 0, 1, 2]);
    golden.extend_from_slice(&84u32.to_le_bytes());
    golden.extend_from_slice(&[0; 8]);
    golden.extend_from_slice(&[1, 0, 0, 0]);
    golden.extend_from_slice(&0xc1u128.to_le_bytes());
    golden.extend_from_slice(&1u64.to_le_bytes());
    golden.extend_from_slice(&0x101u128.to_le_bytes());
    golden.extend_from_slice(&4u64.to_le_bytes());
    golden.extend_from_slice(&2u64.to_le_bytes());
    let checksum = crc32c::crc32c(&golden);
    golden.extend_from_slice(&checksum.to_le_bytes());
    golden
}

#[test]
fn golden_bytes_of_version_2() {
    let bytes = whole(&letter(Packet::Hello), WireCodec::Postcard);
    assert_eq!(bytes, hello(2));
}

/// What version 1 sent first. It is refused by its first bytes and as a whole.
#[test]
fn golden_bytes_of_version_1_are_refused_as_that() {
    let (bytes, limits) = (hello(1), FrameLimits::default());
    let refused = Err(FrameError::UnknownVersion { version: 1 });
    assert_eq!(
        claimed_length(&bytes[..LENGTH_END], &limits).map(|_| ()),
        refused
    );
    let error = decode(bytes.into(), &limits).unwrap_err();
    assert_eq!(Err(error), refused);
    let text = "frame has format version 1; this build reads 2";
    assert_eq!(error.to_string(), text);
}

fn assert_golden(codec: WireCodec, bytes: impl Fn(&Golden) -> &'static [u8]) {
    for golden in golden() {
        let chunks = chunks_of(&golden.packet).len();
        let expected = bytes(&golden);
        let kind = kind(&golden.packet);
        let parts = encode(&letter(golden.packet), codec).unwrap();
        assert_eq!(parts[0][HEADER_BYTES + 4 * chunks..], *expected, "{kind}");
    }
}

#[test]
fn golden_bytes_of_bodies_in_postcard() {
    assert_golden(WireCodec::Postcard, |golden| golden.postcard);
}

#[cfg(feature = "bincode")]
#[test]
fn golden_bytes_of_bodies_in_bincode() {
    assert_golden(WireCodec::Bincode, |golden| golden.bincode);
}

/// Once something is released, its version's bytes are in [`RELEASED`], and are still these.
#[test]
fn what_was_released_has_not_changed() {
    let changes = concat!(env!("CARGO_MANIFEST_DIR"), "/../CHANGELOG.md");
    let changes = std::fs::read_to_string(changes).unwrap();
    let nothing_released = changes.contains("Nothing is released yet");
    assert_eq!(nothing_released, RELEASED.is_empty());
    let bytes = golden().into_iter().flat_map(|golden| {
        let both = [golden.postcard, golden.bincode];
        both.into_iter().flatten().copied()
    });
    let sum = crc32c::crc32c(&bytes.collect::<Vec<u8>>());
    let newest = RELEASED.last();
    if let Some((_, released)) = newest.filter(|(version, _)| *version == FORMAT_VERSION) {
        assert_eq!(sum, *released, "a change of these is a new version");
    }
}
