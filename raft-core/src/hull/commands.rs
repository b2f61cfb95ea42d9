//! What a driver asks of a hull: only a leader can do it, and others say who that is.

use alloc::vec::Vec;

use super::Hull;
use super::input::{Input, Proposals, Reconfigure, Transfer};
use super::output::Refusal;
use crate::few::Few;
use crate::ids::Ticket;
use crate::states::{Next, State};

impl Hull {
    /// A stopped hull takes nothing in; what waits for an answer gets one.
    pub(super) fn decline(&mut self, input: Input) -> Next {
        let tickets = match input {
            Input::Propose(proposals) => proposals.tickets,
            Input::Read(tickets) => Few::from(tickets),
            Input::Transfer(request) => Few::from(request.ticket),
            Input::Reconfigure(wish) => Few::from(wish.ticket),
            Input::CancelReconfigure(ticket) => Few::from(ticket),
            Input::Message(_)
            | Input::ConnectionLost(_)
            | Input::DeadlinePassed
            | Input::Rouse
            | Input::Durable(_)
            | Input::WriteFailed(_)
            | Input::Loaded(_)
            | Input::Applied(_)
            | Input::TakeSnapshot
            | Input::Snapshot(_) => return Next::Stay,
        };
        self.common.resolved().refused(tickets, Refusal::Stopped);
        Next::Stay
    }

    pub(super) fn on_propose(&mut self, proposals: Proposals) -> Next {
        if let State::Leader(leader) = &mut self.state {
            leader.propose(&mut self.common, proposals);
        } else {
            self.point_to_leader(proposals.tickets);
        }
        Next::Stay
    }

    pub(super) fn on_read(&mut self, tickets: Vec<Ticket>) -> Next {
        if let State::Leader(leader) = &mut self.state {
            leader.read(&mut self.common, tickets);
        } else {
            self.point_to_leader(tickets);
        }
        Next::Stay
    }

    pub(super) fn on_transfer(&mut self, request: Transfer) -> Next {
        if let State::Leader(leader) = &mut self.state {
            leader.transfer(&mut self.common, request);
        } else {
            self.point_to_leader(request.ticket);
        }
        Next::Stay
    }

    pub(super) fn on_reconfigure(&mut self, wish: Reconfigure) -> Next {
        if let State::Leader(leader) = &mut self.state {
            leader.reconfigure(&mut self.common, wish);
        } else {
            self.point_to_leader(wish.ticket);
        }
        Next::Stay
    }

    pub(super) fn on_cancel_reconfigure(&mut self, ticket: Ticket) -> Next {
        if let State::Leader(leader) = &mut self.state {
            leader.cancel_reconfigure(&mut self.common, ticket);
        } else {
            self.point_to_leader(ticket);
        }
        Next::Stay
    }

    /// [S5.1.5] Only the leader takes what it is asked for; others say who that is.
    fn point_to_leader(&mut self, tickets: impl Into<Few<Ticket>>) {
        let leader = self.leader();
        let refusal = Refusal::NotLeader { leader };
        self.common.resolved().refused(tickets, refusal);
    }
}
