//! What a node may promise that lost a part of its log (thesis 3.8 forbids it to go on; protocol-aware
//! recovery, FAST '18, tells how it can).
//!
//! Term and vote survived, so nothing that was said with them is taken back. Of the entries it is
//! known how far they reached at most. So the node goes on as a voter whose log still ends there:
//! it gives its vote to nobody whom it could have refused before, and what others counted it to
//! hold stays out of reach of a leader that lacks it. It has no log to lead with, and acknowledges
//! only what it holds. Once it holds as much again it is whole: all that it ever acknowledged and
//! that may be committed is among it, because it came from a leader that could be elected.

use crate::ids::EntryId;

/// The last entry by which candidates are measured: a candidate's log must be as up to date as this
/// node's own is, and as this node's own was.
pub fn measure(last: EntryId, lost_through: Option<EntryId>) -> EntryId {
    lost_through.map_or(last, |lost| last.max(lost))
}

/// Whether a log that is durable up to `durable` reaches as far again as the one that was lost.
pub fn is_whole(durable: EntryId, lost_through: EntryId) -> bool {
    durable >= lost_through
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::ids::{LogIndex, Term};
    use crate::rules::vote::{self, Request, Voter};

    fn id(index: u64, term: u64) -> EntryId {
        EntryId::new(Term::new(term), LogIndex::new(index))
    }

    /// Whatever was lost of whatever log: nobody gets a vote that the whole log would have refused.
    #[test]
    fn a_loss_makes_no_vote_easier() {
        let ids = (0..4).flat_map(|term| (0..4).map(move |index| id(index, term)));
        let all: Vec<EntryId> = ids.collect();
        for whole in &all {
            for left in all.iter().filter(|left| *left <= whole) {
                for bound in all.iter().filter(|bound| *bound >= whole) {
                    for asked in &all {
                        let request = Request {
                            candidate: crate::ids::NodeId::new(2),
                            is_other_life: false,
                            term: Term::new(9),
                            last: *asked,
                        };
                        let voter = |last| Voter {
                            term: Term::new(9),
                            vote: None,
                            to_other_life: false,
                            last,
                        };
                        let after = vote::grants(&voter(measure(*left, Some(*bound))), &request);
                        let before = vote::grants(&voter(*whole), &request);
                        assert!(before || !after, "{whole} {left} {bound} {asked}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_log_is_whole_when_it_reaches_as_far_in_the_order_of_votes() {
        assert!(!is_whole(id(4, 3), id(5, 3)));
        assert!(is_whole(id(5, 3), id(5, 3)));
        assert!(is_whole(id(4, 4), id(5, 3)), "a later term counts more");
        assert!(!is_whole(id(9, 2), id(5, 3)));
        assert_eq!(measure(id(4, 3), None), id(4, 3));
        assert_eq!(measure(id(9, 4), Some(id(5, 3))), id(9, 4));
    }
}
