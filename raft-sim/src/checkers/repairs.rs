//! A node that lost a part of its log, and what its leader makes of it: who lacks what it once
//! held says so until it durably holds as much again, and who is told that a follower lost entries
//! does not go on counting them.
//!
//! How far a log once reached is known here from its writes, and not from what the log or the hull
//! says of it.

use std::collections::BTreeMap;
use std::time::Duration;

use raft_core::hull::Hull;
use raft_core::ids::{Boot, NodeId, Term};
use raft_core::states::Role;
use raft_core::time::Time;

use super::often::Often;
use super::timers::Wrong;
use super::{Model, NodeModel, property};
use crate::spy::{Answered, Passing, Says};

/// What leaders were told of losses.
#[derive(Debug, Default)]
pub(super) struct Repairs {
    told: BTreeMap<NodeId, Told>,
}

/// How often one leader was told of losses while it counted on what was lost.
#[derive(Debug, Default)]
struct Told {
    since: (Boot, Term),
    by: BTreeMap<NodeId, Often>,
}

/// One leader's time in office.
#[derive(Clone, Copy, Debug)]
struct Office {
    leader: NodeId,
    since: (Boot, Term),
    /// What comes again sooner than this is a copy.
    pause: Duration,
}

impl Repairs {
    /// Looks at a node after a step. `local` is what its clock shows.
    pub(super) fn step(
        &mut self,
        hull: &Hull,
        local: Time,
        model: &Model,
        passings: &[Passing],
    ) -> Option<Wrong> {
        let own = model.node(hull.me().id)?;
        if hull.lost_through().is_none() {
            if let Some(wrong) = whole_too_early(own) {
                return Some(wrong);
            }
        }
        if hull.role() != Role::Leader {
            return None;
        }
        let mut losses = passings.iter().filter_map(told_by);
        losses.find_map(|(follower, term)| {
            let matched = hull.match_index(follower)?;
            let held = model.node(follower)?.durable.last_index();
            let counts_on = term == hull.term() && matched > held;
            let office = Office {
                leader: hull.me().id,
                since: (hull.boot(), hull.term()),
                pause: hull.settings().heartbeat_interval,
            };
            let times = self.hear(&office, follower, counts_on, local);
            (times > MOST_TIMES).then(|| {
                let text = format!(
                    "was told {times} times by {follower} that it lost entries, and counts on its \
                     holding up to {matched}, though it holds no more than {held}"
                );
                (property::DURABILITY, text)
            })
        })
    }

    /// A follower said that it lost entries: how often, while its leader `counts_on` them. Copies
    /// that come at once count as one.
    fn hear(&mut self, office: &Office, follower: NodeId, counts_on: bool, local: Time) -> u32 {
        let told = self.told.entry(office.leader).or_default();
        if told.since != office.since {
            *told = Told {
                since: office.since,
                by: BTreeMap::new(),
            };
        }
        if !counts_on {
            told.by.remove(&follower);
            return 0;
        }
        told.by
            .entry(follower)
            .or_default()
            .again(local, office.pause)
    }
}

/// Who lacks what it once held, and says nothing of it.
fn whole_too_early(own: &NodeModel) -> Option<Wrong> {
    let reached = own.damaged?;
    let text = format!(
        "takes itself for whole, though its log once reached {reached}, and durable is only {}",
        own.durable
    );
    Some((property::DURABILITY, text))
}

/// Who says in a letter that it lost entries, and in which term.
fn told_by(passing: &Passing) -> Option<(NodeId, Term)> {
    let Passing::Taken(talk) = passing else {
        return None;
    };
    let lost = matches!(talk.says, Says::AppendReply(Answered::Lost { .. }));
    lost.then_some((talk.peer, talk.term))
}

/// So often a leader may be told before it believes it: what is late speaks of other requests.
const MOST_TIMES: u32 = 8;

#[cfg(test)]
mod tests {
    use raft_core::ids::{EntryId, LogIndex};

    use super::*;

    #[test]
    fn who_lacks_what_it_held_may_not_take_itself_for_whole() {
        let mut own = NodeModel::default();
        assert_eq!(whole_too_early(&own), None);
        own.damaged = Some(EntryId::new(Term::new(2), LogIndex::new(7)));
        assert!(whole_too_early(&own).is_some());
    }

    /// How often a leader counts as told, in the end: it was at these times, in these terms, and
    /// counted on what was lost or did not.
    fn times(words: &[(u64, u64, bool)]) -> u32 {
        let mut repairs = Repairs::default();
        let mut times = 0;
        for &(at, term, counts_on) in words {
            let office = Office {
                leader: NodeId::new(1),
                since: (Boot::new(1), Term::new(term)),
                pause: Duration::from_millis(50),
            };
            let local = Time::from_millis(at);
            times = repairs.hear(&office, NodeId::new(2), counts_on, local);
        }
        times
    }

    #[test]
    fn who_is_told_again_and_again_is_found_and_copies_are_none() {
        let steady: Vec<_> = (0..9).map(|time| (time * 50, 3, true)).collect();
        assert!(times(&steady) > MOST_TIMES);
        let burst: Vec<_> = (0..90).map(|time| (time, 3, true)).collect();
        assert!(times(&burst) <= MOST_TIMES);
    }

    #[test]
    fn who_goes_back_or_comes_to_lead_anew_begins_anew() {
        for other in [(400, 3, false), (400, 4, true)] {
            let mut words: Vec<_> = (0..8).map(|time| (time * 50, 3, true)).collect();
            words.push(other);
            words.extend((9..12).map(|time| (time * 50, other.1, true)));
            assert!(times(&words) <= MOST_TIMES, "{other:?}");
        }
    }
}
