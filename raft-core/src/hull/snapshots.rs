//! Snapshots: what the driver is asked to do with them, and what comes of that (paper 7).

use alloc::vec::Vec;

use super::Hull;
use super::snapshot_job::{SnapshotAnswer, SnapshotDone, SnapshotJob};
use crate::snapshot::SnapshotId;
use crate::states::follower::install;
use crate::states::{Next, State};
use crate::trace::EventKind;

impl Hull {
    /// The next thing to be done with a snapshot. What comes of it is reported as
    /// [`super::Input::Snapshot`]. A witness needs no store, and asks for nothing.
    pub fn next_snapshot_job(&mut self) -> Option<SnapshotJob> {
        let common = &mut self.common;
        if common.fault.is_some() {
            return None;
        }
        if let Some(job) = common.snapshots.next_job() {
            return Some(job);
        }
        if common.witness {
            return None;
        }
        let handed_out = common.applying.handed_out();
        // [S7.13a] Whatever the role: nobody is asked.
        if !common
            .snapshots
            .is_due(common.settings.snapshots, handed_out)
        {
            return None;
        }
        // [S7.13b] It stands for all that the state machine was given, and for nothing else.
        let mark = common.mark_of_applied()?;
        Some(common.snapshots.take(mark, common.entries.time()))
    }

    pub(super) fn on_snapshot_done(&mut self, done: SnapshotDone) -> Next {
        let SnapshotDone { number, answer } = done;
        let common = &mut self.common;
        match answer {
            SnapshotAnswer::Taken { length, digest } => {
                // [S7.5] It is durable by now, so that what it stands for may go.
                if let Some(snapshot) = common.snapshots.on_taken(number, length, digest) {
                    let last = snapshot.id.last;
                    common.snapshots.keep(snapshot, &common.settings);
                    common.event("S7.5", EventKind::SnapshotTaken { last });
                }
            }
            SnapshotAnswer::Begun { stored } => install::on_begun(common, number, stored),
            SnapshotAnswer::Written => install::on_written(common, number),
            SnapshotAnswer::Finished => install::on_finished(common, number),
            SnapshotAnswer::Damaged => install::on_damaged(common, number),
            SnapshotAnswer::Part(part) => {
                if let State::Leader(leader) = &mut self.state {
                    leader.on_part(number, Some(&part));
                }
            }
            SnapshotAnswer::Failed => {
                common.event("", EventKind::SnapshotFailed);
                common.snapshots.on_failed(number);
                if let State::Leader(leader) = &mut self.state {
                    if let Some(id) = leader.read_for(number) {
                        common.snapshots.doubt(id);
                    }
                    leader.on_part(number, None);
                }
            }
        }
        Next::Stay
    }

    /// Lets go of what a snapshot stands for, but for what is on its way to a follower.
    pub(super) fn tend_snapshots(&mut self) {
        let common = &mut self.common;
        if common.witness {
            return common.forget_ids();
        }
        if common.snapshots.stored().is_none() {
            return;
        }
        let (sent, kept_after): (Vec<SnapshotId>, _) = match &self.state {
            State::Leader(leader) => (leader.snapshots_sent().collect(), leader.kept_after()),
            State::Follower(_) | State::PreCandidate(_) | State::Candidate(_) => (Vec::new(), None),
        };
        common.forget_log(&sent, kept_after);
    }
}
