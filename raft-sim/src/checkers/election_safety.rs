//! [F3.ES] Election Safety (Figure 3): at most one leader can be elected in a given term.

use std::collections::BTreeMap;

use raft_core::ids::{Boot, Peer, Term};

use super::{Checker, View, Violation, property};

/// See the module. A node that leads a term, restarts and leads it again counts as two leaders: it
/// may have lost what it had appended in between.
#[derive(Debug, Default)]
pub struct ElectionSafety {
    leaders: BTreeMap<Term, (Peer, Boot)>,
}

impl Checker for ElectionSafety {
    fn name(&self) -> &'static str {
        property::ELECTION_SAFETY
    }

    fn observe(&mut self, view: &View<'_>) -> Result<(), Violation> {
        let Some(after) = view.after.filter(|after| after.elected_with.is_some()) else {
            return Ok(());
        };
        let leader = (after.me, after.boot);
        let first = *self.leaders.entry(after.term).or_insert(leader);
        if first == leader {
            return Ok(());
        }
        let text = format!(
            "{:?} (boot {}) was elected in {}, which {:?} (boot {}) has led",
            after.me, after.boot, after.term, first.0, first.1
        );
        Err(view.violation(self.name(), text))
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
    fn a_restarted_node_may_not_lead_its_term_again() {
        let mut story = Story::of(ElectionSafety::default());
        story.elect(1, 2, &[]).restart(1).elect(1, 2, &[]);
        assert_eq!(story.verdict(), Some(property::ELECTION_SAFETY));
    }
}
