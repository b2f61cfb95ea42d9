//! Three nodes on a network under test, and what they are told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::task::{Context, Poll};

use raft_core::comms::{Comms, CommsEvent};
use raft_core::ids::NodeId;
use raft_core::message::{Body, Lane};

use super::bell::{Bell, Call};
use super::carried::{Carried, body_for};
use super::ledger::Ledger;
use super::{Broken, CommsClause, TestNetwork};
use crate::panics::caught;

/// The comms of three nodes.
pub(super) struct Group<N: TestNetwork> {
    // Before the network, so that comms end before what they stand on does.
    ends: BTreeMap<NodeId, End<N::Comms>>,
    pub(super) network: N,
    pub(super) ledger: Ledger<N::Carried>,
    /// What nodes were told, in order.
    pub(super) told: Vec<Told>,
    /// Nodes that take nothing in.
    deaf: BTreeSet<NodeId>,
    /// What a `send` said when it panicked.
    panic: Option<String>,
    bell: Bell,
    /// Bytes that may wait in a lane.
    bound: usize,
}

/// The comms of one node.
struct End<C> {
    comms: C,
    /// What the latest call of `poll_event` was handed.
    call: Arc<Call>,
    /// Whether they are polled though nobody woke them.
    is_due: bool,
}

/// What a node was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Told {
    /// This message arrived there.
    Arrived { at: NodeId, number: u64 },
    /// There is room.
    Room { at: NodeId, to: NodeId, lane: Lane },
    /// A connection was lost.
    Lost { at: NodeId, peer: NodeId },
}

/// What came of one turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Turn {
    /// A message arrived.
    Arrived,
    /// Nodes were told something else.
    Told,
    /// Something moved.
    Stirred,
    /// Nothing did.
    Quiet,
}

/// What was sent into a lane whose receiver takes nothing in.
pub(super) struct Filled {
    pub(super) numbers: Vec<u64>,
    /// Whether there was no room in the end.
    pub(super) is_full: bool,
}

type Checked<T> = Result<T, Broken<CommsClause>>;

impl<N: TestNetwork> Group<N> {
    pub(super) fn new(network: N, bound: usize) -> Checked<Self> {
        let mut group = Self {
            ends: BTreeMap::new(),
            network,
            ledger: Ledger::new(),
            told: Vec::new(),
            deaf: BTreeSet::new(),
            panic: None,
            bell: Bell::default(),
            bound,
        };
        for node in NODES {
            group.open(node)?;
        }
        Ok(group)
    }

    pub(super) fn open(&mut self, node: NodeId) -> Checked<()> {
        let comms = self.network.open(node);
        let comms = comms.map_err(|error| {
            let text = format!("the network does not open the comms of {node}: {error}");
            Broken::kit(text)
        })?;
        let call = Call::new(&self.bell);
        let is_due = true;
        let end = End {
            comms,
            call,
            is_due,
        };
        self.ends.insert(node, end);
        Ok(())
    }

    /// The node's process ends.
    pub(super) fn close(&mut self, node: NodeId) {
        self.ends.remove(&node);
    }

    /// From now on the node takes nothing in.
    pub(super) fn deafen(&mut self, node: NodeId) {
        self.deaf.insert(node);
    }

    pub(super) fn hear(&mut self, node: NodeId) {
        self.deaf.remove(&node);
    }

    pub(super) fn room(&self, from: NodeId, to: NodeId, lane: Lane) -> usize {
        let end = self.ends.get(&from);
        end.map_or(0, |end| end.comms.room(to, lane))
    }

    /// Sends a message, whether there is room or not.
    pub(super) fn send(&mut self, from: NodeId, to: NodeId, body: Body) -> u64 {
        let number = self.ledger.message(from, to, body);
        self.send_again(number);
        number
    }

    pub(super) fn send_again(&mut self, number: u64) {
        if self.panic.is_some() {
            return;
        }
        let Some(sent) = self.ledger.sent_mut(number) else {
            return;
        };
        let Some(end) = self.ends.get_mut(&sent.from) else {
            return;
        };
        sent.times += 1;
        let (to, lane, what) = (sent.to, sent.lane, sent.what.clone());
        // Whoever panicked is not called again: the next turn says so and ends it.
        self.panic = caught(|| end.comms.send(to, lane, what)).err();
        // A driver polls its comms after it has sent.
        end.is_due = true;
    }

    /// Sends each of these until it has arrived. Any of them may be lost, but not each time.
    pub(super) fn deliver(&mut self, numbers: &[u64]) -> Checked<()> {
        let mut refused = 0;
        for _ in 0..TRIES {
            refused = 0;
            for number in self.missing(numbers) {
                let sent = self.ledger.sent(number);
                let has_room = |(from, to, lane)| self.room(from, to, lane) > 0;
                match sent.is_some_and(|sent| has_room((sent.from, sent.to, sent.lane))) {
                    true => self.send_again(number),
                    false => refused += 1,
                }
            }
            self.turns_until(1, |group| group.missing(numbers).is_empty())?;
            if self.missing(numbers).is_empty() {
                return Ok(());
            }
        }
        self.check_nobody_overslept()?;
        let missing = self.missing(numbers);
        let Some(sent) = missing.first().and_then(|first| self.ledger.sent(*first)) else {
            return Ok(());
        };
        let (name, from, to, lane) = (sent.what.name(), sent.from, sent.to, sent.lane);
        let way = format!("from {from} to {to}, in the lane {lane:?}");
        if refused == missing.len() {
            let text = format!("{way}, there is no room though nothing waits there");
            return Err(Broken::new(CommsClause::Room, text, "room"));
        }
        let (count, times) = (missing.len(), sent.times);
        let text = format!(
            "{way}, {name} was sent {times} times and never arrived, and so {count} in all"
        );
        let expected = "that one of them arrives";
        Err(Broken::new(CommsClause::NotAllLost, text, expected))
    }

    fn missing(&self, numbers: &[u64]) -> Vec<u64> {
        let has_arrived = |number: &u64| self.ledger.has_arrived(*number);
        let missing = numbers.iter().copied();
        missing.filter(|number| !has_arrived(number)).collect()
    }

    /// Lets messages of so many bytes be sent in a lane until there is no room, or more than may wait was sent.
    pub(super) fn fill(&mut self, from: NodeId, to: NodeId, lane: Lane) -> Checked<Filled> {
        let body = body_for(lane, FILLING_BYTES);
        let mut numbers = Vec::new();
        loop {
            if self.room(from, to, lane) == 0 {
                self.settle()?;
                if self.room(from, to, lane) == 0 {
                    let is_full = true;
                    return Ok(Filled { numbers, is_full });
                }
            }
            if numbers.len() * FILLING_BYTES >= self.bound {
                let is_full = false;
                self.settle()?;
                return Ok(Filled { numbers, is_full });
            }
            numbers.push(self.send(from, to, body.clone()));
            if numbers.len() % 16 == 0 {
                self.turn()?;
            }
        }
    }

    /// Goes on until nothing moves any more.
    pub(super) fn settle(&mut self) -> Checked<()> {
        self.turns_until(QUIET_AT_REST, |_| false).map(drop)
    }

    /// Goes on until this is so, or nothing more is to be hoped for. Whether it is so.
    pub(super) fn until(&mut self, is_so: impl Fn(&Self) -> bool) -> Checked<bool> {
        let is_so = self.turns_until(TRIES, is_so)?;
        if !is_so {
            self.check_nobody_overslept()?;
        }
        Ok(is_so)
    }

    /// Goes on for so many turns at most, or until this is so.
    pub(super) fn step(&mut self, turns: u32, is_so: impl Fn(&Self) -> bool) -> Checked<()> {
        for _ in 0..turns {
            if is_so(self) || self.turn()? == Turn::Quiet {
                break;
            }
        }
        Ok(())
    }

    /// Goes on until this is so, or nothing moved for so many turns.
    fn turns_until(&mut self, quiet: u32, is_so: impl Fn(&Self) -> bool) -> Checked<bool> {
        let (mut left, mut patience) = (quiet, PATIENCE);
        while left > 0 && patience > 0 {
            if is_so(self) {
                return Ok(true);
            }
            match self.turn()? {
                Turn::Arrived | Turn::Stirred => patience -= 1,
                // Comms whose peer is gone may try to connect for ever.
                Turn::Told => patience = patience.saturating_sub(PATIENCE / 200),
                Turn::Quiet => left -= 1,
            }
        }
        Ok(is_so(self))
    }

    /// Polls whoever was woken; if nobody was, lets time pass.
    fn turn(&mut self) -> Checked<Turn> {
        if let Some(panic) = &self.panic {
            let text = format!("`send` panicked: {panic}");
            let expected = "that it returns, whatever becomes of the message";
            return Err(Broken::new(CommsClause::SendNeverFails, text, expected));
        }
        let mut turn = Turn::Quiet;
        for node in NODES {
            for _ in 0..EVENTS_PER_TURN {
                let Some(end) = self.ends.get_mut(&node).filter(|end| {
                    !self.deaf.contains(&node) && (end.is_due || end.call.is_woken())
                }) else {
                    break;
                };
                let Poll::Ready(event) = end.poll(&self.bell) else {
                    turn = turn.and(Turn::Stirred);
                    break;
                };
                turn = turn.and(self.take_in(node, event)?);
            }
        }
        if turn == Turn::Quiet && self.network.wait(&self.bell) {
            turn = Turn::Stirred;
        }
        Ok(turn)
    }

    fn take_in(&mut self, at: NodeId, event: CommsEvent<N::Carried>) -> Checked<Turn> {
        let (told, turn) = match event {
            CommsEvent::Arrived(what) => {
                let number = self.ledger.arrived(at, &what)?;
                (Told::Arrived { at, number }, Turn::Arrived)
            }
            CommsEvent::ConnectionLost(peer) => (Told::Lost { at, peer }, Turn::Told),
            CommsEvent::Room(to, lane) => (Told::Room { at, to, lane }, Turn::Told),
        };
        self.told.push(told);
        Ok(turn)
    }

    /// What should have come has not: perhaps it is there, and nobody was woken for it.
    pub(super) fn check_nobody_overslept(&mut self) -> Checked<()> {
        for node in NODES {
            let listens = !self.deaf.contains(&node);
            let Some(end) = self.ends.get_mut(&node).filter(|_| listens) else {
                continue;
            };
            if end.poll(&self.bell).is_ready() {
                let text = format!(
                    "{node} was to be told something, and the waker of its latest poll was not woken"
                );
                let expected = "that it is woken";
                return Err(Broken::new(CommsClause::Woken, text, expected));
            }
        }
        Ok(())
    }
}

impl<C> End<C> {
    fn poll<M>(&mut self, bell: &Bell) -> Poll<CommsEvent<M>>
    where
        C: Comms<M>,
    {
        self.call = Call::new(bell);
        let polled = self
            .comms
            .poll_event(&mut Context::from_waker(&self.call.waker()));
        self.is_due = polled.is_ready();
        polled
    }
}

impl Turn {
    /// What came of both.
    const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Arrived, _) | (_, Self::Arrived) => Self::Arrived,
            (Self::Told, _) | (_, Self::Told) => Self::Told,
            (Self::Stirred, _) | (_, Self::Stirred) => Self::Stirred,
            (Self::Quiet, Self::Quiet) => Self::Quiet,
        }
    }
}

/// The nodes.
pub(super) const NODES: [NodeId; 3] = [NodeId::new(1), NodeId::new(2), NodeId::new(3)];

/// How large the messages are that fill a lane.
pub(super) const FILLING_BYTES: usize = 32 << 10;
/// How often something is sent before it counts as lost for good, and for how many quiet turns anything is waited for.
const TRIES: u32 = 100;
/// Turns in which something stirs or arrives: far more than anything takes, but some may double without end.
const PATIENCE: u32 = 100_000;
/// Quiet turns after which nothing is under way.
const QUIET_AT_REST: u32 = 2;
/// So that a node which is told without end does not keep the others waiting.
const EVENTS_PER_TURN: usize = 64;
