//! What happens in a directed cluster, as values: what triggers look at, and what scripts print.

use raft_core::chunk::Chunk;
use raft_core::few::Few;
use raft_core::hull::{Hull, Resolved};
use raft_core::ids::{LogIndex, NodeId, Term};
use raft_core::message::Message;
use raft_core::states::Role;
use raft_core::trace::Event;

use super::pattern::Link;
use super::trigger::Trigger;
use super::watches::WatchId;
use crate::checkers::Violation;

/// One thing that happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Happening {
    /// A node sent a message; it is under way now.
    Sent(Message),
    /// A message arrived, and its receiver took it in.
    Arrived(Message),
    /// A message was lost.
    Lost {
        /// Which.
        message: Message,
        /// Why.
        why: Loss,
    },
    /// Something happened inside a hull.
    Event {
        /// On which node.
        node: NodeId,
        /// What, with the rule that caused it.
        event: Event,
    },
    /// A proposal's fate is known.
    Resolved {
        /// On which node.
        node: NodeId,
        /// What became of it.
        resolved: Resolved,
    },
    /// A node applied entries.
    Applied {
        /// Which node.
        node: NodeId,
        /// The entries.
        chunks: Few<Chunk>,
    },
    /// What a node looks like from outside has changed; absent while it is down.
    Changed {
        /// Which node.
        node: NodeId,
        /// How it was.
        before: Option<Look>,
        /// How it is.
        after: Option<Look>,
    },
    /// Other links than before lose what should arrive: these, all of them.
    LinksLost(Vec<Link>),
    /// A node was paused, or goes on.
    Paused {
        /// Which.
        node: NodeId,
        /// Whether it is paused now.
        paused: bool,
    },
    /// A trigger fired.
    Fired {
        /// Whose.
        watch: WatchId,
        /// What it waited for.
        trigger: Trigger,
        /// Whether everything stops for it.
        stops: bool,
    },
    /// A property does not hold. It is told once; nothing is checked afterwards.
    Violated(Violation),
}

/// Why a message was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loss {
    /// Somebody wanted it so.
    Wanted,
    /// The link was cut, or a partition lay between.
    Cut,
    /// Its receiver was down.
    Down,
}

/// What a running node looks like from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Look {
    /// Its role.
    pub role: Role,
    /// Its term.
    pub term: Term,
    /// Its vote in that term.
    pub vote: Option<NodeId>,
    /// The leader it knows of.
    pub leader: Option<NodeId>,
    /// The last index in its log.
    pub last: LogIndex,
    /// The highest index that is durable.
    pub durable: LogIndex,
    /// The highest index known to be committed.
    pub commit: LogIndex,
    /// The highest index applied.
    pub applied: LogIndex,
    /// Whether its hull has stopped for good.
    pub stopped: bool,
}

impl Look {
    /// Looks at a hull.
    pub fn at(hull: &Hull) -> Self {
        Self {
            role: hull.role(),
            term: hull.term(),
            vote: hull.vote(),
            leader: hull.leader(),
            last: hull.last().index,
            durable: hull.durable_index(),
            commit: hull.commit_index(),
            applied: hull.applied_index(),
            stopped: hull.fault().is_some(),
        }
    }
}
