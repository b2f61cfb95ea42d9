//! How a hull stands after a step, and what its settings say of time.

use std::time::Duration;

use raft_core::hull::Hull;
use raft_core::ids::{Boot, EntryId, Incarnation, NodeId, Term};
use raft_core::states::Role;

/// How a hull stands after a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stand {
    pub(crate) life: Incarnation,
    pub(crate) boot: Boot,
    pub(crate) role: Role,
    pub(crate) term: Term,
    pub(crate) vote: Option<NodeId>,
    pub(crate) leader: Option<NodeId>,
    /// The entry of the configuration in force, whether the node knows that to be committed, and
    /// whether it may lead by it.
    pub(crate) configured_by: EntryId,
    pub(crate) settled: bool,
    pub(crate) may_lead: bool,
    /// Whether it expects to hear nothing, and sends no heartbeats.
    pub(crate) quiet: bool,
    /// Whether it has stopped for good.
    pub(crate) stopped: bool,
}

impl Stand {
    pub(crate) fn of(hull: &Hull) -> Self {
        Self {
            life: hull.me().incarnation,
            boot: hull.boot(),
            role: hull.role(),
            term: hull.term(),
            vote: hull.vote(),
            leader: hull.leader(),
            configured_by: hull.configured_by(),
            settled: hull.configured_by().index <= hull.commit_index(),
            may_lead: hull.configuration().may_lead(hull.me()),
            quiet: hull.is_quiet(),
            stopped: hull.fault().is_some(),
        }
    }
}

/// What a hull's settings say of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pace {
    pub(crate) election_timeout: Duration,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) stalled_write_after: Duration,
    pub(crate) check_quorum: bool,
}

impl Pace {
    pub(crate) fn of(hull: &Hull) -> Self {
        let settings = hull.settings();
        Self {
            election_timeout: settings.election_timeout,
            heartbeat_interval: settings.heartbeat_interval,
            stalled_write_after: settings.stalled_write_after,
            check_quorum: settings.check_quorum,
        }
    }
}
