//! The network: frames on their way, and everything that may happen to them.
//!
//! What becomes of a frame is decided when it is sent, by its name (the link, its kind, its number
//! on that link) and by which faults are on; nothing that happens to one frame depends on how many
//! others were drawn before it. Bytes are never changed: what damages frames is found by their
//! checksum, which is tested where frames are.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use raft_core::comms::{Comms, CommsEvent};
use raft_core::ids::NodeId;
use raft_core::message::Lane;
use raft_core::time::Time;
use raft_node::codec::WireCodec;
use raft_node::frame::{self, FrameLimits};
use raft_node::letter::{Letter, Packet};

use crate::clock::Schedule;
use crate::lot::Lot;
use crate::plan::{NetworkPlan, Plan};
use crate::spy::{Journal, Passing};
use crate::trace::{Fate, Recorder};
use crate::world::event::{Event, Frame};

mod kinds;

pub use kinds::KINDS;
use kinds::kind_of;

/// The network between all nodes. Cheap to clone; all clones are one network.
#[derive(Clone, Debug)]
pub(crate) struct Network(Arc<Mutex<Wires>>);

#[derive(Debug)]
struct Wires {
    seed: u64,
    plan: NetworkPlan,
    schedule: Schedule,
    nodes: usize,
    /// What each node is called among lots.
    keys: Vec<u64>,
    /// Whether all faults are over.
    calm: bool,
    cuts: Vec<Cut>,
    storms: Vec<Storm>,
    /// How many frames of each kind were sent on each link: the names of their lots.
    sent: Vec<[u64; KINDS.len()]>,
    /// Bytes on their way in each lane of each link.
    lanes: Vec<[Passage; Lane::ALL.len()]>,
    inboxes: Vec<Inbox>,
    /// How often each link was shut, and how often a node was believed lost: names of lots.
    shuts: Vec<u64>,
    losses: u64,
    /// Frames that could not be written or read: there must be none.
    broken: u64,
    /// Who listens.
    recorder: Option<Recorder>,
}

/// Links that are cut.
#[derive(Debug)]
struct Cut {
    /// The fault's number.
    fault: u32,
    links: Links,
    /// What was sent meanwhile, if it is kept.
    held: Option<Vec<Frame>>,
}

/// A time of heavier losses.
#[derive(Debug)]
struct Storm {
    /// The fault's number.
    fault: u32,
    drop_per_mille: u32,
    late: Duration,
}

/// One lane of one link.
#[derive(Clone, Copy, Debug, Default)]
struct Passage {
    bytes: usize,
    /// Whether its sender was told that there is no room.
    refused: bool,
    /// Until when there is none, because its connection has to be made anew.
    shut_until: Time,
}

/// What has arrived at a node and not been taken in yet.
#[derive(Debug, Default)]
struct Inbox {
    /// Whether there is a process to take anything in.
    open: bool,
    events: VecDeque<Arrival>,
    waker: Option<Waker>,
}

#[derive(Debug)]
enum Arrival {
    Frame(Bytes),
    Lost(NodeId),
    Room(NodeId, Lane),
}

/// A set of directed links.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Links(u64);

impl Links {
    /// Adds the link on which `from` sends to `to`.
    pub(crate) const fn add(&mut self, from: usize, to: usize) {
        self.0 |= 1 << (from * 8 + to);
    }

    pub(crate) const fn has(self, from: usize, to: usize) -> bool {
        self.0 & (1 << (from * 8 + to)) != 0
    }
}

impl Network {
    pub(crate) fn new(plan: &Plan, schedule: Schedule) -> Self {
        let nodes = plan.nodes.len();
        Self(Arc::new(Mutex::new(Wires {
            seed: plan.seed,
            plan: plan.network.clone(),
            schedule,
            nodes,
            keys: (0..nodes).map(|node| plan.key_of(node)).collect(),
            calm: false,
            cuts: Vec::new(),
            storms: Vec::new(),
            sent: vec![[0; KINDS.len()]; nodes * nodes],
            lanes: vec![[Passage::default(); Lane::ALL.len()]; nodes * nodes],
            inboxes: (0..nodes).map(|_| Inbox::default()).collect(),
            shuts: vec![0; nodes * nodes],
            losses: 0,
            broken: 0,
            recorder: None,
        })))
    }

    /// Tells what is sent, and what becomes of it.
    pub(crate) fn recorded_by(&self, recorder: Recorder) {
        self.wires().recorder = Some(recorder);
    }

    /// Connects a process that starts.
    pub(crate) fn connect(&self, node: usize, limits: FrameLimits, journal: Journal) -> SimComms {
        let mut wires = self.wires();
        if let Some(inbox) = wires.inboxes.get_mut(node) {
            *inbox = Inbox {
                open: true,
                ..Inbox::default()
            };
        }
        for to in 0..wires.nodes {
            for lane in Lane::ALL {
                if let Some(passage) = wires.passage(node, to, lane) {
                    passage.refused = false;
                    passage.shut_until = Time::ZERO;
                }
            }
        }
        SimComms {
            node,
            network: self.clone(),
            limits,
            journal,
        }
    }

    /// A process has ended: what arrives from now on is lost. The others may be told.
    pub(crate) fn disconnect(&self, node: usize) {
        let mut wires = self.wires();
        if let Some(inbox) = wires.inboxes.get_mut(node) {
            *inbox = Inbox::default();
        }
        if wires.plan.loss_hints {
            wires.tell_lost(node);
        }
        for from in 0..wires.nodes {
            wires.shut(from, node);
        }
    }

    /// Tells all others that they lost their connection to `node`, true or not.
    pub(crate) fn tell_lost(&self, node: usize) {
        self.wires().tell_lost(node);
    }

    /// Cuts links, because of a fault.
    pub(crate) fn cut(&self, fault: u32, links: Links, held: bool) {
        let mut wires = self.wires();
        wires.cuts.push(Cut {
            fault,
            links,
            held: held.then(Vec::new),
        });
        for from in 0..wires.nodes {
            for to in (0..wires.nodes).filter(|&to| links.has(from, to)) {
                wires.shut(from, to);
            }
        }
    }

    /// A connection is made again.
    pub(crate) fn reopen(&self, from: usize, to: usize) {
        let mut wires = self.wires();
        let now = wires.schedule.now();
        for lane in Lane::ALL {
            let Some(passage) = wires.passage(from, to, lane) else {
                continue;
            };
            if passage.shut_until <= now && std::mem::take(&mut passage.refused) {
                wires.deliver(from, Arrival::Room(node_id(to), lane));
            }
        }
    }

    /// Lets more frames be lost or late, because of a fault.
    pub(crate) fn storm(&self, fault: u32, drop_per_mille: u32, late: Duration) {
        self.wires().storms.push(Storm {
            fault,
            drop_per_mille,
            late,
        });
    }

    /// Ends what a fault did. What it held arrives soon, in any order.
    pub(crate) fn restore(&self, fault: u32) {
        let mut wires = self.wires();
        wires.storms.retain(|storm| storm.fault != fault);
        let ended: Vec<Cut> = {
            let (ended, kept) = wires.cuts.drain(..).partition(|cut| cut.fault == fault);
            wires.cuts = kept;
            ended
        };
        for (number, frame) in ended
            .into_iter()
            .flat_map(|cut| cut.held.into_iter().flatten())
            .enumerate()
        {
            let mut lot = Lot::of(wires.seed, &[RELEASE, u64::from(fault), number as u64]);
            let delay = wires.plan.delay.draw(&mut lot);
            wires.schedule.after(delay, Event::Arrive(frame));
        }
    }

    /// Ends all faults for good; from now on the network is quick and loses nothing.
    pub(crate) fn heal(&self) {
        let faults: Vec<u32> = {
            let wires = self.wires();
            let cuts = wires.cuts.iter().map(|cut| cut.fault);
            cuts.chain(wires.storms.iter().map(|storm| storm.fault))
                .collect()
        };
        for fault in faults {
            self.restore(fault);
        }
        self.wires().calm = true;
    }

    /// A frame's time has come. Answers whether there was a process to take it in.
    pub(crate) fn arrive(&self, frame: Frame) -> bool {
        let mut wires = self.wires();
        wires.free(frame.from, frame.to, frame.lane, frame.held);
        wires.deliver(frame.to, Arrival::Frame(frame.bytes))
    }

    /// A node believes that it lost its connection to `peer`.
    pub(crate) fn lose(&self, node: usize, peer: usize) {
        let lost = Arrival::Lost(node_id(peer));
        self.wires().deliver(node, lost);
    }

    /// Frames that could not be written or read.
    pub(crate) fn broken(&self) -> u64 {
        self.wires().broken
    }

    fn wires(&self) -> MutexGuard<'_, Wires> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wires {
    fn send(&mut self, mut frame: Frame) {
        let link = frame.from * self.nodes + frame.to;
        let number = self
            .sent
            .get_mut(link)
            .and_then(|kinds| kinds.get_mut(frame.kind))
            .map_or(0, |sent| {
                *sent += 1;
                *sent
            });
        let name = [
            FRAME,
            self.link_key(frame.from, frame.to),
            frame.kind as u64,
            number,
        ];
        let mut lot = Lot::of(self.seed, &name);
        if self.calm {
            let delay = lot.span(Duration::from_micros(50), Duration::from_millis(3));
            self.carry(frame, delay);
            return;
        }
        let doubled = lot.chance(self.plan.double_per_mille);
        let mut delay = self.plan.delay.draw(&mut lot);
        let straggle = match self.plan.slow_kind {
            Some((kind, more)) if usize::from(kind) == frame.kind => more,
            Some(_) | None => self.plan.straggle_per_mille,
        };
        if lot.chance(straggle) {
            delay += lot.span(Duration::ZERO, self.plan.straggle_most);
        }
        let mut lost = lot.chance(self.plan.drop_per_mille);
        for storm in &self.storms {
            lost |= lot.chance(storm.drop_per_mille);
            delay += lot.span(Duration::ZERO, storm.late);
        }
        let mut copied = None;
        if doubled {
            let again = self.plan.delay.draw(&mut lot)
                + lot.span(Duration::ZERO, self.plan.straggle_most / 2);
            let mut copy = frame.clone();
            copy.held = 0;
            copied = Some(self.carry(copy, again));
        }
        if lost {
            // Nobody knows of it at once: its room stays taken as long as if it went its way.
            frame.bytes = Bytes::new();
        }
        let fate = self.carry(frame, delay);
        if let Some(recorder) = &self.recorder {
            recorder.fate(if lost { Fate::Lost } else { fate }, copied);
        }
    }

    /// Sends a frame on its way, unless the way is cut.
    fn carry(&mut self, mut frame: Frame, delay: Duration) -> Fate {
        let (from, to) = (frame.from, frame.to);
        let mut fate = Fate::Travels;
        let cut = self.cuts.iter_mut().find(|cut| cut.links.has(from, to));
        if let Some(cut) = cut {
            let mut kept = frame.clone();
            kept.held = 0;
            let worth_holding = !kept.bytes.is_empty();
            if let Some(held) = cut.held.as_mut().filter(|held| held.len() < MOST_HELD) {
                held.extend(worth_holding.then_some(kept));
                fate = Fate::Held;
            } else {
                fate = Fate::Cut;
            }
            frame.bytes = Bytes::new();
        }
        if frame.held > 0 || !frame.bytes.is_empty() {
            self.schedule.after(delay, Event::Arrive(frame));
        }
        fate
    }

    /// Hands something to a node's process, if there is one that can take it.
    fn deliver(&mut self, to: usize, arrival: Arrival) -> bool {
        if matches!(&arrival, Arrival::Frame(bytes) if bytes.is_empty()) {
            return false;
        }
        let Some(inbox) = self.inboxes.get_mut(to) else {
            return false;
        };
        if !inbox.open || inbox.events.len() >= MOST_ARRIVALS {
            return false;
        }
        inbox.events.push_back(arrival);
        if let Some(waker) = inbox.waker.take() {
            waker.wake();
        }
        true
    }

    /// Gives back room in a lane, and tells the sender if it had found none.
    fn free(&mut self, from: usize, to: usize, lane: Lane, bytes: usize) {
        let Some(passage) = self.passage(from, to, lane) else {
            return;
        };
        passage.bytes = passage.bytes.saturating_sub(bytes);
        if bytes > 0 && std::mem::take(&mut passage.refused) {
            self.deliver(from, Arrival::Room(node_id(to), lane));
        }
    }

    /// A connection is lost, and made again after a while: until then its lanes have no room, as
    /// those of a transport that waits before it dials again.
    fn shut(&mut self, from: usize, to: usize) {
        let now = self.schedule.now();
        let Some(shuts) = self.shuts.get_mut(from * self.nodes + to) else {
            return;
        };
        *shuts += 1;
        let name = [SHUT, *shuts, self.link_key(from, to)];
        let mut lot = Lot::of(self.seed, &name);
        if self.calm || !lot.chance(self.plan.redial_per_mille) {
            return;
        }
        let span = lot.span_of_any_scale(Duration::from_millis(5), Duration::from_millis(500));
        for lane in Lane::ALL {
            if let Some(passage) = self.passage(from, to, lane) {
                passage.shut_until = now.after(span);
            }
        }
        self.schedule.after(span, Event::Reopen { from, to });
    }

    /// What a link is called among lots: the same whatever other nodes there are.
    fn link_key(&self, from: usize, to: usize) -> u64 {
        let key = |node: usize| self.keys.get(node).copied().unwrap_or_default();
        key(from) << 32 | key(to)
    }

    fn passage(&mut self, from: usize, to: usize, lane: Lane) -> Option<&mut Passage> {
        self.lanes
            .get_mut(from * self.nodes + to)
            .and_then(|lanes| lanes.get_mut(lane_number(lane)))
    }

    const fn capacity(&self, lane: Lane) -> usize {
        match lane {
            Lane::Control => CONTROL_BYTES,
            Lane::Entries | Lane::Snapshot => self.plan.lane_bytes,
        }
    }

    fn tell_lost(&mut self, peer: usize) {
        self.losses += 1;
        for node in (0..self.nodes).filter(|&node| node != peer) {
            let name = [LOST, self.link_key(peer, node), self.losses];
            let delay = self.plan.delay.draw(&mut Lot::of(self.seed, &name));
            self.schedule.after(delay, Event::Lost { node, peer });
        }
    }
}

/// One process's access to the network: its node's [`Comms`].
#[derive(Debug)]
pub(crate) struct SimComms {
    node: usize,
    network: Network,
    limits: FrameLimits,
    journal: Journal,
}

impl Comms<Letter> for SimComms {
    fn room(&self, to: NodeId, lane: Lane) -> usize {
        let mut wires = self.network.wires();
        let capacity = wires.capacity(lane);
        let now = wires.schedule.now();
        let Some(passage) = wires.passage(self.node, node_number(to), lane) else {
            return 0;
        };
        let room = match passage.shut_until > now {
            true => 0,
            false => capacity.saturating_sub(passage.bytes),
        };
        passage.refused |= room == 0;
        room
    }

    fn send(&mut self, to: NodeId, lane: Lane, letter: Letter) {
        if let Packet::Raft(message) = &letter.packet {
            self.journal.sent(message);
        }
        let kind = kind_of(&letter.packet);
        let encoded = frame::encode(&letter, WireCodec::Bincode);
        let mut wires = self.network.wires();
        let number = node_number(to);
        if number >= wires.nodes || number == self.node {
            return;
        }
        let Ok(parts) = encoded else {
            wires.broken += 1;
            return;
        };
        let bytes = match parts.as_slice() {
            [whole] => whole.clone(),
            parts => parts.concat().into(),
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
        let letter = recorder.map_or(0, record);
        wires.send(Frame {
            letter,
            from: self.node,
            to: number,
            lane,
            kind,
            held: bytes.len(),
            bytes,
        });
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<CommsEvent<Letter>> {
        let mut wires = self.network.wires();
        loop {
            let Some(inbox) = wires.inboxes.get_mut(self.node) else {
                return Poll::Pending;
            };
            let Some(arrival) = inbox.events.pop_front() else {
                inbox.waker = Some(cx.waker().clone());
                return Poll::Pending;
            };
            return Poll::Ready(match arrival {
                Arrival::Lost(peer) => {
                    self.journal.passed(Passing::ConnectionLost(peer));
                    CommsEvent::ConnectionLost(peer)
                }
                Arrival::Room(to, lane) => CommsEvent::Room(to, lane),
                Arrival::Frame(bytes) => match frame::decode(bytes, &self.limits) {
                    Ok(letter) => {
                        if let Packet::Raft(message) = &letter.packet {
                            self.journal.taken(message);
                        }
                        CommsEvent::Arrived(letter)
                    }
                    Err(_) => {
                        wires.broken += 1;
                        continue;
                    }
                },
            });
        }
    }
}

/// The id of the node of this number.
pub(crate) const fn node_id(number: usize) -> NodeId {
    NodeId::new(number as u64 + 1)
}

/// The number of the node of this id.
pub(crate) fn node_number(id: NodeId) -> usize {
    usize::try_from(id.get()).map_or(usize::MAX, |id| id.wrapping_sub(1))
}

const fn lane_number(lane: Lane) -> usize {
    match lane {
        Lane::Control => 0,
        Lane::Entries => 1,
        Lane::Snapshot => 2,
    }
}

/// Bytes that the control lane of one link has room for.
const CONTROL_BYTES: usize = 64 << 10;

/// Frames that one cut holds; what comes after is lost.
const MOST_HELD: usize = 2_000;

/// Arrivals that wait at one node (while it is paused); what comes after is lost.
const MOST_ARRIVALS: usize = 4_000;

/// What frames are called among lots.
const FRAME: u64 = 4;

/// What the delays of held frames are called among lots.
const RELEASE: u64 = 5;

/// What the redialling of connections is called among lots.
const SHUT: u64 = 15;

/// What the delays of lost connections are called among lots.
const LOST: u64 = 6;
