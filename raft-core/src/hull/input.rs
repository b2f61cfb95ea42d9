//! What can happen to a hull: data only.

use alloc::vec::Vec;

use crate::chunk::{Chunk, ChunkBuilder, PushError};
use crate::common::events::InputNote;
use crate::configuration::Members;
use crate::few::Few;
use crate::hull::SnapshotDone;
use crate::ids::{LogIndex, NodeId, Ticket};
use crate::log::{Durable, LogError};
use crate::message::Message;
use crate::record::ClientHeader;
use crate::time::Time;

/// One thing that happened, or that is asked for.
#[derive(Debug)]
pub enum Input {
    /// A message arrived.
    Message(Message),
    /// The connection to a node was lost. A hint only.
    ConnectionLost(NodeId),
    /// [`crate::hull::Hull::deadline`] has passed. Harmless when it has not.
    DeadlinePassed,
    /// Somebody wants something of the cluster, and goes elsewhere with it: a node that
    /// [is quiet](crate::hull::Hull::is_quiet) looks whether its leader is still there. Harmless when
    /// it is not quiet.
    Rouse,
    /// Append these records, if this node leads.
    Propose(Proposals),
    /// Find out from which index on the state machine may be read (thesis 6.4), if this node leads:
    /// each ticket comes back with [`Outcome::ReadAt`](crate::hull::Outcome::ReadAt) or refused.
    Read(Vec<Ticket>),
    /// Hand over leadership, if this node leads.
    Transfer(Transfer),
    /// Change the members, if this node leads.
    Reconfigure(Reconfigure),
    /// Give up the change of members under way, if this node leads and nobody's vote has been
    /// touched by it yet. The ticket comes back as committed with the entry that says so.
    CancelReconfigure(Ticket),
    /// A write, and all before it, are durable.
    Durable(Durable),
    /// The log failed. Final: the hull stops.
    WriteFailed(LogError),
    /// What [`crate::hull::Hull::next_load`] asked for.
    Loaded(Loaded),
    /// The state machine has applied all entries up to this one, in the order they were handed
    /// out.
    Applied(LogIndex),
    /// Take a snapshot of the state machine soon, whatever the settings say. Any node may be asked.
    TakeSnapshot,
    /// What came of a [`crate::hull::Hull::next_snapshot_job`].
    Snapshot(SnapshotDone),
}

impl Input {
    /// The name of what happened.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Message(_) => "Message",
            Self::ConnectionLost(_) => "ConnectionLost",
            Self::DeadlinePassed => "DeadlinePassed",
            Self::Rouse => "Rouse",
            Self::Propose(_) => "Propose",
            Self::Read(_) => "Read",
            Self::Transfer(_) => "Transfer",
            Self::Reconfigure(_) => "Reconfigure",
            Self::CancelReconfigure(_) => "CancelReconfigure",
            Self::Durable(_) => "Durable",
            Self::WriteFailed(_) => "WriteFailed",
            Self::Loaded(_) => "Loaded",
            Self::Applied(_) => "Applied",
            Self::TakeSnapshot => "TakeSnapshot",
            Self::Snapshot(_) => "Snapshot",
        }
    }

    /// What is remembered of it, for a report.
    pub(super) const fn note(&self, now: Time) -> InputNote {
        let (name, from) = match self {
            Self::Message(message) => (message.body.name(), Some((message.from.id, message.term))),
            other => (other.name(), None),
        };
        InputNote { now, name, from }
    }
}

/// Records to append, each with its ticket. They are laid out as they come, so that a batch of any
/// size costs one allocation or two.
#[derive(Debug, Default)]
pub struct Proposals {
    pub(crate) tickets: Few<Ticket>,
    pub(crate) builder: ChunkBuilder,
}

impl Proposals {
    /// No proposals yet.
    pub const fn new() -> Self {
        Self {
            tickets: Few::new(),
            builder: ChunkBuilder::new(),
        }
    }

    /// No proposals yet, with room for `count` whose payloads take `payload_bytes` together.
    pub fn with_capacity(count: usize, payload_bytes: usize) -> Self {
        Self {
            tickets: Few::with_capacity(count),
            builder: ChunkBuilder::with_capacity(count, payload_bytes),
        }
    }

    /// Adds a command for the state machine, copying the payload.
    ///
    /// # Errors
    ///
    /// The batch is full; hand it in and begin another.
    pub fn push_client(
        &mut self,
        ticket: Ticket,
        header: ClientHeader,
        payload: &[u8],
    ) -> Result<(), PushError> {
        self.builder.push_client(header, payload)?;
        self.tickets.push(ticket);
        Ok(())
    }

    /// Adds a no-op: once it is committed, everything that was committed before it was proposed
    /// is known to be, so that a read may follow it.
    ///
    /// # Errors
    ///
    /// The batch is full; hand it in and begin another.
    pub fn push_no_op(&mut self, ticket: Ticket) -> Result<(), PushError> {
        self.builder.push_no_op()?;
        self.tickets.push(ticket);
        Ok(())
    }

    /// The number of proposals.
    pub fn len(&self) -> usize {
        self.tickets.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tickets.is_empty()
    }

    /// The bytes of payload, with what each record carries beside the user's bytes.
    pub fn payload_bytes(&self) -> usize {
        self.builder.payload_bytes()
    }
}

/// Asks a leader to hand over to another member (thesis 3.10). Until that has succeeded or failed,
/// which takes an election timeout at most, it takes no proposals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transfer {
    /// Comes back once it is known what became of it.
    pub ticket: Ticket,
    /// Who is to lead; `None` for whoever is fit, of the highest priority.
    pub to: Option<NodeId>,
}

/// A wish for other members. It comes back as committed once they alone decide.
///
/// The target goes into the log, and any later leader goes on from there; the ticket does not: it
/// comes back as unknown when this leader loses office.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reconfigure {
    /// The wish's ticket.
    pub ticket: Ticket,
    /// All members as they are to be, not only those that change.
    pub target: Members,
}

/// The answer to a [`crate::hull::Load`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loaded {
    /// The number of the load answered.
    pub number: u64,
    /// What the log said.
    pub result: Result<Vec<Chunk>, LogError>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposals_know_their_number_and_weight() {
        let mut proposals = Proposals::with_capacity(2, 3);
        assert!(proposals.is_empty());
        assert_eq!((proposals.len(), proposals.payload_bytes()), (0, 0));
        let header = ClientHeader::default();
        proposals
            .push_client(Ticket::new(1), header, b"abc")
            .unwrap();
        proposals.push_no_op(Ticket::new(2)).unwrap();
        assert!(!proposals.is_empty());
        let weight = ClientHeader::BYTES + 3;
        assert_eq!((proposals.len(), proposals.payload_bytes()), (2, weight));
    }
}
