//! Rare states of snapshots.

use raft_core::ids::{EntryId, NodeId};

use super::{Marker, Watch};
use crate::checkers::{NodeModel, Observation};
use crate::spy::{Found, Says, Talk, WriteFact};

/// The last part of a snapshot that a node sent another.
#[derive(Debug)]
pub(super) struct Sent {
    /// The last entry that the snapshot stands for.
    last: EntryId,
    /// Where in the content the part ends.
    end: u64,
    /// Whether anything was answered since.
    is_answered: bool,
}

impl Watch {
    /// A log is to begin later than it did.
    pub(super) fn forgetting(&mut self, own: &NodeModel, write: &WriteFact) {
        let Some(base) = write.base else {
            return;
        };
        let there = own.log.entry(base.index).map(|there| there.entry.id);
        let marker = match there {
            Some(there) if there == base => Marker::LogForgotten,
            Some(_) => Marker::SnapshotReplacedConflict,
            None => Marker::SnapshotInstalled,
        };
        self.reached.mark(marker);
    }

    /// A node's log and store were opened.
    pub(super) fn found_stored(&mut self, found: &Found) {
        let Some(stored) = found.stored else {
            return;
        };
        self.reached.mark(Marker::StartedFromSnapshot);
        let ahead = stored.last.index > found.last;
        self.reached.mark_if(ahead, Marker::StoredAheadOfLog);
    }

    /// A leader sends a part of a snapshot, or asks what of it is there.
    pub(super) fn part_sent(&mut self, node: NodeId, talk: &Talk) {
        let Says::Install {
            last,
            offset,
            bytes,
        } = talk.says
        else {
            return;
        };
        let parts = self.parts_of(node);
        if bytes == 0 {
            parts.remove(&talk.peer);
            return;
        }
        let end = offset.saturating_add(bytes as u64);
        let part = Sent {
            last,
            end,
            is_answered: false,
        };
        let Some(before) = parts.insert(talk.peer, part).filter(|one| one.last == last) else {
            return;
        };
        let follows = before.end == offset && !before.is_answered;
        // A copy of what was just sent says nothing.
        let again = offset < before.end && end != before.end;
        self.reached.mark_if(follows, Marker::PartsFollow);
        self.reached.mark_if(again, Marker::PartsAgain);
    }

    /// A leader is told what there is of a snapshot.
    pub(super) fn part_answered(&mut self, node: NodeId, talk: &Talk) {
        if let Says::InstallReply(_) = talk.says {
            if let Some(part) = self.parts_of(node).get_mut(&talk.peer) {
                part.is_answered = true;
            }
        }
    }

    /// A node takes in a part of a snapshot, or the question what it has of it.
    pub(super) fn offered(&mut self, before: &Observation, talk: &Talk, own: Option<&NodeModel>) {
        let Says::Install { last, .. } = talk.says else {
            return;
        };
        let old = talk.term < before.term;
        self.reached.mark_if(old, Marker::SnapshotOfFormerLeader);
        let held = own.and_then(|own| own.log.entry(last.index));
        let held = held.is_some_and(|held| held.entry.id == last);
        self.reached
            .mark_if(held && !old, Marker::SnapshotSuperfluous);
    }
}
