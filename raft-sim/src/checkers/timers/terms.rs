//! Terms in letters: who takes in a letter of a later term follows it there, whatever kind of letter
//! that is, and takes for its leader only who has spoken as one in its own term (paper 5.1).
//!
//! Requests for votes are left out, and pre-votes: whoever hears a leader drops them.

use std::collections::{BTreeMap, BTreeSet};

use raft_core::ids::{Incarnation, NodeId, Term};

use super::{Stand, Step, Wrong};
use crate::checkers::property;
use crate::spy::{Passing, Says, Talk};

/// What is remembered of all nodes.
#[derive(Debug, Default)]
pub(super) struct Terms {
    /// In which terms each has spoken as a leader.
    led: BTreeMap<NodeId, BTreeSet<Term>>,
    lives: BTreeMap<NodeId, Incarnation>,
    /// Whether a disk was lost: what its node says is then nobody's word.
    strangers: bool,
}

impl Terms {
    /// A node starts on a data folder of this life.
    pub(super) fn starting(&mut self, node: NodeId, life: Incarnation) {
        let known = self.lives.insert(node, life);
        self.strangers |= known.is_some_and(|known| known != life);
    }

    /// Looks at a step of a node that stood so before it, in this boot.
    pub(super) fn step(&mut self, was: Option<Stand>, step: &Step<'_>) -> Option<Wrong> {
        let is = step.after;
        let ignored = step.passings.iter().find_map(|passing| match passing {
            Passing::Sent(talk) if is_leaders(talk.says) => {
                self.note(step.node, talk.term);
                None
            }
            Passing::Taken(talk) if talk.term > is.term && must_be_followed(talk.says) => {
                Some(*talk)
            }
            _ => None,
        });
        let was = was.filter(|_| !is.stopped && !self.strangers)?;
        if let Some(Talk { peer, term, .. }) = ignored {
            let text = format!(
                "took in a letter of {peer} in {term}, and stays in {}",
                is.term
            );
            return Some((property::LIVENESS, text));
        }
        let leader = is.leader.filter(|leader| *leader != step.node)?;
        let is_new = (was.leader, was.term) != (is.leader, is.term);
        let spoke = |led: &BTreeSet<Term>| led.contains(&is.term);
        (is_new && !self.led.get(&leader).is_some_and(spoke)).then(|| {
            let text = format!(
                "takes {leader} for the leader of {}, which has never spoken as one there",
                is.term
            );
            (property::ELECTION_SAFETY, text)
        })
    }

    fn note(&mut self, node: NodeId, term: Term) {
        let led = self.led.entry(node).or_default();
        if led.last() != Some(&term) {
            led.insert(term);
        }
    }
}

/// Whether only a leader says so.
const fn is_leaders(says: Says) -> bool {
    matches!(
        says,
        Says::Append { .. }
            | Says::Heartbeat { .. }
            | Says::Install { .. }
            | Says::TimeoutNow { .. }
    )
}

/// Whether a letter that says so in a later term is followed there.
const fn must_be_followed(says: Says) -> bool {
    is_leaders(says)
        || matches!(
            says,
            Says::AppendReply(_)
                | Says::HeartbeatReply { .. }
                | Says::InstallReply(_)
                | Says::RequestVoteReply { .. }
        )
}

#[cfg(test)]
mod tests {

    use raft_core::ids::{EntryId, Incarnation, LogIndex};

    use super::*;

    use crate::checkers::timers::plain;

    const ME: NodeId = NodeId::new(1);
    const OTHER: NodeId = NodeId::new(2);
    const BEAT: Says = Says::Heartbeat {
        round: 1,
        commit: LogIndex::ZERO,
        quiet: false,
    };

    fn stand(term: u64, leader: Option<NodeId>) -> Stand {
        Stand {
            leader,
            ..plain::stand(term)
        }
    }

    fn step(terms: &mut Terms, node: NodeId, after: Stand, passings: &[Passing]) -> bool {
        let step = plain::step(node, 0, after, passings);
        terms.step(Some(stand(5, None)), &step).is_some()
    }

    const fn talk(term: u64, says: Says) -> Talk {
        Talk {
            peer: OTHER,
            term: Term::new(term),
            says,
        }
    }

    #[test]
    fn a_letter_of_a_later_term_is_followed_there() {
        let asks = Says::RequestVote {
            last: EntryId::ORIGIN,
            transfer: false,
        };
        for (says, term, wrong) in [
            (Says::InstallReply(None), 6, true),
            (Says::InstallReply(None), 5, false),
            (BEAT, 6, true),
            (asks, 6, false),
        ] {
            let taken = [Passing::Taken(talk(term, says))];
            let mut terms = Terms::default();
            assert_eq!(step(&mut terms, ME, stand(5, None), &taken), wrong);
            // Of a node whose disk was lost nobody knows whether its word counts.
            terms.starting(OTHER, Incarnation::new(1));
            terms.starting(OTHER, Incarnation::new(2));
            assert!(!step(&mut terms, ME, stand(5, None), &taken));
        }
    }

    #[test]
    fn only_who_has_spoken_as_the_leader_of_a_term_is_taken_for_it() {
        let follows = |spoke_in: u64| {
            let mut terms = Terms::default();
            let sent = [Passing::Sent(talk(spoke_in, BEAT))];
            assert!(!step(&mut terms, OTHER, stand(spoke_in, None), &sent));
            !step(&mut terms, ME, stand(6, Some(OTHER)), &[])
        };
        assert!(follows(6));
        assert!(!follows(5));
    }
}
