//! Sending a snapshot to one follower, part by part (Figure 13; paper 7).
//!
//! The follower is first asked what it has, then sent what comes after: so a transfer goes on
//! where it was, whatever was lost, whoever was restarted, and whichever leader began it. One part
//! is in memory and under way at a time.

use alloc::boxed::Box;
use core::hash::{Hash, Hasher};
use core::time::Duration;

use bytes::Bytes;

use crate::common::Common;
use crate::error::Dropped;
use crate::hull::SnapshotWork;
use crate::ids::Peer;
use crate::message::{InstallSnapshot, InstallSnapshotReply, InstallVerdict};
use crate::snapshot::{Snapshot, SnapshotId};
use crate::states::Next;
use crate::time::Time;

use super::Leader;
use super::progress::{Mode, Progress};

/// A snapshot on its way to a follower.
///
/// - `stored` is at most the snapshot's length.
/// - `part` begins at `stored`, when both are known, and is not empty.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    snapshot: Snapshot,
    /// How much of it the follower has, unless something may have been lost since it said so.
    stored: Option<u64>,
    /// The most that the follower ever had, and since when.
    most: (u64, Time),
    /// The request that is not answered yet.
    request: Option<u64>,
    /// Since when the transfer waits for the follower, or for a store that failed.
    waiting_since: Option<Time>,
    /// What was read of the content, and where it begins.
    part: Option<(u64, Bytes)>,
    /// The job that reads what comes next, and from where.
    reading: Option<(u64, u64)>,
    /// Whether one such job has failed: another snapshot may do better.
    unreadable: bool,
}

impl Transfer {
    const fn new(snapshot: Snapshot, now: Time) -> Self {
        Self {
            snapshot,
            stored: None,
            most: (0, now),
            request: None,
            waiting_since: None,
            part: None,
            reading: None,
            unreadable: false,
        }
    }

    pub(super) const fn outstanding_since(&self) -> Option<Time> {
        self.waiting_since
    }

    pub(crate) const fn id(&self) -> SnapshotId {
        self.snapshot.id
    }

    /// How much of it the follower is known to have.
    pub(crate) fn stored(&self) -> u64 {
        self.stored.unwrap_or(0)
    }

    /// The bytes of content in memory.
    pub(super) fn part_bytes(&self) -> usize {
        self.part.as_ref().map_or(0, |(_, part)| part.len())
    }

    /// Whether there may be something to send, or to read.
    pub(super) fn has_something(&self) -> bool {
        let content = self.part.is_some() || self.reading.is_none();
        self.waiting_since.is_none() && (self.stored.is_none() || content)
    }

    /// What was sent may be lost, and the follower may have been restarted: it is asked again.
    pub(super) fn suspect_loss(&mut self) {
        self.stored = None;
        self.request = None;
        self.waiting_since = None;
    }

    /// Whether the snapshot can't be read, or the follower has got no further for so long that the
    /// log need not be kept for it: it may answer heartbeats for ever with a store that can't be
    /// written to.
    pub(super) fn is_stalled(&self, common: &Common) -> bool {
        let (_, since) = self.most;
        let long = common
            .settings
            .election_timeout
            .saturating_mul(STALLED_AFTER);
        self.unreadable || common.now.since(since) >= long
    }

    /// Where in the content job `number` reads, if it is the present one.
    fn reads_under(&self, number: u64) -> Option<u64> {
        let (job, from) = self.reading?;
        (job == number).then_some(from)
    }

    /// The follower has so much.
    fn on_stored(&mut self, stored: u64, now: Time) {
        if stored > self.most.0 {
            self.most = (stored, now);
        }
        self.request = None;
        self.waiting_since = None;
        self.stored = Some(stored);
        if let Some((at, part)) = self.part.take() {
            self.keep_part(at, part);
        }
    }

    /// Keeps what was read from `at` on, from where the follower has come to, if that lies within.
    fn keep_part(&mut self, at: u64, part: Bytes) {
        self.part = self.stored.and_then(|stored| {
            let skipped = usize::try_from(stored.checked_sub(at)?).ok()?;
            (skipped < part.len()).then(|| (stored, part.slice(skipped..)))
        });
    }

    /// What counts in [`crate::hull::Hull::fingerprint`].
    pub(super) fn fingerprint(&self, age: impl Fn(Time) -> Duration, into: &mut impl Hasher) {
        let Self {
            snapshot,
            stored,
            most: (most, since),
            request,
            waiting_since,
            part,
            reading,
            unreadable,
        } = self;
        (snapshot, stored, request, part, reading.is_some()).hash(into);
        (most, age(*since), unreadable).hash(into);
        waiting_since.map(age).hash(into);
    }
}

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
    pub(crate) fn on_part(&mut self, common: &Common, number: u64, part: Option<&Bytes>) {
        for progress in self.followers.values_mut() {
            progress.on_part(common, number, part);
        }
    }

    /// The snapshot that this job reads from.
    pub(crate) fn read_for(&self, number: u64) -> Option<SnapshotId> {
        let mut transfers = self.followers.values().filter_map(|one| match &one.mode {
            Mode::Snapshot(transfer) => Some(transfer),
            Mode::Probe { .. } | Mode::Replicate { .. } => None,
        });
        let reader = transfers.find(|transfer| transfer.reads_under(number).is_some())?;
        Some(reader.id())
    }

    /// The snapshots that are on their way to followers.
    pub(crate) fn snapshots_sent(&self) -> impl Iterator<Item = SnapshotId> + '_ {
        let sent = self.followers.values().filter_map(Progress::snapshot_sent);
        sent.map(|(id, _)| id)
    }
}

impl Progress {
    /// Entries can't help this follower: it is sent the newest snapshot.
    pub(super) fn turn_to_snapshot(&mut self, common: &Common) {
        if let Some(snapshot) = common.snapshots.stored() {
            let transfer = Transfer::new(snapshot.clone(), common.now);
            self.mode = Mode::Snapshot(Box::new(transfer));
        }
    }

    /// The snapshot, and the log after it, need not be kept for this follower any longer: it has been
    /// silent for long, or got no further for much longer. When the follower comes back, it gets the newest one by then.
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

    /// Whether the snapshot that it is to be sent stands for no more than it may be told of.
    pub(super) fn may_offer(&self) -> bool {
        let sent = self.snapshot_sent().map(|(id, _)| id.last.index);
        self.witness
            .is_none_or(|bound| sent.is_none_or(|last| last <= bound))
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
        let Mode::Snapshot(transfer) = &mut self.mode else {
            return None;
        };
        if transfer.waiting_since.is_some() {
            return None;
        }
        let (offset, part) = match (transfer.stored, &transfer.part) {
            (None, _) => (0, Bytes::new()),
            // [F13.IS.10] Each part begins where the follower has come to.
            (Some(stored), Some((_, part))) => (stored, part.slice(..part.len().min(room))),
            (Some(stored), None) => {
                if transfer.reading.is_none() {
                    let work = SnapshotWork::Read {
                        id: transfer.snapshot.id,
                        offset: stored,
                        // [F13.IS.20a] Parts are bounded, whatever the snapshot weighs.
                        max_bytes: common.settings.max_append_bytes.max(1),
                    };
                    transfer.reading = Some((common.snapshots.ask(work), stored));
                }
                return None;
            }
        };
        self.request = self.request.saturating_add(1);
        transfer.request = Some(self.request);
        transfer.waiting_since = Some(common.now);
        Some(InstallSnapshot {
            request: self.request,
            // [F13.IS.13] Each part says what the snapshot stands for.
            snapshot: transfer.snapshot.clone(),
            offset,
            part,
        })
    }

    /// A part was read, or could not be. Nothing happens if this follower does not wait for it.
    pub(super) fn on_part(&mut self, common: &Common, number: u64, part: Option<&Bytes>) {
        let Mode::Snapshot(transfer) = &mut self.mode else {
            return;
        };
        let Some(from) = transfer.reads_under(number) else {
            return;
        };
        transfer.reading = None;
        match part.filter(|part| !part.is_empty()) {
            // The follower may have said since that it has more, or less.
            Some(part) => transfer.keep_part(from, part.clone()),
            // Not at once again: a store that failed is likely to fail.
            None => {
                transfer.unreadable = true;
                transfer.waiting_since = Some(common.now);
            }
        }
    }

    pub(super) fn on_install_reply(&mut self, common: &mut Common, reply: InstallSnapshotReply) {
        let InstallSnapshotReply { request, verdict } = reply;
        match (verdict, &mut self.mode) {
            (InstallVerdict::Matched(index), _) => self.on_matched(common, request, index),
            (InstallVerdict::Stored(stored), Mode::Snapshot(transfer))
                if transfer.request == Some(request) =>
            {
                let length = transfer.snapshot.id.length;
                match stored.cmp(&length) {
                    core::cmp::Ordering::Less => transfer.on_stored(stored, common.now),
                    // It is put in place now; the answer to the same request says when it is.
                    core::cmp::Ordering::Equal => transfer.waiting_since = Some(common.now),
                    core::cmp::Ordering::Greater => {
                        self.drop_reply(common, Dropped::Impossible, "F13.IS.10");
                    }
                }
            }
            (InstallVerdict::Stored(_) | InstallVerdict::StaleTerm, _) => {
                self.drop_reply(common, Dropped::StaleReply, "F13.IS.10");
            }
        }
    }

    /// Whether the follower has said nothing for an election timeout.
    pub(super) fn is_silent(&self, common: &Common) -> bool {
        common.now.since(self.heard()) >= common.settings.election_timeout
    }
}

/// Of election timeouts. Long beside what any part takes, so that who is slow is not begun with anew;
/// short beside what a log grows by meanwhile.
const STALLED_AFTER: u32 = 10;
