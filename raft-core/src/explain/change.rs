//! Why a change of members is not over.

use core::time::Duration;

use crate::error::Fault;
use crate::hull::Withdrawal;
use crate::ids::{LogIndex, NodeId};

/// One reason why the change of members that is under way is not over.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotChanged {
    /// The hull has stopped. Then no other reason is given.
    #[error("this node has stopped: {0}")]
    Stopped(Fault),
    /// Only a leader drives a change, and another node leads.
    #[error("{leader} leads and drives the change; ask there")]
    LeaderDrives {
        /// Who leads.
        leader: NodeId,
    },
    /// Only a leader drives a change, and this node neither leads nor knows who does
    /// ([`crate::hull::Hull::why_no_leader`]). Whoever leads next goes on from what is in the log.
    #[error("only a leader drives a change, and this node knows of none")]
    NobodyLeads,
    /// This leader appends nothing while it hands over.
    #[error("this leader hands over to {to}; whoever leads then goes on with the change")]
    HandingOver {
        /// Who is to lead.
        to: NodeId,
    },
    /// No step is done before an entry of the leader's own term is committed (thesis 4.1, corrected
    /// by the bug report of 2015; [`crate::hull::Hull::why_not_committed`] of that entry says why it
    /// is not).
    #[error("this leader's first entry, {first}, is not committed, and no step is done before")]
    NewLeader {
        /// The entry.
        first: LogIndex,
    },
    /// The change is given up, and the members go back to what they were.
    #[error("the change is given up: {0}")]
    GivenUp(Withdrawal),
    /// The configuration of the step that was done last is not committed, and the next one waits for
    /// that ([`crate::hull::Hull::why_not_committed`] of it says why it is not).
    #[error("its configuration at {index} is not committed, and the next step waits for that")]
    NotCommitted {
        /// The entry.
        index: LogIndex,
    },
    /// A new member is not close enough to the leader's log to count (thesis 4.2.1).
    #[error(
        "{node} is known to hold up to {matched} of {last}: {long_rounds} rounds of at most {limit} \
         took an election timeout or longer, and for {still:?} of at most {patience:?} nothing \
         has come of it (catch_up_timeout)"
    )]
    CatchingUp {
        /// The new member.
        node: NodeId,
        /// What it is known to hold durably.
        matched: LogIndex,
        /// The end of the leader's log.
        last: LogIndex,
        /// How many rounds in a row took too long.
        long_rounds: u32,
        /// After how many of them the change is given up.
        limit: u32,
        /// For how long it has not moved.
        still: Duration,
        /// After how long without a move the change is given up.
        patience: Duration,
    },
}
