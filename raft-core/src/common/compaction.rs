//! What snapshots do to the log (paper 7): entries go, and what stood in them is remembered
//! elsewhere. What must go together does here: the log's memory, its disk, its configurations, and
//! how far it is committed and applied.

use crate::common::Common;
use crate::common::snapshots::Snapshots;
use crate::configuration::Configuration;
use crate::ids::{EntryId, LogIndex};
use crate::log::SnapshotMark;
use crate::rules::snapshot::{self, Holds, OfferVerdict};
use crate::settings::SnapshotPolicy;
use crate::snapshot::{Snapshot, SnapshotId};
use crate::trace::EventKind;

impl Common {
    /// Starts from the newest snapshot that is stored. The driver has the state machine there
    /// already.
    pub(crate) fn start_from(&mut self, stored: Snapshot) {
        let last = stored.id.last;
        // The snapshot may have become durable before the term that it was received in.
        if self.hard.term < last.term {
            let hard = self.hard.change();
            (hard.term, hard.vote) = (last.term, None);
        }
        if self.judge_offer(last) == OfferVerdict::Needed {
            // A crash came between the snapshot's becoming durable and the log's beginning after
            // it: what was begun is ended.
            self.replace_log(&stored);
        }
        self.entries.note_time(stored.time);
        self.commit_index = self.commit_index.max(last.index);
        self.applying.start_at(last.index);
        self.snapshots = Snapshots::new(Some(stored));
    }

    /// Whether a snapshot tells this node anything.
    pub(crate) fn judge_offer(&self, last: EntryId) -> OfferVerdict {
        let held = self.entries.term_at(last.index);
        snapshot::judge_offer(last, held, self.commit_index)
    }

    /// A snapshot that came from a leader is stored.
    pub(crate) fn install(&mut self, snapshot: Snapshot) {
        let last = snapshot.id.last;
        // It may have been overtaken by entries on its way.
        match self.judge_offer(last) {
            OfferVerdict::ContradictsCommitted => {}
            OfferVerdict::Superfluous => self.advance_commit(last.index, "F13.IS.6"),
            OfferVerdict::Needed => {
                self.replace_log(&snapshot);
                self.advance_commit(last.index, "F13.IS.7");
                // [F13.IS.8a] The state machine goes on from the snapshot's state.
                self.applying.skip_to(last.index);
                self.snapshots.restore(snapshot.clone());
                self.event("F13.IS.8a", EventKind::SnapshotInstalled { last });
            }
        }
        self.entries.note_time(snapshot.time);
        // [F13.IS.5] It takes the place of those before it.
        self.snapshots.keep(snapshot, &self.settings);
    }

    /// A leader offers a snapshot to this witness, which goes on from what it stands for and has
    /// no use for what it holds: ids and a configuration are all that is kept, and those are in the
    /// log.
    pub(crate) fn begin_after(&mut self, snapshot: &Snapshot) {
        let last = snapshot.id.last;
        self.replace_log(snapshot);
        self.entries.note_time(snapshot.time);
        self.advance_commit(last.index, "F13.IS.7");
        self.event("F13.IS.8a", EventKind::SnapshotInstalled { last });
    }

    /// Forgets, on a witness, ids of what is committed: nobody asks for them again. As seldom as
    /// others take snapshots.
    pub(crate) fn forget_ids(&mut self) {
        let through = self.used_through();
        let entries = through.distance_from(self.entries.snapshot().index);
        let bytes = entries.saturating_mul(BYTES_OF_ID);
        let due =
            |policy: SnapshotPolicy| entries >= policy.after_entries || bytes >= policy.after_bytes;
        let due = self.settings.snapshots.is_some_and(due) || self.snapshots.is_wanted();
        if !due || entries == 0 {
            return;
        }
        self.snapshots.has_what_was_wanted();
        if let Some(last) = self.entries.id_at(through) {
            self.forget_through(last);
        }
    }

    /// Forgets all up to this entry, which the log holds durably.
    fn forget_through(&mut self, last: EntryId) {
        self.disk.forget(self.mark_at(last));
        self.entries.forget_through(last);
        self.configurations.forget_through(last.index);
        self.event("S7.18a", EventKind::Compacted { last });
    }

    fn replace_log(&mut self, snapshot: &Snapshot) {
        self.keep_vote_for_its_life(&snapshot.configuration);
        self.disk.begin_after(snapshot.mark(), self.commit_index);
        self.entries.begin_after(snapshot.id.last, snapshot.time);
        let configuration = snapshot.configuration.clone();
        self.configurations.begin_with(self.me, configuration);
    }

    /// The vote of this term went to whom the name meant until now. Where another life goes by it from now
    /// on, it went to another.
    fn keep_vote_for_its_life(&mut self, next: &Configuration) {
        let Some(voted) = self.hard.vote else {
            return;
        };
        let life = |configuration: &Configuration| {
            let member = configuration.member(voted);
            member.map(|member| member.incarnation)
        };
        if life(self.configuration()) != life(next) {
            self.hard.change().to_other_life = true;
        }
    }

    /// What a snapshot taken now stands for: all that was handed out.
    pub(crate) fn mark_of_applied(&self) -> Option<SnapshotMark> {
        let last = self.entries.id_at(self.applying.handed_out())?;
        Some(self.mark_at(last))
    }

    fn mark_at(&self, last: EntryId) -> SnapshotMark {
        SnapshotMark {
            last,
            // [S7.17] The configuration as of the last entry, whatever came later.
            configuration: self.configurations.as_of(last.index).clone(),
        }
    }

    /// Forgets of the log what the newest snapshot stands for and nobody needs. `sent` are the
    /// snapshots on their way to followers, who want what comes after `kept_after`.
    pub(crate) fn forget_log(&mut self, sent: &[SnapshotId], kept_after: Option<LogIndex>) {
        let Some(stored) = self.snapshots.stored() else {
            return;
        };
        let holds = Holds {
            margin: self.settings.snapshot_margin,
            crowded: self.snapshots.crowded(),
            handed_out: self.applying.handed_out(),
            kept_after,
        };
        let through = snapshot::forget_through(stored.id.last.index, &holds);
        if through > self.entries.snapshot().index {
            if let Some(last) = self.entries.id_at(through) {
                self.forget_through(last);
            }
        }
        self.snapshots.forgot_through(self.entries.snapshot().index);
        self.snapshots.forget_old(|id| sent.contains(&id));
    }
}

/// What an entry without its payload weighs.
const BYTES_OF_ID: u64 = 8;
