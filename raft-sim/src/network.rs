//! The network: frames on their way, and everything that may happen to them.
//!
//! What becomes of a frame is decided when it is sent, by its name (the link, its kind, its number
//! on that link) and by which faults are on; nothing that happens to one frame depends on how many
//! others were drawn before it. Bytes are never changed: what damages frames is found by their
//! checksum, which is tested where frames are.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use raft_core::ids::NodeId;
use raft_core::message::Lane;
use raft_core::time::Time;
use raft_node::frame::FrameLimits;

use crate::clock::Schedule;
use crate::lot::{Key, nanos};
use crate::plan::{FatePlan, Kind, NetworkPlan, Plan};
use crate::spy::Journal;
use crate::trace::{Fate, Recorder};
use crate::world::event::{Event, Frame};

mod comms;
mod dialect;
mod fates;
mod inbox;
mod kinds;
mod namesakes;
mod wired;

pub(crate) use comms::SimComms;
pub(crate) use dialect::Dialect;
use fates::{Drawn, Fates, Storm};
use inbox::{Arrival, Inbox, Received};
pub use kinds::KINDS;
use namesakes::Namesake;
pub use wired::Wired;

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
    /// From when on nothing is on its way that was sent before that.
    settled_from: Time,
    cuts: Vec<Cut>,
    storms: Vec<Storm>,
    gags: Vec<Gag>,
    namesakes: Vec<Namesake>,
    fates: Fates,
    /// How many frames of each kind were sent on each link: the names of their lots.
    sent: Vec<[u64; KINDS.len()]>,
    /// How many messages with entries were sent on each link.
    entries_sent: Vec<u64>,
    /// Bytes on their way in each lane of each link.
    lanes: Vec<[Passage; Lane::ALL.len()]>,
    inboxes: Vec<Inbox>,
    /// How often each link was shut, and how often a node was believed lost: names of lots.
    shuts: Vec<u64>,
    losses: u64,
    /// Frames that could not be written or read: there must be none.
    broken: u64,
    /// Frames of another build's version that were refused.
    refused: u64,
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
    /// Since when.
    since: Time,
    /// If they come and go: for how long each time.
    flap: Option<Duration>,
}

impl Cut {
    fn has(&self, now: Time, from: usize, to: usize) -> bool {
        let on = self.flap.is_none_or(|flap| {
            let passed = nanos(now.since(self.since));
            passed / nanos(flap).max(1) % 2 == 0
        });
        on && self.links.has(from, to)
    }
}

/// A kind of message that is lost.
#[derive(Debug)]
struct Gag {
    fault: u32,
    /// Whose, or everyone's.
    node: Option<usize>,
    kind: usize,
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
            settled_from: Time::ZERO,
            cuts: Vec::new(),
            storms: Vec::new(),
            gags: Vec::new(),
            namesakes: Vec::new(),
            fates: Fates::new(plan),
            sent: vec![[0; KINDS.len()]; nodes * nodes],
            entries_sent: vec![0; nodes * nodes],
            lanes: vec![[Passage::default(); Lane::ALL.len()]; nodes * nodes],
            inboxes: (0..nodes).map(|_| Inbox::default()).collect(),
            shuts: vec![0; nodes * nodes],
            losses: 0,
            broken: 0,
            refused: 0,
            recorder: None,
        })))
    }

    /// Tells what is sent, and what becomes of it.
    pub(crate) fn recorded_by(&self, recorder: Recorder) {
        self.wires().recorder = Some(recorder);
    }

    /// Connects a process that starts.
    pub(crate) fn connect(
        &self,
        node: usize,
        limits: FrameLimits,
        dialect: Dialect,
        journal: Journal,
    ) -> SimComms {
        let mut wires = self.wires();
        if let Some(inbox) = wires.inboxes.get_mut(node) {
            *inbox = Inbox::open();
        }
        for to in 0..wires.nodes {
            for lane in Lane::ALL {
                if let Some(passage) = wires.passage(node, to, lane) {
                    passage.refused = false;
                    passage.shut_until = Time::ZERO;
                }
            }
        }
        SimComms::new(node, self.clone(), limits, dialect, journal)
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
    pub(crate) fn cut(&self, fault: u32, links: Links, held: bool, flap: Option<Duration>) {
        let mut wires = self.wires();
        let since = wires.schedule.now();
        wires.cuts.push(Cut {
            fault,
            links,
            held: held.then(Vec::new),
            since,
            flap,
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

    /// Loses all messages of a kind that a node sends, or any node, because of a fault.
    pub(crate) fn gag(&self, fault: u32, node: Option<usize>, kind: usize) {
        self.wires().gags.push(Gag { fault, node, kind });
    }

    /// Lets letters of another cluster come among those of this one, because of a fault.
    pub(crate) fn meet_namesake(&self, fault: u32, per_mille: u32, copied: bool) {
        self.wires().namesakes.push(Namesake {
            fault,
            per_mille,
            copied,
        });
    }

    /// Ends what a fault did. What it held arrives soon, in any order.
    pub(crate) fn restore(&self, fault: u32) {
        let mut wires = self.wires();
        wires.storms.retain(|storm| storm.fault != fault);
        wires.gags.retain(|gag| gag.fault != fault);
        wires.namesakes.retain(|one| one.fault != fault);
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
            let mut lot = Key::Release.lot(wires.seed, &[u64::from(fault), number as u64]);
            let delay = wires.plan.delay.draw(&mut lot);
            wires.later(delay, Event::Arrive(frame));
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
        let mut wires = self.wires();
        wires.gags.clear();
        wires.namesakes.clear();
        wires.calm = true;
    }

    /// A frame's time has come. Answers whether there was a process to take it in.
    pub(crate) fn arrive(&self, frame: Frame) -> bool {
        let mut wires = self.wires();
        wires.free(frame.from, frame.to, frame.lane, frame.held);
        let received = Received {
            lane: frame.lane,
            foreign: frame.foreign,
            bytes: frame.bytes,
        };
        wires.deliver(frame.to, Arrival::Frame(received))
    }

    /// A node believes that it lost its connection to `peer`.
    pub(crate) fn lose(&self, node: usize, peer: usize) {
        let lost = Arrival::Lost(node_id(peer));
        self.wires().deliver(node, lost);
    }

    /// From when on nothing that was sent while there were faults is on its way.
    pub(crate) fn settled_from(&self) -> Time {
        self.wires().settled_from
    }

    /// Writes down what becomes of every frame from now on, unless it just takes this long.
    pub(crate) fn note_fates(&self, usual: Duration) {
        self.wires().fates.note(usual);
    }

    /// What was written down.
    pub(crate) fn take_fates(&self) -> Vec<FatePlan> {
        self.wires().fates.take_noted()
    }

    /// How many frames of each kind were sent on each link, by sender and receiver.
    pub(crate) fn sent(&self) -> Vec<[u64; KINDS.len()]> {
        self.wires().sent.clone()
    }

    /// How many messages with entries were sent on each link, in the same order.
    pub(crate) fn entries_sent(&self) -> Vec<u64> {
        self.wires().entries_sent.clone()
    }

    /// Frames that could not be written or read.
    pub(crate) fn broken(&self) -> u64 {
        self.wires().broken
    }

    /// Whether a node could send entries to another now.
    pub(crate) fn has_room(&self, from: usize, to: NodeId) -> bool {
        self.wires().room(from, node_number(to), Lane::Entries) > 0
    }

    /// Frames that were refused because another build wrote them.
    pub(crate) fn refused(&self) -> u64 {
        self.wires().refused
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
            self.link_key(frame.from, frame.to),
            frame.kind as u64,
            number,
        ];
        let mut lot = Key::Frame.lot(self.seed, &name);
        let gagged = self
            .gags
            .iter()
            .any(|gag| gag.kind == frame.kind && gag.node.is_none_or(|node| node == frame.from));
        if self.calm {
            let delay = self
                .plan
                .calm
                .unwrap_or_else(|| lot.span(Duration::from_micros(50), Duration::from_millis(3)));
            self.carry(frame, delay);
            return;
        }
        let (from, to) = (self.key_number(frame.from), self.key_number(frame.to));
        let name = (from, to, Kind(frame.kind as u8), number);
        let (plan, storms) = (&self.plan, &self.storms);
        let Drawn { lost, delay, again } = self
            .fates
            .of(name, || Drawn::draw(plan, storms, frame.kind, &mut lot));
        let lost = lost || gagged;
        let again = again.filter(|_| !gagged);
        let mut copied = None;
        if let Some(again) = again {
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
        let now = self.schedule.now();
        let cut = self.cuts.iter_mut().find(|cut| cut.has(now, from, to));
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
            self.later(delay, Event::Arrive(frame));
        }
        fate
    }

    /// Lets something happen that the network causes.
    fn later(&mut self, delay: Duration, event: Event) {
        let at = self.schedule.now().after(delay);
        if !self.calm {
            self.settled_from = self.settled_from.max(at);
        }
        self.schedule.at(at, event);
    }

    /// Hands something to a node's process, if there is one that can take it.
    fn deliver(&mut self, to: usize, arrival: Arrival) -> bool {
        let inbox = self.inboxes.get_mut(to);
        inbox.is_some_and(|inbox| inbox.put(arrival))
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
        let name = [*shuts, self.link_key(from, to)];
        let mut lot = Key::Shut.lot(self.seed, &name);
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

    /// A node's number in the plan.
    fn key_number(&self, node: usize) -> u32 {
        self.keys.get(node).map_or(u32::MAX, |&key| key as u32)
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

    /// For how many bytes there is room in a lane.
    fn room(&mut self, from: usize, to: usize, lane: Lane) -> usize {
        let capacity = self.capacity(lane);
        let now = self.schedule.now();
        let passage = self.passage(from, to, lane);
        let open = passage.filter(|passage| passage.shut_until <= now);
        open.map_or(0, |passage| capacity.saturating_sub(passage.bytes))
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
            let name = [self.link_key(peer, node), self.losses];
            let delay = self.plan.delay.draw(&mut Key::Lost.lot(self.seed, &name));
            self.later(delay, Event::Lost { node, peer });
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
