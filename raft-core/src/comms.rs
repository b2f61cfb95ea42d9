//! What carries messages between nodes, and how little Raft asks of it.

use core::task::{Context, Poll};

use crate::ids::NodeId;
use crate::message::{Lane, Message};

/// Carries messages to and from other nodes.
///
/// The contract, numbered so that tests can name its clauses:
///
/// 1. A message may be lost, doubled, delayed for any time and overtaken by others. Nothing else
///    may happen to it: what arrives is what was sent, whole, and at the node it was sent to.
/// 2. `send` never blocks and never fails. A message that finds no room is dropped.
/// 3. `room` says how many bytes the lane to that node would take now; zero means that a message
///    sent now would be dropped. When room comes back after zero, [`CommsEvent::Room`] tells. What
///    waits in a lane is bounded, however long its receiver takes nothing in.
/// 4. What waits in one lane never holds up what is sent in another, and what waits for one node
///    never what is sent to another.
/// 5. `poll_event` returns what arrived, in any order, and registers the waker when there is
///    nothing: that of the latest call is woken when there is something.
/// 6. Not everything is lost: of what is sent again and again while both nodes run and can reach
///    each other, something arrives, after a lost connection as before it.
/// 7. That a connection was lost may be told, and is told only of one that was.
///
/// The simulator's crate holds any comms to it: `raft_sim::conformance::CommsKit`.
///
/// `M` is what is carried: a bare hull's [`Message`], or what a node wraps around it.
pub trait Comms<M = Message> {
    /// The bytes that the lane to `to` has room for.
    fn room(&self, to: NodeId, lane: Lane) -> usize;

    /// Sends, or drops when there is no room or no way.
    fn send(&mut self, to: NodeId, lane: Lane, message: M);

    /// Where a member of the configuration in force is reached, in whatever form the transport
    /// understands: told when the hull opens and whenever that changes. Transports that know all
    /// nodes from elsewhere need not listen.
    fn reach(&mut self, _member: NodeId, _address: &str) {}

    /// The next thing that happened.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<CommsEvent<M>>;
}

/// What happens on the way between nodes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CommsEvent<M = Message> {
    /// A message came.
    Arrived(M),
    /// The connection to this node was closed by the other side or lost. Only a hint: messages
    /// may be lost without it, and may still arrive after it.
    ConnectionLost(NodeId),
    /// A lane that had no room has some again.
    Room(NodeId, Lane),
}
