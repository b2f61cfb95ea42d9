//! Sending a snapshot to one follower, part by part (Figure 13; paper 7).
//!
//! The follower is first asked what it has, then sent what comes after: so a transfer goes on
//! where it was, whatever was lost, whoever was restarted, and whichever leader began it. Parts
//! follow each other within the window that entries have, too; one is read at a time.

use alloc::boxed::Box;

use bytes::Bytes;

use crate::common::Common;
use crate::error::Dropped;
use crate::hull::SnapshotWork;
use crate::ids::{LogIndex, Peer};
use crate::message::{InstallSnapshot, InstallSnapshotReply, InstallVerdict};
use crate::snapshot::SnapshotId;
use crate::states::Next;

use super::Leader;
use super::parts::{Step, Told, Transfer, Window, is_too_long};
use super::progress::{Mode, Progress, Sequel};

impl Leader {
    pub(crate) fn on_install_reply(
        &mut self,
        common: &mut Common,
        from: Peer,
        reply: InstallSnapshotReply,
    ) -> Next {
        let Some(progress) = self.progress_of(from) else {
            return Next::Stay;
        };
        progress.hear(common.now);
        progress.on_install_reply(common, reply);
        self.advance_commit(common)
    }

    /// A part of a snapshot was read, or could not be.
    pub(crate) fn on_part(&mut self, number: u64, part: Option<&Bytes>) {
        for progress in self.followers.values_mut() {
            progress.on_part(number, part);
        }
    }

    /// The snapshot that this job reads from.
    pub(crate) fn read_for(&self, number: u64) -> Option<SnapshotId> {
        let mut transfers = self.followers.values().filter_map(|one| match &one.mode {
            Mode::Snapshot(transfer) => Some(transfer),
            Mode::Probe { .. } | Mode::Replicate { .. } => None,
        });
        let reader = transfers.find(|transfer| transfer.reads_under(number))?;
        Some(reader.id())
    }

    /// The snapshots that are on their way to followers.
    pub(crate) fn snapshots_sent(&self) -> impl Iterator<Item = SnapshotId> + '_ {
        let sent = self.followers.values().filter_map(Progress::snapshot_sent);
        sent.map(|(id, _)| id)
    }

    /// The entry after which the log is kept, for followers that were sent a snapshot.
    pub(crate) fn kept_after(&self) -> Option<LogIndex> {
        let kept = self.followers.values().filter_map(Progress::kept_after);
        kept.min()
    }
}

impl Progress {
    /// Entries can't help this follower: it is sent the newest snapshot.
    pub(super) fn turn_to_snapshot(&mut self, common: &Common) {
        self.sequel = None;
        if let Some(snapshot) = common.snapshots.stored() {
            let transfer = Transfer::new(snapshot.clone(), common.now);
            self.mode = Mode::Snapshot(Box::new(transfer));
        }
    }

    /// The snapshot, and the log after it, need not be kept for this follower any longer: it has been
    /// silent for long, or got no further for much longer. When the follower comes back, it gets the
    /// newest one by then.
    pub(super) fn give_up_snapshot(&mut self) {
        self.mode = Mode::Probe {
            outstanding: None,
            with_entries: false,
        };
    }

    /// The snapshot that this follower is being sent, and how much of it is there.
    pub(crate) fn snapshot_sent(&self) -> Option<(SnapshotId, u64)> {
        match &self.mode {
            Mode::Snapshot(transfer) => Some((transfer.id(), transfer.stored())),
            Mode::Probe { .. } | Mode::Replicate { .. } => None,
        }
    }

    /// The entry after which the log is kept for it: the last that its snapshot stands for, and then the
    /// last that it holds.
    fn kept_after(&self) -> Option<LogIndex> {
        let sent = self.snapshot_sent().map(|(id, _)| id.last.index);
        sent.or(self.sequel.map(|_| self.matched))
    }

    /// A snapshot is in place. What was appended meanwhile is kept until the follower has it, or it would
    /// be sent one snapshot after the other for as long as more is appended during each than the margin.
    pub(super) fn await_sequel(&mut self, common: &Common) {
        let (last, since) = (common.last().index, common.now);
        self.sequel = Some(Sequel { last, since }).filter(|_| self.matched < last);
    }

    /// It holds more than before, up to this entry.
    pub(super) fn note_progress(&mut self, common: &Common, matched: LogIndex) {
        let since = common.now;
        let sequel = self.sequel.filter(|sequel| matched < sequel.last);
        self.sequel = sequel.map(|sequel| Sequel { since, ..sequel });
    }

    /// Who is gone, or gets no further, has the log kept for it no longer.
    pub(super) fn check_sequel(&mut self, common: &Common) {
        let is_over = |sequel: &Sequel| self.is_silent(common) || is_too_long(common, sequel.since);
        self.sequel = self.sequel.filter(|sequel| !is_over(sequel));
    }

    /// Whether the snapshot that it is to be sent stands for no more than it may be told of.
    pub(super) fn may_offer(&self) -> bool {
        let sent = self.snapshot_sent().map(|(id, _)| id.last.index);
        self.witness
            .is_none_or(|bound| sent.is_none_or(|last| last <= bound))
    }

    /// How much of a snapshot may be under way to it.
    pub(super) fn window_of_parts(&self, common: &Common) -> Window {
        let settings = &common.settings;
        Window {
            requests: settings.max_appends_in_flight.min(self.window),
            bytes: common.window_bytes() as u64,
            // [F13.IS.20a] Parts are bounded, whatever the snapshot weighs.
            part: settings.max_append_bytes.max(1),
        }
    }

    /// The next part for this follower, or the question what it has.
    pub(super) fn next_part(
        &mut self,
        common: &mut Common,
        room: usize,
    ) -> Option<InstallSnapshot> {
        if !self.may_offer() {
            return None;
        }
        let window = self.window_of_parts(common);
        let Mode::Snapshot(transfer) = &mut self.mode else {
            return None;
        };
        let request = self.request.saturating_add(1);
        let (offset, part) = match transfer.next_step(&window) {
            Step::Wait => return None,
            Step::Ask => {
                transfer.note_asked(request, common.now);
                (0, Bytes::new())
            }
            Step::Send => transfer.take_part(request, room, common.now)?,
            Step::Read { from } => {
                let work = SnapshotWork::Read {
                    id: transfer.id(),
                    offset: from,
                    max_bytes: window.part,
                };
                transfer.note_reading(common.snapshots.ask(work), from);
                return None;
            }
        };
        self.request = request;
        Some(InstallSnapshot {
            request,
            // [F13.IS.13] Each part says what the snapshot stands for.
            snapshot: transfer.snapshot().clone(),
            offset,
            part,
        })
    }

    /// A part was read, or could not be. Nothing happens if this follower does not wait for it.
    pub(super) fn on_part(&mut self, number: u64, part: Option<&Bytes>) {
        if let Mode::Snapshot(transfer) = &mut self.mode {
            if transfer.reads_under(number) {
                transfer.on_read(part.filter(|part| !part.is_empty()));
            }
        }
    }

    pub(super) fn on_install_reply(&mut self, common: &mut Common, reply: InstallSnapshotReply) {
        let InstallSnapshotReply { request, verdict } = reply;
        let stored = match verdict {
            InstallVerdict::Matched(index) => return self.on_matched(common, request, index),
            InstallVerdict::Stored(stored) => stored,
            // It tells of this very term: the request was this node's own, of a term it led before.
            InstallVerdict::StaleTerm => {
                return self.drop_reply(common, Dropped::StaleReply, "F13.IS.1");
            }
        };
        let told = match &mut self.mode {
            Mode::Snapshot(transfer) => transfer.on_stored(request, stored, common.now),
            Mode::Probe { .. } | Mode::Replicate { .. } => Told::Stale,
        };
        match told {
            Told::Taken { parts } => self.window = self.window.saturating_add(parts),
            // As with entries: the more there are under way, the more for nothing.
            Told::Refused { parts } => self.window = (parts / 2).max(1),
            Told::Stale => self.drop_reply(common, Dropped::StaleReply, "F13.IS.10"),
            Told::Impossible => self.drop_reply(common, Dropped::Impossible, "F13.IS.10"),
        }
    }

    /// Whether the follower has said nothing for an election timeout.
    pub(super) fn is_silent(&self, common: &Common) -> bool {
        common.now.since(self.heard()) >= common.settings.election_timeout
    }
}
