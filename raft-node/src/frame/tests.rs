//! Frames: golden bytes, round trips, and bytes that are out to harm.

use bytes::BytesMut;
use proptest::prelude::*;
use raft_core::chunk::ChunkBuilder;
use raft_core::ids::{EntryId, LogIndex, Term};
use raft_core::message::AppendEntries;
use raft_core::record::ClientHeader;
use raft_core::time::LogTime;

use super::*;
use crate::letter::{Forward, ForwardedCommand};
use golden::packets;

mod golden;

fn letter(packet: Packet) -> Letter {
    Letter {
        cluster: Some(ClusterId::new(0xc1)),
        from: peer(1),
        boot: Boot::new(4),
        to: NodeId::new(2),
        packet,
    }
}

fn peer(id: u64) -> Peer {
    Peer::new(NodeId::new(id), Incarnation::new(u128::from(id) + 0x100))
}

fn message(body: Body) -> Packet {
    Packet::Raft(Message {
        from: peer(1),
        to: peer(2),
        term: Term::new(3),
        body,
    })
}

fn chunk(first: u64, payloads: &[&[u8]]) -> Chunk {
    let mut builder = ChunkBuilder::new();
    for payload in payloads {
        let header = ClientHeader::default();
        builder.push_client(header, payload).unwrap();
    }
    let first = LogIndex::new(first);
    let sealed = builder.seal(Term::new(3), first, LogTime::ZERO, crc32c::crc32c_append);
    sealed.unwrap()
}

fn append(chunks: Vec<Chunk>) -> Packet {
    message(Body::AppendEntries(AppendEntries {
        request: 9,
        previous: EntryId::ORIGIN,
        commit: LogIndex::ZERO,
        chunks: chunks.into(),
    }))
}

fn whole(letter: &Letter, codec: WireCodec) -> Bytes {
    let parts = encode(letter, codec).unwrap();
    let bytes: BytesMut = parts.iter().flatten().copied().collect();
    bytes.freeze()
}

fn codecs() -> impl Iterator<Item = WireCodec> {
    [WireCodec::Bincode, WireCodec::Postcard]
        .into_iter()
        .filter(|codec| codec.is_built_in())
}

#[test]
fn what_is_sent_arrives() {
    for codec in codecs() {
        for packet in packets() {
            let mut sent = letter(packet);
            let limits = FrameLimits::default();
            assert_eq!(decode(whole(&sent, codec), &limits), Ok(sent.clone()));
            sent.cluster = None;
            assert_eq!(decode(whole(&sent, codec), &limits), Ok(sent));
        }
    }
}

#[test]
fn chunks_are_shared_not_copied() {
    let chunks = vec![chunk(1, &[b"a"])];
    let own = chunks[0].encode(crc32c::crc32c_append).as_ptr();
    let parts = encode(&letter(append(chunks)), WireCodec::Postcard).unwrap();
    assert_eq!(parts.len(), 2);
    assert_eq!(parts[1].as_ptr(), own);
}

#[test]
fn every_cut_and_every_flipped_bit_is_an_error() {
    let limits = FrameLimits::default();
    for packet in packets() {
        let bytes = whole(&letter(packet), WireCodec::DEFAULT);
        for end in 0..bytes.len() {
            assert!(decode(bytes.slice(..end), &limits).is_err(), "cut at {end}");
        }
        for bit in 0..8 * bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(damaged.into(), &limits).is_err(), "bit {bit}");
        }
        let mut longer = bytes.to_vec();
        longer.push(0);
        assert!(decode(longer.into(), &limits).is_err());
    }
}

#[test]
fn a_frame_is_cut_out_of_a_stream_by_its_first_bytes() {
    let limits = FrameLimits::default();
    let bytes = whole(&letter(append(vec![chunk(1, &[b"a"])])), WireCodec::DEFAULT);
    for end in 0..LENGTH_END {
        assert_eq!(claimed_length(&bytes[..end], &limits), Ok(None));
    }
    let length = Ok(Some(bytes.len()));
    assert_eq!(claimed_length(&bytes[..LENGTH_END], &limits), length);
    assert_eq!(claimed_length(&bytes, &limits), length);
}

#[test]
fn a_hostile_start_is_an_error_as_soon_as_it_shows() {
    let limits = FrameLimits::default();
    let claimed = |bytes: &[u8]| claimed_length(bytes, &limits);
    assert_eq!(claimed(b"GET /"), Err(FrameError::NotAFrame));
    assert_eq!(claimed(b"QX"), Err(FrameError::NotAFrame));
    let start = |version: u16, length: u32| {
        let mut bytes = b"QRFM".to_vec();
        bytes.extend_from_slice(&version.to_le_bytes());
        bytes.extend_from_slice(&[1, 1]);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes
    };
    assert_eq!(
        claimed(&start(9, 100)),
        Err(FrameError::UnknownVersion { version: 9 })
    );
    assert_eq!(claimed(&start(2, 3)), Err(FrameError::Malformed));
    assert_eq!(
        claimed(&start(2, u32::MAX)),
        Err(FrameError::TooLong {
            claimed: u64::from(u32::MAX),
            limit: limits.max_frame_bytes as u64
        })
    );
}

#[test]
fn a_frame_may_be_as_long_as_the_limits_say_and_no_longer() {
    let one = chunk(1, &[b"abc"]);
    let bytes = whole(&letter(append(vec![one.clone()])), WireCodec::DEFAULT);
    let chunk_limits = ChunkLimits {
        max_entries: 1,
        max_payload_bytes: u32::try_from(one.payload_bytes()).unwrap(),
    };
    let body_bytes = le_u32(&bytes[12..16]) as usize;
    let limits = FrameLimits {
        max_frame_bytes: longest_with(body_bytes, chunk_limits),
        max_body_bytes: body_bytes,
        max_chunks: 1,
        chunk_limits,
    };
    assert_eq!(limits.max_frame_bytes, bytes.len());
    assert_eq!(claimed_length(&bytes, &limits), Ok(Some(bytes.len())));
    assert!(decode(bytes.clone(), &limits).is_ok());
    let (mut frame, mut body, mut chunks) = (limits, limits, limits);
    frame.max_frame_bytes -= 1;
    body.max_body_bytes -= 1;
    chunks.max_chunks -= 1;
    for limits in [frame, body, chunks] {
        let decoded = decode(bytes.clone(), &limits);
        assert!(matches!(decoded, Err(FrameError::TooLong { .. })));
    }
    assert!(claimed_length(&bytes, &frame).is_err());
}

#[test]
fn the_shortest_frame_is_a_header() {
    let hello = whole(&letter(Packet::Hello), WireCodec::DEFAULT);
    assert_eq!(hello.len(), HEADER_BYTES);
    let claimed = claimed_length(&hello, &FrameLimits::default());
    assert_eq!(claimed, Ok(Some(HEADER_BYTES)));
    let mut longer = hello.to_vec();
    longer.push(0);
    longer[8] += 1;
    longer[12] += 1;
    let checksum = header_checksum(&longer, &longer[HEADER_BYTES..]);
    longer[CHECKSUM_AT..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    let decoded = decode(longer.into(), &FrameLimits::default());
    assert_eq!(
        decoded,
        Err(FrameError::Malformed),
        "a greeting says nothing"
    );
}

/// A frame whose checksum is right although a field of its header is not.
fn forged(at: usize, value: &[u8]) -> Bytes {
    let mut bytes = whole(&letter(Packet::Hello), WireCodec::Postcard).to_vec();
    bytes[at..at + value.len()].copy_from_slice(value);
    let checksum = crc32c::crc32c(&bytes[..CHECKSUM_AT]);
    bytes[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
    bytes.into()
}

#[test]
fn a_forged_header_is_a_typed_error_and_allocates_nothing() {
    let decoded = |bytes| decode(bytes, &FrameLimits::default());
    assert_eq!(
        decoded(forged(6, &[99])),
        Err(FrameError::UnknownKind { kind: 99 })
    );
    assert_eq!(
        decoded(forged(7, &[99])),
        Err(FrameError::UnknownCodec { tag: 99 })
    );
    let too_many = decoded(forged(16, &u32::MAX.to_le_bytes()));
    assert!(matches!(too_many, Err(FrameError::TooLong { .. })));
    let too_long = decoded(forged(12, &u32::MAX.to_le_bytes()));
    assert!(matches!(too_long, Err(FrameError::TooLong { .. })));
    assert_eq!(
        decoded(forged(16, &5u32.to_le_bytes())),
        Err(FrameError::Malformed)
    );
    assert_eq!(decoded(forged(20, &[2])), Err(FrameError::Malformed));
    assert_eq!(decoded(forged(22, &[1])), Err(FrameError::Malformed));
    // The cluster stays, and that there is one is taken back.
    assert_eq!(decoded(forged(20, &[0])), Err(FrameError::Malformed));
}

#[test]
fn a_message_must_be_from_whom_its_letter_is() {
    let right = letter(append(vec![]));
    let other_life = Peer::new(right.from.id, Incarnation::new(99));
    for from in [peer(3), other_life] {
        let forged = Letter {
            from,
            ..right.clone()
        };
        let bytes = whole(&forged, WireCodec::DEFAULT);
        let limits = FrameLimits::default();
        assert_eq!(decode(bytes, &limits), Err(FrameError::Malformed));
    }
}

#[test]
fn chunks_must_be_contiguous() {
    let gap = letter(append(vec![chunk(1, &[b"a"]), chunk(5, &[b"b"])]));
    let bytes = whole(&gap, WireCodec::DEFAULT);
    let limits = FrameLimits::default();
    assert_eq!(decode(bytes, &limits), Err(FrameError::Malformed));
}

proptest! {
    #[test]
    fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let limits = FrameLimits::default();
        let _ = claimed_length(&bytes, &limits);
        let _ = decode(bytes.into(), &limits);
    }

    /// Bodies and header fields at random behind a checksum that is right.
    #[test]
    fn bytes_behind_a_right_checksum_never_panic(
        kind in 0u8..8,
        codec in 0u8..4,
        chunks in 0u32..5,
        rest in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut bytes = whole(&letter(Packet::Hello), WireCodec::Postcard).to_vec();
        bytes[6] = kind;
        bytes[7] = codec;
        let table = 4 * chunks as usize;
        let length = u32::try_from(HEADER_BYTES + rest.len()).unwrap();
        bytes[8..12].copy_from_slice(&length.to_le_bytes());
        let body = u32::try_from(rest.len().saturating_sub(table)).unwrap();
        bytes[12..16].copy_from_slice(&body.to_le_bytes());
        bytes[16..20].copy_from_slice(&chunks.to_le_bytes());
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&bytes[..CHECKSUM_AT]), &rest);
        bytes[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        bytes.extend_from_slice(&rest);
        let _ = decode(bytes.into(), &FrameLimits::default());
    }

    #[test]
    fn forwarded_commands_survive_the_way(
        commands in proptest::collection::vec(
            (any::<u64>(), any::<u64>(), any::<u64>(), proptest::collection::vec(any::<u8>(), 0..80)),
            0..6,
        ),
        reads in proptest::collection::vec(any::<u64>(), 0..6),
        cluster in any::<Option<u128>>(),
    ) {
        let commands = commands.into_iter().map(|(session, serial, settled, payload)| {
            ForwardedCommand { session, serial, settled, payload: payload.into() }
        });
        let forward = Forward { commands: commands.collect(), reads };
        let mut sent = letter(Packet::Forward(forward));
        sent.cluster = cluster.map(ClusterId::new);
        for codec in codecs() {
            let bytes = whole(&sent, codec);
            prop_assert_eq!(decode(bytes, &FrameLimits::default()), Ok(sent.clone()));
        }
    }

    #[test]
    fn entries_survive_the_way(
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..20),
        split in 0usize..20,
    ) {
        let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
        let split = split.min(payloads.len() - 1);
        let mut chunks = vec![];
        if split > 0 {
            chunks.push(chunk(1, &payloads[..split]));
        }
        chunks.push(chunk(split as u64 + 1, &payloads[split..]));
        let sent = letter(append(chunks));
        for codec in codecs() {
            let bytes = whole(&sent, codec);
            prop_assert_eq!(decode(bytes, &FrameLimits::default()), Ok(sent.clone()));
        }
    }
}
