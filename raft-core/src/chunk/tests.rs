//! Chunks: layout, views, and what the gate refuses.

extern crate std;

use alloc::vec;
use std::hash::DefaultHasher;

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
fn a_whole_chunk_says_where_its_payloads_stand_and_what_they_were_sealed_with() {
    let chunk = five();
    let bytes = chunk.encode(crc32c);
    let (place, checksum) = chunk.sealed_payloads().unwrap();
    assert_eq!(place.len(), chunk.payload_bytes());
    assert_eq!(checksum, crc32c(0, &bytes[place]));
    assert_eq!(chunk.slice(range(11, 15)).unwrap().sealed_payloads(), None);
    assert_eq!(chunk.ids_only(crc32c).sealed_payloads(), None);
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

/// What is damaged must not come in as a configuration: it would be in force at once.
#[test]
fn a_damaged_configuration_leaves_its_id_only() {
    let mut builder = ChunkBuilder::new();
    let voters = Configuration::of_voters([Peer::new(NodeId::new(1), Incarnation::new(1))]);
    builder.push_config(&voters).unwrap();
    let sealed = builder.seal(Term::new(3), LogIndex::new(7), LogTime::ZERO, crc32c);
    let whole = sealed.unwrap().encode(crc32c);
    let ids = |bytes: Bytes| Chunk::parse_ids(bytes, ChunkLimits::default(), crc32c).unwrap();
    let undamaged = ids(whole.clone());
    assert!(matches!(
        undamaged.entries().next().unwrap().record,
        Record::Config(_)
    ));
    for at in HEADER_BYTES..whole.len() - ROW_BYTES {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 1;
        let chunk = ids(bytes.into());
        let entry = chunk.entries().next().unwrap();
        let absent = Record::Absent { kind: kind::CONFIG };
        assert_eq!((entry.id, entry.record), (undamaged.last_id(), absent));
        let again = chunk.encode(crc32c);
        assert!(Chunk::parse(again, ChunkLimits::default(), crc32c).is_ok());
    }
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

/// A load that is bounded by bytes of payload must get as far through a witness's log, however the
/// chunks were cut.
#[test]
fn ids_weigh_what_their_payloads_did_in_a_whole_chunk_and_in_its_parts() {
    let (chunk, ids) = (five(), five().ids_only(crc32c));
    assert_eq!(ids.payload_bytes(), chunk.payload_bytes());
    for at in 11..15 {
        let part = |one: &Chunk, part| one.slice(part).unwrap().payload_bytes();
        let front = part(&ids, range(10, at));
        assert_eq!(front, part(&chunk, range(10, at)));
        let back = part(&ids, range(at, 15));
        assert_eq!(front + back, ids.payload_bytes(), "cut before {at}");
    }
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

/// `five` with its bytes changed and its checksums made good again, as the gate sees it.
fn forged(change: impl FnOnce(&mut Vec<u8>)) -> Result<Chunk, ChunkError> {
    let whole = five();
    let table = whole.table();
    let mut bytes = whole.encode(crc32c).to_vec();
    change(&mut bytes);
    let payloads = crc32c(0, &bytes[HEADER_BYTES..table]);
    bytes[40..44].copy_from_slice(&payloads.to_le_bytes());
    let ids = id_checksum(&bytes, table, crc32c);
    bytes[ID_CHECKSUM_AT..HEADER_BYTES].copy_from_slice(&ids.to_le_bytes());
    Chunk::parse(bytes.into(), ChunkLimits::default(), crc32c)
}

#[test]
fn what_no_builder_makes_is_refused_though_its_checksums_hold() {
    assert_eq!(forged(|_| {}), Ok(five()));
    let table = five().table();
    let malformed = |name: &str, at: usize, content: &[u8]| {
        let found = forged(|bytes| bytes[at..at + content.len()].copy_from_slice(content));
        assert_eq!(found, Err(ChunkError::Malformed), "{name}");
    };
    malformed("another magic", 0, b"QRCX");
    malformed("an unknown flag", 6, &[2]);
    malformed("no term", 8, &[0; 8]);
    malformed("no index", 16, &[0; 8]);
    malformed("an index that has no next", 16, &[0xff; 8]);
    for spare in 1..4 {
        malformed("a spare byte that is used", table + spare, &[1]);
        malformed("the last row's spare", table + 4 * ROW_BYTES + spare, &[1]);
    }
    malformed("an end before the one before it", table + 4, &[26]);
    malformed(
        "an end before the payloads'",
        table + 4 * ROW_BYTES + 4,
        &[105],
    );
    let later = forged(|bytes| bytes[4] = 2);
    assert_eq!(later, Err(ChunkError::UnknownVersion { version: 2 }));
}

#[test]
fn a_chunk_without_entries_is_no_chunk() {
    let header = Header {
        flags: 0,
        term: Term::new(1),
        first: LogIndex::new(1),
        count: 0,
        payload_length: 0,
        time: LogTime::ZERO,
        payload_checksum: 0,
    };
    let bytes = header
        .finish(vec![0; HEADER_BYTES], crc32c)
        .base
        .buffer
        .clone();
    let parsed = Chunk::parse(bytes, ChunkLimits::default(), crc32c);
    assert_eq!(parsed, Err(ChunkError::Malformed));
    let nothing = ChunkBuilder::new();
    assert!(nothing.is_empty());
    let sealed = nothing.seal(Term::new(1), LogIndex::new(1), LogTime::ZERO, crc32c);
    assert_eq!(sealed, None);
}

#[test]
fn a_chunk_of_just_the_limits_is_read_and_is_as_long_as_they_say() {
    let bytes = five().encode(crc32c);
    let payload_bytes = five().payload_bytes() as u32;
    let limits = ChunkLimits {
        max_entries: 5,
        max_payload_bytes: payload_bytes,
    };
    assert_eq!(limits.max_length(), bytes.len());
    assert_eq!(Chunk::parse(bytes.clone(), limits, crc32c), Ok(five()));
    let one_less = ChunkLimits {
        max_payload_bytes: payload_bytes - 1,
        ..limits
    };
    let refused = ChunkError::TooLarge {
        entries: 5,
        payload_bytes,
    };
    assert_eq!(Chunk::parse(bytes, one_less, crc32c), Err(refused));
}

/// [S6.19]
#[test]
fn a_configuration_stands_alone_and_whole_in_its_chunk() {
    let voters = Configuration::of_voters([Peer::new(NodeId::new(1), Incarnation::new(1))]);
    let mut encoded = Vec::new();
    voters.encode(&mut encoded);
    let parse = |builder: ChunkBuilder| {
        let sealed = builder.seal(Term::new(1), LogIndex::new(1), LogTime::ZERO, crc32c);
        let bytes = sealed.unwrap().encode(crc32c);
        Chunk::parse(bytes, ChunkLimits::default(), crc32c)
    };
    let mut alone = ChunkBuilder::new();
    alone.push_config(&voters).unwrap();
    let parsed = parse(alone).unwrap();
    assert!(parsed.is_config());
    let entry = parsed.entries().next().unwrap();
    assert_eq!(entry.record, Record::Config(&encoded));

    let mut shared = ChunkBuilder::new();
    shared.push_no_op().unwrap();
    assert_eq!(
        shared.push_config(&voters),
        Err(PushError::ConfigNotAlone),
        "not after others"
    );
    assert_eq!(shared.len(), 1, "unchanged");
    shared.push_raw(kind::CONFIG, &encoded).unwrap();
    assert_eq!(parse(shared), Err(ChunkError::ConfigNotAlone));

    let mut damaged = ChunkBuilder::new();
    encoded.push(0);
    damaged.push_raw(kind::CONFIG, &encoded).unwrap();
    let why = ConfigurationError::Malformed;
    assert_eq!(parse(damaged), Err(ChunkError::Configuration(why)));
}

#[test]
fn a_builder_counts_records_and_what_they_carry() {
    let mut builder = ChunkBuilder::with_capacity(2, 3);
    assert_eq!((builder.len(), builder.payload_bytes()), (0, 0));
    builder.push_client(header(1), b"abc").unwrap();
    assert_eq!((builder.len(), builder.payload_bytes()), (1, 27));
    builder.push_no_op().unwrap();
    assert_eq!((builder.len(), builder.payload_bytes()), (2, 27));
    assert!(!builder.is_empty());
}

#[test]
fn chunks_are_equal_when_their_entries_are() {
    let entries = |payloads: &[&[u8]], term| {
        let mut builder = ChunkBuilder::new();
        for payload in payloads {
            builder.push_client(header(1), payload).unwrap();
        }
        let time = LogTime::ZERO;
        builder.seal(Term::new(term), LogIndex::new(1), time, crc32c)
    };
    let one = entries(&[b"a", b"b"], 1).unwrap();
    assert_eq!(entries(&[b"a", b"b"], 1), Some(one.clone()));
    assert_ne!(entries(&[b"a", b"c"], 1), Some(one.clone()), "a payload");
    assert_ne!(entries(&[b"a", b"b"], 2), Some(one.clone()), "the term");
    assert_ne!(entries(&[b"a"], 1), Some(one.clone()), "one fewer");
    assert_ne!(entries(&[b"a", b"b", b"c"], 1), Some(one.clone()), "more");
    let view = entries(&[b"a", b"b", b"c"], 1).unwrap().slice(range(1, 3));
    assert_eq!(view, Some(one.clone()), "however they came about");

    let hash = |chunk: &Chunk| {
        let mut hasher = DefaultHasher::new();
        chunk.hash(&mut hasher);
        hasher.finish()
    };
    let again = entries(&[b"a", b"b"], 1).unwrap();
    assert_eq!(hash(&again), hash(&one));
    assert_ne!(hash(&entries(&[b"a", b"b"], 2).unwrap()), hash(&one));
    assert_ne!(hash(&entries(&[b"a"], 1).unwrap()), hash(&one));
}
