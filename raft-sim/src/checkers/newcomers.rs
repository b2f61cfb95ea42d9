//! New voters that catch up before they count (thesis 4.2.1): they are not waited for for ever, and
//! they do not count before they keep up.
//!
//! A change that never ends does no harm until somebody wants another one, and one that goes on too
//! soon none until a node is lost: so both are asked of the leader, while it waits, by its own clock.
//! What it may be excused with is counted generously: the rounds in which it counts are its own.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use raft_core::configuration::Configuration;
use raft_core::hull::Hull;
use raft_core::ids::{LogIndex, NodeId, Term};
use raft_core::states::Role;
use raft_core::time::Time;

use super::property;
use super::timers::{Step, Wrong};

/// Leaders that wait for new voters.
#[derive(Debug, Default)]
pub(super) struct Newcomers {
    waits: BTreeMap<NodeId, Wait>,
}

/// One leader's wait. Times are of its own clock.
#[derive(Debug)]
struct Wait {
    term: Term,
    /// What its configuration was known by when it began: that stands in the log by now, or lies before
    /// its beginning.
    since: LogIndex,
    stepped: Time,
    awaited: Vec<Awaited>,
    /// Where its log ended, and since when; they ascend. The oldest is from when the last round may
    /// have begun, or before.
    ends: VecDeque<(Time, LogIndex)>,
}

/// A new voter.
#[derive(Debug)]
struct Awaited {
    node: NodeId,
    matched: LogIndex,
    /// When it last moved, or had nothing to move to.
    moved: Time,
}

impl Newcomers {
    /// The node was stopped.
    pub(super) fn stopped(&mut self, node: NodeId) {
        self.waits.remove(&node);
    }

    /// Looks at a step of a hull.
    pub(super) fn step(&mut self, hull: &Hull, step: &Step<'_>) -> Option<Wrong> {
        let waits = hull.role() == Role::Leader && hull.configuration().target.is_some();
        if !waits && self.waits.is_empty() {
            return None;
        }
        let known = self.waits.remove(&step.node);
        let known = known.filter(|known| known.term == hull.term() && hull.role() == Role::Leader);
        if !waits {
            let joint = hull.configuration().outgoing.is_some();
            return known.filter(|_| joint)?.ends_too_soon(hull, step);
        }
        let same = known.filter(|known| known.is_for(hull.configuration()));
        let mut wait = same.unwrap_or_else(|| Wait::new(hull, step));
        let wrong = wait.goes_on(hull, step);
        self.waits.insert(step.node, wait);
        wrong
    }
}

impl Wait {
    fn new(hull: &Hull, step: &Step<'_>) -> Self {
        let begin = |node| Awaited {
            node,
            matched: LogIndex::ZERO,
            moved: step.local,
        };
        Self {
            term: hull.term(),
            since: hull.configured_by().index,
            stepped: step.local,
            awaited: awaited(hull.configuration()).map(begin).collect(),
            ends: VecDeque::new(),
        }
    }

    /// Whether this is what it waits by still.
    fn is_for(&self, configuration: &Configuration) -> bool {
        self.awaited
            .iter()
            .map(|one| one.node)
            .eq(awaited(configuration))
    }

    /// Who has not moved for as long as the settings say is given up.
    fn goes_on(&mut self, hull: &Hull, step: &Step<'_>) -> Option<Wrong> {
        let (now, last) = (step.local, hull.last().index);
        let pace = step.pace;
        self.note_end(now, last, pace.election_timeout * ROUNDS);
        let stood_still = now.since(self.stepped) > pace.heartbeat_interval * 2;
        self.stepped = now;
        let commit = hull.commit_index();
        // It counts from when what it waits by is committed, and an entry of its own term is.
        let known = hull.configured_by().index <= commit;
        let counts = known && hull.term_at(commit) == Some(self.term);
        let excused = stood_still || !counts || hull.transferring_to().is_some();
        for awaited in &mut self.awaited {
            let matched = hull.match_index(awaited.node).unwrap_or_default();
            awaited.look(now, matched, last, excused);
        }
        let patience = hull.settings().catch_up_timeout + pace.election_timeout;
        let gone = |one: &&Awaited| now.since(one.moved) > patience;
        let gone = self.awaited.iter().find(gone)?;
        (!step.after.stopped).then(|| {
            let text = format!(
                "waits for {}, which is to vote and has not moved beyond {} for {:?}: {:?} are \
                 enough",
                gone.node,
                gone.matched,
                now.since(gone.moved),
                hull.settings().catch_up_timeout
            );
            (property::MEMBERSHIP, text)
        })
    }

    /// Who counts from now on has kept up: what the leader held two rounds ago it holds.
    fn ends_too_soon(&self, hull: &Hull, step: &Step<'_>) -> Option<Wrong> {
        let goal = self.goal(step.local, step.pace.election_timeout * ROUNDS);
        self.awaited.iter().find_map(|awaited| {
            let matched = hull.match_index(awaited.node)?;
            (matched < goal).then(|| {
                let text = format!(
                    "lets {} vote, which holds its log up to {matched}, and {goal} was there three \
                     election timeouts ago",
                    awaited.node
                );
                (property::MEMBERSHIP, text)
            })
        })
    }

    /// Up to where it must be held by who is to count: where the log ended so long ago, and the change
    /// itself.
    fn goal(&self, now: Time, ago: Duration) -> LogIndex {
        let ends = self.ends.iter().rev();
        let mut before = ends.skip_while(|(at, _)| now.since(*at) < ago);
        let goal = before.next().map(|(_, last)| *last);
        goal.unwrap_or_default().max(self.since)
    }

    /// Remembers where the log ends, and what is needed of where it ended for so long.
    fn note_end(&mut self, now: Time, last: LogIndex, for_long: Duration) {
        if self.ends.back().is_none_or(|(_, known)| *known != last) {
            self.ends.push_back((now, last));
        }
        while self
            .ends
            .get(1)
            .is_some_and(|(at, _)| now.since(*at) >= for_long)
        {
            self.ends.pop_front();
        }
    }
}

impl Awaited {
    /// Looks at what it holds of a log that ends at `last`. Who holds less than before has lost all, and has
    /// moved since if it holds anything.
    fn look(&mut self, now: Time, matched: LogIndex, last: LogIndex, excused: bool) {
        let moves = matched != self.matched && matched > LogIndex::ZERO;
        if excused || moves || matched >= last {
            self.moved = now;
        }
        self.matched = matched;
    }
}

/// Who is to vote and does not yet.
fn awaited(configuration: &Configuration) -> impl Iterator<Item = NodeId> {
    let votes = |id: &NodeId| {
        let known = configuration.members.get(id);
        known.is_some_and(|member| member.role.votes())
    };
    let target = configuration.target.iter().flatten();
    target
        .filter(move |(id, member)| member.role.votes() && !votes(id))
        .map(|(id, _)| *id)
}

/// Of election timeouts: a round that is short, and the one after it until that is long, with half a
/// one to spare.
const ROUNDS: u32 = 3;

#[cfg(test)]
mod tests {
    use raft_core::configuration::{Member, MemberRole};
    use raft_core::ids::Incarnation;

    use super::*;

    /// A wait in term 5 for node 4, on a leader whose log ended at these at these milliseconds.
    fn wait(ends: &[(u64, u64)]) -> Wait {
        Wait {
            term: Term::new(5),
            since: LogIndex::new(3),
            stepped: Time::ZERO,
            awaited: Vec::new(),
            ends: ends
                .iter()
                .map(|&(at, last)| (Time::from_millis(at), LogIndex::new(last)))
                .collect(),
        }
    }

    #[test]
    fn what_was_there_when_the_last_round_began_is_remembered() {
        let mut wait = wait(&[]);
        for (at, last) in [(0, 3), (10, 3), (20, 4), (50, 6), (70, 9)] {
            let (at, last) = (Time::from_millis(at), LogIndex::new(last));
            wait.note_end(at, last, Duration::from_millis(40));
        }
        let known: Vec<u64> = wait.ends.iter().map(|(_, last)| last.get()).collect();
        assert_eq!(known, [4, 6, 9], "the oldest is from before the last 40");
    }

    #[test]
    fn who_is_to_count_holds_what_was_there_then() {
        let wait = wait(&[(0, 4), (20, 7), (50, 9)]);
        let goal = |now| {
            wait.goal(Time::from_millis(now), Duration::from_millis(40))
                .get()
        };
        assert_eq!(goal(30), 3, "it has to hold the change at least");
        assert_eq!(goal(40), 4);
        assert_eq!(goal(60), 7);
        assert_eq!(goal(90), 9);
    }

    #[test]
    fn who_does_not_move_is_gone_in_the_end() {
        let mut one = Awaited {
            node: NodeId::new(4),
            matched: LogIndex::ZERO,
            moved: Time::ZERO,
        };
        let mut still = |now, matched, last, excused| {
            let now = Time::from_millis(now);
            one.look(now, LogIndex::new(matched), LogIndex::new(last), excused);
            now.since(one.moved).as_millis()
        };
        assert_eq!(still(10, 0, 9, false), 10);
        assert_eq!(still(20, 1, 9, false), 0, "it moves");
        assert_eq!(still(60, 1, 9, false), 40);
        assert_eq!(still(70, 1, 9, true), 0, "nobody looks at it");
        assert_eq!(still(80, 1, 1, false), 0, "it has everything");
        assert_eq!(still(90, 0, 2, false), 10);
    }

    /// Its disk was damaged, so that it holds less than it did: it is sent all of that again.
    #[test]
    fn who_lost_what_it_had_moves_when_it_is_sent_it_again() {
        let mut one = Awaited {
            node: NodeId::new(4),
            matched: LogIndex::new(7),
            moved: Time::ZERO,
        };
        let mut still = |now, matched| {
            let now = Time::from_millis(now);
            one.look(now, LogIndex::new(matched), LogIndex::new(9), false);
            now.since(one.moved).as_millis()
        };
        assert_eq!(still(10, 0), 10, "to lose it is no move");
        assert_eq!(still(20, 3), 0, "it moves again");
        assert_eq!(still(30, 2), 0, "it lost it once more, and moved since");
        assert_eq!(still(40, 2), 10);
    }

    #[test]
    fn who_votes_already_is_not_waited_for() {
        let member = |id: u64, role| {
            let peer = Incarnation::new(1);
            let member = Member {
                role,
                ..Member::voter(peer)
            };
            (NodeId::new(id), member)
        };
        use MemberRole::{Learner, Voter};
        let mut configuration = Configuration::new([member(1, Voter), member(2, Learner)]);
        let target = [
            member(1, Voter),
            member(2, Voter),
            member(3, Voter),
            member(4, Learner),
        ];
        configuration.target = Some(target.into_iter().collect());
        let found: Vec<u64> = awaited(&configuration).map(NodeId::get).collect();
        assert_eq!(found, [2, 3]);
    }
}
