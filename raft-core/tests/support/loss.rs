//! Nodes whose logs lose what was durable.

use raft_core::ids::EntryId;
use raft_core::log::Write;
use raft_core::log::memory::MemoryLog;

use super::Node;

impl Node {
    /// Loses everything that is not in the log, and starts again.
    pub(crate) fn restart(&mut self) {
        let mut setup = self.setup.clone();
        setup.seed += 1_000;
        let now = self.now;
        let store = self.store.clone();
        let mut node = Self::having_lost(setup, self.log.clone(), store, self.lost);
        node.now = node.now.max(now);
        node.auto_sync = self.auto_sync;
        node.auto_store = self.auto_store;
        node.past = self.past.take();
        *self = node;
    }

    /// Loses the last `writes` of its log, of those that are kept, but not the hard state, and
    /// starts again.
    pub(crate) fn restart_without(&mut self, writes: usize) {
        let past = self.past.get_or_insert_default();
        let ends = past.iter().map(log_end).chain([log_end(&self.log)]).max();
        let hard = self.log.recovered().hard;
        let kept = past.len().saturating_sub(writes);
        if let Some(log) = past.get(kept) {
            self.log = log.clone();
            past.truncate(kept);
            self.lost = self.lost.max(ends);
        }
        let write = Write {
            identity: None,
            ..Write::of_identity(hard, bytes::Bytes::new())
        };
        self.log.write(write).expect("memory log accepts");
        self.restart();
    }
}

/// The last entry of a log, or the one its snapshot ends with.
pub(crate) fn log_end(log: &MemoryLog) -> EntryId {
    let recovered = log.recovered();
    let snapshot = recovered.snapshot.map(|mark| mark.last);
    let last = |run: &EntryId| EntryId::new(run.term, recovered.last);
    let last = recovered.runs.last().map(last).or(snapshot);
    last.unwrap_or(EntryId::ORIGIN)
}

/// So many writes may be lost.
pub(super) const PAST: usize = 12;
