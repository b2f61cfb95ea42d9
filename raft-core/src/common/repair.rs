//! What a node knows of the entries that it lost, while it gets them back.

use crate::ids::{EntryId, LogIndex, Term};
use crate::log::Recovered;
use crate::rules::repair;

/// A log that does not reach as far as it once did.
///
/// What is left may be older than it looks: a removal may be among what was lost, so that entries
/// stand here again which a leader had replaced. So nothing here is taken to agree with the leader
/// of `term` before that has checked it anew. Later leaders know nothing of what was lost.
///
/// - `vouched` lies in the log, and only grows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Repair {
    /// How far the log reached at most.
    lost_through: EntryId,
    /// The term in which entries were acknowledged last that may be lost.
    term: Term,
    /// Up to here the log was found to agree with that of the leader of `term`, since it was
    /// opened.
    vouched: LogIndex,
}

impl Repair {
    /// What is to be repaired, if anything.
    pub(crate) fn of(recovered: &Recovered) -> Option<Self> {
        recovered.lost_through.map(|lost_through| Self {
            lost_through,
            term: recovered.hard.term,
            vouched: LogIndex::ZERO,
        })
    }

    pub(crate) const fn lost_through(&self) -> EntryId {
        self.lost_through
    }

    /// Whether a log that is durable up to `durable` is whole again.
    pub(crate) fn ends_at(&self, durable: EntryId) -> bool {
        repair::is_whole(durable, self.lost_through)
    }

    /// The log agrees with that of the leader of `term` up to `index`.
    pub(crate) fn vouch(&mut self, term: Term, index: LogIndex) {
        if term == self.term {
            self.vouched = self.vouched.max(index);
        }
    }

    /// Up to where a leader of `term` can be right about what this node holds, of what it takes it
    /// to hold up to `index`.
    pub(crate) fn believable(&self, term: Term, index: LogIndex) -> LogIndex {
        if term == self.term {
            index.min(self.vouched)
        } else {
            index
        }
    }
}
