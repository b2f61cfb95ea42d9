//! A witness hears last: as long as the voters that keep payloads keep up, it is told of nothing
//! before a majority's worth of them hold it. Otherwise the death of one leader could leave nobody
//! whom a witness would elect.
//!
//! Whether somebody keeps up is the leader's own judgement, by its own clock. So only those count
//! here of whom no leader could think otherwise: who several times in a row held all there was,
//! each time far sooner than anybody is waited for.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use raft_core::configuration::{MemberRole, Members};
use raft_core::hull::Hull;
use raft_core::ids::{Boot, EntryId, LogIndex, NodeId, Term};
use raft_core::states::Role;
use raft_core::time::Time;

use crate::checkers::property;
use crate::checkers::timers::Wrong;
use crate::spy::{Passing, Says, Talk};

/// What leaders know of those who keep payloads.
#[derive(Debug, Default)]
pub(crate) struct Order {
    offices: BTreeMap<NodeId, Office>,
}

/// What is seen of one leader after a step.
#[derive(Debug)]
struct Seen {
    boot: Boot,
    term: Term,
    last: LogIndex,
    /// By the leader's own clock.
    local: Time,
    /// For so long anybody is waited for.
    patience: Duration,
    /// Of each half: how many count, and what those who keep payloads are known to hold durably.
    halves: Vec<(usize, Vec<(NodeId, LogIndex)>)>,
    me: NodeId,
}

/// One leader's time in office.
#[derive(Debug)]
struct Office {
    boot: Boot,
    term: Term,
    /// The ends that its log has had, and since when.
    ends: VecDeque<(LogIndex, Time)>,
    others: BTreeMap<NodeId, Other>,
}

/// One of the others who keep payloads.
#[derive(Clone, Copy, Debug, Default)]
struct Other {
    matched: LogIndex,
    /// All that there was when it last held all.
    held_all: LogIndex,
    /// How often in a row it came to hold all, each time soon.
    times: u32,
}

impl Order {
    /// Looks at what a node has sent in a step.
    pub(crate) fn step(&mut self, hull: &Hull, local: Time, passings: &[Passing]) -> Option<Wrong> {
        let node = hull.me().id;
        if hull.role() != Role::Leader || !hull.configuration().has_witnesses() {
            self.offices.remove(&node);
            return None;
        }
        let seen = Seen::of(hull, local);
        let told = passings.iter().filter_map(|passing| match passing {
            Passing::Sent(Talk {
                peer,
                says: Says::Append { previous, last, .. },
                ..
            }) if last.index > previous.index => Some((*peer, *last)),
            Passing::Sent(Talk {
                peer,
                says: Says::Install { last, .. },
                ..
            }) => Some((*peer, *last)),
            _ => None,
        });
        let told = told.filter(|(peer, _)| hull.configuration().is_witness(*peer));
        let lost = passings.iter().filter_map(|passing| match passing {
            Passing::ConnectionLost(peer) => Some(*peer),
            _ => None,
        });
        let lost: Vec<NodeId> = lost.collect();
        let told: Vec<(NodeId, EntryId)> = told.collect();
        self.look(&seen, &lost, &told)
    }

    fn look(&mut self, seen: &Seen, lost: &[NodeId], told: &[(NodeId, EntryId)]) -> Option<Wrong> {
        let office = self
            .offices
            .entry(seen.me)
            .or_insert_with(|| Office::of(seen));
        if (office.boot, office.term) != (seen.boot, seen.term) {
            *office = Office::of(seen);
        }
        office.learn(seen, lost);
        told.iter().find_map(|(witness, entry)| {
            let (waits, holders) = office.passed_over(seen, entry.index)?;
            let text = format!(
                "told the witness {witness} of {entry}, which {waits} does not hold yet, who keeps \
                 up; {holders} of those who keep payloads do"
            );
            Some((property::WITNESSES, text))
        })
    }
}

impl Seen {
    fn of(hull: &Hull, local: Time) -> Self {
        let me = hull.me().id;
        let held = |id: NodeId| match id == me {
            true => hull.durable_index(),
            false => hull.match_index(id).unwrap_or_default(),
        };
        let half = |members: &Members| {
            let count = |role: MemberRole| role != MemberRole::Learner;
            let voters = members.values().filter(|member| count(member.role)).count();
            let whole = members
                .iter()
                .filter(|(_, member)| member.role == MemberRole::Voter);
            (voters, whole.map(|(id, _)| (*id, held(*id))).collect())
        };
        Self {
            boot: hull.boot(),
            term: hull.term(),
            last: hull.last().index,
            local,
            patience: hull.settings().election_timeout / 2,
            halves: hull.configuration().halves().map(half).collect(),
            me,
        }
    }
}

impl Office {
    const fn of(seen: &Seen) -> Self {
        Self {
            boot: seen.boot,
            term: seen.term,
            ends: VecDeque::new(),
            others: BTreeMap::new(),
        }
    }

    /// Takes note of who holds what, and of who took long.
    fn learn(&mut self, seen: &Seen, lost: &[NodeId]) {
        let soon = seen.patience / 4;
        let known = seen.halves.iter().flat_map(|(_, whole)| whole);
        for (id, matched) in known.filter(|(id, _)| *id != seen.me) {
            let other = self.others.entry(*id).or_default();
            // As it was when this step began: what came in it came late.
            let missing = self.ends.iter().find(|(end, _)| *end > other.matched);
            let is_late = missing.is_some_and(|(_, since)| seen.local.since(*since) >= soon);
            let lost = lost.contains(id) || *matched < other.matched;
            other.matched = *matched;
            if is_late || lost {
                other.times = 0;
            } else if *matched >= seen.last && seen.last > other.held_all {
                other.times += 1;
                other.held_all = seen.last;
            }
        }
        if self.ends.back().is_none_or(|(end, _)| *end < seen.last) {
            self.ends.push_back((seen.last, seen.local));
        }
        let least = self.others.values().map(|other| other.matched).min();
        while self.ends.len() > MOST_ENDS
            || (self.ends.front()).is_some_and(|(end, _)| Some(*end) <= least)
        {
            self.ends.pop_front();
        }
    }

    /// Who keeps up and lacks the entry, though too few hold it; and how many do.
    fn passed_over(&self, seen: &Seen, index: LogIndex) -> Option<(NodeId, usize)> {
        seen.halves.iter().find_map(|(voters, whole)| {
            let holders = whole.iter().filter(|(_, held)| *held >= index).count();
            let mut lacking = whole.iter().filter(|(_, held)| *held < index);
            let keeps_up = |id: &NodeId| {
                let other = self.others.get(id);
                other.is_some_and(|other| other.times >= ENOUGH)
            };
            let (waits, _) = lacking.find(|(id, _)| keeps_up(id))?;
            (holders <= voters / 2).then_some((*waits, holders))
        })
    }
}

/// After so many times in a row no leader thinks that somebody is late.
const ENOUGH: u32 = 3;

/// More ends of a log than anybody needs who keeps up.
const MOST_ENDS: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Node 1 leads node 2, and node 3, a witness. At these times, by its clock, its log ends
    /// there, and node 2 holds this much.
    fn office(looks: &[(u64, u64, u64)], told: u64) -> Option<Wrong> {
        let mut order = Order::default();
        let mut verdict = None;
        for (at, last, held) in looks {
            let [last, held] = [*last, *held].map(LogIndex::new);
            let whole = [(NodeId::new(1), last), (NodeId::new(2), held)];
            let seen = Seen {
                boot: Boot::new(1),
                term: Term::new(1),
                last,
                local: Time::from_millis(*at),
                patience: Duration::from_millis(400),
                halves: vec![(3, whole.into_iter().collect())],
                me: NodeId::new(1),
            };
            let entry = EntryId::new(Term::new(1), LogIndex::new(told));
            verdict = order.look(&seen, &[], &[(NodeId::new(3), entry)]);
        }
        verdict
    }

    const PROMPT: [(u64, u64, u64); 4] = [(0, 1, 1), (10, 2, 2), (20, 3, 3), (30, 4, 3)];

    #[test]
    fn what_all_hold_may_be_told_and_what_somebody_prompt_lacks_may_not() {
        assert!(office(&PROMPT, 3).is_none());
        assert!(office(&PROMPT, 4).is_some());
        // Three times in a row, and not two.
        assert!(office(&PROMPT[1..], 4).is_none());
    }

    #[test]
    fn who_took_long_for_anything_may_be_passed_over() {
        let mut late = PROMPT.to_vec();
        late.extend([(129, 4, 3)]);
        assert!(office(&late, 4).is_some());
        late.extend([(130, 4, 3)]);
        assert!(office(&late, 4).is_none());
        late.extend([(131, 5, 4)]);
        assert!(office(&late, 5).is_none());
    }
}
