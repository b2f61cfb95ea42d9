//! Driving changes of members.

use std::collections::{BTreeMap, BTreeSet};

use raft_core::checksum::crc32c;
use raft_core::chunk::{Chunk, ChunkBuilder};
use raft_core::configuration::{Configuration, MemberRole, Members};
use raft_core::hull::{Input, Outcome, Reconfigure, Setup};
use raft_core::ids::{NodeId, Term, Ticket};
use raft_core::states::Role;
use raft_core::time::LogTime;

use super::{Node, index, peer};

/// An entry that holds a configuration.
pub(crate) fn configuration_entry(at: u64, term: u64, configuration: &Configuration) -> Chunk {
    let mut builder = ChunkBuilder::new();
    builder.push_config(configuration).unwrap();
    let sealed = builder.seal(Term::new(term), index(at), LogTime::ZERO, crc32c);
    sealed.unwrap()
}

/// What node `me` is set up with in a cluster of three in which node 3 is a witness.
pub(crate) fn setup_with_witness(me: u64) -> Setup {
    let mut setup = super::setup(me, 3);
    let members = &mut setup.founding.members;
    members.named_mut(&NodeId::new(3)).unwrap().role = MemberRole::Witness;
    setup.witness = me == 3;
    setup
}

impl Node {
    /// Asks for other members; the ticket is returned.
    pub(crate) fn reconfigure(&mut self, target: Members) -> Ticket {
        let ticket = self.next_ticket();
        self.step(Input::Reconfigure(Reconfigure { ticket, target }));
        ticket
    }

    /// Asks to give up the change under way.
    pub(crate) fn cancel(&mut self) -> Ticket {
        let ticket = self.next_ticket();
        self.step(Input::CancelReconfigure(ticket));
        ticket
    }

    fn next_ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        self.last_ticket()
    }

    /// The ticket last handed in.
    pub(crate) fn last_ticket(&self) -> Ticket {
        Ticket::new(self.next_ticket)
    }

    /// Has these nodes vote in the end, and takes the change as far as the joint configuration:
    /// all catch up at once.
    pub(crate) fn grow_to<const N: usize>(&mut self, ids: [u64; N]) -> Ticket {
        let before = self.hull.configuration().ids();
        let ticket = self.reconfigure(Configuration::of_voters(ids.map(peer)).members);
        for id in before.into_iter().map(NodeId::get).chain(ids) {
            self.answer_all(&[id]);
        }
        assert!(self.hull.configuration().is_joint());
        ticket
    }

    /// These nodes hold all that the log holds now, and say so in answer to what they are sent.
    pub(crate) fn answer_all(&mut self, nodes: &[u64]) {
        let last = self.hull.last().index.get();
        self.sent();
        for node in nodes {
            if peer(*node) != self.hull.me() {
                self.acknowledge(*node, last);
            }
        }
    }

    /// Whom there is something to send to, once all that is due now is sent.
    pub(crate) fn destinations_after_rest(&mut self) -> Vec<NodeId> {
        self.sent();
        self.time_out();
        self.destinations()
    }

    /// Makes the node a candidate, with the pre-votes of these nodes as far as they are needed.
    pub(crate) fn stand_with(&mut self, voters: &[u64]) -> u64 {
        if self.hull.role() != Role::Candidate {
            self.ask();
        }
        for from in voters {
            if self.hull.role() == Role::PreCandidate && peer(*from) != self.hull.me() {
                self.pre_vote(*from, true);
            }
        }
        self.term()
    }

    /// Counts what became of the tickets so far, each of which comes back once.
    pub(crate) fn count_outcomes(&self, into: &mut BTreeMap<String, u32>) {
        let mut seen = BTreeSet::new();
        for resolved in &self.resolved {
            assert!(seen.insert(resolved.ticket), "{resolved:?} comes twice");
            let name = match resolved.outcome {
                Outcome::Refused(refusal) => format!("{refusal:?}"),
                outcome => format!("{outcome:?}"),
            };
            let name = name.split([' ', '(', '{']).next().unwrap_or_default();
            *into.entry(name.to_owned()).or_default() += 1;
        }
    }
}
