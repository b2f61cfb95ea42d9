//! [F3.SMS] State Machine Safety (Figure 3): if a server has applied a log entry at a given index to its
//! state machine, no other server will ever apply a different log entry for the same index.
//!
//! Committing counts like applying here: what is committed can't be taken back, and is seen
//! earlier.

use raft_core::ids::EntryId;

use super::{Checker, Sight, View, Violation, property, words};
use crate::spy::{Fact, RestoredFact};

/// See the module.
#[derive(Debug, Default)]
pub struct StateMachineSafety {
    /// By index less one.
    committed: Vec<EntryId>,
}

impl Checker for StateMachineSafety {
    fn name(&self) -> &'static str {
        property::STATE_MACHINE_SAFETY
    }

    fn noted(&mut self, sight: &Sight<'_>, fact: &Fact) -> Result<(), Violation> {
        if let Fact::Restored(restored) = fact {
            return self.check_restored(sight, *restored);
        }
        let (Fact::Applied(applied), Some(own)) = (fact, sight.own()) else {
            return Ok(());
        };
        let written = own.log.entry(applied.id.index).map(|found| found.entry);
        let written = written.filter(|entry| entry.id == applied.id && entry.session != 0);
        if written.is_some_and(|entry| entry.payload != applied.payload) {
            let text = format!("applied {} with other bytes than were written", applied.id);
            return Err(sight.violation(self.name(), text));
        }
        let place = own.applied_count.saturating_sub(1);
        let Some(first) = sight.model.applied().get(place) else {
            return Ok(());
        };
        if first.id.index == applied.id.index && first != applied {
            let text = format!(
                "applied {} where another node applied {}",
                words::applied(applied),
                words::applied(first)
            );
            return Err(sight.violation(self.name(), text));
        }
        Ok(())
    }

    fn observe(&mut self, view: &View<'_>) -> Result<(), Violation> {
        let Some(after) = view.after else {
            return Ok(());
        };
        for entry in &after.committed {
            let known = usize::try_from(entry.index.previous().get())
                .ok()
                .and_then(|at| self.committed.get(at));
            match known {
                Some(known) if known != entry => {
                    let text = format!("{entry} is committed where {known} was");
                    return Err(view.violation(self.name(), text));
                }
                // What a snapshot stands for is told of by whoever had its entries.
                None if entry.index.previous().get() == self.committed.len() as u64 => {
                    self.committed.push(*entry);
                }
                Some(_) | None => {}
            }
        }
        self.check_applied(view)
    }
}

impl StateMachineSafety {
    /// A state out of a snapshot has applied what others have, and as much of it.
    fn check_restored(&self, sight: &Sight<'_>, restored: RestoredFact) -> Result<(), Violation> {
        let last = restored.commands.checked_sub(1);
        let known = last.and_then(|last| sight.model.applied().get(last));
        if known.map(|known| known.id) == restored.last {
            return Ok(());
        }
        let text = format!(
            "restored a state of {} commands, the last at {}, where others applied {}",
            restored.commands,
            words::or(restored.last, "no entry"),
            words::or(known.map(|known| known.id), "none")
        );
        Err(sight.violation(self.name(), text))
    }

    /// What a node has applied must be committed.
    fn check_applied(&self, view: &View<'_>) -> Result<(), Violation> {
        let Some(after) = view.after else {
            return Ok(());
        };
        let last = view
            .model
            .node(view.node)
            .and_then(|node| node.last_applied);
        let beyond = last
            .map(|last| last.index)
            .into_iter()
            .chain([after.applied])
            .find(|index| *index > after.commit);
        if let Some(index) = beyond {
            let text = format!("{index} is applied, but only {} committed", after.commit);
            return Err(view.violation(self.name(), text));
        }
        let known = last.and_then(|last| {
            let at = usize::try_from(last.index.previous().get()).ok()?;
            self.committed.get(at).map(|known| (last, *known))
        });
        match known {
            Some((last, known)) if last != known => {
                let text = format!("{last} is applied where {known} is committed");
                Err(view.violation(self.name(), text))
            }
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::story::Story;

    #[test]
    fn nodes_may_commit_and_apply_the_same_at_different_times() {
        let mut story = Story::of(StateMachineSafety::default());
        story
            .commit(1, &[(1, 1), (1, 2), (2, 3)])
            .apply(1, (1, 2, 'a'))
            .commit(2, &[(1, 1), (1, 2)])
            .apply(2, (1, 2, 'a'))
            .restart(1)
            .commit(1, &[(1, 1), (1, 2)])
            .apply(1, (1, 2, 'a'));
        assert_eq!(story.verdict(), None);
    }

    /// [F3.SMS]
    #[test]
    fn one_index_may_not_be_committed_twice() {
        let mut story = Story::of(StateMachineSafety::default());
        story
            .commit(1, &[(1, 1), (1, 2)])
            .commit(2, &[(1, 1), (2, 2)]);
        assert_eq!(story.verdict(), Some(property::STATE_MACHINE_SAFETY));
    }

    /// [F3.SMS]
    #[test]
    fn two_nodes_may_not_apply_different_commands() {
        let mut story = Story::of(StateMachineSafety::default());
        story
            .commit(1, &[(1, 1)])
            .apply(1, (1, 1, 'a'))
            .commit(2, &[(1, 1)])
            .apply(2, (1, 1, 'b'));
        assert_eq!(story.verdict(), Some(property::STATE_MACHINE_SAFETY));
    }

    /// [F3.SMS]
    #[test]
    fn nothing_may_be_applied_before_it_is_committed() {
        let mut story = Story::of(StateMachineSafety::default());
        story.commit(1, &[(1, 1)]).apply(1, (1, 2, 'a'));
        assert_eq!(story.verdict(), Some(property::STATE_MACHINE_SAFETY));
    }

    #[test]
    fn what_is_applied_is_what_was_written() {
        let mut story = Story::of(StateMachineSafety::default());
        story
            .write_as(1, (1, 1, 'a'), 7, 1)
            .commit(1, &[(1, 1)])
            .apply(1, (1, 1, 'b'));
        assert_eq!(story.verdict(), Some(property::STATE_MACHINE_SAFETY));
    }

    /// [F3.SMS]
    #[test]
    fn another_entry_than_the_committed_one_may_not_be_applied() {
        let mut story = Story::of(StateMachineSafety::default());
        story.commit(1, &[(2, 1)]).apply(1, (1, 1, 'a'));
        assert_eq!(story.verdict(), Some(property::STATE_MACHINE_SAFETY));
    }

    #[test]
    fn a_restored_state_has_applied_what_others_have() {
        for (commands, last, verdict) in [
            (2, (1, 3), None),
            (1, (1, 1), None),
            (1, (1, 3), Some(property::STATE_MACHINE_SAFETY)),
            (3, (1, 3), Some(property::STATE_MACHINE_SAFETY)),
            (2, (2, 3), Some(property::STATE_MACHINE_SAFETY)),
        ] {
            let mut story = Story::of(StateMachineSafety::default());
            story
                .commit(1, &[(1, 1), (1, 2), (1, 3)])
                .apply(1, (1, 1, 'a'))
                .apply(1, (1, 3, 'c'))
                .commit(2, &[(1, 1), (1, 2), (1, 3)])
                .restore(2, commands, last);
            assert_eq!(story.verdict(), verdict, "{commands} up to {last:?}");
        }
    }
}
