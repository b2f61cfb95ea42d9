//! Snapshots: whether one that is offered is needed, and how much of the log may go (Figure 13;
//! paper 7).

use crate::ids::{EntryId, LogIndex, Term};

/// What a follower does with a snapshot that its leader offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OfferVerdict {
    /// The log has all that the snapshot stands for: what follows it stays.
    Superfluous,
    /// The snapshot tells something new: the whole log goes for it.
    Needed,
    /// Another entry is committed where it ends: no correct leader offers that.
    ContradictsCommitted,
}

/// Judges a snapshot whose last entry is `offered`. `held` is the term of the log's entry at its
/// index, if the log still holds that one.
pub fn judge_offer(offered: EntryId, held: Option<Term>, commit_index: LogIndex) -> OfferVerdict {
    let committed = offered.index <= commit_index;
    match held {
        // [F13.IS.6] The log holds its last entry, so it holds them all (Log Matching).
        Some(term) if term == offered.term => OfferVerdict::Superfluous,
        Some(_) if committed => OfferVerdict::ContradictsCommitted,
        // An older one than the log begins after: it comes late, or by mistake.
        None if committed => OfferVerdict::Superfluous,
        // [F13.IS.7] What is in the log is covered by it, or conflicts with it.
        Some(_) | None => OfferVerdict::Needed,
    }
}

/// What keeps a node from forgetting all that its newest snapshot stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holds {
    /// How many of the latest entries that a snapshot stands for are kept, for followers that lag.
    pub margin: u64,
    /// Up to here they are not kept: those that follow weigh enough.
    pub crowded: LogIndex,
    /// The last entry handed to the state machine.
    pub handed_out: LogIndex,
    /// The first of the ends of snapshots on their way to followers, and of what those hold that have put
    /// one in place: they want what comes after.
    pub kept_after: Option<LogIndex>,
}

/// Up to where the log may be forgotten, given the end of the newest snapshot that is durable.
pub fn forget_through(stored: LogIndex, holds: &Holds) -> LogIndex {
    // [S7.18a] Only what the snapshot stands for goes,
    let margin = LogIndex::new(stored.get().saturating_sub(holds.margin));
    let covered = margin.max(holds.crowded).min(stored);
    // and only what nobody here has to read again.
    let covered = covered.min(holds.handed_out);
    holds.kept_after.map_or(covered, |kept| covered.min(kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(index: u64, term: u64) -> EntryId {
        EntryId::new(Term::new(term), LogIndex::new(index))
    }

    fn judge(held: Option<u64>, commit: u64) -> OfferVerdict {
        judge_offer(id(5, 3), held.map(Term::new), LogIndex::new(commit))
    }

    /// [F13.IS.6]
    #[test]
    fn a_snapshot_of_what_the_log_holds_is_superfluous() {
        for commit in [0, 4, 5, 9] {
            assert_eq!(judge(Some(3), commit), OfferVerdict::Superfluous);
        }
        assert_eq!(judge(None, 5), OfferVerdict::Superfluous, "an old one");
        assert_eq!(judge(None, 9), OfferVerdict::Superfluous, "an old one");
    }

    /// [F13.IS.7]
    #[test]
    fn a_snapshot_beyond_the_log_or_against_it_is_needed() {
        assert_eq!(judge(None, 4), OfferVerdict::Needed, "the log is shorter");
        assert_eq!(judge(Some(2), 4), OfferVerdict::Needed, "it diverges");
        assert_eq!(judge(Some(4), 4), OfferVerdict::Needed, "also when later");
    }

    #[test]
    fn a_snapshot_against_what_is_committed_can_not_be() {
        for held in [2, 4] {
            for commit in [5, 6] {
                assert_eq!(
                    judge(Some(held), commit),
                    OfferVerdict::ContradictsCommitted
                );
            }
        }
    }

    /// [S7.18a]
    #[test]
    fn no_more_is_forgotten_than_the_snapshot_stands_for_and_nobody_needs() {
        let beyond = |crowded, stored, margin, handed_out, kept_after: Option<u64>| {
            let holds = Holds {
                margin,
                crowded: LogIndex::new(crowded),
                handed_out: LogIndex::new(handed_out),
                kept_after: kept_after.map(LogIndex::new),
            };
            forget_through(LogIndex::new(stored), &holds).get()
        };
        let through =
            |stored, margin, handed_out, kept| beyond(0, stored, margin, handed_out, kept);
        assert_eq!(through(10, 0, 15, None), 10);
        assert_eq!(through(10, 3, 15, None), 7);
        assert_eq!(through(10, 11, 15, None), 0);
        assert_eq!(through(10, 0, 9, None), 9);
        assert_eq!(through(10, 0, 15, Some(6)), 6);
        assert_eq!(through(10, 5, 15, Some(6)), 5);
        assert_eq!(through(10, 0, 15, Some(12)), 10);
        assert_eq!(beyond(8, 10, 3, 15, None), 8);
        assert_eq!(beyond(6, 10, 3, 15, None), 7);
        assert_eq!(beyond(8, 10, 3, 15, Some(5)), 5);
        assert_eq!(beyond(12, 10, 3, 15, None), 10);
    }
}
