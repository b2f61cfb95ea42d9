//! Entries on their way to the state machine.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::aside::Aside;
use super::rest::give_back;
use crate::chunk::Chunk;
use crate::ids::LogIndex;

/// How far the log has been handed out and applied.
///
/// - `applied <= handed_out`, and both only grow.
/// - `portions` are those handed out and not yet applied, in order; `bytes` is their sum.
#[derive(Clone, Hash, Debug)]
pub(crate) struct Applying {
    applied: LogIndex,
    handed_out: LogIndex,
    portions: VecDeque<(LogIndex, usize)>,
    bytes: usize,
    back: Aside<Back>,
}

/// Entries that are no longer in memory.
#[derive(Clone, Hash, Debug, Default)]
struct Back {
    /// The load under way for them.
    loading: Option<u64>,
    /// What that load brought.
    loaded: Vec<Chunk>,
}

impl Applying {
    pub(crate) const fn new(start: LogIndex) -> Self {
        Self {
            applied: start,
            handed_out: start,
            portions: VecDeque::new(),
            bytes: 0,
            back: Aside::new(),
        }
    }

    pub(crate) const fn applied(&self) -> LogIndex {
        self.applied
    }

    pub(crate) const fn handed_out(&self) -> LogIndex {
        self.handed_out
    }

    /// Payload bytes handed out and not yet applied.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Those of entries before `first`, and those read back for it.
    pub(crate) fn bytes_before(&self, first: LogIndex) -> usize {
        let portions = self.portions.iter();
        let out = portions.take_while(|(last, _)| *last < first);
        let loaded = self.loaded().iter().map(Chunk::pinned_bytes);
        out.map(|(_, bytes)| *bytes)
            .chain(loaded)
            .fold(0, usize::saturating_add)
    }

    /// Takes note of what is handed out. How many bytes of payload that is.
    pub(crate) fn hand_out(&mut self, chunks: &[Chunk]) -> usize {
        let Some(last) = chunks.last() else { return 0 };
        let bytes = chunks
            .iter()
            .map(Chunk::payload_bytes)
            .fold(0, usize::saturating_add);
        // [F2.ALL.1] Each entry goes out once, right after the one before it.
        self.handed_out = last.last_index();
        self.portions.push_back((self.handed_out, bytes));
        self.bytes = self.bytes.saturating_add(bytes);
        if let Some(back) = self.back.there_mut() {
            let handed_out = self.handed_out;
            back.loaded.retain(|chunk| chunk.last_index() > handed_out);
        }
        bytes
    }

    /// What was read back, and is not all handed out.
    pub(crate) fn loaded(&self) -> &[Chunk] {
        self.back.there().map_or(&[], |back| &back.loaded)
    }

    /// Whether a load is under way.
    pub(crate) fn is_loading(&self) -> bool {
        self.back.there().is_some_and(|back| back.loading.is_some())
    }

    /// Entries are being read back.
    pub(crate) fn await_load(&mut self, number: u64) {
        self.back.needed().loading = Some(number);
    }

    /// A load is over. Whether it was the one under way.
    pub(crate) fn end_load(&mut self, number: u64) -> bool {
        let back = self.back.there_mut();
        back.is_some_and(|back| back.loading.take_if(|awaited| *awaited == number).is_some())
    }

    /// It brought these.
    pub(crate) fn on_loaded(&mut self, chunks: Vec<Chunk>) {
        self.back.needed().loaded = chunks;
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
        self.back = Aside::new();
    }

    /// Gives back the memory of what is empty.
    pub(crate) fn give_back(&mut self) {
        give_back(&mut self.portions);
        self.back
            .give_back(|back| back.loading.is_none() && back.loaded.is_empty());
    }

    /// The state machine has applied all up to `index`. More than was handed out can't be.
    pub(crate) fn on_applied(&mut self, index: LogIndex) {
        self.applied = self.applied.max(index.min(self.handed_out));
        while let Some((last, bytes)) = self.portions.front().copied() {
            if last > self.applied {
                break;
            }
            self.bytes = self.bytes.saturating_sub(bytes);
            self.portions.pop_front();
        }
    }
}
