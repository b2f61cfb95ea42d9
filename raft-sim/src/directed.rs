//! The directed side: a small cluster of bare hulls in which nothing happens by itself.
//!
//! Where a [`crate::world`] draws what happens from a seed, here the story is told by hand: which
//! message arrives when, whose deadline passes, what is lost, doubled, held, made up or changed on
//! its way, which disk stalls or fails, who crashes and what of its disk survives. Logs are in
//! memory; the hulls are the real ones. [`crate::script`] is the same as text.
//!
//! A [`Trigger`] is something to wait for: a message that leaves or arrives, a rule that is used,
//! a role, term, vote, leader or index that a node comes to; or all, any, or a sequence of such,
//! or one so many times. It can end a movement ([`Cluster::run_until`]), be a breakpoint
//! ([`Watch::stop_at`]), or have something done at that moment ([`Watch::when`]): a node stops
//! *between* any two messages it sends, and can be crashed there.
//!
//! After every piece of work the checkers of [`crate::checkers`] look at the nodes, as far as bare
//! hulls concern them; [`Cluster::violation`] tells what they found.
//!
//! # A story
//!
//! A leader crashes after its first entry has left for one of the others, and before it leaves for
//! the last one.
//!
//! ```
//! use std::time::Duration;
//! use raft_core::ids::{LogIndex, NodeId};
//! use raft_sim::directed::{Action, Cluster, Condition, Disk, MessageKind, Pattern, Trigger, Watch};
//!
//! # fn main() -> Result<(), raft_sim::directed::DirectedError> {
//! let [n1, n2, n3] = [1, 2, 3].map(NodeId::new);
//! let mut cluster = Cluster::of(3)?;
//!
//! let no_op_leaves = Trigger::sent(Pattern::kind(MessageKind::AppendEntries).to(n2));
//! cluster.watch(Watch::when(no_op_leaves, [Action::Crash(n1, Disk::Durable)]))?;
//! cluster.campaign(n1)?;
//! cluster.deliver_all()?;
//!
//! assert!(cluster.look(n1)?.is_none(), "it crashed");
//! assert_eq!(cluster.last(n2)?, LogIndex::new(1), "its entry had left for one node");
//! assert_eq!(cluster.last(n3)?, LogIndex::ZERO, "and not for the other");
//!
//! // The others go on without it.
//! let entry_committed = Trigger::state(Some(n3), Condition::Committed(LogIndex::new(1)));
//! let settled = Trigger::elected().then(entry_committed);
//! cluster.run_until(settled, Duration::from_secs(10))?;
//! assert_eq!(cluster.violation(), None);
//! # Ok(())
//! # }
//! ```

mod action;
mod cluster;
mod error;
pub mod forge;
mod happening;
mod node;
mod pattern;
mod shelf;
mod trigger;
mod watches;

pub use action::{Action, Disk, Movement, Operation, Watch};
pub use cluster::{Cluster, Reached};
pub use error::DirectedError;
pub use forge::Change;
pub use happening::{Happening, Look, Loss};
pub use pattern::{Link, MessageKind, Pattern, Which, indexes};
pub use trigger::{Condition, Trigger};
pub use watches::WatchId;
