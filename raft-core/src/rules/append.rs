//! Log matching: where two logs agree, and where to look when they don't (Figure 2 AppendEntries;
//! paper 5.3).

use crate::ids::{EntryId, LogIndex, Term};

/// What a follower does with a request's previous entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PreviousVerdict {
    /// It is in the log: what follows may be appended.
    Held,
    /// It is not: refuse.
    Missing,
    /// A committed entry stands in its place: no correct leader asks for this.
    ContradictsCommitted,
}

/// Judges a request's previous entry. `held` is the term of the follower's entry at its index.
pub fn judge_previous(
    previous: EntryId,
    held: Option<Term>,
    commit_index: LogIndex,
) -> PreviousVerdict {
    if held == Some(previous.term) {
        PreviousVerdict::Held
    } else if previous.index <= commit_index {
        PreviousVerdict::ContradictsCommitted
    } else {
        // [F2.AE.2] Refuse when the log has no entry at prevLogIndex with prevLogTerm.
        PreviousVerdict::Missing
    }
}

/// The last index, of `first..=last` all created in `term`, that a log already holds as the same
/// entry; the one before `first` when it holds none. `term_at` is the log's term at an index.
///
/// Entries with the same index and term are the same (Log Matching), and terms never fall along a
/// log, so the held ones are a prefix.
pub fn held_through(
    term: Term,
    first: LogIndex,
    last: LogIndex,
    term_at: impl Fn(LogIndex) -> Option<Term>,
) -> LogIndex {
    last_where(first.previous(), last, |index| term_at(index) == Some(term))
}

/// The last index of another log that could agree with a log whose entry is `entry`: the highest
/// one up to `entry.index` whose term in that other log is at most `entry.term`. Asked of the
/// follower it gives the hint in a refusal; asked of the leader, with the hint, where to look
/// next. `last` is the other log's last index and `term_at` its terms.
pub fn could_agree(
    entry: EntryId,
    last: LogIndex,
    term_at: impl Fn(LogIndex) -> Option<Term>,
) -> LogIndex {
    // [S5.3.48] Pass over all entries of a conflicting term at once: none of a later term agrees.
    let agrees = |index| term_at(index).is_none_or(|term| term <= entry.term);
    last_where(LogIndex::ZERO, entry.index.min(last), agrees)
}

/// The last index in `low..=high` for which `holds`, given that it holds for a prefix; `low` is
/// never asked about.
fn last_where(mut low: LogIndex, mut high: LogIndex, holds: impl Fn(LogIndex) -> bool) -> LogIndex {
    while low < high {
        // Rounds up, so that `middle` is above `low` and the search ends.
        let middle = low.plus(high.distance_from(low).div_ceil(2));
        if holds(middle) {
            low = middle;
        } else {
            high = middle.previous();
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(terms: &'static [u64]) -> impl Fn(LogIndex) -> Option<Term> {
        move |index| match index.get() {
            0 => Some(Term::ZERO),
            index => terms.get(index as usize - 1).copied().map(Term::new),
        }
    }

    fn id(index: u64, term: u64) -> EntryId {
        EntryId::new(Term::new(term), LogIndex::new(index))
    }

    /// [F2.AE.2]
    #[test]
    fn the_previous_entry_must_be_held_with_its_term() {
        let judge =
            |held: Option<u64>| judge_previous(id(5, 3), held.map(Term::new), LogIndex::new(4));
        assert_eq!(judge(Some(3)), PreviousVerdict::Held);
        assert_eq!(judge(Some(2)), PreviousVerdict::Missing);
        assert_eq!(judge(None), PreviousVerdict::Missing);
        let committed = judge_previous(id(5, 3), Some(Term::new(2)), LogIndex::new(5));
        assert_eq!(committed, PreviousVerdict::ContradictsCommitted);
    }

    #[test]
    fn what_is_held_is_a_prefix() {
        let held = |term, first, last| {
            held_through(
                Term::new(term),
                LogIndex::new(first),
                LogIndex::new(last),
                log(&[1, 1, 2, 2, 2, 4]),
            )
            .get()
        };
        assert_eq!(held(2, 3, 5), 5, "all");
        assert_eq!(held(2, 3, 9), 5, "a conflict at 6");
        assert_eq!(held(4, 6, 9), 6, "the log ends");
        assert_eq!(held(3, 6, 9), 5, "none, a conflict at once");
        assert_eq!(held(5, 7, 9), 6, "none, all new");
    }

    /// [S5.3.48]
    #[test]
    fn a_hint_skips_the_terms_that_can_not_agree() {
        let agree = |index, term, terms: &'static [u64]| {
            let last = LogIndex::new(terms.len() as u64);
            could_agree(id(index, term), last, log(terms)).get()
        };
        assert_eq!(agree(9, 6, &[1, 1, 4, 4]), 4, "the log is shorter");
        assert_eq!(
            agree(9, 6, &[1, 1, 4, 4, 7, 7, 7]),
            4,
            "a term the other never had"
        );
        assert_eq!(agree(3, 2, &[4, 4, 4]), 0, "nothing in common");
        assert_eq!(agree(2, 9, &[1, 2, 3]), 2, "never beyond what was asked");
    }

    /// [S5.3.48] What a log has forgotten was committed: that is where logs agree.
    #[test]
    fn a_hint_does_not_go_back_behind_what_is_forgotten() {
        let agree = |term, held: &'static [u64]| {
            let held = move |index: LogIndex| {
                let at = (index.get() as usize).checked_sub(7)?;
                held.get(at).copied().map(Term::new)
            };
            could_agree(id(9, term), LogIndex::new(9), held).get()
        };
        assert_eq!(agree(4, &[4, 6, 6]), 7, "the first that is not forgotten");
        assert_eq!(agree(4, &[6, 6, 6]), 6, "the last that is");
    }

    /// [S5.3.48] Figure 7's logs and some more, each as leader and as follower: following hints, the
    /// leader finds the last common entry, in few rounds.
    #[test]
    fn hints_converge_on_the_last_common_entry() {
        const LOGS: &[&[u64]] = &[
            &[],
            &[1],
            &[1, 1, 1, 1],
            &[1, 2],
            &[1, 1, 7, 7],
            &[1, 1, 1, 3, 3, 3],
            &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6],
            &[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
            &[1, 1, 1, 4, 4, 4, 4],
            &[1, 1, 1, 4, 4, 5, 5, 6, 6],
        ];
        for leader in LOGS {
            for follower in LOGS {
                let common = leader
                    .iter()
                    .zip(*follower)
                    .take_while(|(a, b)| a == b)
                    .count();
                let lead_last = LogIndex::new(leader.len() as u64);
                let follow_last = LogIndex::new(follower.len() as u64);
                let mut previous = lead_last;
                let mut rounds = 0;
                while log(follower)(previous) != log(leader)(previous) {
                    rounds += 1;
                    let asked = EntryId::new(log(leader)(previous).unwrap(), previous);
                    let hint = could_agree(asked, follow_last, log(follower));
                    let hint = EntryId::new(log(follower)(hint).unwrap(), hint);
                    previous = could_agree(hint, lead_last, log(leader)).min(previous.previous());
                }
                assert_eq!(previous.get() as usize, common, "{leader:?} {follower:?}");
                assert!(
                    rounds <= 4,
                    "{rounds} rounds for {leader:?} and {follower:?}"
                );
            }
        }
    }
}
