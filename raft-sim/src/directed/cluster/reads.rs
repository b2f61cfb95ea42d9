//! Reads that bypass the log, and wishes for snapshots, handed in to bare hulls.

use raft_core::hull::{Input, Resolved};
use raft_core::ids::{NodeId, Ticket};

use super::Cluster;
use crate::directed::action::Action;
use crate::directed::error::DirectedError;
use crate::directed::happening::Happening;

impl Cluster {
    /// Asks a node from which index on the state machine may be read. What comes of it is a
    /// [`Happening::Resolved`].
    ///
    /// # Errors
    ///
    /// There is no such node, or it is down or paused. (That it does not lead is no error: it
    /// refuses.)
    pub fn read(&mut self, node: NodeId) -> Result<(), DirectedError> {
        self.perform(Action::Read(node))
    }

    /// Asks a node to take a snapshot, which it does if it has applied anything since the last.
    ///
    /// # Errors
    ///
    /// There is no such node, or it is down or paused.
    pub fn take_snapshot(&mut self, node: NodeId) -> Result<(), DirectedError> {
        self.perform(Action::TakeSnapshot(node))
    }

    pub(super) fn begin_read(&mut self, node: NodeId) -> Result<(), DirectedError> {
        let ticket = Ticket::new(self.tickets);
        self.input(node, Input::Read(vec![ticket]))?;
        self.tickets += 1;
        self.checks.read_asked(node, ticket);
        Ok(())
    }

    /// A ticket comes back: the checkers look at it.
    pub(super) fn resolved(&mut self, node: NodeId, resolved: Resolved) {
        self.note(Happening::Resolved { node, resolved });
        let Some(now) = self.nodes.get(&node).map(|node| node.now) else {
            return;
        };
        let Resolved { ticket, outcome } = resolved;
        if self.violation.is_some() {
            return;
        }
        let read = self.checks.read_resolved(now, node, ticket, outcome);
        let wrong = read.err();
        let wrong = wrong.or_else(|| self.wrong_of_change(node, ticket, outcome));
        if let Some(violation) = wrong {
            self.violation = Some(violation.clone());
            self.note(Happening::Violated(violation));
        }
    }
}
