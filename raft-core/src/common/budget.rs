//! One budget for what a node keeps in memory of the log and of snapshots, and who has which part of
//! it. Whoever hangs keeps its own part, and no more: followers half of it, and on a follower what comes
//! of a snapshot; the state machine a quarter; what waits for the disk what is left, a quarter at least.
//! Beyond its part each may have one thing that is larger than that, or nothing large would ever go.
//!
//! Entries in memory are counted once, also while they are on their way to followers and to the
//! state machine; what those keep alive of others counts beside them.

use crate::chunk::Chunk;
use crate::common::Common;
use crate::common::receiving::Receiving;
use crate::ids::LogIndex;

impl Common {
    /// The bytes that may be under way to one follower. All of them have half of the budget, in even
    /// shares: one that hangs leaves the others theirs.
    pub(crate) fn window_bytes(&self) -> usize {
        let settings = &self.settings;
        let followers = self.configurations.standing().others;
        let share = (settings.max_memory_bytes / 2).checked_div(followers as usize);
        // However many they are, a message must go to each.
        let share = share.unwrap_or(usize::MAX).max(settings.max_append_bytes);
        share.min(settings.max_bytes_in_flight)
    }

    /// Whether entries of so many bytes may be taken into memory now. `under_way` is what followers'
    /// windows keep alive beside the entries in memory.
    pub(crate) fn has_room(&self, bytes: usize, under_way: impl FnOnce() -> usize) -> bool {
        if self.is_little(self.entries.cache().1.saturating_add(bytes)) {
            return true;
        }
        let durable = self.disk.durable_index();
        // Whoever else hangs leaves a quarter to what waits for the disk.
        let limit = self.room_for_entries(under_way()).max(self.quarter());
        self.entries.has_room(durable, bytes, limit)
    }

    /// Whether this is so little that what else is in memory need not be counted.
    pub(crate) fn is_little(&self, entries: usize) -> bool {
        entries <= self.quarter()
    }

    /// The bytes of payload that the state machine may be handed now: it has a quarter of the budget,
    /// and of that no more than `max_applying_bytes`.
    pub(crate) fn room_for_applying(&self) -> usize {
        let most = self.settings.max_applying_bytes;
        self.applying.room(most, self.quarter())
    }

    fn quarter(&self) -> usize {
        self.settings.max_memory_bytes / 4
    }

    /// The bytes that entries may take, given what followers' windows keep alive beside them.
    pub(crate) fn room_for_entries(&self, under_way: usize) -> usize {
        let beside = self.bytes_beside_entries().saturating_add(under_way);
        self.settings.max_memory_bytes.saturating_sub(beside)
    }

    /// What this node itself keeps alive beside the entries in memory: what the state machine has not
    /// applied yet, and what is on its way here of a snapshot.
    pub(crate) fn bytes_beside_entries(&self) -> usize {
        let receiving = self.snapshots.receiving().map_or(0, Receiving::bytes);
        self.applying
            .bytes_before(self.first_in_memory())
            .saturating_add(receiving)
    }

    /// The first entry that is in memory; one past the last where none is.
    pub(crate) fn first_in_memory(&self) -> LogIndex {
        let (chunks, _) = self.entries.cache();
        chunks
            .front()
            .map_or_else(|| self.last().index.next(), Chunk::first_index)
    }
}
