//! A plain step of a plain node: what the tests of each timer change a little.

use std::time::Duration;

use raft_core::ids::{Boot, EntryId, Incarnation, NodeId, Term};
use raft_core::states::Role;
use raft_core::time::Time;

use super::{Pace, Stand, Step};
use crate::spy::Passing;

/// A follower of this term that knows no leader and has not voted.
pub(in crate::checkers) fn stand(term: u64) -> Stand {
    Stand {
        life: Incarnation::new(1),
        boot: Boot::new(1),
        role: Role::Follower,
        term: Term::new(term),
        vote: None,
        leader: None,
        configured_by: EntryId::ORIGIN,
        settled: true,
        may_lead: true,
        quiet: false,
        stopped: false,
    }
}

/// A step at so many milliseconds, after which the node stands so. An election takes 100 of them, its
/// heartbeat interval 20.
pub(in crate::checkers) fn step(
    node: NodeId,
    millis: u64,
    after: Stand,
    passings: &[Passing],
) -> Step<'_> {
    Step {
        node,
        local: Time::from_millis(millis),
        after,
        pace: Pace {
            election_timeout: Duration::from_millis(100),
            heartbeat_interval: Duration::from_millis(20),
            stalled_write_after: Duration::from_secs(9),
            check_quorum: true,
        },
        passings,
        written: true,
        oldest_write: None,
        left_letters: false,
    }
}
