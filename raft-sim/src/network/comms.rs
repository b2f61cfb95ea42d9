//! One process's access to the network.

use std::task::{Context, Poll};

use raft_core::comms::{Comms, CommsEvent};
use raft_core::ids::NodeId;
use raft_core::message::Lane;
use raft_node::frame::FrameLimits;
use raft_node::letter::{Letter, Packet};

use super::dialect::Dialect;
use super::inbox::Arrival;
use super::kinds::{has_entries, kind_of};
use super::{Network, Wires, node_id, node_number};
use crate::lot::Key;
use crate::spy::{Journal, Passing};
use crate::trace::Recorder;
use crate::world::event::Frame;

/// One process's access to the network: its node's [`Comms`].
#[derive(Debug)]
pub(crate) struct SimComms {
    node: usize,
    network: Network,
    limits: FrameLimits,
    dialect: Dialect,
    journal: Journal,
}

impl SimComms {
    pub(super) const fn new(
        node: usize,
        network: Network,
        limits: FrameLimits,
        dialect: Dialect,
        journal: Journal,
    ) -> Self {
        Self {
            node,
            network,
            limits,
            dialect,
            journal,
        }
    }
}

impl SimComms {
    /// Clusters that go by the same names send what they make of a letter that was just sent.
    fn let_namesakes_send(&self, wires: &mut Wires, to: usize, lane: Lane, letter: &Letter) {
        let kind = kind_of(&letter.packet);
        let sent = wires.sent.get(self.node * wires.nodes + to);
        let number = sent.and_then(|sent| sent.get(kind)).copied();
        let link = wires.link_key(self.node, to);
        for namesake in wires.namesakes.clone() {
            let name = [
                u64::from(namesake.fault),
                link,
                kind as u64,
                number.unwrap_or(0),
            ];
            let mut lot = Key::Namesake.lot(wires.seed, &name);
            let Some(theirs) = namesake.letter(letter, &mut lot) else {
                continue;
            };
            let Ok(bytes) = self.dialect.write(&theirs) else {
                wires.broken += 1;
                continue;
            };
            let delay = wires.plan.delay.draw(&mut lot);
            let frame = Frame {
                letter: 0,
                from: self.node,
                to,
                lane,
                kind,
                // Its own connection has other lanes.
                held: 0,
                foreign: true,
                bytes,
            };
            wires.carry(frame, delay);
        }
    }
}

impl Comms<Letter> for SimComms {
    fn room(&self, to: NodeId, lane: Lane) -> usize {
        let mut wires = self.network.wires();
        let to = node_number(to);
        let room = wires.room(self.node, to, lane);
        if let Some(passage) = wires.passage(self.node, to, lane) {
            passage.refused |= room == 0;
        }
        room
    }

    fn send(&mut self, to: NodeId, lane: Lane, letter: Letter) {
        match &letter.packet {
            Packet::Raft(message) => {
                self.journal.named_itself();
                self.journal.sent(message);
            }
            Packet::Forward(_) => self.journal.named_itself(),
            Packet::ForwardReply(_) | Packet::Genesis(_) | Packet::Hello => {}
        }
        let kind = kind_of(&letter.packet);
        let entries = has_entries(&letter.packet);
        let written = self.dialect.write(&letter);
        let mut wires = self.network.wires();
        let number = node_number(to);
        if number >= wires.nodes || number == self.node {
            return;
        }
        let Ok(bytes) = written else {
            wires.broken += 1;
            return;
        };
        let capacity = wires.capacity(lane);
        let now = wires.schedule.now();
        let Some(passage) = wires.passage(self.node, number, lane) else {
            return;
        };
        if passage.bytes >= capacity || passage.shut_until > now {
            passage.refused = true;
            return;
        }
        passage.bytes += bytes.len();
        let recorder = wires.recorder.as_ref();
        let record =
            |recorder: &Recorder| recorder.sent(now, node_id(self.node), to, &letter.packet);
        let recorded = recorder.map_or(0, record);
        let link = self.node * wires.nodes + number;
        if let (true, Some(sent)) = (entries, wires.entries_sent.get_mut(link)) {
            *sent += 1;
        }
        wires.send(Frame {
            letter: recorded,
            from: self.node,
            to: number,
            lane,
            kind,
            held: bytes.len(),
            foreign: false,
            bytes,
        });
        self.let_namesakes_send(&mut wires, number, lane, &letter);
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<CommsEvent<Letter>> {
        let mut wires = self.network.wires();
        loop {
            let Some(inbox) = wires.inboxes.get_mut(self.node) else {
                return Poll::Pending;
            };
            let Poll::Ready(arrival) = inbox.poll_next(cx) else {
                return Poll::Pending;
            };
            let event = match arrival {
                Arrival::Lost(peer) => {
                    self.journal.passed(Passing::ConnectionLost(peer));
                    CommsEvent::ConnectionLost(peer)
                }
                Arrival::Room(to, lane) => CommsEvent::Room(to, lane),
                Arrival::Frame(frame) => match self.dialect.read(&frame.bytes, &self.limits) {
                    Ok(Some(letter)) => {
                        if let (Packet::Raft(message), false) = (&letter.packet, frame.foreign) {
                            self.journal.taken(message);
                        }
                        CommsEvent::Arrived(letter)
                    }
                    Ok(None) => {
                        wires.refused += 1;
                        continue;
                    }
                    Err(_) => {
                        wires.broken += 1;
                        continue;
                    }
                },
            };
            // What is refused here, the driver never sees: however much of it comes, it is no flood.
            self.journal.took_in();
            return Poll::Ready(event);
        }
    }
}
