//! Sending entries to one follower, and learning from its answers (paper 5.3).

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::chunk::Chunk;
use crate::common::Common;
use crate::common::entries::portion;
use crate::common::loads::Purpose;
use crate::error::{Dropped, Fault};
use crate::few::Few;
use crate::ids::{EntryId, LogIndex};
use crate::log::LogError;
use crate::message::{AppendEntries, AppendEntriesReply, AppendVerdict};
use crate::rules::append;
use crate::trace::{EventKind, RuleKey};

use super::parts::Step;
use super::progress::{InFlight, Mode, Progress};

impl Progress {
    /// The next request for this follower, if one may go now.
    pub(crate) fn next_append(
        &mut self,
        common: &mut Common,
        room: usize,
    ) -> Option<AppendEntries> {
        if !self.may_append(common) {
            return None;
        }
        let wants_entries = match &self.mode {
            Mode::Probe { with_entries, .. } => *with_entries,
            Mode::Snapshot(_) | Mode::Replicate { .. } => true,
        };
        // [S5.3.24] The request names the entry right before its first.
        let Some(previous) = common.entries.id_at(self.next.previous()) else {
            // [S7.20] The log no longer has it: the follower needs a snapshot.
            self.turn_to_snapshot(common);
            return None;
        };
        let max_bytes = room.min(common.settings.max_append_bytes);
        let chunks = if wants_entries {
            self.gather(common, max_bytes)
        } else {
            Some(Few::new())
        };
        let chunks = match (&self.mode, chunks) {
            (_, Some(chunks)) => chunks,
            // What is not in memory yet need not hold up the probe.
            (Mode::Probe { .. }, None) => Few::new(),
            (Mode::Replicate { .. } | Mode::Snapshot(_), None) => return None,
        };
        let chunks = self.stripped(common, chunks);
        self.note_sent(common, &chunks);
        Some(AppendEntries {
            request: self.request,
            previous,
            commit: common.commit_index,
            chunks,
        })
    }

    /// What of these chunks a witness is sent; others are sent all.
    fn stripped(&self, common: &Common, chunks: Few<Chunk>) -> Few<Chunk> {
        match self.witness {
            None => chunks,
            Some(_) => {
                let ids = chunks.iter().map(|chunk| chunk.ids_only(common.checksum));
                ids.collect()
            }
        }
    }

    fn note_sent(&mut self, common: &Common, chunks: &[Chunk]) {
        self.request = self.request.saturating_add(1);
        let request = self.request;
        let last = chunks
            .last()
            .map_or(self.next.previous(), Chunk::last_index);
        self.told_commit = self.told_commit.max(common.commit_index.min(last));
        match &mut self.mode {
            Mode::Probe { outstanding, .. } => *outstanding = Some((request, common.now)),
            Mode::Snapshot(_) => {}
            Mode::Replicate { in_flight, bytes } => {
                let pinned = chunks
                    .iter()
                    .map(Chunk::pinned_bytes)
                    .fold(0, usize::saturating_add);
                *bytes = bytes.saturating_add(pinned);
                in_flight.push_back(InFlight {
                    request,
                    last,
                    bytes: pinned,
                    sent: common.now,
                });
                self.next = last.next();
            }
        }
        self.loaded.retain(|chunk| chunk.last_index() >= self.next);
    }

    /// Entries from `next` on, from memory or read back; `None` while they are on their way.
    fn gather(&mut self, common: &mut Common, max_bytes: usize) -> Option<Few<Chunk>> {
        let last = self.sendable(common);
        if self.next > last {
            return Some(Few::new());
        }
        // [S5.4.2.8] Entries go out as they stand in the log, with the term they were created in.
        if let Some(chunks) = common.entries.collect(self.next, last, max_bytes) {
            return Some(chunks);
        }
        // The log may have changed since it was read: only what it still holds goes out.
        let passed = (self.loaded).partition_point(|chunk| chunk.last_index() < self.next);
        let usable = self.loaded.get(passed..).unwrap_or(&[]);
        if let Some(first) = usable.first() {
            if first.first_index() <= self.next
                && usable.iter().all(|chunk| common.entries.confirms(chunk))
            {
                return Some(portion(usable.iter(), self.next, last, max_bytes));
            }
        }
        if self.loading.is_none() {
            self.loaded.clear();
            let range = self.next..last.next();
            let max_bytes = common.settings.max_append_bytes;
            self.loading = Some(common.ask_load(Purpose::Peer, range, max_bytes));
        }
        None
    }

    pub(crate) fn on_loaded(&mut self, common: &mut Common, result: Result<Vec<Chunk>, LogError>) {
        self.loading = None;
        match result {
            Ok(chunks) => self.loaded = chunks,
            // What was compacted meanwhile is found missing at the next attempt.
            Err(LogError::Compacted { .. }) => {}
            Err(error) => common.stop(Fault::Log(error)),
        }
    }

    pub(crate) fn on_reply(&mut self, common: &mut Common, reply: AppendEntriesReply) {
        match reply.verdict {
            AppendVerdict::Matched(index) => self.on_matched(common, reply.request, index),
            AppendVerdict::Conflict { refused, hint } => {
                self.on_conflict(common, reply.request, refused, hint);
            }
            AppendVerdict::Lost { refused, hint } => {
                self.on_lost(common, reply.request, refused, hint);
            }
            // It tells of this very term: the request was this node's own, of a term it led before.
            AppendVerdict::StaleTerm => self.drop_reply(common, Dropped::StaleReply, "F2.AE.1"),
        }
    }

    pub(super) fn on_matched(&mut self, common: &mut Common, request: u64, index: LogIndex) {
        if index > common.last().index {
            return self.drop_reply(common, Dropped::Impossible, "F2.LEAD.4");
        }
        if request <= self.before_loss {
            return self.drop_reply(common, Dropped::StaleReply, "T3.8.11");
        }
        if index > self.matched {
            self.note_progress(common, index);
        }
        // [F2.LEAD.4] Both move up to what is acknowledged; an answer that comes late or twice
        // moves nothing back.
        self.matched = self.matched.max(index);
        self.next = self.next.max(self.matched.next());
        match &mut self.mode {
            // An answer to something sent before the probe must not end it: what was sent since
            // would go out twice.
            Mode::Probe { outstanding, .. }
                if outstanding.is_some_and(|(number, _)| number == request)
                    || self.next == self.matched.next() =>
            {
                self.next = self.matched.next();
                self.mode = Mode::Replicate {
                    in_flight: VecDeque::new(),
                    bytes: 0,
                };
            }
            Mode::Probe { .. } => {}
            // Entries can follow again once the log has what comes next, and not before
            // the follower says that it holds all before that.
            Mode::Snapshot(_) => {
                if common.entries.id_at(self.matched).is_some() {
                    self.await_sequel(common);
                    self.next = self.matched.next();
                    self.mode = Mode::Replicate {
                        in_flight: VecDeque::new(),
                        bytes: 0,
                    };
                }
            }
            Mode::Replicate { in_flight, bytes } => {
                while let Some(sent) = in_flight.front() {
                    if sent.request > request && sent.last > self.matched {
                        break;
                    }
                    *bytes = bytes.saturating_sub(sent.bytes);
                    self.window = self.window.saturating_add(1);
                    in_flight.pop_front();
                }
            }
        }
    }

    fn on_conflict(&mut self, common: &mut Common, request: u64, refused: LogIndex, hint: EntryId) {
        // A late refusal says nothing of what was found out since.
        if !self.is_answered_by(request, refused) || refused <= self.matched {
            return self.drop_reply(common, Dropped::StaleReply, "F2.LEAD.5");
        }
        // Where requests overtake each other, all behind a gap are refused and sent again: the
        // more there are under way, the more for nothing.
        if let Mode::Replicate { in_flight, .. } = &self.mode {
            self.window = (in_flight.len() / 2).max(1);
        }
        self.go_back(common, refused, hint);
    }

    /// The follower lost entries. Nothing that it acknowledged counts any more: what it holds it
    /// will acknowledge again. Where this comes late or twice, that costs a probe.
    fn on_lost(&mut self, common: &mut Common, request: u64, refused: LogIndex, hint: EntryId) {
        // What it never acknowledged it can't have lost.
        if refused > self.matched {
            return self.on_conflict(common, request, refused, hint);
        }
        // Answers to heartbeats name no request, and are not said without need.
        if request != 0 && !self.is_answered_by(request, refused) {
            return self.drop_reply(common, Dropped::StaleReply, "T3.8.11");
        }
        self.matched = LogIndex::ZERO;
        self.before_loss = self.request;
        // Refusals of requests that overtook each other look like this one as long as the follower
        // is in repair: there must not be more and more of them.
        self.window = 1;
        self.go_back(common, refused, hint);
    }

    /// Whether a refusal is about what is still asked.
    fn is_answered_by(&self, request: u64, refused: LogIndex) -> bool {
        match &self.mode {
            // However late the answer comes: it is about the entry that is being asked for.
            Mode::Probe { outstanding, .. } => {
                refused == self.next.previous()
                    && outstanding.is_some_and(|(number, _)| request <= number)
            }
            Mode::Replicate { in_flight, .. } => {
                in_flight.iter().any(|sent| sent.request == request)
            }
            Mode::Snapshot(_) => false,
        }
    }

    /// Looks where the logs agree at or before `hint`.
    fn go_back(&mut self, common: &Common, refused: LogIndex, hint: EntryId) {
        let last = common.last().index;
        let agreed = append::could_agree(hint, last, |index| common.entries.term_at(index));
        // [F2.LEAD.5] Go back, at least by one and never below what is known to match.
        let next = agreed.next().min(refused).max(self.matched.next());
        self.next = next.min(last.next());
        self.mode = Mode::Probe {
            outstanding: None,
            with_entries: true,
        };
    }

    /// A heartbeat round begins: what was not answered in time is sent again.
    pub(crate) fn on_tick(&mut self, common: &Common) {
        self.heartbeat_due = true;
        self.check_sequel(common);
        let oldest = match &self.mode {
            Mode::Probe { outstanding, .. } => outstanding.map(|(_, sent)| sent),
            Mode::Replicate { in_flight, .. } => in_flight.front().map(|sent| sent.sent),
            Mode::Snapshot(transfer) if transfer.is_stalled(common) => {
                return self.give_up_snapshot();
            }
            Mode::Snapshot(transfer) => transfer.outstanding_since(),
        };
        let overdue = |sent| common.now.since(sent) >= common.settings.resend_after;
        if !oldest.is_some_and(overdue) {
            return;
        }
        if self.is_silent(common) && self.snapshot_sent().is_some() {
            self.give_up_snapshot();
        } else {
            // [S5.3.5] Try again for as long as it takes.
            self.suspect_loss();
        }
    }

    /// The commit index to tell with a heartbeat, if one is to go now.
    pub(crate) fn take_heartbeat(&mut self, common: &Common) -> Option<LogIndex> {
        if !self.may_speak(common) {
            return None;
        }
        let commit = common.commit_index.min(self.matched);
        self.heartbeat_due = false;
        self.told_commit = self.told_commit.max(commit);
        Some(commit)
    }

    /// Whether there may be something to send to this follower now. What is on its way from the
    /// log may turn out to be missing still.
    pub(crate) fn has_something(&self, common: &Common) -> bool {
        self.may_append(common) || self.may_speak(common) || self.may_send_part(common)
    }

    /// Whether a request may go now, as far as can be said without looking for its entries.
    pub(crate) fn may_append(&self, common: &Common) -> bool {
        match &self.mode {
            Mode::Probe { outstanding, .. } => outstanding.is_none(),
            // [F2.LEAD.3] Send what the follower does not have.
            Mode::Replicate { .. } => {
                self.next <= self.sendable(common) && !self.is_window_full(common)
            }
            Mode::Snapshot(_) => false,
        }
    }

    /// Whether a part of a snapshot may go now, or be read for that.
    pub(crate) fn may_send_part(&self, common: &Common) -> bool {
        match &self.mode {
            Mode::Snapshot(transfer) => {
                let next = transfer.next_step(&self.window_of_parts(common));
                next != Step::Wait && self.may_offer()
            }
            Mode::Probe { .. } | Mode::Replicate { .. } => false,
        }
    }

    /// Whether a heartbeat is to go now: in its turn, or because there is news.
    pub(crate) fn may_speak(&self, common: &Common) -> bool {
        self.heartbeat_due || self.has_news(common)
    }

    /// Whether more is committed than this follower was told, and no request with entries is
    /// about to say so.
    fn has_news(&self, common: &Common) -> bool {
        let commit = common.commit_index.min(self.matched);
        commit > self.told_commit && self.next > self.sendable(common)
    }

    pub(super) fn is_window_full(&self, common: &Common) -> bool {
        match &self.mode {
            Mode::Probe { outstanding, .. } => outstanding.is_some(),
            Mode::Snapshot(_) => true,
            // One request is always let through, or an entry larger than the window would wait
            // for ever.
            Mode::Replicate { in_flight, bytes } => {
                in_flight.len() >= common.settings.max_appends_in_flight.min(self.window)
                    || (!in_flight.is_empty() && *bytes >= common.window_bytes())
            }
        }
    }

    pub(super) fn drop_reply(&self, common: &mut Common, why: Dropped, rule: RuleKey) {
        common.event(
            rule,
            EventKind::MessageDropped {
                from: self.peer.id,
                why,
            },
        );
    }
}
