//! Entries for the state machine: committed, durable here, each once and in order.

use super::Hull;
use super::output::Apply;
use crate::chunk::Chunk;
use crate::common::entries::portion;
use crate::common::loads::Purpose;
use crate::few::Few;
use crate::ids::LogIndex;

impl Hull {
    /// The next entries to apply, about `max_bytes` of payload but at least one entry. Report them
    /// as [`crate::hull::Input::Applied`], in order. A witness has none.
    #[inline]
    pub fn next_apply(&mut self, max_bytes: usize) -> Option<Apply> {
        let through = self.common.applicable();
        if through <= self.common.applying.handed_out() {
            return None;
        }
        self.pull_apply(through, max_bytes)
    }

    #[inline(never)]
    fn pull_apply(&mut self, through: LogIndex, max_bytes: usize) -> Option<Apply> {
        let common = &mut self.common;
        let from = common.applying.handed_out().next();
        if common.fault.is_some() || common.witness || common.snapshots.must_restore() {
            return None;
        }
        let room = common.room_for_applying();
        if room == 0 {
            return None;
        }
        let max_bytes = max_bytes.min(room);
        let chunks = match common.entries.collect(from, through, max_bytes) {
            Some(chunks) => chunks,
            None => self.read_back(from, through, max_bytes)?,
        };
        let bytes = self.common.applying.hand_out(&chunks);
        self.common.snapshots.note_handed_out(&chunks, bytes);
        Some(Apply { chunks })
    }

    /// Committed entries that are no longer in memory, once the load for them is back.
    fn read_back(
        &mut self,
        from: LogIndex,
        through: LogIndex,
        max_bytes: usize,
    ) -> Option<Few<Chunk>> {
        let common = &mut self.common;
        let loaded = common.applying.loaded();
        let starts_here = loaded
            .first()
            .is_some_and(|chunk| chunk.first_index() <= from);
        if starts_here && loaded.iter().all(|chunk| common.entries.confirms(chunk)) {
            return Some(portion(loaded.iter(), from, through, max_bytes));
        }
        if !common.applying.is_loading() {
            let max_bytes = common.settings.max_append_bytes;
            let number = common.ask_load(Purpose::Apply, from..through.next(), max_bytes);
            common.applying.await_load(number);
        }
        None
    }

    /// Lets go of payloads that are durable and handed out, beyond what the cache may hold; and of
    /// whatever is durable, beyond what may be in memory at all.
    #[inline]
    pub(super) fn forget_old_payloads(&mut self) {
        let common = &self.common;
        let (_, bytes) = common.entries.cache();
        if bytes > common.settings.max_cached_bytes || !common.is_little(bytes) {
            self.trim_payloads();
        }
    }

    #[inline(never)]
    fn trim_payloads(&mut self) {
        let common = &mut self.common;
        let cached = common.settings.max_cached_bytes;
        let durable = common.disk.durable_index();
        let needed = common.used_through().min(durable).next();
        common.entries.trim_cache(needed, cached);
        // What is let go of may still be on its way to a follower, and counts there from then on.
        loop {
            let (_, before) = common.entries.cache();
            if common.is_little(before) {
                break;
            }
            let room = common.room_for_entries(self.state.bytes_under_way(common));
            common.entries.trim_cache(durable.next(), room);
            if common.entries.cache().1 == before {
                break;
            }
        }
    }
}
