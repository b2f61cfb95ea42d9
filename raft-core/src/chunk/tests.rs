//! Chunks: layout, views, and what the gate refuses.

use alloc::vec;

use super::*;
use crate::checksum::crc32c;
use crate::configuration::Configuration;
use crate::ids::{Incarnation, NodeId, Peer};

fn header(serial: u64) -> ClientHeader {
    ClientHeader {
        session: 1,
        serial,
        settled: 0,
    }
}

/// Entries 10 to 14 of term 3: a no-op and four commands of growing length.
fn five() -> Chunk {
    let mut builder = ChunkBuilder::new();
    builder.push_no_op().unwrap();
    for serial in 1..5 {
        builder
            .push_client(header(serial), &vec![b'a'; serial as usize])
            .unwrap();
    }
    builder
        .seal(
            Term::new(3),
            LogIndex::new(10),
            LogTime::from_millis(77),
            crc32c,
        )
        .unwrap()
}

fn range(from: u64, to: u64) -> Range<LogIndex> {
    LogIndex::new(from)..LogIndex::new(to)
}

#[test]
fn what_is_sealed_is_parsed_back() {
    let chunk = five();
    let parsed =
        Chunk::parse(chunk.encode(crc32c), ChunkLimits::default(), crc32c).expect("parses");
    assert_eq!(parsed, chunk);
    assert_eq!(parsed.first_index(), LogIndex::new(10));
    assert_eq!(
        parsed.last_id(),
        EntryId::new(Term::new(3), LogIndex::new(14))
    );
    let last = parsed.entries().last().unwrap();
    assert_eq!(
        last.record,
        Record::Client {
            header: header(4),
            payload: b"aaaa"
        }
    );
    assert_eq!(last.time, LogTime::from_millis(77));
}

#[test]
fn golden_bytes_of_version_1() {
    let mut builder = ChunkBuilder::new();
    builder
        .push_client(
            ClientHeader {
                session: 7,
                serial: 2,
                settled: 1,
            },
            b"hi",
        )
        .unwrap();
    let chunk = builder
        .seal(
            Term::new(5),
            LogIndex::new(9),
            LogTime::from_millis(1000),
            crc32c,
        )
        .unwrap();
    let mut expected = b"QRCK\x01\0\0\0".to_vec();
    expected.extend_from_slice(&[5, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
    expected.extend_from_slice(&[1, 0, 0, 0, 26, 0, 0, 0, 0xe8, 3, 0, 0, 0, 0, 0, 0]);
    let payload = [
        &[
            7, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
        ][..],
        b"hi",
    ]
    .concat();
    let table = [2, 0, 0, 0, 26, 0, 0, 0];
    expected.extend_from_slice(&crc32c(0, &payload).to_le_bytes());
    let ids = crc32c(crc32c(0, &expected), &table);
    expected.extend_from_slice(&ids.to_le_bytes());
    expected.extend_from_slice(&payload);
    expected.extend_from_slice(&table);
    assert_eq!(chunk.encode(crc32c), expected);
}

#[test]
fn each_flipped_bit_is_detected() {
    let bytes = five().encode(crc32c);
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let parsed = Chunk::parse(damaged.into(), ChunkLimits::default(), crc32c);
        assert!(parsed.is_err(), "bit {bit} was flipped unnoticed");
    }
}

#[test]
fn each_cut_is_detected_and_no_length_is_read_past_the_end() {
    let bytes = five().encode(crc32c);
    for end in 0..bytes.len() {
        assert!(Chunk::parse(bytes.slice(..end), ChunkLimits::default(), crc32c).is_err());
    }
    assert_eq!(Chunk::claimed_length(&bytes), Some(bytes.len()));
    assert_eq!(Chunk::claimed_length(&bytes[..HEADER_BYTES - 1]), None);
}

#[test]
fn a_lost_payload_leaves_its_ids() {
    let mut bytes = five().encode(crc32c).to_vec();
    bytes[HEADER_BYTES + 30] ^= 1;
    let bytes = Bytes::from(bytes);
    let whole = Chunk::parse(bytes.clone(), ChunkLimits::default(), crc32c);
    assert_eq!(whole, Err(ChunkError::PayloadChecksum));
    let ids = Chunk::parse_ids(bytes, ChunkLimits::default(), crc32c).expect("ids survive");
    assert_eq!(ids.last_id(), five().last_id());
    assert_eq!(
        ids.entries().next().unwrap().record,
        Record::Absent { kind: kind::NO_OP }
    );
}

#[test]
fn a_view_shows_its_entries_and_knows_its_base() {
    let chunk = five();
    let view = chunk.slice(range(11, 13)).expect("11 and 12 are inside");
    assert_eq!(
        (view.first_index(), view.last_index()),
        (LogIndex::new(11), LogIndex::new(12))
    );
    assert_eq!(view.entries().count(), 2);
    assert_eq!(view.payload_bytes(), 24 + 1 + 24 + 2);
    assert_eq!(view.pinned_bytes(), chunk.pinned_bytes());
    assert!(!view.is_whole());
    assert_eq!(chunk.slice(range(15, 20)), None);
    assert_eq!(chunk.slice(range(1, 10)), None);
    assert_eq!(chunk.slice(range(0, 100)), Some(chunk));
}

#[test]
fn a_trimmed_view_is_laid_out_anew() {
    let view = five().slice(range(12, 14)).unwrap();
    let bytes = view.encode(crc32c);
    let parsed = Chunk::parse(bytes, ChunkLimits::default(), crc32c).expect("parses");
    assert_eq!(parsed, view);
    assert!(parsed.is_whole());
    assert!(parsed.pinned_bytes() < view.pinned_bytes());
}

#[test]
fn a_prefix_always_holds_an_entry() {
    let chunk = five();
    assert_eq!(chunk.prefix(0).len(), 1);
    assert_eq!(chunk.prefix(25).len(), 2);
    assert_eq!(chunk.prefix(usize::MAX), chunk);
    let tail = chunk.slice(range(12, 15)).unwrap();
    assert_eq!(tail.prefix(26).len(), 1);
    assert_eq!(tail.prefix(26 + 27).len(), 2);
}

#[test]
fn ids_only_keeps_configurations_whole() {
    let ids = five().ids_only(crc32c);
    assert!(ids.is_ids_only());
    let parsed = Chunk::parse(ids.encode(crc32c), ChunkLimits::default(), crc32c).unwrap();
    assert_eq!(parsed.len(), 5);
    let mut builder = ChunkBuilder::new();
    let voters = Configuration::of_voters([Peer::new(NodeId::new(1), Incarnation::new(1))]);
    builder.push_config(&voters).unwrap();
    assert_eq!(builder.push_no_op(), Err(PushError::ConfigNotAlone));
    let config = builder
        .seal(Term::new(1), LogIndex::new(1), LogTime::ZERO, crc32c)
        .unwrap();
    assert!(!config.ids_only(crc32c).is_ids_only());
}

#[test]
fn an_unknown_kind_survives() {
    let mut builder = ChunkBuilder::new();
    builder.push_raw(200, b"from the future").unwrap();
    let chunk = builder
        .seal(Term::new(1), LogIndex::new(1), LogTime::ZERO, crc32c)
        .unwrap();
    let parsed = Chunk::parse(chunk.encode(crc32c), ChunkLimits::default(), crc32c).unwrap();
    let record = parsed.entries().next().unwrap().record;
    assert_eq!(
        record,
        Record::Unknown {
            kind: 200,
            payload: b"from the future"
        }
    );
}

#[test]
fn a_known_kind_of_the_wrong_shape_is_refused() {
    for (kind, payload) in [
        (kind::NO_OP, &b"x"[..]),
        (kind::CLIENT, b"short"),
        (kind::CONFIG, b""),
    ] {
        let mut builder = ChunkBuilder::new();
        builder.push_raw(kind, payload).unwrap();
        let chunk = builder
            .seal(Term::new(1), LogIndex::new(1), LogTime::ZERO, crc32c)
            .unwrap();
        let parsed = Chunk::parse(chunk.encode(crc32c), ChunkLimits::default(), crc32c);
        assert!(parsed.is_err(), "kind {kind}");
    }
}

#[test]
fn limits_are_checked_before_anything_is_read() {
    let bytes = five().encode(crc32c);
    let limits = ChunkLimits {
        max_entries: 4,
        ..ChunkLimits::default()
    };
    let refused = Chunk::parse(bytes.clone(), limits, crc32c);
    assert!(matches!(
        refused,
        Err(ChunkError::TooLarge { entries: 5, .. })
    ));
    let limits = ChunkLimits {
        max_payload_bytes: 10,
        ..ChunkLimits::default()
    };
    assert!(matches!(
        Chunk::parse(bytes, limits, crc32c),
        Err(ChunkError::TooLarge { .. })
    ));
}
