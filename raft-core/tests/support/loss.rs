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
            // Removed entries that stand there again must not make it seem whole.
            let revived = !holds(&self.log, log_end(log));
            let removed = revived.then(|| EntryId::new(hard.term, log_end(&self.log).index));
            let ends = ends.max(removed);
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

/// Whether a log holds this entry, or what a snapshot stands for that its log begins after.
fn holds(log: &MemoryLog, id: EntryId) -> bool {
    let recovered = log.recovered();
    let runs = recovered.runs.iter().rev();
    let term = runs.clone().find(|run| run.index <= id.index);
    let forgotten = recovered.snapshot.map_or(EntryId::ORIGIN, |mark| mark.last);
    let held = id.index <= recovered.last && term.is_some_and(|run| run.term == id.term);
    held || id.index <= forgotten.index
}

/// So many writes may be lost.
pub(super) const PAST: usize = 12;
