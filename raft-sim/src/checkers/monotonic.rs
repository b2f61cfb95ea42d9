//! What only grows: the term, the vote once given, the boot, log time from entry to entry (thesis
//! 6.3), within a boot the commit index, and within a leader's term what it knows its followers to
//! hold (Figure 2's state, and its "increases monotonically").
//!
//! Across restarts it is what was written and what was sent that counts, not what was in memory.

use std::collections::BTreeMap;

use raft_core::ids::{Boot, EntryId, NodeId, Term};
use raft_core::log::HardState;

use super::{Checker, LogModel, Observation, Sight, View, Violation, property, words};
use crate::spy::{EntryFact, Fact, Promise};

/// See the module.
#[derive(Debug, Default)]
pub struct Monotonic {
    written: BTreeMap<NodeId, HardState>,
    /// The boot that was on disk when the node last started. A boot whose raise was never
    /// durable has done nothing outside, and may come again.
    found: BTreeMap<NodeId, Boot>,
    /// Who lost its disk has no second vote to give under its old name.
    granted: BTreeMap<(NodeId, Term), NodeId>,
}

impl Checker for Monotonic {
    fn name(&self) -> &'static str {
        property::MONOTONIC
    }

    fn noted(&mut self, sight: &Sight<'_>, fact: &Fact) -> Result<(), Violation> {
        match fact {
            Fact::Opened(found) => {
                self.written.insert(sight.node, found.hard);
                self.found.insert(sight.node, found.hard.boot);
                Ok(())
            }
            Fact::Begun(write) => {
                let own = sight.own();
                if let Some(text) = own.and_then(|own| turns_back(&own.log, &write.append)) {
                    return Err(sight.violation(self.name(), text));
                }
                self.check_written(sight, write.hard)
            }
            Fact::Promised {
                to,
                term,
                promise: Promise::Vote,
            } => self.check_grant(sight, *term, *to),
            Fact::Promised { .. }
            | Fact::Asked { .. }
            | Fact::Durable(_)
            | Fact::LogFailed
            | Fact::Applied(_)
            | Fact::Stored(_)
            | Fact::LetGo(_)
            | Fact::StandsFor(_)
            | Fact::StoreFailed
            | Fact::Restored(_) => Ok(()),
        }
    }

    fn observe(&mut self, view: &View<'_>) -> Result<(), Violation> {
        let Some(after) = view.after else {
            return Ok(());
        };
        let damaged = |id: NodeId| view.model.node(id).is_some_and(|node| node.damages > 0);
        let fell = match view.before.filter(|before| before.boot == after.boot) {
            Some(before) => fell_within_a_boot(before, after, damaged),
            None => self.fell_between_boots(after),
        };
        match fell {
            Some(text) => Err(view.violation(self.name(), text)),
            None => Ok(()),
        }
    }
}

impl Monotonic {
    fn check_written(&mut self, sight: &Sight<'_>, hard: HardState) -> Result<(), Violation> {
        let Some(earlier) = self.written.insert(sight.node, hard) else {
            return Ok(());
        };
        let term_fell = hard.term < earlier.term || hard.boot < earlier.boot;
        if term_fell
            || vote_changed(
                sight.node,
                (earlier.term, earlier.vote),
                (hard.term, hard.vote),
            )
        {
            let text = format!("wrote {} after {}", words::hard(hard), words::hard(earlier));
            return Err(sight.violation(self.name(), text));
        }
        Ok(())
    }

    fn check_grant(&mut self, sight: &Sight<'_>, term: Term, to: NodeId) -> Result<(), Violation> {
        let first = *self.granted.entry((sight.node, term)).or_insert(to);
        if first == to {
            return Ok(());
        }
        let text = format!("granted its vote in {term} to {to}, after {first} had it");
        Err(sight.violation(self.name(), text))
    }

    fn fell_between_boots(&mut self, after: &Observation) -> Option<String> {
        let earlier = self.found.get(&after.me.id);
        if let Some(earlier) = earlier.filter(|earlier| **earlier >= after.boot) {
            return Some(format!("boot {} came after {earlier}", after.boot));
        }
        let written = self.written.get(&after.me.id)?;
        (after.term < written.term).then(|| {
            let written = words::hard(*written);
            format!("started in {} though {written} was on disk", after.term)
        })
    }
}

fn fell_within_a_boot(
    before: &Observation,
    after: &Observation,
    damaged: impl Fn(NodeId) -> bool,
) -> Option<String> {
    let was = (before.term, before.vote);
    let is = (after.term, after.vote);
    if after.term < before.term {
        return Some(format!(
            "the term fell from {} to {}",
            before.term, after.term
        ));
    }
    if vote_changed(after.me.id, was, is) {
        let (was, is) = (words::vote_in(was), words::vote_in(is));
        return Some(format!("the vote changed from {was} to {is}"));
    }
    if after.commit < before.commit {
        let (from, to) = (before.commit, after.commit);
        return Some(format!("the commit index fell from {from} to {to}"));
    }
    if after.applied < before.applied {
        let (from, to) = (before.applied, after.applied);
        return Some(format!("the applied index fell from {from} to {to}"));
    }
    match_fell(before, after, damaged)
}

/// Whether a leader holds a follower to have less than it knew it to have, though that never lost
/// anything.
fn match_fell(
    before: &Observation,
    after: &Observation,
    damaged: impl Fn(NodeId) -> bool,
) -> Option<String> {
    let same_office = before.term == after.term;
    // In the same step one member may have come and another gone.
    let known = |id: NodeId| before.matches.iter().find(|(other, _)| *other == id);
    let fell = |(id, is): &(NodeId, EntryId)| {
        known(*id).is_some_and(|(_, was)| is.index < was.index) && !damaged(*id)
    };
    (same_office && after.matches.iter().any(fell)).then(|| {
        let told = |matches: &[(NodeId, EntryId)]| {
            words::each(
                matches.iter().map(|(id, entry)| (id, entry)),
                EntryId::to_string,
            )
        };
        let (from, to) = (told(&before.matches), told(&after.matches));
        format!("a match index fell: from {from} to {to}")
    })
}

/// Whether a vote that someone may count on is gone. A node's vote for itself is counted only by
/// itself: a candidate that gives up its candidacy may take it back.
fn vote_changed(me: NodeId, was: (Term, Option<NodeId>), is: (Term, Option<NodeId>)) -> bool {
    let given = was.1.is_some_and(|candidate| candidate != me);
    was.0 == is.0 && given && was.1 != is.1
}

/// What is wrong with the times of entries that this log has just got: none is before the one in front of
/// it, whichever leader stamped that.
fn turns_back(log: &LogModel, appended: &[EntryFact]) -> Option<String> {
    appended.iter().find_map(|entry| {
        let before = log.entry(entry.id.index.previous())?.entry;
        (entry.time < before.time).then(|| {
            format!(
                "has {} of log time {:?} right behind {} of {:?}",
                entry.id, entry.time, before.id, before.time
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use raft_core::ids::LogIndex;
    use raft_core::time::LogTime;

    use super::*;
    use crate::checkers::model::Chained;
    use crate::checkers::story::{self, Story};

    fn known(follower: u64, index: u64) -> (NodeId, EntryId) {
        let entry = EntryId::new(Term::new(1), LogIndex::new(index));
        (NodeId::new(follower), entry)
    }

    fn story() -> Story {
        Story::of(Monotonic::default())
    }

    #[test]
    fn growing_is_fine() {
        let mut story = story();
        story
            .observe(1, |node| node.term = Term::new(2))
            .observe(1, |node| node.vote = Some(NodeId::new(3)))
            .observe(1, |node| {
                node.term = Term::new(3);
                node.vote = None;
            })
            .vote(1, 3, 2)
            .durable(1)
            .promise(1, 2, 3, Promise::Vote)
            .promise(1, 2, 3, Promise::Vote)
            .restart(1)
            .observe(1, |node| node.term = Term::new(3));
        assert_eq!(story.verdict(), None);
    }

    #[test]
    fn log_time_may_stand_still_and_not_fall() {
        for (times, right) in [([1, 1, 2], true), ([1, 3, 2], false), ([2, 1, 3], false)] {
            let mut log = LogModel::default();
            for (index, time) in (1..).zip(times) {
                log.entries.push(Chained {
                    entry: EntryFact {
                        time: LogTime::from_millis(time),
                        ..story::entry((1, index, 'a'), 0, 0)
                    },
                    chain: 0,
                });
            }
            let appended: Vec<EntryFact> = log.entries.iter().map(|one| one.entry).collect();
            assert_eq!(turns_back(&log, &appended).is_none(), right, "{times:?}");
        }
    }

    #[test]
    fn the_term_may_not_fall() {
        let mut story = story();
        story
            .observe(1, |node| node.term = Term::new(2))
            .observe(1, |node| node.term = Term::new(1));
        assert_eq!(story.verdict(), Some(property::MONOTONIC));
    }

    #[test]
    fn the_commit_index_may_not_fall() {
        let mut story = story();
        story
            .observe(1, |node| node.commit = LogIndex::new(2))
            .observe(1, |node| node.commit = LogIndex::new(1));
        assert_eq!(story.verdict(), Some(property::MONOTONIC));
    }

    #[test]
    fn what_a_follower_is_known_to_hold_may_not_shrink_within_a_term() {
        let mut story = story();
        story
            .observe(1, |node| node.matches = vec![known(2, 3), known(3, 4)])
            .observe(1, |node| node.matches = vec![known(2, 4), known(3, 3)]);
        assert_eq!(story.verdict(), Some(property::MONOTONIC));
    }

    /// What was damaged need not have held entries: then its log is found as it was, and says all the
    /// same that some may be lost.
    #[test]
    fn unless_the_follower_was_damaged_in_whatever_way() {
        for (says, verdict) in [(Some(2), None), (None, Some(property::MONOTONIC))] {
            let mut story = story();
            story
                .write(2, None, &[(1, 1, 'a')])
                .durable(2)
                .observe(1, |node| node.matches = vec![known(2, 1)]);
            match says {
                Some(index) => story.reopen_damaged(2, &[(1, 1)], known(2, index).1),
                None => story.reopen(2, &[(1, 1)]),
            };
            story.observe(1, |node| node.matches = vec![known(2, 0)]);
            assert_eq!(story.verdict(), verdict, "{says:?}");
        }
    }

    #[test]
    fn a_later_term_begins_with_nothing_known() {
        let mut story = story();
        story
            .observe(1, |node| node.matches = vec![known(2, 3)])
            .observe(1, |node| {
                node.term = node.term.next();
                node.matches = vec![known(2, 0)];
            });
        assert_eq!(story.verdict(), None);
    }

    #[test]
    fn a_vote_may_not_be_taken_back() {
        let mut story = story();
        story
            .observe(1, |node| node.vote = Some(NodeId::new(3)))
            .observe(1, |node| node.vote = None);
        assert_eq!(story.verdict(), Some(property::MONOTONIC));
    }

    #[test]
    fn a_candidate_may_take_back_its_own() {
        let mut story = story();
        story
            .observe(1, |node| node.vote = Some(NodeId::new(1)))
            .observe(1, |node| node.vote = None);
        assert_eq!(story.verdict(), None);
    }

    #[test]
    fn a_term_on_disk_may_not_be_forgotten() {
        let mut story = story();
        story
            .vote(1, 5, 2)
            .durable(1)
            .restart(1)
            .observe(1, |node| node.term = Term::new(4));
        assert_eq!(story.verdict(), Some(property::MONOTONIC));
    }

    #[test]
    fn a_written_vote_may_not_change() {
        let mut story = story();
        story.vote(1, 5, 2).vote(1, 5, 3);
        assert_eq!(story.verdict(), Some(property::MONOTONIC));
    }

    #[test]
    fn two_candidates_may_not_have_one_vote_also_across_a_restart() {
        let mut story = story();
        story
            .promise(1, 2, 5, Promise::Vote)
            .restart(1)
            .promise(1, 3, 5, Promise::Vote);
        assert_eq!(story.verdict(), Some(property::MONOTONIC));
    }
}
