//! What the log holds: where each chunk stands, and what every new segment must repeat.
//!
//! The running log and recovery apply writes to it in the same way, so that what a restart finds
//! is what was there. It does no input or output.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;
use raft_core::chunk::Chunk;
use raft_core::ids::{EntryId, LogIndex, Term};
use raft_core::log::{HardState, LogError, SnapshotMark};
use raft_core::time::LogTime;

use super::extents::{Extents, Place, Stored};

/// The sum of all writes so far.
///
/// - The last of the extents ends at the log's last index.
/// - `unsettled` holds the chunks of the newest extents, by ascending first index; and it may hold some of
///   which no entry counts any more.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) hard: HardState,
    pub(super) identity: Option<Bytes>,
    pub(super) drop_before: LogIndex,
    snapshot: Option<SnapshotMark>,
    extents: Extents,
    /// Chunks that are not yet durable, by the batch that brings them.
    unsettled: VecDeque<(u64, Chunk)>,
    /// The last index, where there are no extents.
    base: LogIndex,
}

/// A part of an answer to a load.
#[derive(Debug)]
pub(super) enum Piece {
    /// The entries themselves.
    InMemory(Chunk),
    /// The entries `first` to `last` of the chunk that stands there.
    Stored {
        place: Place,
        first: LogIndex,
        last: LogIndex,
    },
}

impl Contents {
    /// A log whose oldest segments were dropped when it ended at `base`.
    pub(super) fn starting_after(base: LogIndex) -> Self {
        Self {
            base,
            ..Self::default()
        }
    }

    /// Removes `from` and all after it. Clause 4 of the log's contract.
    pub(super) fn truncate(&mut self, from: LogIndex) -> Result<(), LogError> {
        if from < self.first() {
            return Err(LogError::Impossible {
                reason: "clause 4: truncation into a snapshot",
            });
        }
        let last = self.last().min(from.previous());
        self.extents.truncate(from);
        self.base = last;
        let is_removed = |(_, chunk): &(u64, Chunk)| chunk.first_index() >= from;
        while self.unsettled.back().is_some_and(is_removed) {
            self.unsettled.pop_back();
        }
        Ok(())
    }

    /// Adds a chunk that stands at `place`. Clause 5 of the log's contract.
    pub(super) fn append(&mut self, chunk: &Chunk, place: Place) -> Result<(), LogError> {
        if chunk.first_index() != self.last().next() {
            return Err(LogError::Impossible {
                reason: "clause 5: append leaves a gap",
            });
        }
        let stored = Stored {
            first: chunk.first_index(),
            term: chunk.term(),
            time: chunk.time(),
            place,
            is_ids_only: chunk.is_ids_only(),
        };
        self.extents.push(stored, chunk.last_index());
        Ok(())
    }

    /// Whether any entry that is kept came without its payload, as all but configurations do on a
    /// witness.
    pub(super) fn holds_ids_only(&self) -> bool {
        self.extents.holds_ids_only()
    }

    /// Keeps a chunk that was just appended in memory until its batch is durable. Either all
    /// chunks appended are kept, in order, or none.
    pub(super) fn keep_until_durable(&mut self, batch: u64, chunk: Chunk) {
        self.unsettled.push_back((batch, chunk));
    }

    /// Forgets the chunks of batches up to `batch`, which can be read from the disk from now on.
    pub(super) fn settle(&mut self, batch: u64) {
        while self
            .unsettled
            .front()
            .is_some_and(|(number, _)| *number <= batch)
        {
            self.unsettled.pop_front();
        }
    }

    /// Lets a snapshot stand for all entries up to its own index.
    pub(super) fn compact(&mut self, mark: SnapshotMark) -> Result<(), LogError> {
        let index = mark.last.index;
        if index < self.snapshot_index() {
            return Err(LogError::Impossible {
                reason: "a snapshot older than the one the log begins after",
            });
        }
        let last = self.last().max(index);
        self.extents.forget(index);
        self.base = last;
        self.snapshot = Some(mark);
        Ok(())
    }

    /// What answers a load of `range`. Clause 8 of the log's contract.
    pub(super) fn select(
        &self,
        range: &Range<LogIndex>,
        max_bytes: usize,
    ) -> Result<Vec<Piece>, LogError> {
        let first = self.first();
        if range.start < first {
            return Err(LogError::Compacted { first });
        }
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let mut room = max_bytes;
        let mut pieces = Vec::new();
        for extent in self.extents.reaching(range.start) {
            let spent = room == 0 && !pieces.is_empty();
            if extent.first >= range.end || spent || pieces.len() >= MAX_PIECES {
                break;
            }
            let first = extent.first.max(range.start);
            let last = extent.last.min(range.end.previous());
            let kept = self.in_memory(first);
            let kept = kept.and_then(|chunk| chunk.slice(first..last.next()));
            let (piece, bytes) = match kept {
                Some(view) => {
                    let bytes = view.payload_bytes();
                    (Piece::InMemory(view), bytes)
                }
                None => {
                    let place = extent.place;
                    (Piece::Stored { place, first, last }, place.length)
                }
            };
            room = room.saturating_sub(bytes);
            pieces.push(piece);
            // Nor is the one behind looked at.
            if last.next() >= range.end {
                break;
            }
        }
        Ok(pieces)
    }

    /// The chunk with this entry, if it is not yet durable.
    fn in_memory(&self, index: LogIndex) -> Option<&Chunk> {
        let begins = |(_, chunk): &(u64, Chunk)| chunk.first_index() <= index;
        let behind = self.unsettled.partition_point(begins);
        let (_, chunk) = self.unsettled.get(behind.checked_sub(1)?)?;
        Some(chunk)
    }

    /// The last entry's index; the snapshot's, or zero, when no entry is kept.
    pub(super) fn last(&self) -> LogIndex {
        self.extents.ends().map_or(self.base, |(_, last)| last)
    }

    /// The last entry's id, as far as its term is known: a lower one otherwise.
    pub(super) fn last_id(&self) -> EntryId {
        let mark = self.snapshot.as_ref().map(|mark| mark.last);
        let mark = mark.filter(|mark| mark.index == self.base);
        let entry = self.extents.last_id();
        let unknown = EntryId::new(Term::ZERO, self.base);
        entry.or(mark).unwrap_or(unknown)
    }

    /// The index of the first entry that may be kept.
    pub(super) fn first(&self) -> LogIndex {
        self.snapshot_index().next()
    }

    /// The first index whose segment is still needed.
    pub(super) fn needed_from(&self) -> LogIndex {
        self.first().min(self.drop_before)
    }

    /// The snapshot the log begins after.
    pub(super) const fn snapshot(&self) -> Option<&SnapshotMark> {
        self.snapshot.as_ref()
    }

    /// The entries between the snapshot and the first one kept; empty in a whole log.
    pub(super) fn missing(&self) -> Range<LogIndex> {
        let from = self.first();
        let found = self.extents.ends();
        let found = found.map_or(self.base.next(), |(first, _)| first);
        from..found.max(from)
    }

    /// Each run of entries of one term, by its first entry.
    pub(super) fn runs(&self) -> Vec<EntryId> {
        self.extents.runs()
    }

    /// The highest log time any kept entry carries.
    pub(super) fn time(&self) -> LogTime {
        self.extents.time()
    }

    fn snapshot_index(&self) -> LogIndex {
        self.snapshot
            .as_ref()
            .map_or(LogIndex::ZERO, |mark| mark.last.index)
    }
}

/// The most chunks that one load returns.
const MAX_PIECES: usize = 1024;
