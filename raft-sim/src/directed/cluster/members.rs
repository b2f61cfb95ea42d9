//! Clusters whose members change: not all nodes found them, and bare hulls are asked for others.

use std::collections::{BTreeMap, VecDeque};

use raft_core::configuration::{Configuration, Member, MemberRole, Members};
use raft_core::hull::{Input, Outcome, Reconfigure};
use raft_core::ids::{Incarnation, NodeId, Peer, Ticket};
use raft_core::settings::Settings;

use super::network::Network;
use super::{Cluster, MAX_NODES, MAX_WORK};
use crate::checkers::{Checks, Violation, property};
use crate::directed::action::Action;
use crate::directed::error::DirectedError;

use crate::directed::node::Node;
use crate::directed::watches::Watches;

impl Cluster {
    /// A cluster of so many nodes that is founded by the first few of them. The others run as well,
    /// and are nobody's members until they are asked for.
    ///
    /// # Errors
    ///
    /// There are too many nodes or founders, or none.
    pub fn founded_by(
        founders: u64,
        nodes: u64,
        settings: Settings,
    ) -> Result<Self, DirectedError> {
        if founders == 0 || founders > nodes || nodes > MAX_NODES {
            return Err(DirectedError::ClusterSize {
                nodes: founders.max(nodes),
                limit: MAX_NODES,
            });
        }
        let founding = Configuration::of_voters((1..=founders).map(peer));
        Self::founded_as(&founding, nodes, settings)
    }

    /// A cluster of so many nodes, of which the last few are witnesses.
    ///
    /// # Errors
    ///
    /// There are too many nodes, or not fewer witnesses than others.
    pub fn with_witnesses(
        witnesses: u64,
        nodes: u64,
        settings: Settings,
    ) -> Result<Self, DirectedError> {
        let others = nodes.saturating_sub(witnesses);
        if nodes > MAX_NODES || witnesses >= others {
            return Err(DirectedError::ClusterSize {
                nodes,
                limit: MAX_NODES,
            });
        }
        let mut founding = Configuration::of_voters((1..=nodes).map(peer));
        for (id, member) in &mut founding.members {
            if id.get() > others {
                member.role = MemberRole::Witness;
            }
        }
        Self::founded_as(&founding, nodes, settings)
    }

    fn founded_as(
        founding: &Configuration,
        nodes: u64,
        settings: Settings,
    ) -> Result<Self, DirectedError> {
        let mut cluster = Self {
            nodes: BTreeMap::new(),
            network: Network::default(),
            watches: Watches::default(),
            looks: BTreeMap::new(),
            unsettled: VecDeque::new(),
            stopped_by: None,
            happenings: VecDeque::new(),
            checks: Checks::of_hulls(),
            violation: None,
            tickets: 0,
            changes: BTreeMap::new(),
            budget: MAX_WORK,
            recorder: None,
        };
        for id in 1..=nodes {
            let (me, id) = (peer(id), NodeId::new(id));
            let journal = cluster.checks.journal(id);
            let node = Node::new(me, founding.clone(), settings, journal);
            cluster.nodes.insert(id, node);
            cluster.looks.insert(id, None);
        }
        for id in (1..=nodes).map(NodeId::new) {
            cluster.restart(id)?;
        }
        cluster.happenings.clear();
        Ok(cluster)
    }

    /// Asks a node to make these the voters and those the learners, each in its present life, and
    /// nobody else a member. What comes of it is a
    /// [`Happening::Resolved`](crate::directed::Happening::Resolved).
    ///
    /// # Errors
    ///
    /// There is no such node, or it is down or paused. (That it does not lead is no error: it
    /// refuses.)
    pub fn reconfigure(
        &mut self,
        node: NodeId,
        voters: &[NodeId],
        learners: &[NodeId],
    ) -> Result<(), DirectedError> {
        self.perform(Action::Reconfigure {
            node,
            voters: voters.to_vec(),
            learners: learners.to_vec(),
        })
    }

    /// Asks a node to give up the change of members under way.
    ///
    /// # Errors
    ///
    /// There is no such node, or it is down or paused.
    pub fn cancel_change(&mut self, node: NodeId) -> Result<(), DirectedError> {
        self.perform(Action::CancelChange(node))
    }

    pub(super) fn begin_change(
        &mut self,
        node: NodeId,
        voters: &[NodeId],
        learners: &[NodeId],
    ) -> Result<(), DirectedError> {
        let mut target = Members::new();
        for (ids, role) in [(learners, MemberRole::Learner), (voters, MemberRole::Voter)] {
            for id in ids {
                let life = self.node_ref(*id)?.me.incarnation;
                let member = Member {
                    role,
                    ..Member::voter(life)
                };
                target.insert(*id, member);
            }
        }
        let ticket = Ticket::new(self.tickets);
        let wish = Reconfigure {
            ticket,
            target: target.clone(),
        };
        self.input(node, Input::Reconfigure(wish))?;
        self.tickets += 1;
        self.changes.insert(ticket, target);
        Ok(())
    }

    pub(super) fn begin_cancel(&mut self, node: NodeId) -> Result<(), DirectedError> {
        let ticket = Ticket::new(self.tickets);
        self.input(node, Input::CancelReconfigure(ticket))?;
        self.tickets += 1;
        Ok(())
    }

    /// What is wrong with what is said of a ticket, if it is that of a change.
    pub(super) fn wrong_of_change(
        &mut self,
        node: NodeId,
        ticket: Ticket,
        outcome: Outcome,
    ) -> Option<Violation> {
        let target = self.changes.remove(&ticket)?;
        let now = self.nodes.get(&node)?.now;
        let Outcome::Committed(entry) = outcome else {
            return None;
        };
        let text = self.checks.changed(entry, &target).err()?;
        Some(Violation {
            property: property::MEMBERSHIP,
            node: Some(node),
            time: now,
            text,
        })
    }
}

const fn peer(id: u64) -> Peer {
    Peer::new(NodeId::new(id), Incarnation::new(id as u128))
}
