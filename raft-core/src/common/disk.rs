//! What is on its way to disk: one pending batch, a few in flight, and the durable prefix.
//!
//! Whatever promises durability names the batch that will make the promise true
//! ([`Disk::covering_batch`]) and waits until that batch is durable.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::hash::{Hash, Hasher};
use core::time::Duration;

use super::aside::Aside;
use super::rest::give_back;
use crate::chunk::Chunk;
use crate::few::Few;
use crate::ids::{Boot, LogIndex};
use crate::log::{BatchNumber, Durable, HardState, Receipt, SnapshotMark, Write};
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
    in_flight: VecDeque<InFlight>,
    /// The hard state as of the last batch handed out.
    written_hard: HardState,
    /// The last index of the log as of the last batch handed out.
    written_last: LogIndex,
    next: Aside<Next>,
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
    /// Nothing under way; `last` entries were recovered and are durable. The hard state read back
    /// is of the boot before, so the first batch is pending from the start.
    pub(crate) fn new(recovered: HardState, last: LogIndex) -> Self {
        Self {
            issued: BatchNumber::ZERO,
            durable: BatchNumber::ZERO,
            durable_index: last,
            in_flight: VecDeque::new(),
            written_hard: recovered,
            written_last: last,
            next: Aside::new(),
        }
    }

    pub(crate) fn append(&mut self, chunk: Chunk) {
        self.next.needed().append.push(chunk);
    }

    /// Removes `from` and all after it from what is pending, and from what was written.
    pub(crate) fn truncate(&mut self, from: LogIndex) {
        let last_kept = from.previous();
        let kept = |chunk: &Chunk| chunk.slice(LogIndex::ZERO..from);
        let next = self.next.needed();
        next.append = next.append.iter().filter_map(kept).collect();
        if self.written_last > last_kept {
            next.truncate_from = Some(next.truncate_from.map_or(from, |other| other.min(from)));
            self.written_last = last_kept;
        }
        self.durable_index = self.durable_index.min(last_kept);
        for batch in &mut self.in_flight {
            batch.last = batch.last.min(last_kept);
        }
    }

    /// A snapshot stands for a part of the log that is durable.
    pub(crate) fn forget(&mut self, mark: SnapshotMark) {
        self.next.needed().forget = Some(Box::new(mark));
    }

    /// A snapshot takes the place of the whole log, of which it covers all up to `committed` and
    /// contradicts what comes after.
    pub(crate) fn begin_after(&mut self, mark: SnapshotMark, committed: LogIndex) {
        self.truncate(committed.next());
        let next = self.next.needed();
        next.append = Few::new();
        next.forget = None;
        next.begin_after = Some(Box::new(mark));
    }

    /// The batch whose durability makes everything that holds now durable.
    pub(crate) fn covering_batch(&self, hard: &HardState) -> BatchNumber {
        let (first, second) = self.pending(hard);
        match (first, second) {
            (true, true) => self.issued.next().next(),
            (true, false) | (false, true) => self.issued.next(),
            (false, false) => self.issued,
        }
    }

    /// Whether nothing is pending.
    pub(crate) fn is_clean(&self, hard: &HardState) -> bool {
        self.pending(hard) == (false, false)
    }

    /// Everything pending, as one write.
    pub(crate) fn next_write(
        &mut self,
        hard: HardState,
        now: Time,
        max_in_flight: usize,
    ) -> Option<Write> {
        if self.in_flight.len() >= max_in_flight || self.pending(&hard) == (false, false) {
            return None;
        }
        self.issued = self.issued.next();
        self.written_hard = hard;
        let (append, snapshot) = self.take_pending();
        let (batch, last) = (self.issued, self.written_last);
        self.in_flight.push_back(InFlight {
            batch,
            last,
            since: now,
        });
        Some(Write {
            hard,
            truncate_from: self.next.needed().truncate_from.take(),
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
        let next = self.next.needed();
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
        give_back(&mut self.in_flight);
        self.next.give_back(|next| {
            let (pending, more) = next.pending();
            !pending && !more && next.truncate_from.is_none()
        });
    }

    /// Takes a proof of durability. One of another boot, or older than what is known, proves
    /// nothing new.
    pub(crate) fn on_durable(&mut self, durable: Durable, boot: Boot) {
        if durable.boot != boot || durable.batch > self.issued {
            return;
        }
        while let Some(batch) = self.in_flight.pop_front() {
            if batch.batch > durable.batch {
                self.in_flight.push_front(batch);
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
        self.in_flight.len()
    }

    /// When the oldest of them was handed out.
    pub(crate) fn oldest_write(&self) -> Option<Time> {
        self.in_flight.front().map(|batch| batch.since)
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
    pub(crate) fn fingerprint(&self, hard: &HardState, into: &mut impl Hasher) {
        let Self {
            issued,
            durable: _,
            durable_index,
            in_flight,
            written_hard,
            written_last,
            next,
        } = self;
        self.batches_until(*issued).hash(into);
        for InFlight {
            batch,
            last,
            since: _,
        } in in_flight
        {
            (self.batches_until(*batch), last).hash(into);
        }
        (durable_index, written_last).hash(into);
        (written_hard.term, written_hard.vote, self.pending(hard)).hash(into);
        next.hash(into);
    }

    /// Whether a snapshot in place of the log is pending, with all that goes with it, and whether
    /// there is more.
    fn pending(&self, hard: &HardState) -> (bool, bool) {
        let hard_is_new = *hard != self.written_hard;
        let Some(next) = self.next.there() else {
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
