//! A witness votes and knows ids: it leads nobody, holds no payload and applies nothing, and hears of
//! no entry before somebody who keeps payloads has it on disk. (Otherwise one crash could leave an id
//! that nobody can ever catch up with.) The others hold all payloads.

use raft_core::ids::{EntryId, NodeId};
use raft_core::states::Role;

use super::{Checker, Model, Sight, View, Violation, property};
use crate::spy::{EntryFact, Fact, WriteFact};

mod order;
pub(crate) use order::Order;

/// See the module.
#[derive(Debug)]
pub(super) struct Witnesses;

impl Checker for Witnesses {
    fn name(&self) -> &'static str {
        property::WITNESSES
    }

    fn noted(&mut self, sight: &Sight<'_>, fact: &Fact) -> Result<(), Violation> {
        let witness = sight.own().is_some_and(|own| own.witness);
        let wrong = match fact {
            Fact::Begun(write) if witness => wrongly_known(sight.model, sight.node, write),
            Fact::Begun(write) => {
                let lacks = write.append.iter().find(|entry| entry.absent);
                lacks.map(|entry| format!("wrote {} without its payload", entry.id))
            }
            Fact::Applied(applied) if witness => Some(format!("applied {}", applied.id)),
            Fact::Restored(_) if witness => Some("restored a state machine".to_owned()),
            Fact::Stored(id) if witness => Some(format!("stored a snapshot up to {}", id.last)),
            _ => None,
        };
        match wrong {
            None => Ok(()),
            Some(text) if witness => {
                Err(sight.violation(self.name(), format!("as a witness it {text}")))
            }
            Some(text) => Err(sight.violation(self.name(), text)),
        }
    }

    fn observe(&mut self, view: &View<'_>) -> Result<(), Violation> {
        match view.after {
            Some(after) if after.witness && after.role != Role::Follower => {
                let text = format!("a witness is {:?} in {}", after.role, after.term);
                Err(view.violation(self.name(), text))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// What a witness writes down and may not.
fn wrongly_known(model: &Model, node: NodeId, write: &WriteFact) -> Option<String> {
    let is_configuration = |entry: &EntryFact| {
        let mut configurations = write.configurations.iter();
        configurations.any(|(id, _)| *id == entry.id)
    };
    write.append.iter().find_map(|entry| {
        if !entry.absent && !is_configuration(entry) {
            return Some(format!("wrote {} with its payload", entry.id));
        }
        let known = is_on_a_disk(model, node, entry.id);
        (!known).then(|| format!("knows of {}, which is on no other disk", entry.id))
    })
}

/// Whether any node that keeps payloads has, or had, the entry on its disk.
fn is_on_a_disk(model: &Model, witness: NodeId, entry: EntryId) -> bool {
    let others = model
        .nodes()
        .filter(|(id, node)| *id != witness && !node.witness);
    let mut durable = others.flat_map(|(_, node)| node.ever_durable());
    let is_there = durable.any(|log| {
        let there = log.entry(entry.index);
        there.is_some_and(|there| there.entry.id == entry)
    });
    is_there || model.was_removed(entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::story::Story;

    /// Nodes 1 and 2, and node 3, a witness; node 1 holds an entry, durably or not.
    fn story(durable: bool) -> Story {
        let mut story = Story::of(Witnesses);
        story.observe(3, |node| node.witness = true);
        story.write(1, None, &[(1, 1, 'a')]);
        if durable {
            story.durable(1);
        }
        story
    }

    #[test]
    fn a_witness_knows_ids_of_what_is_on_a_disk_and_no_payloads() {
        let mut right = story(true);
        right.write_ids(3, &[(1, 1)]);
        assert_eq!(right.verdict(), None);
        let mut early = story(false);
        early.write_ids(3, &[(1, 1)]);
        assert_eq!(early.verdict(), Some(property::WITNESSES));
        let mut whole = story(true);
        whole.write(3, None, &[(1, 1, 'a')]);
        assert_eq!(whole.verdict(), Some(property::WITNESSES));
    }

    /// Its leader gave way to a later one while the word was on its way.
    #[test]
    fn a_witness_may_hear_of_what_was_removed_since() {
        let mut story = story(true);
        story.write(1, Some(1), &[(2, 1, 'b')]).durable(1);
        story.write_ids(3, &[(1, 1)]);
        assert_eq!(story.verdict(), None);
    }

    #[test]
    fn nobody_else_may_lack_a_payload() {
        let mut story = story(true);
        story.write_ids(2, &[(1, 1)]);
        assert_eq!(story.verdict(), Some(property::WITNESSES));
    }

    #[test]
    fn a_witness_applies_nothing_and_campaigns_in_no_role() {
        let mut applies = story(true);
        applies.apply(3, (1, 1, 'a'));
        assert_eq!(applies.verdict(), Some(property::WITNESSES));
        for role in [Role::PreCandidate, Role::Candidate, Role::Leader] {
            let mut story = story(true);
            story.observe(3, |node| (node.witness, node.role) = (true, role));
            assert_eq!(story.verdict(), Some(property::WITNESSES), "{role:?}");
        }
    }
}
