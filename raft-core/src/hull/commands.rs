//! What a driver asks of a hull: only a leader can do it, and others say who that is.

use super::Hull;
use super::input::{Input, Proposals};
use super::output::Refusal;
use crate::states::{Next, State};

impl Hull {
    /// A stopped hull takes nothing in; what waits for an answer gets one.
    pub(super) fn decline(&mut self, input: Input) -> Next {
        if let Input::Propose(proposals) = input {
            self.common
                .resolved
                .refused(proposals.tickets, Refusal::Stopped);
        }
        Next::Stay
    }

    pub(super) fn on_propose(&mut self, proposals: Proposals) -> Next {
        if let State::Leader(leader) = &mut self.state {
            leader.propose(&mut self.common, proposals);
        } else {
            // [S5.1.5] Only the leader takes proposals; others say who that is.
            let refusal = Refusal::NotLeader {
                leader: self.leader(),
            };
            self.common.resolved.refused(proposals.tickets, refusal);
        }
        Next::Stay
    }
}
