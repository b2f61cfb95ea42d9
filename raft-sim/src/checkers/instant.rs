//! What holds of a hull at any instant, seen from outside: the commit index lies in the log, a
//! leader's vote is its own, what a follower is sent next lies behind what it is known to hold, and
//! what a hull takes to be durable on its own disk is what its log said.
//!
//! The hull asserts most of this itself. Here it is asked again, of its getters and of what spies
//! saw, so that nothing depends on the assertions being compiled in.

use raft_core::hull::Hull;
use raft_core::ids::{EntryId, LogIndex, NodeId, Term};
use raft_core::states::Role;

use super::timers::Wrong;
use super::{LogModel, Model, property};

/// Looks at a hull; what is wrong with it, if anything.
pub(crate) fn wrong(hull: &Hull, model: &Model) -> Option<Wrong> {
    if hull.fault().is_some() {
        return None;
    }
    let me = hull.me().id;
    let durable = hull.durable_index();
    let claimed = (durable, hull.term_at(durable));
    commit_outside(hull.commit_index(), hull.last())
        .or_else(|| vote_lost(hull.role(), hull.vote(), me))
        .or_else(|| overrated(claimed, &model.node(me)?.durable))
        .or_else(|| {
            if hull.role() != Role::Leader {
                return None;
            }
            let mut others = model.nodes().map(|(id, _)| id);
            others.find_map(|id| {
                let next = hull.next_index(id)?;
                out_of_order(id, hull.match_index(id)?, next, hull.last().index)
            })
        })
}

/// Whoever takes in one letter after the other and looks at neither disk nor clock meanwhile lets no
/// timer fire in a flood.
pub(crate) fn flooded(in_a_row: usize) -> Option<Wrong> {
    (in_a_row > MOST_IN_A_ROW).then(|| {
        let text = format!("took in {in_a_row} letters and looked neither at disk nor at clock");
        (property::LIVENESS, text)
    })
}

fn commit_outside(commit: LogIndex, last: EntryId) -> Option<Wrong> {
    (commit > last.index).then(|| {
        let text = format!("takes {commit} to be committed, but its log ends at {last}");
        (property::STATE_MACHINE_SAFETY, text)
    })
}

/// A leader has voted for itself, and must not give that vote away: another could win its term.
fn vote_lost(role: Role, vote: Option<NodeId>, me: NodeId) -> Option<Wrong> {
    (role == Role::Leader && vote != Some(me)).then(|| {
        let text = format!("leads, but its vote is {vote:?}");
        (property::MONOTONIC, text)
    })
}

/// What a hull takes to be durable is that entry, as its log acknowledged it.
fn overrated((index, term): (LogIndex, Option<Term>), durable: &LogModel) -> Option<Wrong> {
    if index == LogIndex::ZERO {
        return None;
    }
    let known = durable.entry(index).map(|found| found.entry.id);
    let same = known.is_some_and(|known| Some(known.term) == term);
    (!same).then(|| {
        let text = format!(
            "takes its log to be durable up to {index} of {term:?}, but its disk has {durable}, \
             there {known:?}"
        );
        (property::DURABILITY, text)
    })
}

/// What is sent next to a follower lies behind what it holds, and not beyond the log's end.
fn out_of_order(
    follower: NodeId,
    matched: LogIndex,
    next: LogIndex,
    last: LogIndex,
) -> Option<Wrong> {
    (next <= matched || next > last.next()).then(|| {
        let text = format!(
            "goes on sending {follower} from {next}, which is known to hold {matched}; \
             its own log ends at {last}"
        );
        (property::MONOTONIC, text)
    })
}

/// Letters in a row that are more than enough: several times what a driver takes in one turn.
const MOST_IN_A_ROW: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(index: u64) -> LogIndex {
        LogIndex::new(index)
    }

    fn property_of(wrong: Option<Wrong>) -> Option<&'static str> {
        wrong.map(|(property, _)| property)
    }

    #[test]
    fn the_commit_index_lies_in_the_log() {
        let last = EntryId::new(Term::new(2), at(7));
        assert_eq!(commit_outside(at(7), last), None);
        let wrong = commit_outside(at(8), last);
        assert_eq!(property_of(wrong), Some(property::STATE_MACHINE_SAFETY));
    }

    #[test]
    fn a_hull_takes_no_more_to_be_durable_than_its_log_said() {
        let empty = LogModel::default();
        assert_eq!(overrated((at(0), None), &empty), None);
        let wrong = overrated((at(1), Some(Term::new(1))), &empty);
        assert_eq!(property_of(wrong), Some(property::DURABILITY));
    }

    #[test]
    fn letters_in_a_row_are_bounded() {
        assert_eq!(flooded(MOST_IN_A_ROW), None);
        assert!(flooded(MOST_IN_A_ROW + 1).is_some());
    }

    #[test]
    fn a_leader_keeps_its_own_vote() {
        let me = NodeId::new(1);
        let of = |role, vote: Option<u64>| property_of(vote_lost(role, vote.map(NodeId::new), me));
        assert_eq!(of(Role::Leader, Some(1)), None);
        assert_eq!(of(Role::Follower, Some(2)), None);
        assert_eq!(of(Role::Leader, None), Some(property::MONOTONIC));
        assert_eq!(of(Role::Leader, Some(2)), Some(property::MONOTONIC));
    }

    #[test]
    fn what_is_sent_next_lies_behind_what_matches() {
        let of =
            |matched, next| property_of(out_of_order(NodeId::new(2), at(matched), at(next), at(9)));
        assert_eq!(of(4, 5), None);
        assert_eq!(of(4, 10), None);
        assert_eq!(of(4, 4), Some(property::MONOTONIC));
        assert_eq!(of(4, 11), Some(property::MONOTONIC));
    }
}
