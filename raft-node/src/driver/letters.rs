//! What arrives: each letter is checked before anything of it is used.

use std::task::{Context, Poll};

use raft_core::comms::{Comms, CommsEvent};
use raft_core::hull::Input;
use raft_core::log::Log;

use super::Driver;
use crate::clock::Clock;
use crate::error::{Exit, NodeFault};
use crate::letter::{Letter, Packet};
use crate::rare::Site;
use crate::state_machine::StateMachine;
use crate::status::{Rejected, Rejection};

impl<L: Log, C: Comms<Letter>, K: Clock, S: StateMachine> Driver<L, C, K, S> {
    /// Takes in a bounded number of events; whether there may be more.
    pub(super) fn take_letters(&mut self, cx: &mut Context<'_>) -> Result<bool, Exit> {
        for _ in 0..self.setup.settings.max_letters_per_turn.max(1) {
            let Poll::Ready(event) = self.comms.poll_event(cx) else {
                return Ok(false);
            };
            self.touched = true;
            match event {
                CommsEvent::Arrived(letter) => self.on_letter(letter)?,
                CommsEvent::ConnectionLost(node) => {
                    let now = self.clock.now();
                    if let Some(hull) = &mut self.hull {
                        hull.step(now, Input::ConnectionLost(node));
                    }
                }
                // What waits for room is pulled in this very turn.
                CommsEvent::Room(..) => {}
            }
            if self.clock.rarely(Site::OneLetter) {
                break;
            }
        }
        Ok(true)
    }

    fn on_letter(&mut self, letter: Letter) -> Result<(), Exit> {
        let rejected = Rejected {
            from: letter.from,
            packet: letter.packet.name(),
            why: Rejection::Malformed,
        };
        if let (None, Packet::Raft(message)) = (&self.hull, &letter.packet) {
            if message.to == self.genesis.me() && message.from == letter.from {
                self.genesis.on_called(letter.from.id);
            }
        }
        let verdict = match self.check(&letter) {
            Some(why) => Some(why),
            None => self.accept(letter)?,
        };
        if let Some(why) = verdict {
            let rejected = Rejected { why, ..rejected };
            tracing::debug!(?rejected, "dropped a letter");
            self.status.rejected.count(rejected);
        }
        Ok(())
    }

    /// Why the letter can't be meant for this node, if it can't.
    fn check(&self, letter: &Letter) -> Option<Rejection> {
        if letter.to != self.setup.id || letter.from.id == self.setup.id {
            return Some(Rejection::NotForMe);
        }
        let Some(hull) = &self.hull else {
            let founding = matches!(letter.packet, Packet::Genesis(_) | Packet::Hello);
            return (!founding).then_some(Rejection::NotFounded);
        };
        let same_cluster = letter.cluster == self.cluster;
        match &letter.packet {
            Packet::Hello => None,
            Packet::Genesis(_) => {
                (letter.cluster.is_some() && !same_cluster).then_some(Rejection::OtherCluster)
            }
            _ if !same_cluster => Some(Rejection::OtherCluster),
            Packet::Raft(message) => {
                // Whether the sender is a member, in this life, is for the hull to say.
                let fits = message.from == letter.from && message.to.id == letter.to;
                (!fits).then_some(Rejection::Malformed)
            }
            Packet::Forward(_) => {
                let member = hull.configuration().admits(letter.from);
                (!member).then_some(Rejection::Stranger)
            }
            Packet::ForwardReply(reply) => {
                let mine = reply.to == hull.me() && reply.boot == hull.boot();
                if hull.configuration().admits(letter.from) {
                    (!mine).then_some(Rejection::Stale)
                } else {
                    Some(Rejection::Stranger)
                }
            }
        }
    }

    /// Uses a letter that passed the checks.
    fn accept(&mut self, letter: Letter) -> Result<Option<Rejection>, Exit> {
        let now = self.clock.now();
        match letter.packet {
            Packet::Hello => Ok(None),
            Packet::Raft(message) => {
                if let Some(hull) = &mut self.hull {
                    hull.step(now, Input::Message(message));
                }
                Ok(None)
            }
            Packet::Genesis(news) => {
                let hull = self.hull.as_ref();
                let is_member = hull.is_some_and(|hull| hull.configuration().admits(letter.from));
                if is_member && !self.genesis.has_founder(letter.from.id) {
                    self.genesis.on_question(letter.from, &news);
                    return Ok(None);
                }
                let rejected = self.genesis.on_news(letter.from, &news);
                rejected.map_err(|fault| Exit::Fault(NodeFault::Genesis(fault)))
            }
            Packet::Forward(forward) => {
                let dropped = self.tickets.accept(letter.from, letter.boot, forward, now);
                Ok((dropped > 0).then_some(Rejection::Overloaded))
            }
            Packet::ForwardReply(reply) => {
                self.tickets.on_forward_reply(&reply, now);
                Ok(None)
            }
        }
    }
}
