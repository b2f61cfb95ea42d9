//! What is on its way to disk: one pending batch, a few in flight, and the durable prefix.
//!
//! Whatever promises durability names the batch that will make the promise true
//! ([`Disk::covering_batch`]) and waits until that batch is durable.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::hash::{Hash, Hasher};
use core::time::Duration;

use super::aside::Aside;
use super::hard::Hard;
use crate::chunk::Chunk;
use crate::few::Few;
use crate::ids::{Boot, LogIndex};
use crate::log::{BatchNumber, Durable, Receipt, SnapshotMark, Write};
use crate::time::Time;

/// The way to disk.
///
/// - Batches are numbered in the order they are handed out; what is durable is a prefix of them.
/// - `durable_index` never exceeds the present log: a truncation caps it, and caps what the
///   batches in flight will raise it to.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    issued: BatchNumber,
    durable: BatchNumber,
    durable_index: LogIndex,
    /// The last index of the log as of the last batch handed out.
    written_last: LogIndex,
    under_way: Aside<UnderWay>,
}

/// What is handed out and not durable yet, and what is not handed out.
#[derive(Clone, Debug, Default)]
struct UnderWay {
    in_flight: VecDeque<InFlight>,
    next: Next,
}

/// What goes with the next batch, beside the hard state.
#[derive(Clone, Hash, Debug, Default)]
struct Next {
    truncate_from: Option<LogIndex>,
    append: Few<Chunk>,
    /// A snapshot of entries that the log holds: it goes with whatever else is pending.
    forget: Option<Box<SnapshotMark>>,
    /// A snapshot that takes the place of the whole log. It goes in a write of its own, before
    /// `append`: a log takes entries only right after its last one.
    begin_after: Option<Box<SnapshotMark>>,
}

#[derive(Clone, Debug)]
struct InFlight {
    batch: BatchNumber,
    /// The last index of the present log that this batch makes durable.
    last: LogIndex,
    since: Time,
}

impl Disk {
    /// Nothing under way; `last` entries were recovered and are durable.
    pub(crate) const fn new(last: LogIndex) -> Self {
        Self {
            issued: BatchNumber::ZERO,
            durable: BatchNumber::ZERO,
            durable_index: last,
            written_last: last,
            under_way: Aside::new(),
        }
    }

    pub(crate) fn append(&mut self, chunk: Chunk) {
        self.next().append.push(chunk);
    }

    /// Removes `from` and all after it from what is pending, and from what was written.
    pub(crate) fn truncate(&mut self, from: LogIndex) {
        let last_kept = from.previous();
        let kept = |chunk: &Chunk| chunk.slice(LogIndex::ZERO..from);
        let UnderWay { in_flight, next } = self.under_way.needed();
        next.append = next.append.iter().filter_map(kept).collect();
        if self.written_last > last_kept {
            next.truncate_from = Some(next.truncate_from.map_or(from, |other| other.min(from)));
            self.written_last = last_kept;
        }
        self.durable_index = self.durable_index.min(last_kept);
        for batch in in_flight {
            batch.last = batch.last.min(last_kept);
        }
    }

    /// A snapshot stands for a part of the log that is durable.
    pub(crate) fn forget(&mut self, mark: SnapshotMark) {
        self.next().forget = Some(Box::new(mark));
    }

    /// A snapshot takes the place of the whole log, of which it covers all up to `committed` and
    /// contradicts what comes after.
    pub(crate) fn begin_after(&mut self, mark: SnapshotMark, committed: LogIndex) {
        self.truncate(committed.next());
        let next = self.next();
        next.append = Few::new();
        next.forget = None;
        next.begin_after = Some(Box::new(mark));
    }

    /// The batch whose durability makes everything that holds now durable.
    pub(crate) fn covering_batch(&self, hard: &Hard) -> BatchNumber {
        let (first, second) = self.pending(hard);
        match (first, second) {
            (true, true) => self.issued.next().next(),
            (true, false) | (false, true) => self.issued.next(),
            (false, false) => self.issued,
        }
    }

    /// Whether nothing is pending.
    pub(crate) fn is_clean(&self, hard: &Hard) -> bool {
        self.pending(hard) == (false, false)
    }

    /// Everything pending, as one write.
    pub(crate) fn next_write(
        &mut self,
        hard: &mut Hard,
        now: Time,
        max_in_flight: usize,
    ) -> Option<Write> {
        if self.writes_in_flight() >= max_in_flight || self.is_clean(hard) {
            return None;
        }
        self.issued = self.issued.next();
        let hard = hard.write();
        let (append, snapshot) = self.take_pending();
        let (batch, last) = (self.issued, self.written_last);
        let UnderWay { in_flight, next } = self.under_way.needed();
        in_flight.push_back(InFlight {
            batch,
            last,
            since: now,
        });
        Some(Write {
            hard,
            truncate_from: next.truncate_from.take(),
            append,
            drop_before: snapshot
                .as_ref()
                .map_or(LogIndex::ZERO, |mark| mark.last.index.next()),
            snapshot,
            identity: None,
            receipt: Receipt::new(hard.boot, batch),
        })
    }

    /// The entries and the snapshot of the next write.
    fn take_pending(&mut self) -> (Few<Chunk>, Option<Box<SnapshotMark>>) {
        let next = &mut self.under_way.needed().next;
        if let Some(mark) = next.begin_after.take() {
            self.written_last = mark.last.index;
            return (Few::new(), Some(mark));
        }
        let append = core::mem::take(&mut next.append);
        self.written_last = append.last().map_or(self.written_last, Chunk::last_index);
        (append, next.forget.take())
    }

    /// Gives back the memory of what is empty.
    pub(crate) fn give_back(&mut self) {
        self.under_way.give_back(|UnderWay { in_flight, next }| {
            let (pending, more) = next.pending();
            in_flight.is_empty() && !pending && !more && next.truncate_from.is_none()
        });
    }

    /// Takes a proof of durability. One of another boot, or older than what is known, proves
    /// nothing new.
    pub(crate) fn on_durable(&mut self, durable: Durable, boot: Boot) {
        if durable.boot != boot || durable.batch > self.issued {
            return;
        }
        let Some(UnderWay { in_flight, .. }) = self.under_way.there_mut() else {
            return;
        };
        while let Some(batch) = in_flight.pop_front() {
            if batch.batch > durable.batch {
                in_flight.push_front(batch);
                break;
            }
            self.durable = batch.batch;
            self.durable_index = self.durable_index.max(batch.last);
        }
    }

    /// Whether `batch` and all before it are durable.
    pub(crate) fn is_durable(&self, batch: BatchNumber) -> bool {
        batch <= self.durable
    }

    /// The last index that is durable on this node and in its present log.
    pub(crate) const fn durable_index(&self) -> LogIndex {
        self.durable_index
    }

    /// How many writes the log has not acknowledged.
    pub(crate) fn writes_in_flight(&self) -> usize {
        self.under_way.there().map_or(0, |now| now.in_flight.len())
    }

    /// When the oldest of them was handed out.
    pub(crate) fn oldest_write(&self) -> Option<Time> {
        let oldest = self.under_way.there()?.in_flight.front();
        oldest.map(|batch| batch.since)
    }

    /// When the oldest write in flight counts as stalled.
    pub(crate) fn stalls_at(&self, after: Duration) -> Option<Time> {
        self.oldest_write().map(|since| since.after(after))
    }

    /// How many batches must become durable before `batch` is.
    pub(crate) const fn batches_until(&self, batch: BatchNumber) -> u64 {
        batch.distance_from(self.durable)
    }

    /// What counts in [`crate::hull::Hull::fingerprint`].
    pub(crate) fn fingerprint(&self, hard: &Hard, into: &mut impl Hasher) {
        let Self {
            issued,
            durable: _,
            durable_index,
            written_last,
            under_way,
        } = self;
        self.batches_until(*issued).hash(into);
        (durable_index, written_last).hash(into);
        let written = hard.written();
        (written.term, written.vote, self.pending(hard)).hash(into);
        let Some(UnderWay { in_flight, next }) = under_way.there() else {
            return Next::default().hash(into);
        };
        for InFlight {
            batch,
            last,
            since: _,
        } in in_flight
        {
            (self.batches_until(*batch), last).hash(into);
        }
        next.hash(into);
    }

    fn next(&mut self) -> &mut Next {
        &mut self.under_way.needed().next
    }

    /// Whether a snapshot in place of the log is pending, with all that goes with it, and whether
    /// there is more.
    fn pending(&self, hard: &Hard) -> (bool, bool) {
        let hard_is_new = hard.is_new();
        let Some(UnderWay { next, .. }) = self.under_way.there() else {
            return (false, hard_is_new);
        };
        match next.pending() {
            (true, more) => (true, more),
            (false, more) => (false, more || hard_is_new || next.truncate_from.is_some()),
        }
    }
}

impl Next {
    /// Whether a snapshot in place of the log is pending, and whether entries are, or a snapshot of
    /// some that the log holds.
    fn pending(&self) -> (bool, bool) {
        let more = !self.append.is_empty() || self.forget.is_some();
        (self.begin_after.is_some(), more)
    }
}
