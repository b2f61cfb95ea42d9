//! Headers: what is written is read, and what none of ours says is refused.

use super::*;

fn header() -> Header {
    Header {
        head: true,
        log_id: 1,
        segment: 2,
        batch: 3,
        watermark: 2,
        hard: HardState {
            boot: Boot::new(4),
            term: Term::new(5),
            vote: Some(NodeId::new(6)),
            to_other_life: false,
            promise: Millis::new(1_500),
        },
        truncate_from: Some(LogIndex::new(7)),
        drop_before: LogIndex::new(8),
        last: LogIndex::new(9),
        block_bytes: 4_096,
        body: BodyShape {
            snapshot: 10,
            has_identity: true,
            identity: 11,
            chunks: 1,
            total: 200,
        },
        previous: 12,
        body_checksum: 13,
    }
}

/// The header with some of its bytes changed, and a checksum that fits them.
fn forged(at: usize, bytes: &[u8]) -> [u8; HEADER_BYTES] {
    let (mut forged, _) = header().encode();
    forged[at..at + bytes.len()].copy_from_slice(bytes);
    let sum = checksum(&forged[..CHECKSUM_AT]);
    forged[CHECKSUM_AT..].copy_from_slice(&sum.to_le_bytes());
    forged
}

#[test]
fn each_flag_is_read_as_it_was_written() {
    for flags in (0..32_u8).filter(|flags| flags & 16 == 0 || flags & 2 != 0) {
        let set = |bit: u8| flags & bit != 0;
        let mut written = header();
        written.head = set(1);
        written.hard.vote = set(2).then_some(NodeId::new(6));
        written.hard.to_other_life = set(16);
        written.truncate_from = set(4).then_some(LogIndex::new(7));
        written.body.has_identity = set(8);
        written.body.identity = if set(8) { 11 } else { 0 };
        let (bytes, sum) = written.encode();
        assert_eq!(Header::decode(&bytes), Ok((written, sum)), "{flags:05b}");
    }
}

#[test]
fn whole_headers_that_say_what_none_of_ours_says_are_malformed() {
    const FLAGS_AT: usize = 6;
    const BLOCK_BYTES_AT: usize = 88;
    const SNAPSHOT_AT: usize = 92;
    assert!(Header::decode(&forged(0, &MAGIC)).is_ok(), "unchanged");
    let malformed = |at, bytes: &[u8], what: &str| {
        let read = Header::decode(&forged(at, bytes));
        assert_eq!(read, Err(HeaderError::Malformed), "{what}");
    };
    malformed(FLAGS_AT, &[32 | 15, 0], "an unknown flag");
    malformed(FLAGS_AT, &[16 | 13, 0], "a life that no vote went to");
    malformed(FLAGS_AT, &[15, 128], "another unknown flag");
    malformed(
        FLAGS_AT,
        &[7, 0],
        "a length of an identity that is not there",
    );
    malformed(BLOCK_BYTES_AT, &4_095_u32.to_le_bytes(), "odd blocks");
    malformed(BLOCK_BYTES_AT, &128_u32.to_le_bytes(), "tiny blocks");
    malformed(SNAPSHOT_AT, &190_u32.to_le_bytes(), "parts beyond the body");
    let version = Header::decode(&forged(4, &[9, 0]));
    assert_eq!(version, Err(HeaderError::Version(9)));
}

#[test]
fn a_promise_is_kept_to_the_millisecond() {
    let mut written = header();
    for millis in [0, 1, 999, u32::MAX] {
        written.hard.promise = Millis::new(millis);
        let (bytes, sum) = written.encode();
        assert_eq!(Header::decode(&bytes), Ok((written, sum)));
        assert_eq!(bytes[120..124], millis.to_le_bytes());
    }
}

#[test]
fn a_body_may_be_nothing_but_its_front() {
    let mut written = header();
    written.body.total = 21;
    let (bytes, sum) = written.encode();
    assert_eq!(Header::decode(&bytes), Ok((written, sum)));
}

#[test]
fn what_was_never_written_is_told_from_what_is_no_header() {
    assert_eq!(Header::decode(&[0; HEADER_BYTES]), Err(HeaderError::Zeros));
    assert_eq!(Header::decode(&[0; 9]), Err(HeaderError::Zeros));
    assert_eq!(Header::decode(&[]), Err(HeaderError::Zeros));
    assert_eq!(Header::decode(&[7; 9]), Err(HeaderError::Malformed));
    assert_eq!(Header::decode(&[7; HEADER_BYTES]), Err(HeaderError::Magic));
    let (mut flipped, sum) = header().encode();
    flipped[20] ^= 1;
    let read = Header::decode(&flipped);
    let refused = |error| matches!(error, HeaderError::Checksum { stored, .. } if stored == sum);
    assert!(read.is_err_and(refused));
}
