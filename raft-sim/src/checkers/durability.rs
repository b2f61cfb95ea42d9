//! What was promised survives: a log called durable is found again, a message that promises
//! durability leaves only afterwards, what a leader was told to be held stays while it leads, what
//! it takes to be held is held, what is committed is durable on a majority, and what a client was
//! told is applied. (That later leaders have it too is Leader Completeness.)
//!
//! That a reopened log is what some write left, and none before the last durable one, the
//! [`super::Model`] finds out while it follows the writes.

use std::collections::BTreeMap;

use raft_core::ids::{EntryId, LogIndex, NodeId, Peer, Term};
use raft_core::time::Time;

use super::{
    Checker, ClientFact, Fate, Model, Observation, Sight, View, Violation, property, words,
};
use crate::spy::{Fact, Promise, WriteFact};

/// See the module.
#[derive(Debug, Default)]
pub struct Durability {
    /// All up to here was found to be durable on a majority when it was committed.
    held: LogIndex,
    /// By node: the last term in which it acknowledged entries, and up to where.
    acknowledged: BTreeMap<NodeId, (Term, LogIndex)>,
    /// By node: who decides there, in each half.
    voters: BTreeMap<NodeId, Vec<Vec<NodeId>>>,
}

impl Checker for Durability {
    fn name(&self) -> &'static str {
        property::DURABILITY
    }

    fn noted(&mut self, sight: &Sight<'_>, fact: &Fact) -> Result<(), Violation> {
        if let Fact::Begun(write) = fact {
            check_forgotten(sight, write)?;
            return self.check_removal(sight, write);
        }
        // What a damaged log still holds, a snapshot that was stored may take the place of.
        if matches!(fact, Fact::Opened(found) if found.lost_through.is_some()) {
            self.acknowledged.remove(&sight.node);
        }
        let (Fact::Promised { to, term, promise }, Some(own)) = (fact, sight.own()) else {
            return Ok(());
        };
        if let Promise::Holds(index) = promise {
            self.acknowledge(sight.node, *term, *index);
        }
        let hard = own.durable.hard;
        let kept = match promise {
            Promise::Vote => hard.term > *term || (hard.term == *term && hard.vote == Some(*to)),
            Promise::Holds(index) => own.durable.last_index() >= *index,
        };
        if kept {
            return Ok(());
        }
        let text = format!(
            "promised {} to {to} in {term}, but durable is only {}",
            words::promise(*promise),
            own.durable
        );
        Err(sight.violation(self.name(), text))
    }

    fn observe(&mut self, view: &View<'_>) -> Result<(), Violation> {
        let Some(after) = view.after else {
            return Ok(());
        };
        if let Some(text) = wrongly_forgotten(after) {
            return Err(view.violation(self.name(), text));
        }
        if let Some(text) = wrongly_matched(view, after) {
            return Err(view.violation(self.name(), text));
        }
        let kept = self.voters.get(&view.node) == Some(&after.voters);
        let known = match after.voters.is_empty() || kept {
            true => None,
            false => self.voters.insert(view.node, after.voters.clone()),
        };
        // What is committed in a step may be so by the configuration before, which it ended.
        let same = view
            .before
            .is_some_and(|before| before.configured_by == after.configured_by);
        let former = known.filter(|_| view.before.is_some() && !same);
        for entry in &after.committed {
            if entry.index <= self.held {
                continue;
            }
            self.held = entry.index;
            let holders = Holders {
                model: view.model,
                lives: &after.lives,
                entry: *entry,
            };
            let lacking = holders.lacking(&after.voters);
            let by_former = || {
                let former = former.as_ref();
                former.is_some_and(|former| holders.lacking(former).is_none())
            };
            if let Some((voters, holders)) = lacking.filter(|_| !by_former()) {
                let text =
                    format!("{entry} is committed, but of {voters} only {holders} hold it durably");
                return Err(view.violation(self.name(), text));
            }
        }
        Ok(())
    }

    fn told(&mut self, now: Time, fact: &ClientFact, model: &Model) -> Result<(), Violation> {
        let count = model.count(fact.payload);
        if fact.fate != Some(Fate::Answered) || count.applied >= count.answered {
            return Ok(());
        }
        Err(Violation {
            property: self.name(),
            node: Some(fact.node),
            time: now,
            text: format!(
                "{} was answered, but no node has applied it",
                words::submission(fact.id)
            ),
        })
    }
}

impl Durability {
    fn acknowledge(&mut self, node: NodeId, term: Term, index: LogIndex) {
        let known = self.acknowledged.entry(node).or_insert((term, index));
        match known.0.cmp(&term) {
            core::cmp::Ordering::Less => *known = (term, index),
            core::cmp::Ordering::Equal => known.1 = known.1.max(index),
            core::cmp::Ordering::Greater => {}
        }
    }

    /// A leader never asks to remove what it has sent before: in one term, what is acknowledged
    /// stays.
    fn check_removal(&self, sight: &Sight<'_>, write: &WriteFact) -> Result<(), Violation> {
        let acknowledged = self.acknowledged.get(&sight.node);
        // A snapshot that stands for them all takes their place.
        let covered = |index| write.base.is_some_and(|base| base.index >= index);
        let acknowledged = acknowledged.filter(|(_, index)| !covered(*index));
        match (write.truncate_from, acknowledged) {
            (Some(from), Some((term, index))) if *term == write.hard.term && from <= *index => {
                let text = format!("removed {from} in {term}, having acknowledged up to {index}");
                Err(sight.violation(self.name(), text))
            }
            _ => Ok(()),
        }
    }
}

/// Nothing goes out of a log before a snapshot that stands for it is durable.
fn check_forgotten(sight: &Sight<'_>, write: &WriteFact) -> Result<(), Violation> {
    let (Some(base), Some(own)) = (write.base, sight.own()) else {
        return Ok(());
    };
    if own.witness {
        // It keeps nothing that a snapshot could stand for but ids.
        return Ok(());
    }
    let stored = own.stored.map(|stored| stored.last);
    if stored.is_some_and(|stored| stored.index >= base.index) {
        return Ok(());
    }
    let stored = words::or(stored, "none");
    let text = format!("forgot its log up to {base}, but of its snapshots the newest is {stored}");
    Err(sight.violation(property::DURABILITY, text))
}

/// What a leader newly takes a follower to hold is durable there, unless a later leader was there
/// meanwhile. If it is not, only an accident is missing until something is lost.
fn wrongly_matched(view: &View<'_>, after: &Observation) -> Option<String> {
    let before = view
        .before
        .map_or(&[][..], |before| before.matches.as_slice());
    let news = after.matches.iter().filter(|known| !before.contains(known));
    let claims = news.filter(|(_, entry)| entry.index > LogIndex::ZERO);
    claims.copied().find_map(|(follower, entry)| {
        let node = view.model.node(follower)?;
        // A node that lost its disk has held what it no longer holds, under another name.
        let life = life_of(&after.lives, follower);
        let right = node.durable_as(life).any(|durable| {
            let found = durable.entry(entry.index).map(|found| found.entry.id);
            durable.hard.term > after.term || found == Some(entry)
        });
        let durable = &node.durable;
        (!right).then(|| format!("{follower} is taken to hold {entry}, but durable is {durable}"))
    })
}

/// What a hull no longer has in its log is committed, and in a snapshot.
fn wrongly_forgotten(after: &Observation) -> Option<String> {
    let forgotten = after.forgotten;
    if forgotten == EntryId::ORIGIN {
        return None;
    }
    let stored = after.witness
        || after
            .stored
            .is_some_and(|stored| forgotten.index <= stored.index);
    let committed = forgotten.index <= after.commit;
    (!stored || !committed).then(|| {
        let stored = words::or(after.stored, "none");
        let commit = after.commit;
        format!(
            "forgot its log up to {forgotten}, with {commit} committed and the newest snapshot {stored}"
        )
    })
}

/// Who holds an entry, of those who decide.
struct Holders<'a> {
    model: &'a Model,
    /// Which lives of them are meant, where the leader says so.
    lives: &'a [Peer],
    entry: EntryId,
}

impl Holders<'_> {
    /// A half of which no majority holds the entry durably, and who of it does.
    fn lacking(&self, halves: &[Vec<NodeId>]) -> Option<(String, String)> {
        halves.iter().find_map(|voters| {
            let holders = self.among(voters);
            let few = holders.len() * 2 <= voters.len();
            few.then(|| (words::list(voters), words::list(holders)))
        })
    }

    fn among(&self, voters: &[NodeId]) -> Vec<NodeId> {
        let holds = |id: &NodeId| {
            let life = life_of(self.lives, *id);
            self.model.node(*id).is_some_and(|node| {
                node.durable_as(life)
                    .filter_map(|durable| durable.entry(self.entry.index))
                    .any(|found| found.entry.id == self.entry)
            })
        };
        voters.iter().copied().filter(holds).collect()
    }
}

/// Which life of a node these mean, if it is among them once.
fn life_of(lives: &[Peer], node: NodeId) -> Option<Peer> {
    lives.iter().copied().find(|peer| peer.id == node)
}

#[cfg(test)]
mod tests {
    use raft_core::ids::Incarnation;
    use raft_core::log::HardState;

    use super::*;
    use crate::checkers::story::{Story, id};

    #[test]
    fn promises_may_be_made_once_they_are_durable() {
        let mut story = Story::of(Durability::default());
        story
            .vote(2, 3, 1)
            .durable(2)
            .promise(2, 1, 3, Promise::Vote)
            .write(2, None, &[(3, 1, 'a'), (3, 2, 'b')])
            .durable(2)
            .promise(2, 1, 3, Promise::Holds(LogIndex::new(2)));
        assert_eq!(story.verdict(), None);
    }

    #[test]
    fn a_vote_may_not_be_sent_before_it_is_durable() {
        let mut story = Story::of(Durability::default());
        story.vote(2, 3, 1).promise(2, 1, 3, Promise::Vote);
        assert_eq!(story.verdict(), Some(property::DURABILITY));
    }

    #[test]
    fn entries_may_not_be_acknowledged_before_they_are_durable() {
        let mut story = Story::of(Durability::default());
        story
            .write(2, None, &[(1, 1, 'a')])
            .durable(2)
            .write(2, None, &[(1, 2, 'b')])
            .promise(2, 1, 1, Promise::Holds(LogIndex::new(2)));
        assert_eq!(story.verdict(), Some(property::DURABILITY));
    }

    #[test]
    fn what_was_acknowledged_may_be_removed_only_in_a_later_term() {
        for (term, verdict) in [(4, None), (3, Some(property::DURABILITY))] {
            let mut story = Story::of(Durability::default());
            story
                .vote(2, 3, 1)
                .write(2, None, &[(3, 1, 'a'), (3, 2, 'b')])
                .durable(2)
                .promise(2, 1, 3, Promise::Holds(LogIndex::new(2)))
                .vote(2, term, 1)
                .write(2, Some(3), &[])
                .write(2, Some(2), &[]);
            assert_eq!(story.verdict(), verdict, "removed in {term}");
        }
    }

    #[test]
    fn what_a_leader_takes_to_be_held_must_be_until_a_later_leader_comes() {
        let entry = EntryId::new(Term::new(3), LogIndex::new(1));
        for (held_in, term, verdict) in [
            (3, 3, None),
            (2, 3, Some(property::DURABILITY)),
            (2, 4, None),
        ] {
            let mut story = Story::of(Durability::default());
            story
                .write(2, None, &[(held_in, 1, 'a')])
                .vote(2, term, 1)
                .durable(2)
                .observe(1, |node| {
                    node.term = Term::new(3);
                    node.matches = vec![(NodeId::new(2), entry)];
                });
            assert_eq!(story.verdict(), verdict, "of {held_in}, in {term}");
        }
    }

    #[test]
    fn what_another_life_of_a_node_held_does_not_count_for_this_one() {
        let entry = EntryId::new(Term::new(3), LogIndex::new(1));
        let told = |meant, change: &dyn Fn(&mut Observation)| {
            let mut story = Story::of(Durability::default());
            for node in [1, 2] {
                story
                    .life(node, 21)
                    .write(node, None, &[(3, 1, 'a')])
                    .durable(node);
            }
            story.life(2, 22).observe(1, |node| {
                node.lives = [Peer::new(NodeId::new(2), Incarnation::new(meant))].into();
                change(node);
            });
            story.verdict()
        };
        for (meant, verdict) in [(21, None), (22, Some(property::DURABILITY))] {
            let matched = told(meant, &|node| {
                node.term = Term::new(3);
                node.matches = vec![(NodeId::new(2), entry)];
            });
            let committed = told(meant, &|node| {
                node.commit = LogIndex::new(1);
                node.committed = vec![entry];
                node.voters = vec![[1, 2, 3].map(NodeId::new).to_vec()];
            });
            assert_eq!([matched, committed], [verdict; 2], "{meant} is meant");
        }
    }

    #[test]
    fn a_majority_must_hold_what_is_committed() {
        for (durable_on_1, verdict) in [(true, None), (false, Some(property::DURABILITY))] {
            let mut story = Story::of(Durability::default());
            story
                .write(1, None, &[(1, 1, 'a')])
                .write(2, None, &[(1, 1, 'a')])
                .durable(2);
            if durable_on_1 {
                story.durable(1);
            }
            story.commit_among(1, &[(1, 1)], &[1, 2, 3]);
            assert_eq!(story.verdict(), verdict);
        }
    }

    #[test]
    fn both_halves_of_a_joint_configuration_must() {
        let mut story = Story::of(Durability::default());
        story.write(1, None, &[(1, 1, 'a')]).durable(1);
        story.observe(1, |node| {
            node.committed = vec![id(1, 1)];
            node.commit = LogIndex::new(1);
            node.voters = vec![vec![NodeId::new(1)], vec![NodeId::new(2)]];
        });
        assert_eq!(story.verdict(), Some(property::DURABILITY));
    }

    #[test]
    fn a_reopened_log_may_have_lost_what_was_not_durable() {
        let mut story = Story::of(Durability::default());
        story
            .write(1, None, &[(1, 1, 'a')])
            .durable(1)
            .write(1, None, &[(1, 2, 'b')])
            .reopen(1, &[(1, 1)]);
        assert_eq!(story.verdict(), None);
    }

    #[test]
    fn a_reopened_log_may_have_kept_what_was_not_durable() {
        let mut story = Story::of(Durability::default());
        story
            .write(1, None, &[(1, 1, 'a'), (1, 2, 'b')])
            .write(1, Some(2), &[(2, 2, 'c')])
            .reopen(1, &[(1, 1), (2, 2)]);
        assert_eq!(story.verdict(), None);
    }

    #[test]
    fn a_reopened_log_may_not_have_lost_what_was_durable() {
        let mut story = Story::of(Durability::default());
        story
            .write(1, None, &[(1, 1, 'a'), (1, 2, 'b')])
            .durable(1)
            .reopen(1, &[(1, 1)]);
        assert_eq!(story.verdict(), Some(property::DURABILITY));
    }

    #[test]
    fn a_damaged_log_may_have_lost_what_was_durable_if_it_says_how_much() {
        for (says, verdict) in [(2, None), (3, None), (1, Some(property::DURABILITY))] {
            let mut story = Story::of(Durability::default());
            story
                .write(1, None, &[(1, 1, 'a')])
                .write(1, None, &[(1, 2, 'b')])
                .durable(1)
                .reopen_damaged(1, &[(1, 1)], id(1, says));
            assert_eq!(story.verdict(), verdict, "up to {says}");
        }
    }

    #[test]
    fn a_damaged_log_may_not_hold_what_no_write_left() {
        let mut story = Story::of(Durability::default());
        story
            .write(1, None, &[(1, 1, 'a'), (1, 2, 'b')])
            .durable(1)
            .reopen_damaged(1, &[(1, 1)], id(1, 2));
        assert_eq!(story.verdict(), Some(property::DURABILITY));
    }

    #[test]
    fn a_damaged_log_may_hold_what_a_lost_write_removed() {
        let mut story = Story::of(Durability::default());
        story
            .write(1, None, &[(1, 1, 'a'), (1, 2, 'b')])
            .write(1, Some(2), &[(2, 2, 'c')])
            .durable(1)
            .reopen_damaged(1, &[(1, 1), (1, 2)], id(2, 2));
        assert_eq!(story.verdict(), None);
    }

    #[test]
    fn a_damage_is_told_until_as_much_is_durable_again() {
        for (written, verdict) in [(2, None), (1, Some(property::DURABILITY))] {
            let mut story = Story::of(Durability::default());
            story
                .write(1, None, &[(1, 1, 'a')])
                .write(1, None, &[(1, 2, 'b')])
                .write(1, None, &[(1, 3, 'c')])
                .durable(1)
                .reopen_damaged(1, &[(1, 1)], id(1, 3))
                .write(1, None, &[(1, 2, 'b')]);
            if written == 2 {
                story.write(1, None, &[(1, 3, 'c')]);
            }
            let log: Vec<_> = (1..=written + 1).map(|index| (1, index)).collect();
            story.durable(1).reopen(1, &log);
            assert_eq!(story.verdict(), verdict, "{written} written");
        }
    }

    #[test]
    fn what_is_left_of_a_damaged_log_may_be_replaced() {
        let mut story = Story::of(Durability::default());
        story
            .write(1, None, &[(1, 1, 'a')])
            .write(1, None, &[(1, 2, 'b')])
            .durable(1)
            .promise(1, 2, 0, Promise::Holds(LogIndex::new(2)))
            .reopen_damaged(1, &[(1, 1)], id(1, 2))
            .write(1, Some(1), &[]);
        assert_eq!(story.verdict(), None);
    }

    #[test]
    fn a_damaged_log_may_not_have_lost_a_vote() {
        for (vote, verdict) in [(Some(2), None), (None, Some(property::DURABILITY))] {
            let mut story = Story::of(Durability::default());
            story
                .write(1, None, &[(1, 1, 'a')])
                .vote(1, 3, 2)
                .write(1, None, &[(1, 2, 'b')])
                .durable(1);
            let hard = HardState {
                term: Term::new(3),
                vote: vote.map(NodeId::new),
                ..HardState::default()
            };
            story.find(1, hard, &[(1, 1)], Some(id(1, 2)));
            assert_eq!(story.verdict(), verdict, "{vote:?}");
        }
    }

    #[test]
    fn a_reopened_log_may_not_hold_half_a_write() {
        let mut story = Story::of(Durability::default());
        story
            .write(1, None, &[(1, 1, 'a'), (1, 2, 'b')])
            .reopen(1, &[(1, 1)]);
        assert_eq!(story.verdict(), Some(property::DURABILITY));
    }

    #[test]
    fn removed_entries_may_not_come_back() {
        let mut story = Story::of(Durability::default());
        story
            .write(1, None, &[(1, 1, 'a'), (1, 2, 'b')])
            .write(1, Some(2), &[])
            .durable(1)
            .reopen(1, &[(1, 1), (1, 2)]);
        assert_eq!(story.verdict(), Some(property::DURABILITY));
    }

    #[test]
    fn an_answer_must_have_been_applied() {
        let mut story = Story::of(Durability::default());
        let ask = story.submit(1, 'a');
        story.apply(1, (1, 1, 'a')).tell(ask, Fate::Answered);
        assert_eq!(story.verdict(), None);
        let ask = story.submit(1, 'b');
        story.tell(ask, Fate::Answered);
        assert_eq!(story.verdict(), Some(property::DURABILITY));
    }

    /// Two nodes with three entries, of which the first has a snapshot of two.
    fn snapshots() -> Story {
        let mut story = Story::of(Durability::default());
        let rows = [(1, 1, 'a'), (1, 2, 'b'), (1, 3, 'c')];
        story.write(1, None, &rows).durable(1).store(1, (1, 2));
        story
    }

    #[test]
    fn a_log_may_forget_what_a_durable_snapshot_stands_for() {
        let mut story = snapshots();
        story.forget(1, (1, 2)).durable(1).restart(1);
        assert_eq!(story.verdict(), None);
        let mut story = snapshots();
        story.forget(1, (1, 3));
        assert_eq!(story.verdict(), Some(property::DURABILITY));
    }

    #[test]
    fn a_durable_snapshot_is_found_again() {
        let mut story = snapshots();
        story.lose_snapshots().restart(1);
        assert_eq!(story.verdict(), Some(property::DURABILITY));
    }

    #[test]
    fn who_has_a_snapshot_holds_what_it_stands_for() {
        let holds = |index| Promise::Holds(LogIndex::new(index));
        for (index, verdict) in [(2, None), (3, Some(property::DURABILITY))] {
            let mut story = snapshots();
            story
                .store(2, (1, 2))
                .forget(2, (1, 2))
                .durable(2)
                .promise(2, 1, 1, holds(index));
            assert_eq!(story.verdict(), verdict, "up to {index}");
        }
        // What nobody ever held stands for nothing.
        let mut story = snapshots();
        story
            .store(2, (2, 2))
            .forget(2, (2, 2))
            .durable(2)
            .promise(2, 1, 1, holds(2));
        assert_eq!(story.verdict(), Some(property::DURABILITY));
    }

    #[test]
    fn a_hull_forgets_only_what_is_committed_and_stored() {
        let end = |index| EntryId::new(Term::new(1), LogIndex::new(index));
        for (forgotten, stored, commit, verdict) in [
            (2, Some(2), 2, None),
            (2, Some(3), 3, None),
            (2, Some(1), 2, Some(property::DURABILITY)),
            (2, None, 2, Some(property::DURABILITY)),
            (2, Some(2), 1, Some(property::DURABILITY)),
        ] {
            let mut story = Story::of(Durability::default());
            story.observe(1, |node| {
                node.forgotten = end(forgotten);
                node.stored = stored.map(end);
                node.commit = LogIndex::new(commit);
            });
            assert_eq!(story.verdict(), verdict, "{forgotten} {stored:?} {commit}");
        }
    }
}
