//! Entries on their way to the state machine.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

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
    /// The load under way for entries that are no longer in memory.
    pub(crate) loading: Option<u64>,
    /// What that load brought.
    pub(crate) loaded: Vec<Chunk>,
}

impl Applying {
    pub(crate) const fn new(start: LogIndex) -> Self {
        Self {
            applied: start,
            handed_out: start,
            portions: VecDeque::new(),
            bytes: 0,
            loading: None,
            loaded: Vec::new(),
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
        let loaded = self.loaded.iter().map(Chunk::pinned_bytes);
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
        self.loaded
            .retain(|chunk| chunk.last_index() > self.handed_out);
        bytes
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
        self.loading = None;
        self.loaded.clear();
    }

    /// Gives back the memory of what is empty.
    pub(crate) fn give_back(&mut self) {
        give_back(&mut self.portions);
        if self.loaded.is_empty() {
            self.loaded = Vec::new();
        }
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
