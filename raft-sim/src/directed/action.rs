//! What can be done to a directed cluster, as values: what a trigger has attached, and what a line
//! of a script says.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use raft_core::ids::NodeId;
use raft_core::log::LogError;
use raft_core::message::Message;

use super::forge::Change;
use super::pattern::{Link, MessageKind, Pattern, Which};
use super::trigger::Trigger;
use super::watches::WatchId;

/// One thing to do. Each has a method of [`super::Cluster`] that says more.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// [`super::Cluster::campaign`]
    Campaign(NodeId),
    /// [`super::Cluster::time_out`]
    TimeOut(NodeId),
    /// [`super::Cluster::disconnect`]
    Disconnect {
        /// Who notices.
        node: NodeId,
        /// Whose connection is lost.
        from: NodeId,
    },
    /// [`super::Cluster::wait`]
    Wait(Duration, Option<NodeId>),
    /// [`super::Cluster::propose`]
    Propose(NodeId, Vec<Bytes>),
    /// [`super::Cluster::read`]
    Read(NodeId),
    /// [`super::Cluster::hand_over`]
    HandOver(NodeId, Option<NodeId>),
    /// [`super::Cluster::take_snapshot`]
    TakeSnapshot(NodeId),
    /// [`super::Cluster::reconfigure`]
    Reconfigure {
        /// Who is asked.
        node: NodeId,
        /// Who is to vote.
        voters: Vec<NodeId>,
        /// Who is to learn.
        learners: Vec<NodeId>,
    },
    /// [`super::Cluster::cancel_change`]
    CancelChange(NodeId),
    /// [`super::Cluster::lose`]
    Lose(Which),
    /// [`super::Cluster::double`]
    Double(Which),
    /// [`super::Cluster::corrupt`]
    Corrupt(Which, Vec<Change>),
    /// [`super::Cluster::inject`]
    Inject(Message),
    /// [`super::Cluster::forge`]
    Forge(Link, MessageKind, Vec<Change>),
    /// [`super::Cluster::hold`]
    Hold(Pattern),
    /// [`super::Cluster::release`]
    Release(Pattern),
    /// [`super::Cluster::partition`]
    Partition(Vec<BTreeSet<NodeId>>),
    /// [`super::Cluster::heal`]
    Heal,
    /// [`super::Cluster::cut`]
    Cut(Link),
    /// [`super::Cluster::mend`]
    Mend(Link),
    /// [`super::Cluster::pause`]
    Pause(NodeId),
    /// [`super::Cluster::resume`]
    Resume(NodeId),
    /// [`super::Cluster::stall`]
    Stall(NodeId),
    /// [`super::Cluster::sync`]
    Sync(NodeId),
    /// [`super::Cluster::unstall`]
    Unstall(NodeId),
    /// [`super::Cluster::fail`]
    Fail(NodeId, Operation, LogError),
    /// [`super::Cluster::crash`]
    Crash(NodeId, Disk),
    /// [`super::Cluster::restart`]
    Restart(NodeId),
    /// [`super::Cluster::watch`]
    Watch(Watch),
    /// [`super::Cluster::forget`]
    Forget(WatchId),
    /// [`super::Cluster::go`]
    Go(Movement),
}

/// What makes messages arrive and deadlines pass.
#[derive(Clone, PartialEq, Debug)]
pub enum Movement {
    /// Messages arrive. Without a pattern also the answers, and theirs, until none is left.
    Deliver(Which),
    /// One message arrives; when none can, the next deadline passes.
    Step,
    /// Clocks go on by this, and deadlines pass in the order in which they fall due.
    Advance(Duration),
    /// The same, but all that is sent arrives before the next deadline passes.
    Run(Duration),
    /// One of the others, which ends when the trigger fires.
    Until(Box<Movement>, Trigger),
}

/// What a crash leaves on a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disk {
    /// Nothing: the folder is lost, and another incarnation starts on an empty one.
    Wiped,
    /// What was called durable.
    Durable,
    /// That, and this many of the writes begun since, the oldest first.
    First(usize),
    /// Every write that was begun.
    Everything,
}

/// What of a node's disk can be made to fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// The next write.
    Write,
    /// The next reading back of entries.
    Load,
}

/// A trigger, and what it is for.
#[derive(Clone, PartialEq, Debug)]
pub struct Watch {
    /// When.
    pub trigger: Trigger,
    /// Whether what moves the cluster ends there.
    pub stops: bool,
    /// Whether it fires again and again.
    pub repeats: bool,
    /// What is done each time.
    pub actions: Vec<Action>,
}

impl Watch {
    /// Stops the cluster each time that the trigger fires: a breakpoint.
    pub const fn stop_at(trigger: Trigger) -> Self {
        Self {
            trigger,
            stops: true,
            repeats: true,
            actions: Vec::new(),
        }
    }

    /// Does these once, when the trigger fires.
    pub fn when(trigger: Trigger, actions: impl IntoIterator<Item = Action>) -> Self {
        Self {
            trigger,
            stops: false,
            repeats: false,
            actions: actions.into_iter().collect(),
        }
    }

    /// Does these each time that the trigger fires.
    pub fn whenever(trigger: Trigger, actions: impl IntoIterator<Item = Action>) -> Self {
        Self {
            repeats: true,
            ..Self::when(trigger, actions)
        }
    }
}
