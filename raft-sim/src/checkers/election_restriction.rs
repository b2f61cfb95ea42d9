//! What Leader Completeness rests on, looked at directly: who lacks a committed entry can't be
//! elected (paper 5.4.1 and 5.4.2).
//!
//! A leader without a committed entry needs a series of accidents to come about. What would allow
//! it can be seen much earlier: a node that lacks the entry, and whose log is no less up to date
//! than the log of one that counts as holding it; or a vote for a candidate whose log is behind.

use std::collections::BTreeMap;

use raft_core::ids::{EntryId, NodeId, Term};
use raft_core::log::HardState;
use raft_core::states::Role;

use super::{Checker, Model, NodeModel, Sight, View, Violation, property};
use crate::spy::{Fact, Promise};

/// See the module.
#[derive(Debug, Default)]
pub struct ElectionRestriction {
    /// By candidate and term: the last entry it asked with.
    asked: BTreeMap<(NodeId, Term), EntryId>,
    /// By voter, its last vote.
    voted: BTreeMap<NodeId, Vote>,
}

/// A vote as it was written.
#[derive(Clone, Copy, Debug)]
struct Vote {
    to: NodeId,
    term: Term,
    /// The last entry of the voter's log then; nothing where that can't be told.
    last: Option<EntryId>,
}

impl Checker for ElectionRestriction {
    fn name(&self) -> &'static str {
        property::LEADER_COMPLETENESS
    }

    fn noted(&mut self, sight: &Sight<'_>, fact: &Fact) -> Result<(), Violation> {
        match fact {
            Fact::Asked { term, .. } if sight.own().is_some_and(|own| own.damaged.is_some()) => {
                let text = format!("asked for votes in {term} with a damaged log");
                Err(sight.violation(self.name(), text))
            }
            Fact::Asked { term, last } => {
                let known = self.asked.entry((sight.node, *term)).or_insert(*last);
                *known = (*known).max(*last);
                Ok(())
            }
            Fact::Promised {
                to,
                term,
                promise: Promise::Vote,
            } => self.check_vote(sight, *to, *term),
            Fact::Begun(write) => {
                let alone = write.append.is_empty()
                    && write.truncate_from.is_none()
                    && write.base.is_none();
                self.note_vote(sight, write.hard, alone);
                Ok(())
            }
            Fact::Opened(found) => {
                self.note_vote(sight, found.hard, false);
                Ok(())
            }
            Fact::Promised { .. }
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
        let Some(after) = view.after.filter(|after| after.role != Role::Follower) else {
            return Ok(());
        };
        let own = view.model.node(view.node);
        if let Some(damaged) = own.and_then(|own| own.damaged) {
            let text = format!("campaigns, though its damaged log had reached up to {damaged}");
            return Err(view.violation(self.name(), text));
        }
        if after.role != Role::Leader {
            return Ok(());
        }
        // What a leader commits without counting it itself is committed by what stands after it.
        let Some(last) = after.committed.last() else {
            return Ok(());
        };
        let voters: Vec<NodeId> = after.voters.iter().flatten().copied().collect();
        match endangered(view.model, &voters, *last) {
            Some(text) => Err(view.violation(self.name(), text)),
            None => Ok(()),
        }
    }
}

impl ElectionRestriction {
    /// A promise may leave long after the vote was given, when the log has grown by what the leader
    /// of the term has sent. So the log is looked at when the vote is written, `alone` with no other
    /// change of the log.
    fn note_vote(&mut self, sight: &Sight<'_>, hard: HardState, alone: bool) {
        let Some(to) = hard.vote else {
            self.voted.remove(&sight.node);
            return;
        };
        let known = self.voted.get(&sight.node);
        if known.is_some_and(|vote| (vote.to, vote.term) == (to, hard.term)) {
            return;
        }
        // Who lost entries must not vote as if it never had them.
        let held = |own: &NodeModel| own.damaged.max(Some(own.log.last_id()));
        let last = sight.own().and_then(held);
        let vote = Vote {
            to,
            term: hard.term,
            last: last.filter(|_| alone),
        };
        self.voted.insert(sight.node, vote);
    }

    fn check_vote(&self, sight: &Sight<'_>, to: NodeId, term: Term) -> Result<(), Violation> {
        let vote = self.voted.get(&sight.node);
        let vote = vote.filter(|vote| (vote.to, vote.term) == (to, term));
        let last = vote.and_then(|vote| vote.last);
        let (Some(last), Some(asked)) = (last, self.asked.get(&(to, term))) else {
            return Ok(());
        };
        if last <= *asked {
            return Ok(());
        }
        let text = format!(
            "voted in {term} for {to}, whose log ends with {asked}, though its own ended with {last}"
        );
        Err(sight.violation(self.name(), text))
    }
}

/// Says which voter lacks the entry and could yet have the vote of one that holds it.
fn endangered(model: &Model, voters: &[NodeId], entry: EntryId) -> Option<String> {
    let logs = voters
        .iter()
        .filter_map(|id| model.node(*id).map(|node| (*id, &node.durable)));
    let (holding, lacking): (Vec<_>, Vec<_>) = logs.partition(|(_, log)| {
        let found = log.entry(entry.index);
        found.is_some_and(|found| found.entry.id == entry)
    });
    let weakest = holding.iter().min_by_key(|(_, log)| log.last_id())?;
    let rival = lacking
        .iter()
        .find(|(_, log)| log.last_id() >= weakest.1.last_id())?;
    Some(format!(
        "{entry} is committed, but {} lacks it with a log up to {}, and {} holds it with one up to {}",
        rival.0,
        rival.1.last_id(),
        weakest.0,
        weakest.1.last_id()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::story::{Story, id};

    #[test]
    fn who_lacks_what_is_committed_may_be_behind() {
        let mut story = Story::of(ElectionRestriction::default());
        story
            .write(1, None, &[(1, 1, 'a'), (3, 2, 'b')])
            .write(2, None, &[(1, 1, 'a'), (3, 2, 'b')])
            .write(3, None, &[(1, 1, 'a'), (2, 2, 'x')])
            .durable(1)
            .durable(2)
            .durable(3)
            .elect(1, 3, &[(1, 1), (3, 2)])
            .commit_among(1, &[(1, 1), (3, 2)], &[1, 2, 3]);
        assert_eq!(story.verdict(), None);
    }

    /// [F2.LEAD.6]
    #[test]
    fn nobody_may_lack_it_with_a_later_term() {
        let mut story = Story::of(ElectionRestriction::default());
        story
            .write(1, None, &[(1, 1, 'a'), (1, 2, 'b')])
            .write(2, None, &[(1, 1, 'a'), (1, 2, 'b')])
            .write(3, None, &[(1, 1, 'a'), (2, 2, 'x')])
            .durable(1)
            .durable(2)
            .durable(3)
            .elect(1, 3, &[(1, 1), (1, 2)])
            .commit_among(1, &[(1, 1), (1, 2)], &[1, 2, 3]);
        assert_eq!(story.verdict(), Some(property::LEADER_COMPLETENESS));
    }

    #[test]
    fn a_vote_may_go_to_a_log_that_is_not_behind() {
        let mut story = Story::of(ElectionRestriction::default());
        story
            .write(2, None, &[(1, 1, 'a'), (1, 2, 'b')])
            .vote(2, 3, 1)
            .ask(1, 3, id(2, 2))
            .promise(2, 1, 3, Promise::Vote)
            .write(2, None, &[(3, 3, 'c')])
            .promise(2, 1, 3, Promise::Vote);
        assert_eq!(story.verdict(), None);
    }

    /// The leader that was elected instead brings the log up to date from where it ended, and the
    /// promise leaves only then.
    #[test]
    fn a_promise_may_leave_when_the_log_has_grown() {
        let mut story = Story::of(ElectionRestriction::default());
        story
            .write(2, None, &[(1, 1, 'a')])
            .vote(2, 4, 1)
            .ask(1, 4, id(1, 2))
            .write(2, None, &[(2, 2, 'b'), (3, 3, 'c')])
            .promise(2, 1, 4, Promise::Vote)
            .restart(2)
            .promise(2, 1, 4, Promise::Vote);
        assert_eq!(story.verdict(), None);
    }

    #[test]
    fn who_lost_entries_may_vote_for_nobody_who_lacks_them() {
        for (asked, verdict) in [(2, None), (1, Some(property::LEADER_COMPLETENESS))] {
            let mut story = damaged();
            story
                .vote(2, 3, 1)
                .ask(1, 3, id(1, asked))
                .promise(2, 1, 3, Promise::Vote);
            assert_eq!(story.verdict(), verdict, "up to {asked}");
        }
    }

    #[test]
    fn who_lost_entries_may_not_ask_for_votes() {
        let mut story = damaged();
        story.vote(2, 3, 2).ask(2, 3, id(1, 1));
        assert_eq!(story.verdict(), Some(property::LEADER_COMPLETENESS));
    }

    #[test]
    fn who_lost_entries_may_not_campaign() {
        for (role, verdict) in [
            (Role::Follower, None),
            (Role::PreCandidate, Some(property::LEADER_COMPLETENESS)),
            (Role::Leader, Some(property::LEADER_COMPLETENESS)),
        ] {
            let mut story = damaged();
            story.observe(2, |node| node.role = role);
            assert_eq!(story.verdict(), verdict, "{role:?}");
        }
    }

    fn damaged() -> Story {
        let mut story = Story::of(ElectionRestriction::default());
        story
            .write(2, None, &[(1, 1, 'a')])
            .write(2, None, &[(1, 2, 'b')])
            .durable(2)
            .reopen_damaged(2, &[(1, 1)], id(1, 2));
        story
    }

    #[test]
    fn a_vote_may_not_go_to_a_log_that_is_behind() {
        let mut story = Story::of(ElectionRestriction::default());
        story
            .write(2, None, &[(1, 1, 'a'), (2, 2, 'b')])
            .vote(2, 3, 1)
            .ask(1, 3, id(1, 5))
            .promise(2, 1, 3, Promise::Vote);
        assert_eq!(story.verdict(), Some(property::LEADER_COMPLETENESS));
    }
}
