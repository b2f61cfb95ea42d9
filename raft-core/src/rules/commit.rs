//! How far the log is committed (Figure 2 Leaders and AppendEntries; paper 5.3, 5.4.2).

use crate::ids::{LogIndex, Term};

/// What a leader knows when it asks whether more is committed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stored {
    /// The highest index that a majority is known to hold durably.
    pub by_majority: LogIndex,
    /// The term of the leader's entry there.
    pub term_there: Option<Term>,
    /// The leader's term.
    pub current_term: Term,
}

/// The leader's commit index after it learned what a majority holds.
pub fn of_leader(commit_index: LogIndex, stored: &Stored) -> LogIndex {
    // [S5.4.2.5] Never commit an entry of an earlier term by counting who holds it (Figure 8).
    let of_current_term = stored.term_there == Some(stored.current_term);
    // [F2.LEAD.6] Commit what a majority holds if it is of the current term; [S5.3.13] what stands
    // before it is committed with it.
    if of_current_term {
        commit_index.max(stored.by_majority)
    } else {
        commit_index
    }
}

/// A follower's commit index after its leader told its own; `matching` is the last index up to
/// which this follower's log is known to match the leader's.
pub fn of_follower(
    commit_index: LogIndex,
    leader_commit: LogIndex,
    matching: LogIndex,
) -> LogIndex {
    // [F2.AE.5] Follow the leader's commit index, but not beyond the last entry known to match.
    commit_index.max(leader_commit.min(matching))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leader(commit: u64, by_majority: u64, term_there: u64) -> u64 {
        let stored = Stored {
            by_majority: LogIndex::new(by_majority),
            term_there: Some(Term::new(term_there)),
            current_term: Term::new(4),
        };
        of_leader(LogIndex::new(commit), &stored).get()
    }

    /// [F2.LEAD.6]
    #[test]
    fn what_a_majority_holds_of_the_current_term_is_committed() {
        assert_eq!(leader(1, 3, 4), 3, "Figure 8 (e)");
        assert_eq!(leader(3, 2, 4), 3, "never back");
    }

    /// [S5.4.2.5]
    #[test]
    fn an_entry_of_an_earlier_term_is_not_committed_by_counting() {
        assert_eq!(leader(1, 3, 2), 1, "Figure 8 (c)");
    }

    /// [F2.AE.5]
    #[test]
    fn a_follower_commits_no_more_than_matches_and_never_goes_back() {
        let follower = |commit, leader_commit, matching| {
            let matching = LogIndex::new(matching);
            of_follower(
                LogIndex::new(commit),
                LogIndex::new(leader_commit),
                matching,
            )
            .get()
        };
        assert_eq!(follower(1, 5, 3), 3);
        assert_eq!(follower(1, 2, 3), 2);
        assert_eq!(follower(4, 2, 3), 4);
    }
}
