//! Reads that bypass the log: a leader answers one because a majority has answered heartbeats that it
//! sent since the read came, or because it has a lease (thesis 6.4, 6.4.1).
//!
//! What was missed is seen only when another leader has answered a command meanwhile; that nobody
//! was asked, or that an answer was to what had been asked before, is seen at once. Only what the leader does itself is judged, and only while it leads
//! among the same voters: who passes a read on may have been told by anybody.

use std::collections::{BTreeMap, VecDeque};

use raft_core::ids::{NodeId, Term};
use raft_core::time::Time;
use raft_node::clock::Clock as _;

use super::{Timers, is_majority};
use crate::spy::{Passing, Says, Talk};

/// How many of a leader's rounds are remembered: what answers an earlier one is late for every read.
const ROUNDS: usize = 64;

/// When a read was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Asked {
    /// By the clock of the node that was asked.
    at: Time,
    /// How many offices had ended, or changed, by then.
    turns: u64,
}

/// The rounds of heartbeats of a leader, and who has answered which.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// When the last heartbeat of each was sent; they ascend.
    sent: VecDeque<(u64, Time)>,
    /// When the latest of those was sent that each node has answered.
    answered: BTreeMap<NodeId, Time>,
}

impl Rounds {
    /// Something passes, on the leader of `term`.
    pub(super) fn pass(&mut self, passing: &Passing, now: Time, term: Term) {
        match passing {
            Passing::Sent(Talk {
                says: Says::Heartbeat { round, .. },
                ..
            }) => self.send(*round, now),
            Passing::Taken(Talk {
                peer,
                term: of,
                says:
                    Says::HeartbeatReply {
                        round: Some(round), ..
                    },
            }) if *of == term => self.answer(*peer, *round),
            Passing::Sent(_)
            | Passing::Taken(_)
            | Passing::ConnectionLost(_)
            | Passing::Read
            | Passing::Resumed
            | Passing::Garbled
            | Passing::NamedItself => {}
        }
    }

    fn send(&mut self, round: u64, now: Time) {
        match self.sent.back_mut() {
            // News of what is committed go out in the round that is under way.
            Some((last, at)) if *last == round => *at = now,
            _ => {
                self.sent.push_back((round, now));
                if self.sent.len() > ROUNDS {
                    self.sent.pop_front();
                }
            }
        }
    }

    fn answer(&mut self, peer: NodeId, round: u64) {
        let sent = self.sent.iter().rev().find(|(number, _)| *number == round);
        if let Some((_, at)) = sent {
            let latest = self.answered.entry(peer).or_insert(*at);
            *latest = (*latest).max(*at);
        }
    }

    /// Whether this node has answered what was sent then, or later.
    fn answered_since(&self, id: NodeId, asked: Time) -> bool {
        self.answered.get(&id).is_some_and(|at| *at >= asked)
    }
}

impl Timers {
    /// A read is asked for on this node.
    pub(crate) fn asked(&self, node: NodeId) -> Option<Asked> {
        // Who does not lead passes it on, and may be told by who does before it leads itself.
        self.nodes.find(&node)?.office.as_ref()?;
        let clock = self.leases.clock(node)?;
        Some(Asked {
            at: clock.now(),
            turns: self.turns,
        })
    }

    /// Whether this node may answer what was asked for then, as far as it can be known.
    pub(crate) fn may_answer(&self, node: NodeId, asked: Asked) -> bool {
        let office = self
            .nodes
            .find(&node)
            .and_then(|known| known.office.as_ref());
        let Some(office) = office.filter(|_| self.turns == asked.turns) else {
            return true;
        };
        let answered = |id: &NodeId| *id == node || office.rounds.answered_since(*id, asked.at);
        self.leases.was_held(node, asked.at) || is_majority(&office.halves, answered)
    }
}
