//! Votes that are refused for nothing: who takes over a term because somebody asks for its vote
//! there has none to give to anybody else, and gives it, unless its log is ahead (paper 5.2, 5.4.1).
//!
//! One vote less is seldom missed. Where it is, as after a change of members that few know of, the
//! cluster has no leader for ever.
//!
//! And who has given its vote waits for the winner; who grants a pre-vote could still give one.

use raft_core::hull::Hull;
use raft_core::ids::EntryId;
use raft_core::states::Role;

use super::letters::lost_leader;
use super::{Stand, Step, Wrong};
use crate::checkers::property;
use crate::spy::{Passing, Says, Talk};

/// Looks at a step of a node that stood so before it.
pub(super) fn wrong(was: Stand, step: &Step<'_>, hull: &Hull) -> Option<Wrong> {
    refuses_for_nothing(was, step, hull)
        .or_else(|| campaigns_against_its_vote(was, step))
        .or_else(|| promises_what_it_has_not(was, step))
}

fn refuses_for_nothing(was: Stand, step: &Step<'_>, hull: &Hull) -> Option<Wrong> {
    if step.after.term <= was.term {
        return None;
    }
    let whole = hull.lost_through().is_none();
    judge(was, step, hull.last()).filter(|_| whole)
}

fn judge(was: Stand, step: &Step<'_>, last: EntryId) -> Option<Wrong> {
    let is = step.after;
    let waits = was.role == Role::Follower && is.role == Role::Follower && !is.stopped;
    if !waits || is.vote.is_some() {
        return None;
    }
    // Whatever else was of that term may have come first, and be what was followed.
    let mut of_term = step.passings.iter().filter_map(|passing| match passing {
        Passing::Taken(talk) if talk.term >= is.term => Some(talk),
        _ => None,
    });
    let (Some(talk), None) = (of_term.next(), of_term.next()) else {
        return None;
    };
    let Talk {
        peer,
        term,
        says: Says::RequestVote { last: theirs, .. },
    } = *talk
    else {
        return None;
    };
    let ahead = (last.term, last.index) > (theirs.term, theirs.index);
    (term == is.term && !ahead).then(|| {
        let text = format!(
            "took over {term} because {peer} asked for its vote, whose log ends at {theirs}, and \
             gave that to nobody, though its own ends at {last}"
        );
        (property::LIVENESS, text)
    })
}

/// Whoever gave its vote in this step waits for its winner, and does not go on campaigning.
fn campaigns_against_its_vote(was: Stand, step: &Step<'_>) -> Option<Wrong> {
    let is = step.after;
    let campaigned = was.role == Role::PreCandidate && is.role == Role::PreCandidate;
    let free = was.vote.is_none() && was.term == is.term;
    if !campaigned || !free || is.stopped || lost_leader(was, step) {
        return None;
    }
    let given_to = is.vote.filter(|vote| *vote != step.node)?;
    let text = format!(
        "gave {given_to} its vote in {}, and asks for pre-votes still",
        is.term
    );
    Some((property::NEEDLESS_ELECTIONS, text))
}

/// Looks at what a node says to who asks for pre-votes: yes only where it could still give its vote,
/// in a term that it has not reached (thesis 9.6).
fn promises_what_it_has_not(was: Stand, step: &Step<'_>) -> Option<Wrong> {
    let promised = step.passings.iter().find_map(|passing| match passing {
        Passing::Sent(Talk {
            peer,
            says:
                Says::PreVoteReply {
                    asked,
                    granted: true,
                },
            ..
        }) if *asked <= was.term => Some((*peer, *asked)),
        _ => None,
    });
    let (peer, asked) = promised?;
    let text = format!(
        "grants {peer} a pre-vote in {asked}, and was in {} already",
        was.term
    );
    Some((property::NEEDLESS_ELECTIONS, text))
}

#[cfg(test)]
mod tests {

    use raft_core::ids::{LogIndex, NodeId, Term};

    use super::*;

    use crate::checkers::timers::plain;

    const OTHER: NodeId = NodeId::new(2);

    fn id(term: u64, index: u64) -> EntryId {
        EntryId::new(Term::new(term), LogIndex::new(index))
    }

    fn stand(term: u64, vote: Option<NodeId>) -> Stand {
        Stand {
            vote,
            ..plain::stand(term)
        }
    }

    fn asks(term: u64, last: EntryId) -> Passing {
        let transfer = false;
        Passing::Taken(Talk {
            peer: OTHER,
            term: Term::new(term),
            says: Says::RequestVote { last, transfer },
        })
    }

    #[test]
    fn a_pre_vote_is_granted_in_a_later_term_only() {
        let said = |asked, granted| {
            let asked = Term::new(asked);
            let told = [Passing::Sent(Talk {
                peer: OTHER,
                term: Term::new(5),
                says: Says::PreVoteReply { asked, granted },
            })];
            let step = plain::step(NodeId::new(1), 9, stand(6, None), &told);
            promises_what_it_has_not(stand(5, None), &step).is_some()
        };
        assert!(said(5, true));
        assert!(!said(6, true) && !said(5, false));
    }

    #[test]
    fn who_gave_its_vote_does_not_go_on_campaigning() {
        let campaigning = |vote| Stand {
            role: Role::PreCandidate,
            ..stand(5, vote)
        };
        let said = |was, after| {
            let step = plain::step(NodeId::new(1), 9, after, &[]);
            campaigns_against_its_vote(was, &step).is_some()
        };
        let (free, voted) = (campaigning(None), campaigning(Some(OTHER)));
        assert!(said(free, voted));
        assert!(!said(free, stand(5, Some(OTHER))));
        assert!(!said(voted, voted), "its patience may be over");
    }

    /// What is said of a node of term 5 whose log ends at index 7 of term 4, and which stands so after
    /// it has taken in these.
    fn said(after: Stand, passings: &[Passing]) -> bool {
        let step = plain::step(NodeId::new(1), 9, after, passings);
        judge(stand(5, None), &step, id(4, 7)).is_some()
    }

    #[test]
    fn who_follows_a_candidate_into_its_term_votes_for_it_unless_its_own_log_is_ahead() {
        assert!(said(stand(6, None), &[asks(6, id(4, 7))]));
        assert!(said(stand(6, None), &[asks(6, id(5, 1))]));
        assert!(!said(stand(6, Some(OTHER)), &[asks(6, id(4, 7))]));
        assert!(!said(stand(6, None), &[asks(6, id(4, 6))]));
        assert!(!said(stand(6, None), &[asks(6, id(3, 9))]));
    }

    #[test]
    fn nothing_is_said_where_something_else_may_have_been_followed() {
        let two = [asks(6, id(4, 7)), asks(6, id(4, 7))];
        assert!(!said(stand(6, None), &two));
        assert!(!said(stand(7, None), &[asks(6, id(4, 7))]));
        assert!(!said(stand(6, None), &[]));
    }
}
