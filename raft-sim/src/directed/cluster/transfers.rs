//! Leadership that is handed over by bare hulls.

use raft_core::hull::{Input, Transfer};
use raft_core::ids::{NodeId, Ticket};

use super::Cluster;
use crate::directed::action::Action;
use crate::directed::error::DirectedError;

impl Cluster {
    /// Asks a node to hand over leadership: to that one, or to whoever is fittest. What comes of it
    /// is a [`Happening::Resolved`](crate::directed::Happening::Resolved).
    ///
    /// # Errors
    ///
    /// There is no such node, or it is down or paused. (That it does not lead is no error: it
    /// refuses.)
    pub fn hand_over(&mut self, node: NodeId, to: Option<NodeId>) -> Result<(), DirectedError> {
        self.perform(Action::HandOver(node, to))
    }

    pub(super) fn begin_to_hand_over(
        &mut self,
        node: NodeId,
        to: Option<NodeId>,
    ) -> Result<(), DirectedError> {
        let ticket = Ticket::new(self.tickets);
        self.input(node, Input::Transfer(Transfer { ticket, to }))?;
        self.tickets += 1;
        Ok(())
    }
}
