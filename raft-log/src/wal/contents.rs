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

/// The sum of all writes so far.
///
/// - The extents are contiguous and ascending; the last one ends at the log's last index.
/// - `unsettled` holds the chunks of the newest extents, one each.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) hard: HardState,
    pub(super) identity: Option<Bytes>,
    pub(super) drop_before: LogIndex,
    snapshot: Option<SnapshotMark>,
    extents: VecDeque<Extent>,
    /// Chunks that are not yet durable, by the batch that brings them.
    unsettled: VecDeque<(u64, Chunk)>,
    /// The last index of a log without extents.
    base: LogIndex,
}

/// A chunk in a file, and which of its entries count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Extent {
    first: LogIndex,
    last: LogIndex,
    term: Term,
    time: LogTime,
    place: Place,
    /// Whether it came without payloads.
    is_ids_only: bool,
}

/// Where a chunk's bytes stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) length: usize,
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
        while self.extents.back().is_some_and(|back| back.first >= from) {
            self.extents.pop_back();
            self.unsettled.pop_back();
        }
        match self.extents.back_mut() {
            Some(back) => back.last = last,
            None => self.base = last,
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
        self.extents.push_back(Extent {
            first: chunk.first_index(),
            last: chunk.last_index(),
            term: chunk.term(),
            time: chunk.time(),
            place,
            is_ids_only: chunk.is_ids_only(),
        });
        Ok(())
    }

    /// Whether any entry that is kept came without its payload, as all but configurations do on a
    /// witness.
    pub(super) fn holds_ids_only(&self) -> bool {
        self.extents.iter().any(|extent| extent.is_ids_only)
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
        while self
            .extents
            .front()
            .is_some_and(|front| front.last <= index)
        {
            if self.extents.len() == self.unsettled.len() {
                self.unsettled.pop_front();
            }
            self.extents.pop_front();
        }
        match self.extents.front_mut() {
            Some(front) => front.first = front.first.max(index.next()),
            None => self.base = last,
        }
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
        let stored = self.extents.len().saturating_sub(self.unsettled.len());
        let start = self.reaching(range.start);
        let mut room = max_bytes;
        let mut pieces = Vec::new();
        for (extent, number) in self.extents.range(start..).zip(start..) {
            let spent = room == 0 && !pieces.is_empty();
            if extent.first >= range.end || spent || pieces.len() >= MAX_PIECES {
                break;
            }
            let first = extent.first.max(range.start);
            let last = extent.last.min(range.end.previous());
            let kept = number
                .checked_sub(stored)
                .and_then(|number| self.unsettled.get(number))
                .and_then(|(_, chunk)| chunk.slice(first..last.next()));
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
        }
        Ok(pieces)
    }

    /// The number of the first extent that reaches the index; how many there are, if none does.
    ///
    /// Most extents have about as many entries, so that it can be guessed where it stands. Of millions
    /// few are looked at then, and those next to each other.
    fn reaching(&self, index: LogIndex) -> usize {
        let count = self.extents.len();
        let ends_before = |number: usize| self.extents.get(number).map(|one| one.last < index);
        let near = self.guess(index).map(|guess| {
            let guess = guess.min(count);
            guess.saturating_sub(NEAR)..guess.saturating_add(NEAR).min(count)
        });
        let near = near.filter(|near| {
            let before = near.start.checked_sub(1).and_then(ends_before);
            let last = near.end.checked_sub(1).and_then(ends_before);
            before != Some(false) && (last == Some(false) || near.end == count)
        });
        let Range { mut start, mut end } = near.unwrap_or(0..count);
        while start < end {
            let middle = start.midpoint(end);
            if ends_before(middle) == Some(true) {
                start = middle.saturating_add(1);
            } else {
                end = middle;
            }
        }
        start
    }

    /// About where the extent with this entry stands, if all are alike.
    fn guess(&self, index: LogIndex) -> Option<usize> {
        let first = self.extents.front()?.first;
        let entries = self.last().next().distance_from(first);
        let count = self.extents.len() as u128;
        let before = u128::from(index.distance_from(first)).checked_mul(count)?;
        usize::try_from(before.checked_div(u128::from(entries))?).ok()
    }

    /// The last entry's index; the snapshot's, or zero, when no entry is kept.
    pub(super) fn last(&self) -> LogIndex {
        self.extents.back().map_or(self.base, |back| back.last)
    }

    /// The last entry's id, as far as its term is known: a lower one otherwise.
    pub(super) fn last_id(&self) -> EntryId {
        let mark = self.snapshot.as_ref().map(|mark| mark.last);
        let mark = mark.filter(|mark| mark.index == self.base);
        let back = self.extents.back();
        let entry = back.map(|back| EntryId::new(back.term, back.last));
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
        let found = match self.extents.front() {
            Some(front) => front.first,
            None => self.base.next(),
        };
        from..found.max(from)
    }

    /// Each run of entries of one term, by its first entry.
    pub(super) fn runs(&self) -> Vec<EntryId> {
        let mut runs: Vec<EntryId> = Vec::new();
        for extent in &self.extents {
            if runs.last().is_none_or(|run| run.term != extent.term) {
                runs.push(EntryId::new(extent.term, extent.first));
            }
        }
        runs
    }

    /// The highest log time any kept entry carries.
    pub(super) fn time(&self) -> LogTime {
        let times = self.extents.iter().map(|extent| extent.time);
        times.max().unwrap_or_default()
    }

    fn snapshot_index(&self) -> LogIndex {
        self.snapshot
            .as_ref()
            .map_or(LogIndex::ZERO, |mark| mark.last.index)
    }
}

/// The most chunks that one load returns.
const MAX_PIECES: usize = 1024;
/// How far from where it was guessed an extent is looked for first.
const NEAR: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// Extents of so many entries each, of which the first entry is gone.
    fn contents(lengths: impl IntoIterator<Item = u64>) -> Contents {
        let mut contents = Contents::default();
        let mut next = LogIndex::new(2);
        for length in lengths {
            let first = next;
            next = first.plus(length);
            contents.extents.push_back(Extent {
                first,
                last: next.previous(),
                term: Term::new(1),
                time: LogTime::ZERO,
                place: Place {
                    segment: 1,
                    offset: 0,
                    length: 1,
                },
                is_ids_only: false,
            });
        }
        contents
    }

    #[test]
    fn an_entry_is_found_wherever_it_stands_however_long_the_others_are() {
        let alike = contents([3; 100]);
        let growing = contents(1..100);
        let shrinking = contents((1..100).rev());
        let lopsided = contents([1; 200].into_iter().chain([5_000]).chain([2; 50]));
        for contents in [contents([]), alike, growing, shrinking, lopsided] {
            for index in 0..contents.last().get() + 3 {
                let index = LogIndex::new(index);
                let expected = contents.extents.partition_point(|one| one.last < index);
                assert_eq!(contents.reaching(index), expected, "{index}");
            }
            let beyond = LogIndex::new(u64::MAX);
            assert_eq!(contents.reaching(beyond), contents.extents.len());
        }
    }
}
