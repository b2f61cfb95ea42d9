//! Convergence: once the world has healed and come to rest, all nodes that live have applied the
//! same commands, but for witnesses, which apply none. (That they agree on each is State Machine Safety's and Exactly Once's.)

use super::{Checker, End, Violation, property};

/// See the module.
#[derive(Debug)]
pub struct Convergence;

impl Checker for Convergence {
    fn name(&self) -> &'static str {
        property::CONVERGENCE
    }

    fn at_end(&mut self, end: &End<'_>) -> Result<(), Violation> {
        let all = end.model.applied().len();
        for id in end.live {
            let node = end.model.node(*id);
            let applied = node.map_or(0, |node| node.applied_count);
            if applied != all && !node.is_some_and(|node| node.witness) {
                return Err(Violation {
                    property: self.name(),
                    node: Some(*id),
                    time: end.now,
                    text: format!("{id} has applied {applied} commands of {all}"),
                });
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
    fn nodes_that_are_down_may_lag() {
        let mut story = Story::of(Convergence);
        story
            .apply(1, (1, 1, 'a'))
            .apply(2, (1, 1, 'a'))
            .end(&[1, 2]);
        assert_eq!(story.verdict(), None);
    }

    #[test]
    fn nodes_that_live_may_not() {
        let mut story = Story::of(Convergence);
        story.apply(1, (1, 1, 'a')).end(&[1, 2]);
        assert_eq!(story.verdict(), Some(property::CONVERGENCE));
    }
}
