//! Flow control: a follower that is slow or hung costs the others nothing. Whoever answers its leader
//! and lacks entries is sent them, whatever others do not answer.
//!
//! A leader that says of a voter that what it lacks waits to be sent says so for a moment, while its
//! driver does something else, or for as long as its transport has no room. It is asked again and again. (How much
//! memory it keeps for whoever does not answer is looked at whenever it sends something.)

use std::collections::BTreeMap;

use raft_core::explain::{Lag, NotCommitted};
use raft_core::ids::{LogIndex, NodeId, Term};
use raft_core::time::Time;

use super::{Said, Seen};

/// Since when a leader leaves voters unsent what they lack.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    term: Term,
    since: BTreeMap<NodeId, (LogIndex, Time)>,
}

impl Unsent {
    /// Takes in what a node said, and finds whom it leaves waiting.
    pub(super) fn hear(&mut self, seen: &Seen<'_>, said: &Said) -> Option<String> {
        let term = said.status.term;
        let reasons = said.not_committed.iter().flat_map(|(_, why)| why);
        let waiting: BTreeMap<NodeId, LogIndex> = reasons
            .filter_map(unsent)
            .filter(|(voter, _)| (seen.has_room)(*voter))
            .collect();
        let same = self.term == term;
        self.term = term;
        self.since
            .retain(|voter, (next, _)| same && waiting.get(voter) == Some(next));
        for (voter, next) in waiting {
            self.since.entry(voter).or_insert((next, seen.now));
        }
        let patience = seen.hull.settings().election_timeout;
        // A leader that is stopped, or was, sends nothing; and whoever is cut off need not be heard.
        let awake =
            |since: Time| since >= seen.ear.woke && seen.now.since(seen.ear.stepped) < patience;
        let answers = |voter: &NodeId, since: Time| {
            let heard = seen.ear.heard.get(voter);
            heard.is_some_and(|heard| heard.at.since(since) > patience)
        };
        let mut late = self.since.iter();
        let (voter, (next, since)) =
            late.find(|(voter, (_, since))| awake(*since) && answers(voter, *since))?;
        let waited = seen.now.since(*since);
        Some(format!(
            "leads {term} and has not sent {next} to {voter} for {waited:?}, which has answered since \
             and has nothing of it under way"
        ))
    }
}

/// A voter that could be sent what it lacks, and what that is.
fn unsent(reason: &NotCommitted) -> Option<(NodeId, LogIndex)> {
    match reason {
        NotCommitted::Lags {
            voter,
            lag: Lag::NotSent { next },
            ..
        } => Some((*voter, *next)),
        _ => None,
    }
}
