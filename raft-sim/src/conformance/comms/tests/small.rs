//! Comms in memory: queues between three nodes, moved by whoever takes in what stands in them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use raft_core::chunk::Chunk;
use raft_core::comms::CommsEvent;
use raft_core::message::{Body, Lane, Message};

use super::super::group::NODES;
use super::*;
use crate::lot::Lot;

/// What comms do that the contract allows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manners {
    /// Of a thousand messages so many come twice.
    pub(super) doubles: u32,
    /// What waits is delivered in any order.
    pub(super) reorders: bool,
    /// Of a thousand messages so many are lost.
    pub(super) loses: u32,
    /// No lost connection is told.
    pub(super) tells_no_loss: bool,
}

/// A network of such comms.
pub(super) struct Small(Rc<RefCell<Wires>>);

struct Wires {
    flaw: Flaw,
    manners: Manners,
    lot: Lot,
    /// Which lane is asked first.
    turn: usize,
    ways: BTreeMap<(NodeId, NodeId), Way>,
    nodes: BTreeMap<NodeId, Node>,
    cut: BTreeSet<(NodeId, NodeId)>,
    /// Ways that are never mended.
    dead: BTreeSet<(NodeId, NodeId)>,
}

/// What waits between two nodes.
#[derive(Default)]
struct Way {
    queue: VecDeque<Message>,
    /// Lanes of which was said that there is no room.
    refused: BTreeSet<Lane>,
    stays_full: BTreeSet<Lane>,
}

/// One node's end.
#[derive(Default)]
struct Node {
    events: VecDeque<CommsEvent>,
    waker: Option<Waker>,
}

impl Small {
    pub(super) fn new(flaw: Flaw, manners: Manners) -> Self {
        Self(Rc::new(RefCell::new(Wires {
            flaw,
            manners,
            lot: Lot::of(1, &[]),
            turn: 0,
            ways: BTreeMap::new(),
            nodes: BTreeMap::new(),
            cut: BTreeSet::new(),
            dead: BTreeSet::new(),
        })))
    }
}

impl TestNetwork for Small {
    type Carried = Message;
    type Comms = SmallComms;

    fn open(&mut self, me: NodeId) -> Result<SmallComms, Box<dyn Error>> {
        let mut wires = self.0.borrow_mut();
        wires.nodes.insert(me, Node::default());
        let wires = Rc::clone(&self.0);
        Ok(SmallComms { me, wires })
    }

    fn wait(&mut self, _bell: &Bell) -> bool {
        false
    }

    fn cut(&mut self, one: NodeId, other: NodeId) -> bool {
        let mut wires = self.0.borrow_mut();
        for (from, to) in [(one, other), (other, one)] {
            wires.cut.insert((from, to));
            wires.lose(from, to);
            if wires.flaw == Flaw::NeverConnectsAgain {
                wires.dead.insert((from, to));
            }
        }
        true
    }

    fn mend(&mut self, one: NodeId, other: NodeId) {
        let mut wires = self.0.borrow_mut();
        wires.cut.remove(&(one, other));
        wires.cut.remove(&(other, one));
    }

    fn tells_of_losses(&self) -> bool {
        !self.0.borrow().manners.tells_no_loss
    }
}

impl Wires {
    /// What waits is lost with its connection, and `from` is told.
    fn lose(&mut self, from: NodeId, to: NodeId) {
        let way = self.ways.entry((from, to)).or_default();
        let waiting: VecDeque<Message> = way.queue.drain(..).collect();
        if self.flaw == Flaw::DeliversHalfOfWhatIsCut {
            way.queue = waiting.into_iter().map(half).collect();
        }
        let lost = match self.flaw {
            Flaw::TellsOfNoLoss => return,
            Flaw::TellsOfAnotherLoss => NODES.into_iter().find(|node| *node != from && *node != to),
            _ => Some(to),
        };
        if !self.manners.tells_no_loss {
            for lost in lost.into_iter().chain([to]) {
                self.tell(from, CommsEvent::ConnectionLost(lost));
            }
        }
    }

    fn tell(&mut self, node: NodeId, event: CommsEvent) {
        if let Some(node) = self.nodes.get_mut(&node) {
            node.events.push_back(event);
        }
        self.wake(node);
    }

    fn wake(&self, node: NodeId) {
        let waker = self.nodes.get(&node).and_then(|node| node.waker.as_ref());
        if let Some(waker) = waker.filter(|_| self.flaw != Flaw::WakesNobody) {
            waker.wake_by_ref();
        }
    }

    /// Bytes that wait in a lane, or wherever else they count against its room.
    fn held(&self, from: NodeId, to: NodeId, lane: Lane) -> usize {
        let counts = |sender: NodeId, receiver: NodeId, of: Lane| match self.flaw {
            Flaw::SharesRoomAmongLanes => (sender, receiver) == (from, to),
            Flaw::SharesRoomAmongNodes => sender == from && of == lane,
            _ => (sender, receiver, of) == (from, to, lane),
        };
        let of_way = |(&(sender, receiver), way): (&(NodeId, NodeId), &Way)| {
            let ours = |message: &&Message| counts(sender, receiver, message.body.lane());
            let bytes = way.queue.iter().filter(ours).map(size);
            bytes.sum::<usize>()
        };
        self.ways.iter().map(of_way).sum()
    }

    fn room(&mut self, from: NodeId, to: NodeId, lane: Lane) -> usize {
        let room = CAPACITY.saturating_sub(self.held(from, to, lane));
        let way = self.ways.entry((from, to)).or_default();
        if self.flaw == Flaw::HasNoBound {
            return CAPACITY;
        }
        if room == 0 {
            way.refused.insert(lane);
            if self.flaw == Flaw::StaysFull {
                way.stays_full.insert(lane);
            }
        }
        match way.stays_full.contains(&lane) {
            true => 0,
            false => room,
        }
    }

    fn send(&mut self, from: NodeId, mut to: NodeId, message: Message) {
        let lane = message.body.lane();
        match self.flaw {
            Flaw::DeliversWhatIsForNobody if !NODES.contains(&to) => to = NODES[1],
            Flaw::DeliversToAnother if to == NODES[1] && from == NODES[0] => to = NODES[2],
            _ => {}
        }
        let is_full = self.room(from, to, lane) == 0;
        assert!(!is_full || self.flaw != Flaw::PanicsWithoutRoom, "full");
        let is_open = self.nodes.contains_key(&to);
        let is_shut = self.cut.contains(&(from, to)) || self.dead.contains(&(from, to));
        let is_lost = self.lot.chance(self.manners.loses);
        let waiting = self.ways.entry((from, to)).or_default().queue.len();
        let is_dropped = match self.flaw {
            Flaw::TakesLessThanItSays => waiting >= 20,
            Flaw::LosesWhatIsLarge => size(&message) > LARGEST / 2,
            Flaw::HoldsUpAllWhenOneIsCut => !self.cut.is_empty(),
            _ => false,
        };
        let is_full = is_full && self.flaw != Flaw::TakesWithoutRoom;
        if is_full || !is_open || is_shut || is_lost || is_dropped {
            return;
        }
        let mut arriving = vec![self.flaw.garble(message)];
        if self.lot.chance(self.manners.doubles) {
            arriving.extend(arriving.first().cloned());
        }
        if self.flaw == Flaw::InventsMessages {
            let invented = arriving.iter().cloned().map(|mut message| {
                message.term = raft_core::ids::Term::new(message.term.get() + 1_000_000);
                message
            });
            arriving = invented.collect();
        }
        let way = self.ways.entry((from, to)).or_default();
        way.queue.extend(arriving);
        self.wake(to);
    }

    /// The next message for a node.
    fn take(&mut self, at: NodeId) -> Option<Message> {
        let waits = |(way, _): &(&(NodeId, NodeId), &Way)| way.1 == at;
        let to_us = self.ways.iter().filter(waits);
        let mut waiting: Vec<(NodeId, usize, Lane)> = to_us
            .flat_map(|(&(from, _), way)| {
                let lanes = way.queue.iter().map(|message| message.body.lane());
                lanes.enumerate().map(move |(at, lane)| (from, at, lane))
            })
            .collect();
        if self.flaw != Flaw::MergesLanes {
            self.turn = (self.turn + 1) % Lane::ALL.len();
            let turn = |lane: Lane| (lane as usize + self.turn) % Lane::ALL.len();
            waiting.sort_by_key(|(_, _, lane)| turn(*lane));
        }
        let which = match self.manners.reorders && !waiting.is_empty() {
            true => self.lot.below(waiting.len() as u64) as usize,
            false => 0,
        };
        let (from, place, lane) = *waiting.get(which)?;
        let way = self.ways.get_mut(&(from, at))?;
        let message = way.queue.remove(place)?;
        let is_told = self.held(from, at, lane) <= CAPACITY / 2
            && self.ways.get_mut(&(from, at))?.refused.remove(&lane);
        if is_told && self.flaw != Flaw::NeverSaysRoom {
            self.tell(from, CommsEvent::Room(at, lane));
        }
        Some(message)
    }
}

/// One node's access to the network.
pub(super) struct SmallComms {
    me: NodeId,
    wires: Rc<RefCell<Wires>>,
}

impl Drop for SmallComms {
    fn drop(&mut self) {
        let mut wires = self.wires.borrow_mut();
        wires.nodes.remove(&self.me);
        for other in NODES.into_iter().filter(|node| *node != self.me) {
            wires.lose(other, self.me);
            wires.ways.remove(&(self.me, other));
            if wires.flaw == Flaw::KnowsNobodyBack {
                wires.dead.insert((self.me, other));
            }
        }
    }
}

impl Comms for SmallComms {
    fn room(&self, to: NodeId, lane: Lane) -> usize {
        self.wires.borrow_mut().room(self.me, to, lane)
    }

    fn send(&mut self, to: NodeId, _lane: Lane, message: Message) {
        self.wires.borrow_mut().send(self.me, to, message);
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<CommsEvent> {
        let mut wires = self.wires.borrow_mut();
        let event = |node: &mut Node| node.events.pop_front();
        if let Some(event) = wires.nodes.get_mut(&self.me).and_then(event) {
            return Poll::Ready(event);
        }
        if let Some(message) = wires.take(self.me) {
            return Poll::Ready(CommsEvent::Arrived(message));
        }
        let keeps_the_first = wires.flaw == Flaw::WakesTheFirstPoll;
        if let Some(node) = wires.nodes.get_mut(&self.me) {
            if !keeps_the_first || node.waker.is_none() {
                node.waker = Some(cx.waker().clone());
            }
        }
        Poll::Pending
    }
}

/// What a connection that breaks had carried of a message.
fn half(mut message: Message) -> Message {
    if let Body::InstallSnapshot(install) = &mut message.body {
        install.part.truncate(install.part.len() / 2);
    }
    message
}

fn size(message: &Message) -> usize {
    100 + match &message.body {
        Body::AppendEntries(append) => append.chunks.iter().map(Chunk::payload_bytes).sum(),
        Body::InstallSnapshot(install) => install.part.len(),
        _ => 0,
    }
}

/// Bytes that a lane takes, and one message more.
const CAPACITY: usize = 256 << 10;
