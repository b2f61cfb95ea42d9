//! The leader's commit rule (Figure 2 Leaders; paper 5.3, 5.4.2).

use crate::common::Common;
use crate::quorum;
use crate::rules::commit::{self, Stored};
use crate::states::Next;

use super::Leader;

impl Leader {
    /// Commits what a majority holds by now, and answers those who proposed it. A change of
    /// members then goes on, and may end this leader's office.
    pub(crate) fn advance_commit(&mut self, common: &mut Common) -> Next {
        self.tend_witnesses(common);
        // While all there is is committed, no answer tells anything.
        if common.commit_index < common.last().index {
            let me = common.me.id;
            let mine = self.matched(common, me);
            let by_majority = quorum::committed_index(common.configuration(), |id| {
                if id == me { mine } else { self.matched_by(id) }
            });
            let stored = Stored {
                by_majority,
                term_there: common.entries.term_at(by_majority),
                current_term: common.term(),
            };
            let commit = commit::of_leader(common.commit_index, &stored);
            common.advance_commit(commit, "F2.LEAD.6");
        }
        self.tickets.resolve_through(common);
        self.advance_reads(common);
        self.advance_membership(common)
    }
}
