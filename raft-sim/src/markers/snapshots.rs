//! Rare states of snapshots.

use super::{Marker, Watch};
use crate::checkers::{NodeModel, Observation};
use crate::spy::{Found, Says, Talk, WriteFact};

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
