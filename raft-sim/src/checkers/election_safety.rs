//! [F3.ES] Election Safety (Figure 3): at most one leader can be elected in a given term.

use std::collections::{BTreeMap, BTreeSet};

use raft_core::ids::{Boot, NodeId, Peer, Term};

use super::{Checker, Observation, Sight, View, Violation, property, words};
use crate::spy::{Fact, Promise};

/// See the module. A node that leads a term, restarts and leads it again counts as two leaders: it
/// may have lost what it had appended in between.
///
/// A leader must also have the votes of a majority, its own as far as it is durable: with fewer,
/// another can be elected in the same term.
#[derive(Debug, Default)]
pub struct ElectionSafety {
    leaders: BTreeMap<Term, (Peer, Boot)>,
    /// By candidate and term: who sent it a vote.
    votes: BTreeMap<(NodeId, Term), BTreeSet<NodeId>>,
}

impl Checker for ElectionSafety {
    fn name(&self) -> &'static str {
        property::ELECTION_SAFETY
    }

    fn noted(&mut self, sight: &Sight<'_>, fact: &Fact) -> Result<(), Violation> {
        if let Fact::Promised {
            to,
            term,
            promise: Promise::Vote,
        } = fact
        {
            let votes = self.votes.entry((*to, *term)).or_default();
            votes.insert(sight.node);
        }
        Ok(())
    }

    fn observe(&mut self, view: &View<'_>) -> Result<(), Violation> {
        let Some(after) = view.after.filter(|after| after.elected_with.is_some()) else {
            return Ok(());
        };
        let leader = (after.me, after.boot);
        let first = *self.leaders.entry(after.term).or_insert(leader);
        if first == leader {
            return self.check_votes(view, after);
        }
        let text = format!(
            "{:?} (boot {}) was elected in {}, which {:?} (boot {}) has led",
            after.me, after.boot, after.term, first.0, first.1
        );
        Err(view.violation(self.name(), text))
    }
}

impl ElectionSafety {
    fn check_votes(&self, view: &View<'_>, after: &Observation) -> Result<(), Violation> {
        let me = after.me.id;
        let hard = view.model.node(me).map(|node| node.durable.hard);
        let own = hard.is_some_and(|hard| hard.term == after.term && hard.vote == Some(me));
        let sent = self.votes.get(&(me, after.term));
        let voted = |id: &NodeId| (*id == me && own) || sent.is_some_and(|sent| sent.contains(id));
        for voters in &after.voters {
            let votes: Vec<_> = voters.iter().filter(|id| voted(id)).collect();
            if votes.len() * 2 <= voters.len() {
                let text = format!(
                    "{me} was elected in {} with the durable votes of {} only, of {}",
                    after.term,
                    words::list(votes),
                    words::list(voters)
                );
                return Err(view.violation(self.name(), text));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::story::Story;

    #[test]
    fn one_leader_a_term_is_fine() {
        let mut story = Story::of(ElectionSafety::default());
        story.elect(1, 1, &[]).elect(2, 2, &[]).elect(1, 3, &[]);
        assert_eq!(story.verdict(), None);
    }

    /// [F3.ES]
    #[test]
    fn two_nodes_may_not_lead_one_term() {
        let mut story = Story::of(ElectionSafety::default());
        story.elect(1, 2, &[]).elect(3, 2, &[]);
        assert_eq!(story.verdict(), Some(property::ELECTION_SAFETY));
    }

    #[test]
    fn a_majority_of_votes_elects() {
        let mut story = Story::of(ElectionSafety::default());
        story
            .vote(1, 2, 1)
            .durable(1)
            .promise(3, 1, 2, Promise::Vote)
            .elect_among(1, 2, &[1, 2, 3]);
        assert_eq!(story.verdict(), None);
    }

    /// [F3.ES]
    #[test]
    fn votes_of_another_term_do_not_elect() {
        let mut story = Story::of(ElectionSafety::default());
        story
            .vote(1, 2, 1)
            .durable(1)
            .promise(3, 1, 1, Promise::Vote)
            .elect_among(1, 2, &[1, 2, 3]);
        assert_eq!(story.verdict(), Some(property::ELECTION_SAFETY));
    }

    /// [F3.ES]
    #[test]
    fn an_own_vote_that_may_be_lost_does_not_count() {
        let mut story = Story::of(ElectionSafety::default());
        story
            .vote(1, 2, 1)
            .promise(3, 1, 2, Promise::Vote)
            .elect_among(1, 2, &[1, 2, 3]);
        assert_eq!(story.verdict(), Some(property::ELECTION_SAFETY));
    }

    /// [F3.ES]
    #[test]
    fn a_restarted_node_may_not_lead_its_term_again() {
        let mut story = Story::of(ElectionSafety::default());
        story.elect(1, 2, &[]).restart(1).elect(1, 2, &[]);
        assert_eq!(story.verdict(), Some(property::ELECTION_SAFETY));
    }
}
