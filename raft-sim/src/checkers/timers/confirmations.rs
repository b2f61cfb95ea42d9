//! Reads that bypass the log: a leader answers one because a majority has answered it since the read
//! came, or because it has a lease (thesis 6.4, 6.4.1).
//!
//! What was missed is seen only when another leader has answered a command meanwhile; that nobody
//! was asked is seen at once. Only what the leader does itself is judged, and only while it leads
//! among the same voters: who passes a read on may have been told by anybody.

use raft_core::ids::NodeId;
use raft_core::time::Time;
use raft_node::clock::Clock as _;

use super::{Timers, is_majority};

/// When a read was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Asked {
    /// By the clock of the node that was asked.
    at: Time,
    /// How many offices had ended, or changed, by then.
    turns: u64,
}

impl Timers {
    /// A read is asked for on this node.
    pub(crate) fn asked(&self, node: NodeId) -> Option<Asked> {
        // Who does not lead passes it on, and may be told by who does before it leads itself.
        self.nodes.get(&node)?.office.as_ref()?;
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
            .get(&node)
            .and_then(|known| known.office.as_ref());
        let Some(office) = office.filter(|_| self.turns == asked.turns) else {
            return true;
        };
        let answered =
            |id: &NodeId| *id == node || office.answered.get(id).is_some_and(|at| *at >= asked.at);
        self.leases.was_held(node, asked.at) || is_majority(&office.halves, answered)
    }
}
