//! Entries on their way to the state machine.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::aside::Aside;
use crate::chunk::Chunk;
use crate::ids::LogIndex;

/// How far the log has been handed out and applied.
///
/// - `applied <= handed_out`, and both only grow.
#[derive(Clone, Hash, Debug)]
pub(crate) struct Applying {
    applied: LogIndex,
    handed_out: LogIndex,
    under_way: Aside<UnderWay>,
}

/// What is handed out and not yet applied, and what is to be.
///
/// - `portions` are those handed out and not yet applied, in order; `weight` is their sum.
#[derive(Clone, Hash, Debug, Default)]
struct UnderWay {
    portions: VecDeque<(LogIndex, Weight)>,
    weight: Weight,
    /// The load under way for entries that are no longer in memory.
    loading: Option<u64>,
    /// What that load brought.
    loaded: Vec<Chunk>,
}

/// What entries weigh.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Weight {
    /// Their payloads.
    payloads: usize,
    /// The memory that they keep alive. A chunk counts where its last entry does.
    pinned: usize,
}

impl Weight {
    fn of(chunks: &[Chunk]) -> Self {
        let mut weight = Self::default();
        for chunk in chunks {
            let pinned = if chunk.ends_its_base() {
                chunk.pinned_bytes()
            } else {
                0
            };
            weight.payloads = weight.payloads.saturating_add(chunk.payload_bytes());
            weight.pinned = weight.pinned.saturating_add(pinned);
        }
        weight
    }

    const fn add(&mut self, other: &Self) {
        self.payloads = self.payloads.saturating_add(other.payloads);
        self.pinned = self.pinned.saturating_add(other.pinned);
    }
}

impl Applying {
    pub(crate) const fn new(start: LogIndex) -> Self {
        Self {
            applied: start,
            handed_out: start,
            under_way: Aside::new(),
        }
    }

    pub(crate) const fn applied(&self) -> LogIndex {
        self.applied
    }

    pub(crate) const fn handed_out(&self) -> LogIndex {
        self.handed_out
    }

    /// Payload bytes handed out and not yet applied.
    pub(crate) fn bytes(&self) -> usize {
        self.weight().payloads
    }

    fn weight(&self) -> Weight {
        let now = self.under_way.there();
        now.map_or_else(Weight::default, |now| now.weight)
    }

    /// Bytes of payload that may be handed out beside what is: zero when the state machine has enough to
    /// do. To one that has nothing to do, a large entry may go that goes beyond.
    pub(crate) fn room(&self, most: usize, most_pinned: usize) -> usize {
        let Weight { payloads, pinned } = self.weight();
        let room = most.saturating_sub(payloads);
        let room = room.min(most_pinned.saturating_sub(pinned));
        let idle = self.applied == self.handed_out;
        room.max(usize::from(idle))
    }

    /// Those of entries before `first`, and those read back for it.
    pub(crate) fn bytes_before(&self, first: LogIndex) -> usize {
        let Some(now) = self.under_way.there() else {
            return 0;
        };
        let out = now.portions.iter().take_while(|(last, _)| *last < first);
        let loaded = now.loaded.iter().map(Chunk::pinned_bytes);
        out.map(|(_, weight)| weight.pinned)
            .chain(loaded)
            .fold(0, usize::saturating_add)
    }

    /// Takes note of what is handed out. How many bytes of payload that is.
    pub(crate) fn hand_out(&mut self, chunks: &[Chunk]) -> usize {
        let Some(last) = chunks.last() else { return 0 };
        let weight = Weight::of(chunks);
        // [F2.ALL.1] Each entry goes out once, right after the one before it.
        self.handed_out = last.last_index();
        let handed_out = self.handed_out;
        let now = self.under_way.needed();
        now.portions.push_back((handed_out, weight));
        now.weight.add(&weight);
        now.loaded.retain(|chunk| chunk.last_index() > handed_out);
        weight.payloads
    }

    /// What was read back, and is not all handed out.
    pub(crate) fn loaded(&self) -> &[Chunk] {
        self.under_way.there().map_or(&[], |now| &now.loaded)
    }

    /// Whether a load is under way.
    pub(crate) fn is_loading(&self) -> bool {
        let now = self.under_way.there();
        now.is_some_and(|now| now.loading.is_some())
    }

    /// Entries are being read back.
    pub(crate) fn await_load(&mut self, number: u64) {
        self.under_way.needed().loading = Some(number);
    }

    /// A load is over. Whether it was the one under way.
    pub(crate) fn end_load(&mut self, number: u64) -> bool {
        let now = self.under_way.there_mut();
        now.is_some_and(|now| now.loading.take_if(|awaited| *awaited == number).is_some())
    }

    /// It brought these.
    pub(crate) fn on_loaded(&mut self, chunks: Vec<Chunk>) {
        self.under_way.needed().loaded = chunks;
    }

    /// The state machine begins where it has applied all up to `index`.
    pub(crate) const fn start_at(&mut self, index: LogIndex) {
        self.applied = index;
        self.handed_out = index;
    }

    /// The state machine is replaced by one that has applied all up to `index`.
    pub(crate) fn skip_to(&mut self, index: LogIndex) {
        self.handed_out = self.handed_out.max(index);
        // What is on its way from the log is of entries that nobody needs any more.
        if let Some(now) = self.under_way.there_mut() {
            now.loading = None;
            now.loaded = Vec::new();
        }
    }

    /// Whether the portions are in order, and their weight is that of all of them, unless they are so many
    /// that to weigh them anew would cost more than all else.
    #[cfg_attr(no_invariants, expect(dead_code, reason = "nothing is checked"))]
    #[inline]
    pub(crate) fn is_counted_right(&self) -> bool {
        let Some(now) = self.under_way.there() else {
            return true;
        };
        // Mostly all that was handed out is applied, and then weighs nothing.
        match now.portions.len() {
            0 => now.weight == Weight::default(),
            1..=A_FEW => self.is_weighed_right(now),
            _ => true,
        }
    }

    #[inline(never)]
    fn is_weighed_right(&self, now: &UnderWay) -> bool {
        let ends = now.portions.iter().map(|(last, _)| *last);
        let bounds = core::iter::once(self.applied).chain(ends);
        let in_order = bounds.is_sorted_by(|one, next| one < next)
            && now
                .portions
                .back()
                .is_none_or(|(last, _)| *last <= self.handed_out);
        let mut weight = Weight::default();
        for (_, portion) in &now.portions {
            weight.add(portion);
        }
        in_order && weight == now.weight
    }

    /// Counts one byte more than there is.
    #[cfg(test)]
    pub(crate) fn miscount(&mut self) {
        let now = self.under_way.needed();
        now.weight.pinned = now.weight.pinned.saturating_add(1);
    }

    /// Gives back the memory of what is empty.
    pub(crate) fn give_back(&mut self) {
        self.under_way.give_back(|now| {
            now.portions.is_empty() && now.loading.is_none() && now.loaded.is_empty()
        });
    }

    /// The state machine has applied all up to `index`. More than was handed out can't be.
    pub(crate) fn on_applied(&mut self, index: LogIndex) {
        self.applied = self.applied.max(index.min(self.handed_out));
        let Some(now) = self.under_way.there_mut() else {
            return;
        };
        while let Some((last, weight)) = now.portions.front().copied() {
            if last > self.applied {
                break;
            }
            now.weight.payloads = now.weight.payloads.saturating_sub(weight.payloads);
            now.weight.pinned = now.weight.pinned.saturating_sub(weight.pinned);
            now.portions.pop_front();
        }
    }
}

/// So many portions are weighed anew after every step.
const A_FEW: usize = 8;
