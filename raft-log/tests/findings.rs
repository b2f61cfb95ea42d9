//! What the model of `operations.rs` found and is wrong today. The model looks away from it until it is
//! mended; then these tests fail, and go.

#![allow(clippy::unwrap_used, reason = "part of the tests")]

mod support;

use raft_core::ids::LogIndex;
use raft_core::log::{Log, LogError};
use support::*;

/// Clause 8: a range without entries has none to answer, wherever it is. Inside a chunk it is wrongly taken
/// for a piece of that, which is then called corrupt, where nothing is.
#[test]
fn a_range_without_entries_inside_a_chunk_is_wrongly_called_corrupt() {
    let fs = MemFs::new();
    let (mut log, _) = open(&fs);
    write(&mut log, append(1, vec![chunk(1, 1, &[10, 10, 10])]));
    for (index, is_right) in [(1, true), (2, false), (3, false), (4, true)] {
        let range = LogIndex::new(index)..LogIndex::new(index);
        match run(log.load(range, 1000)).unwrap() {
            Ok(chunks) => assert!(is_right && chunks.is_empty(), "{index}"),
            Err(error) => assert!(!is_right && matches!(error, LogError::Corrupt { .. })),
        }
    }
}

/// [`raft_core::log::Recovered::holds_ids_only`] tells of the entries that are kept; it wrongly tells of
/// those, too, that were removed.
#[test]
fn a_log_that_holds_no_entry_without_its_payload_any_more_wrongly_says_so() {
    for compacted in [false, true] {
        let fs = MemFs::new();
        let (mut log, _) = open(&fs);
        let entry = chunk(1, 1, &[10]).ids_only(crc32c::crc32c_append);
        write(&mut log, append(1, vec![entry]));
        let mut removal = empty(2);
        match compacted {
            true => removal.snapshot = Some(Box::new(mark(1, 1))),
            false => removal.truncate_from = Some(LogIndex::new(1)),
        }
        write(&mut log, removal);
        let (_, recovered) = open(&fs.crash(Crash::LoseAll));
        assert!(recovered.runs.is_empty());
        assert!(recovered.holds_ids_only, "it is wrong: {compacted}");
    }
}
