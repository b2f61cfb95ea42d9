//! Handing over leadership: to whom, when, and whether to obey (thesis 3.10).

use crate::ids::{EntryId, LogIndex, NodeId};

/// A member that could lead in the leader's place, as the leader sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Successor {
    /// Who it is.
    pub id: NodeId,
    /// How much it is preferred; higher is more.
    pub priority: u8,
    /// Whether it takes entries as they come: where its log agrees is known.
    pub keeps_up: bool,
    /// The highest index it is known to hold durably.
    pub matched: LogIndex,
}

/// Who of these should lead next, if nobody is named: one that keeps up before one that may not,
/// then the most preferred, then the one that lacks least. All of them may lead and were heard
/// lately.
pub fn fittest(successors: impl Iterator<Item = Successor>) -> Option<NodeId> {
    let fitness = |one: &Successor| (one.keeps_up, one.priority, one.matched);
    // Of equals the first.
    let fitter = |best: Successor, one: Successor| {
        if fitness(&one) > fitness(&best) {
            one
        } else {
            best
        }
    };
    successors.reduce(fitter).map(|best| best.id)
}

/// Whether the one that is to lead holds all that the leader does, so that it may be told.
pub fn is_caught_up(matched: LogIndex, last: LogIndex) -> bool {
    // [T3.10.16] Only who holds the whole log is told: nobody else would be sure to be elected.
    matched == last
}

/// What a follower knows when it is told to take over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Told {
    /// Whether it is its leader of the current term that tells it.
    pub by_leader: bool,
    /// The round in which it was told.
    pub round: u64,
    /// The latest round that the follower has heard of in this term.
    pub heard_round: u64,
    /// The leader's last entry when it told.
    pub leader_last: EntryId,
    /// The follower's own last entry.
    pub last: EntryId,
}

/// Whether the word to take over holds still, as far as the follower can know: nothing later was
/// heard of the leader, and it has all that the leader had, and nothing else.
pub fn holds_still(told: &Told) -> bool {
    told.by_leader && told.round >= told.heard_round && told.leader_last == told.last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Term;

    fn one(id: u64, keeps_up: bool, priority: u8, matched: u64) -> Successor {
        Successor {
            id: NodeId::new(id),
            priority,
            keeps_up,
            matched: LogIndex::new(matched),
        }
    }

    fn best(all: &[Successor]) -> Option<u64> {
        fittest(all.iter().copied()).map(NodeId::get)
    }

    #[test]
    fn who_keeps_up_comes_first_then_who_is_preferred_then_who_lacks_least() {
        assert_eq!(best(&[]), None);
        assert_eq!(best(&[one(2, false, 9, 9)]), Some(2), "better than nobody");
        assert_eq!(best(&[one(2, false, 9, 9), one(3, true, 1, 1)]), Some(3));
        assert_eq!(best(&[one(2, true, 1, 9), one(3, true, 2, 1)]), Some(3));
        assert_eq!(best(&[one(2, true, 1, 8), one(3, true, 1, 9)]), Some(3));
        assert_eq!(best(&[one(2, true, 1, 9), one(3, true, 1, 9)]), Some(2));
    }

    /// [T3.10.16]
    #[test]
    fn only_who_holds_the_whole_log_is_told() {
        let caught_up = |matched| is_caught_up(LogIndex::new(matched), LogIndex::new(5));
        assert_eq!([4, 5].map(caught_up), [false, true]);
    }

    #[test]
    fn the_word_holds_until_anything_later_is_known() {
        let entry = |index, term| EntryId::new(Term::new(term), LogIndex::new(index));
        let told = Told {
            by_leader: true,
            round: 4,
            heard_round: 4,
            leader_last: entry(7, 2),
            last: entry(7, 2),
        };
        assert!(holds_still(&told));
        let before = Told {
            heard_round: 3,
            ..told
        };
        assert!(holds_still(&before), "the heartbeat of its round comes yet");
        for late in [
            Told {
                by_leader: false,
                ..told
            },
            Told {
                heard_round: 5,
                ..told
            },
            Told {
                last: entry(8, 2),
                ..told
            },
            Told {
                last: entry(6, 2),
                ..told
            },
            Told {
                last: entry(7, 1),
                ..told
            },
        ] {
            assert!(!holds_still(&late), "{late:?}");
        }
    }
}
