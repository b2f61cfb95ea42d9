//! A log in memory: the shortest correct one, and the model others are compared with.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Range;
use core::task::{Context, Poll};

use bytes::Bytes;

use super::{Durable, HardState, Loading, Log, LogError, Recovered, SnapshotMark, Write};
use crate::chunk::Chunk;
use crate::configuration::Configuration;
use crate::ids::{EntryId, LogIndex};
use crate::record::Record;

/// A log that keeps everything in memory and calls it durable at once.
///
/// - The chunks are contiguous and begin right after the snapshot.
/// - `hard`, `snapshot` and `identity` are those of the last write that carried them.
#[derive(Clone, Debug, Default)]
pub struct MemoryLog {
    hard: HardState,
    identity: Option<Bytes>,
    snapshot: Option<SnapshotMark>,
    chunks: VecDeque<Chunk>,
    durable: Option<Durable>,
    failure: Option<LogError>,
}

impl MemoryLog {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// What opening this log again would find: what a restart starts from.
    pub fn recovered(&self) -> Recovered {
        let mut recovered = Recovered {
            hard: self.hard,
            identity: self.identity.clone(),
            snapshot: self.snapshot.clone(),
            last: self.last_index(),
            ..Recovered::default()
        };
        for chunk in &self.chunks {
            let first = EntryId::new(chunk.term(), chunk.first_index());
            if recovered
                .runs
                .last()
                .is_none_or(|run| run.term != first.term)
            {
                recovered.runs.push(first);
            }
            recovered.time = recovered.time.max(chunk.time());
            recovered.holds_ids_only |= chunk.is_ids_only();
            recovered
                .configurations
                .extend(chunk.entries().filter_map(configuration_of));
        }
        recovered
    }

    /// Applies a write and returns its proof: the synchronous way, for drivers without tasks.
    ///
    /// # Errors
    ///
    /// The write broke the contract; the log is latched.
    pub fn write(&mut self, write: Write) -> Result<Durable, LogError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        match self.apply(write) {
            Ok(durable) => Ok(durable),
            Err(error) => {
                self.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Reads entries: the synchronous way.
    ///
    /// # Errors
    ///
    /// The range begins before the first entry kept.
    pub fn read(&self, range: Range<LogIndex>, max_bytes: usize) -> Result<Vec<Chunk>, LogError> {
        let first = self.snapshot_id().index.next();
        if range.start < first {
            return Err(LogError::Compacted { first });
        }
        let mut room = max_bytes;
        let mut found: Vec<Chunk> = Vec::new();
        for chunk in &self.chunks {
            let Some(view) = chunk.slice(range.clone()) else {
                continue;
            };
            if room == 0 && !found.is_empty() {
                break;
            }
            let whole = view.payload_bytes() <= room;
            let portion = if found.is_empty() || whole {
                view.prefix(room)
            } else {
                break;
            };
            room = room.saturating_sub(portion.payload_bytes());
            found.push(portion);
            if !whole {
                break;
            }
        }
        Ok(found)
    }

    /// The id of the last entry, or the snapshot's.
    pub fn last_id(&self) -> EntryId {
        self.chunks
            .back()
            .map_or(self.snapshot_id(), Chunk::last_id)
    }

    fn last_index(&self) -> LogIndex {
        self.last_id().index
    }

    fn snapshot_id(&self) -> EntryId {
        self.snapshot
            .as_ref()
            .map_or(EntryId::ORIGIN, |mark| mark.last)
    }

    fn apply(&mut self, write: Write) -> Result<Durable, LogError> {
        let Write {
            hard,
            truncate_from,
            append,
            snapshot,
            drop_before: _,
            identity,
            receipt,
        } = write;
        self.hard = hard;
        if identity.is_some() {
            self.identity = identity;
        }
        if let Some(from) = truncate_from {
            self.truncate(from)?;
        }
        let mut last = self.last_index();
        for chunk in &append {
            if chunk.first_index() != last.next() {
                return Err(LogError::Impossible {
                    reason: "clause 5: append leaves a gap",
                });
            }
            last = chunk.last_index();
        }
        append
            .into_iter()
            .for_each(|chunk| self.chunks.push_back(chunk));
        if let Some(mark) = snapshot {
            self.drop_before(mark.last.index.next());
            self.snapshot = Some(*mark);
        }
        Ok(receipt.synced())
    }

    fn truncate(&mut self, from: LogIndex) -> Result<(), LogError> {
        if from <= self.snapshot_id().index {
            return Err(LogError::Impossible {
                reason: "clause 4: truncation into a snapshot",
            });
        }
        let kept = |chunk: Chunk| chunk.slice(LogIndex::ZERO..from);
        self.chunks = self.chunks.drain(..).filter_map(kept).collect();
        Ok(())
    }

    fn drop_before(&mut self, first: LogIndex) {
        let kept = |chunk: Chunk| chunk.slice(first..LogIndex::new(u64::MAX));
        self.chunks = self.chunks.drain(..).filter_map(kept).collect();
    }
}

impl Log for MemoryLog {
    fn begin(&mut self, write: Write) {
        if let Ok(durable) = self.write(write) {
            self.durable = Some(durable);
        }
    }

    fn poll_durable(&mut self, _cx: &mut Context<'_>) -> Poll<Result<Durable, LogError>> {
        match (self.durable.take(), &self.failure) {
            (Some(durable), _) => Poll::Ready(Ok(durable)),
            (None, Some(failure)) => Poll::Ready(Err(failure.clone())),
            (None, None) => Poll::Pending,
        }
    }

    fn load(&self, range: Range<LogIndex>, max_bytes: usize) -> Loading {
        Box::pin(core::future::ready(self.read(range, max_bytes)))
    }
}

/// The configuration an entry holds, if it holds one.
fn configuration_of(entry: crate::record::Entry<'_>) -> Option<(LogIndex, Configuration)> {
    match entry.record {
        Record::Config(bytes) => Configuration::decode(bytes)
            .ok()
            .map(|configuration| (entry.id.index, configuration)),
        Record::NoOp | Record::Client { .. } | Record::Unknown { .. } | Record::Absent { .. } => {
            None
        }
    }
}
