//! Exactly once (thesis 6.3): each command reaches the user's state machine once, in one order on
//! all nodes, without gaps; and only what a client submitted, and was not told to be refused.

use std::collections::BTreeMap;

use raft_core::ids::EntryId;

use super::{Checker, Sight, Violation, property};
use crate::spy::{AppliedFact, Fact};

/// See the module.
#[derive(Debug, Default)]
pub struct ExactlyOnce {
    /// By session and serial: the entry it was applied from.
    applied: BTreeMap<(u64, u64), EntryId>,
}

impl Checker for ExactlyOnce {
    fn name(&self) -> &'static str {
        property::EXACTLY_ONCE
    }

    fn noted(&mut self, sight: &Sight<'_>, fact: &Fact) -> Result<(), Violation> {
        let (Fact::Applied(applied), Some(own)) = (fact, sight.own()) else {
            return Ok(());
        };
        let place = own.applied_count.saturating_sub(1);
        let sequence = sight.model.applied();
        let newest = sequence.len() == own.applied_count;
        let wrong = match sequence.get(place) {
            Some(first) if first.id.index != applied.id.index => Some(format!(
                "applied {} as command number {place}, where another node applied {}",
                applied.id, first.id
            )),
            Some(_) if newest => self.check_new(sight, applied),
            Some(_) | None => None,
        };
        match wrong {
            Some(text) => Err(sight.violation(self.name(), text)),
            None => Ok(()),
        }
    }
}

impl ExactlyOnce {
    /// A command that no node has applied before.
    fn check_new(&mut self, sight: &Sight<'_>, applied: &AppliedFact) -> Option<String> {
        let sequence = sight.model.applied();
        let before = sequence
            .len()
            .checked_sub(2)
            .and_then(|at| sequence.get(at));
        if let Some(before) = before.filter(|before| before.id.index >= applied.id.index) {
            return Some(format!("applied {} after {}", applied.id, before.id));
        }
        let count = sight.model.count(applied.payload);
        if count.applied > count.most_applied() {
            return Some(format!(
                "{} makes a command applied {} times that was asked for {} times",
                applied.id,
                count.applied,
                count.most_applied()
            ));
        }
        let entry = sight
            .own()
            .and_then(|own| own.log.entry(applied.id.index))
            .filter(|found| found.entry.id == applied.id && found.entry.session != 0)?
            .entry;
        let first = *self
            .applied
            .entry((entry.session, entry.serial))
            .or_insert(applied.id);
        (first != applied.id).then(|| {
            format!(
                "session {} serial {} was applied from {first} and again from {}",
                entry.session, entry.serial, applied.id
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::story::Story;

    fn story(submitted: &str) -> Story {
        let mut story = Story::of(ExactlyOnce::default());
        for letter in submitted.chars() {
            story.submit(1, letter);
        }
        story
    }

    #[test]
    fn each_node_may_apply_each_command_once_a_boot() {
        let mut story = story("abc");
        story
            .apply(1, (1, 1, 'a'))
            .apply(1, (1, 3, 'b'))
            .apply(2, (1, 1, 'a'))
            .restart(1)
            .apply(1, (1, 1, 'a'))
            .apply(2, (1, 3, 'b'))
            .apply(2, (2, 4, 'c'));
        assert_eq!(story.verdict(), None);
    }

    #[test]
    fn one_submission_may_not_be_applied_twice() {
        let mut story = story("ab");
        story.apply(1, (1, 1, 'a')).apply(1, (1, 2, 'a'));
        assert_eq!(story.verdict(), Some(property::EXACTLY_ONCE));
    }

    #[test]
    fn one_operation_submitted_again_may_not_be_applied_twice() {
        let mut story = Story::of(ExactlyOnce::default());
        story.begin_operation('a');
        story.submit(1, 'a');
        story.submit(2, 'a');
        story.apply(1, (1, 1, 'a'));
        assert_eq!(story.verdict(), None);
        story.apply(1, (1, 2, 'a'));
        assert_eq!(story.verdict(), Some(property::EXACTLY_ONCE));
    }

    #[test]
    fn one_serial_may_not_be_applied_twice() {
        let mut story = story("ab");
        story
            .write_as(1, (1, 1, 'a'), 7, 1)
            .write_as(1, (1, 2, 'b'), 7, 1)
            .apply(1, (1, 1, 'a'))
            .apply(1, (1, 2, 'b'));
        assert_eq!(story.verdict(), Some(property::EXACTLY_ONCE));
    }

    #[test]
    fn what_nobody_submitted_may_not_be_applied() {
        let mut story = story("a");
        story.apply(1, (1, 1, 'x'));
        assert_eq!(story.verdict(), Some(property::EXACTLY_ONCE));
    }

    #[test]
    fn a_node_may_not_skip_a_command() {
        let mut story = story("abc");
        story
            .apply(1, (1, 1, 'a'))
            .apply(1, (1, 2, 'b'))
            .apply(1, (1, 3, 'c'))
            .apply(2, (1, 1, 'a'))
            .apply(2, (1, 3, 'c'));
        assert_eq!(story.verdict(), Some(property::EXACTLY_ONCE));
    }

    #[test]
    fn a_node_may_not_apply_an_entry_again() {
        let mut story = story("ab");
        story
            .apply(1, (1, 1, 'a'))
            .apply(1, (1, 2, 'b'))
            .apply(2, (1, 1, 'a'))
            .apply(2, (1, 1, 'a'));
        assert_eq!(story.verdict(), Some(property::EXACTLY_ONCE));
    }
}
