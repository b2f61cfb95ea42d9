//! Tickets: each submission is answered exactly once, and what was refused never takes effect.
//!
//! That nothing is answered twice the [`super::Model`] finds out while it counts answers.

use raft_core::time::Time;

use super::{Checker, ClientFact, End, Fate, Model, Sight, Violation, property, words};
use crate::spy::Fact;

/// See the module.
#[derive(Debug)]
pub struct Tickets;

impl Checker for Tickets {
    fn name(&self) -> &'static str {
        property::TICKETS
    }

    fn noted(&mut self, sight: &Sight<'_>, fact: &Fact) -> Result<(), Violation> {
        match fact {
            Fact::Applied(applied) if refused_but_applied(sight.model, applied.payload) => {
                let text = format!("{} is applied, but its client was refused", applied.id);
                Err(sight.violation(self.name(), text))
            }
            Fact::Applied(_)
            | Fact::Opened(_)
            | Fact::Begun(_)
            | Fact::Durable(_)
            | Fact::LogFailed
            | Fact::Asked { .. }
            | Fact::Promised { .. }
            | Fact::Stored(_)
            | Fact::LetGo(_)
            | Fact::StandsFor(_)
            | Fact::StoreFailed
            | Fact::Restored(_) => Ok(()),
        }
    }

    fn told(&mut self, now: Time, fact: &ClientFact, model: &Model) -> Result<(), Violation> {
        if fact.fate == Some(Fate::Refused) && refused_but_applied(model, fact.payload) {
            return Err(Violation {
                property: self.name(),
                node: Some(fact.node),
                time: now,
                text: format!(
                    "{} was refused, but it is applied",
                    words::submission(fact.id)
                ),
            });
        }
        Ok(())
    }

    fn at_end(&mut self, end: &End<'_>) -> Result<(), Violation> {
        let open = end
            .model
            .submissions()
            .iter()
            .find(|fact| fact.fate.is_none() && end.live.contains(&fact.node));
        match open {
            None => Ok(()),
            Some(fact) => Err(Violation {
                property: self.name(),
                node: Some(fact.node),
                time: end.now,
                text: format!(
                    "{}, made at {:?}, was never answered",
                    words::submission(fact.id),
                    fact.submitted
                ),
            }),
        }
    }
}

/// Whether more of these commands were applied than can have been.
fn refused_but_applied(model: &Model, payload: u64) -> bool {
    let count = model.count(payload);
    count.refused > 0 && count.applied + count.refused > count.submitted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::story::Story;

    #[test]
    fn one_answer_each_is_fine() {
        let mut story = Story::of(Tickets);
        let asks = ['a', 'b', 'c', 'd'].map(|letter| story.submit(1, letter));
        story
            .apply(1, (1, 1, 'a'))
            .tell(asks[0], Fate::Answered)
            .tell(asks[1], Fate::Refused)
            .tell(asks[2], Fate::Unknown)
            .tell(asks[3], Fate::Lost)
            .apply(1, (1, 2, 'c'))
            .end(&[1]);
        assert_eq!(story.verdict(), None);
    }

    #[test]
    fn two_answers_are_not() {
        let mut story = Story::of(Tickets);
        let ask = story.submit(1, 'a');
        story.tell(ask, Fate::Unknown).tell(ask, Fate::Answered);
        assert_eq!(story.verdict(), Some(property::TICKETS));
    }

    #[test]
    fn no_answer_is_not() {
        let mut story = Story::of(Tickets);
        story.submit(1, 'a');
        story.end(&[1]);
        assert_eq!(story.verdict(), Some(property::TICKETS));
    }

    #[test]
    fn a_node_that_is_down_owes_none() {
        let mut story = Story::of(Tickets);
        story.submit(2, 'a');
        story.end(&[1]);
        assert_eq!(story.verdict(), None);
    }

    #[test]
    fn what_was_refused_may_not_be_applied_later() {
        let mut story = Story::of(Tickets);
        let ask = story.submit(1, 'a');
        story.tell(ask, Fate::Refused).apply(2, (1, 1, 'a'));
        assert_eq!(story.verdict(), Some(property::TICKETS));
    }

    #[test]
    fn what_was_applied_may_not_be_refused() {
        let mut story = Story::of(Tickets);
        let ask = story.submit(1, 'a');
        story.apply(2, (1, 1, 'a')).tell(ask, Fate::Refused);
        assert_eq!(story.verdict(), Some(property::TICKETS));
    }
}
