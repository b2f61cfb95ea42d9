//! The bytes of headers, and names.

#![allow(clippy::unwrap_used, reason = "part of the tests")]

use raft_core::configuration::Member;
use raft_core::ids::{Incarnation, NodeId};

use super::*;

fn snapshot(length: u64) -> Snapshot {
    let member = Member {
        address: String::from("host:1"),
        ..Member::voter(Incarnation::new(3))
    };
    Snapshot {
        id: SnapshotId {
            last: EntryId::new(Term::new(2), LogIndex::new(u64::MAX)),
            length,
            digest: 0xfeed,
        },
        configuration: Configuration::new([(NodeId::new(1), member)]),
        time: LogTime::from_millis(9),
    }
}

#[test]
fn a_header_reads_as_it_was_written_and_no_part_of_it_does() {
    for block_bytes in [256, 4096] {
        let snapshot = snapshot(700);
        let bytes = encode_header(&snapshot, block_bytes);
        assert_eq!(bytes.len() % block_bytes as usize, 0);
        let (read, layout) = decode_header(&bytes).unwrap();
        assert_eq!(read, snapshot);
        let expected = Layout::new(snapshot.id.last, &snapshot.configuration, block_bytes);
        assert_eq!(layout, expected);
        assert_eq!(layout.offset(0), bytes.len() as u64);
        let needed = header_bytes(&bytes);
        assert!(decode_header(&bytes[..needed]).is_ok());
        for length in 0..needed {
            let error = decode_header(&bytes[..length]).unwrap_err();
            assert_eq!(error, HeaderError::Malformed, "{length}");
        }
    }
}

/// The checksum covers the version, so that a later one is told from damage.
#[test]
fn a_later_version_is_known_for_one() {
    let mut bytes = encode_header(&snapshot(1), 256);
    bytes[4] = 2;
    assert!(matches!(
        decode_header(&bytes),
        Err(HeaderError::Checksum { .. })
    ));
    let end = header_bytes(&bytes) - 4;
    let checksum = crc32c::crc32c(&bytes[..end]).to_le_bytes();
    bytes[end..end + 4].copy_from_slice(&checksum);
    assert_eq!(decode_header(&bytes), Err(HeaderError::Version(2)));
}

#[test]
fn a_length_that_no_file_has_is_no_header() {
    let bytes = encode_header(&snapshot(u64::MAX), 256);
    assert_eq!(decode_header(&bytes), Err(HeaderError::Malformed));
}

#[test]
fn places_add_up() {
    let id = EntryId::new(Term::new(1), LogIndex::new(1));
    let layout = Layout::of(id, 10, 256);
    let expected = |length| Some(256 + length + 4 * u64::div_ceil(length, 252));
    for length in [0, 1, 251, 252, 253, 504, 505] {
        assert_eq!(layout.file_bytes(length), expected(length));
    }
    for content in 0..1000 {
        let span = layout.span(content);
        assert!(span.content <= content && content < span.content + 252);
        assert_eq!(span.offset, 256 + 256 * span.block);
        assert_eq!(span.content, layout.content_before(span.block));
    }
}

#[test]
fn a_block_is_intact_only_where_it_was_written() {
    let (one, other) = (
        EntryId::new(Term::new(1), LogIndex::new(1)),
        EntryId::ORIGIN,
    );
    let layout = Layout::of(one, 10, 256);
    let mut block = b"content".to_vec();
    block.extend_from_slice(&layout.checksum(3, b"content").to_le_bytes());
    assert!(layout.is_intact(3, &block));
    assert!(!layout.is_intact(4, &block));
    assert!(!Layout::of(other, 10, 256).is_intact(3, &block));
    assert!(!layout.is_intact(0, &[0; 256]) && !layout.is_intact(0, &[]));
}

#[test]
fn a_name_is_its_snapshot_and_others_are_none() {
    let id = snapshot(77).id;
    let name = name(id);
    assert_eq!(super::id(&name), Some(id));
    for other in [
        TAKEN,
        RECEIVED,
        "LOCK",
        "0000000000000001.wal",
        "snapshot-",
        &name[..name.len() - 1],
        &name.to_uppercase(),
        &format!("{name}-0000000000000000"),
        &name.replace("fffff", "+ffff"),
    ] {
        assert_eq!(super::id(other), None, "{other}");
    }
}
