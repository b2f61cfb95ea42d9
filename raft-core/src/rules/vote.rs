//! Votes and pre-votes (Figure 2 RequestVote; paper 5.2, 5.4.1; thesis 4.2.3, 9.6).

use core::cmp::Ordering;
use core::time::Duration;

use crate::ids::{EntryId, NodeId, Term};
use crate::time::Time;

/// What a voter knows when it is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Voter {
    /// Its current term.
    pub term: Term,
    /// Whom it voted for in that term.
    pub vote: Option<NodeId>,
    /// Whether it went to a life of that node which the voter knew as no member.
    pub to_other_life: bool,
    /// Its last entry.
    pub last: EntryId,
}

/// Who asks, and with what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// The candidate.
    pub candidate: NodeId,
    /// Whether the voter knows this life of that node as no member: another may go by its name, here or
    /// with others.
    pub is_other_life: bool,
    /// The term it asks to be elected in.
    pub term: Term,
    /// Its last entry.
    pub last: EntryId,
}

/// Whether the voter grants its vote. The voter has already taken over a later term.
pub fn grants(voter: &Voter, request: &Request) -> bool {
    // [F2.RV.1] Refuse a candidate whose term is over.
    if request.term < voter.term {
        return false;
    }
    // [F2.RV.2] Grant if the vote is free or already this candidate's, and its log is no less
    // up to date. The same candidate is granted again because its first answer may be lost.
    // A vote names a node and not its life: what may have gone to another one is given only once.
    let same_life = !voter.to_other_life && !request.is_other_life;
    let free = voter
        .vote
        .is_none_or(|vote| vote == request.candidate && same_life);
    free && is_up_to_date(request.last, voter.last)
}

/// Whether the voter would grant its vote, were the election held. Nothing follows from it.
pub fn would_grant(voter: &Voter, request: &Request) -> bool {
    // [T9.6.8b] Say yes only to a term in which a vote could still be given, and to a log that is
    // no less up to date.
    request.term > voter.term && is_up_to_date(request.last, voter.last)
}

/// Whether a candidate whose last entry is `candidate` may lead a voter whose last is `voter`.
pub fn is_up_to_date(candidate: EntryId, voter: EntryId) -> bool {
    match candidate.term.cmp(&voter.term) {
        // [S5.4.1.12] The later last term is more up to date, however short its log.
        Ordering::Greater => true,
        Ordering::Less => false,
        // [S5.4.1.13] With equal terms the longer log is; an equal one is enough.
        Ordering::Equal => candidate.index >= voter.index,
    }
}

/// Whether a current leader was heard so recently that a candidate must be mistaken or removed.
pub fn hears_leader(heard: Option<Time>, now: Time, election_timeout: Duration) -> bool {
    heard.is_some_and(|heard| now.since(heard) < election_timeout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::LogIndex;

    fn id(index: u64, term: u64) -> EntryId {
        EntryId::new(Term::new(term), LogIndex::new(index))
    }

    fn voter(vote: Option<u64>) -> Voter {
        Voter {
            term: Term::new(5),
            vote: vote.map(NodeId::new),
            to_other_life: false,
            last: id(3, 2),
        }
    }

    fn request(candidate: u64, term: u64, last: EntryId) -> Request {
        Request {
            candidate: NodeId::new(candidate),
            is_other_life: false,
            term: Term::new(term),
            last,
        }
    }

    /// [F2.RV.1]
    #[test]
    fn refuses_a_term_that_is_over() {
        assert!(!grants(&voter(None), &request(1, 4, id(9, 4))));
        assert!(grants(&voter(None), &request(1, 5, id(9, 4))));
    }

    /// [F2.RV.2]
    #[test]
    fn grants_once_a_term_but_again_to_the_same() {
        let good = id(3, 2);
        assert!(grants(&voter(None), &request(1, 5, good)));
        assert!(grants(&voter(Some(1)), &request(1, 5, good)));
        assert!(!grants(&voter(Some(2)), &request(1, 5, good)));
        assert!(!grants(&voter(None), &request(1, 5, id(2, 2))));
    }

    /// [F2.RV.2] The first vote may go to any life, the second to none but the same.
    #[test]
    fn never_grants_again_to_what_may_be_another_life() {
        let (first, again) = (voter(None), voter(Some(1)));
        let to_other_life = Voter {
            to_other_life: true,
            ..again
        };
        let usual = request(1, 5, id(3, 2));
        let other_life = Request {
            is_other_life: true,
            ..usual
        };
        assert!(grants(&first, &other_life));
        assert!(!grants(&again, &other_life));
        assert!(!grants(&to_other_life, &usual));
        assert!(!grants(&to_other_life, &other_life));
    }

    /// [S5.4.1.12]
    #[test]
    fn a_later_last_term_beats_a_longer_log() {
        assert!(is_up_to_date(id(2, 2), id(3, 1)));
        assert!(!is_up_to_date(id(3, 1), id(2, 2)));
    }

    /// [S5.4.1.13]
    #[test]
    fn within_a_term_the_longer_log_is_more_up_to_date_and_an_equal_one_is_enough() {
        assert!(is_up_to_date(id(4, 2), id(3, 2)));
        assert!(is_up_to_date(id(3, 2), id(3, 2)));
        assert!(!is_up_to_date(id(2, 2), id(3, 2)));
    }

    /// [T9.6.8b]
    #[test]
    fn would_grant_only_in_a_later_term_to_a_good_log_whatever_the_vote() {
        assert!(!would_grant(&voter(None), &request(1, 5, id(3, 2))));
        assert!(would_grant(&voter(Some(2)), &request(1, 6, id(3, 2))));
        assert!(!would_grant(&voter(None), &request(1, 6, id(2, 2))));
    }

    #[test]
    fn a_leader_is_heard_for_one_election_timeout() {
        let timeout = Duration::from_millis(100);
        let at = Time::from_millis;
        assert!(!hears_leader(None, at(50), timeout));
        assert!(hears_leader(Some(at(10)), at(109), timeout));
        assert!(!hears_leader(Some(at(10)), at(110), timeout));
    }
}
