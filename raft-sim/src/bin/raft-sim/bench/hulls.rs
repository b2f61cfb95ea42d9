//! Bare hulls under a random schedule: nothing but `raft_core`, logs in memory and messages in a
//! bag. What this costs is what the state machine itself costs, its own invariants included.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use raft_core::configuration::Configuration;
use raft_core::hull::{Hull, Input, Loaded, Proposals, Setup};
use raft_core::ids::{Incarnation, NodeId, Peer, Ticket};
use raft_core::log::Write;
use raft_core::log::memory::MemoryLog;
use raft_core::message::{Lane, Message};
use raft_core::record::ClientHeader;
use raft_core::settings::Settings;
use raft_core::states::Role;
use raft_core::time::Time;
use raft_sim::lot::Lot;

/// What happened among some hulls.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Happened {
    /// Inputs that hulls were given.
    pub(crate) events: u64,
    /// Entries that were applied, each once for each node.
    pub(crate) applied: u64,
    /// Times that a node became leader.
    pub(crate) elections: u64,
}

/// Some hulls and what is under way between them.
pub(crate) struct Hulls {
    nodes: Vec<Bare>,
    wire: Vec<Message>,
    lot: Lot,
    happened: Happened,
}

/// One hull and its log.
struct Bare {
    hull: Hull,
    log: MemoryLog,
    now: Time,
    writes: VecDeque<Write>,
    tickets: u64,
    led: bool,
}

impl Hulls {
    /// `size` hulls that have never run.
    pub(crate) fn new(size: u64, seed: u64) -> io::Result<Self> {
        let peers = (1..=size).map(|id| Peer::new(NodeId::new(id), incarnation(id)));
        let founding = Configuration::of_voters(peers);
        let nodes = (1..=size)
            .map(|id| Bare::new(id, &founding, seed))
            .collect::<io::Result<_>>()?;
        Ok(Self {
            nodes,
            wire: Vec::new(),
            lot: Lot::of(seed, &[size]),
            happened: Happened::default(),
        })
    }

    /// Lets this many events happen.
    pub(crate) fn run(mut self, events: u64) -> io::Result<Happened> {
        while self.happened.events < events {
            let node = self.lot.below(self.nodes.len() as u64) as usize;
            match self.lot.below(100) {
                0..=74 => self.deliver()?,
                75..=87 => self.touch(node, Bare::make_durable)?,
                88..=93 => self.touch(node, Bare::propose)?,
                _ => {
                    let span = self.lot.span(SHORTEST, LONGEST);
                    self.touch(node, |bare| bare.wait(span))?;
                }
            }
        }
        Ok(self.happened)
    }

    /// Delivers, loses or doubles one of the messages under way.
    fn deliver(&mut self) -> io::Result<()> {
        if self.wire.is_empty() {
            return Ok(());
        }
        let place = self.lot.below(self.wire.len() as u64) as usize;
        let message = self.wire.swap_remove(place);
        match self.lot.below(100) {
            0 => return Ok(()),
            1 => self.wire.push(message.clone()),
            _ => {}
        }
        let to = (message.to.id.get() as usize).saturating_sub(1);
        self.touch(to, |bare| {
            bare.hull.step(bare.now, Input::Message(message));
            1
        })
    }

    /// Gives a node inputs, so many as `act` says, and takes what it has to say.
    fn touch(&mut self, node: usize, act: impl FnOnce(&mut Bare) -> u64) -> io::Result<()> {
        let Some(bare) = self.nodes.get_mut(node) else {
            return Ok(());
        };
        let inputs = act(bare);
        if inputs > 0 {
            self.happened.events += inputs;
            bare.settle(&mut self.wire, &mut self.happened)?;
            // A node that many write to and nobody reads from must not fill the memory.
            let excess = self.wire.len().saturating_sub(MOST_UNDER_WAY);
            self.wire.drain(..excess);
        }
        Ok(())
    }
}

impl Bare {
    fn new(id: u64, founding: &Configuration, seed: u64) -> io::Result<Self> {
        let log = MemoryLog::new();
        let setup = Setup {
            me: Peer::new(NodeId::new(id), incarnation(id)),
            founding: founding.clone(),
            settings: Settings::default().into(),
            seed: seed ^ id,
            checksum: crc32c::crc32c_append,
            witness: false,
        };
        let now = Time::from_millis(1_000);
        let hull = Hull::open(setup, log.recovered(), now).map_err(io::Error::other)?;
        Ok(Self {
            hull,
            log,
            now,
            writes: VecDeque::new(),
            tickets: 0,
            led: false,
        })
    }

    /// Makes the oldest write durable.
    fn make_durable(&mut self) -> u64 {
        let Some(write) = self.writes.pop_front() else {
            return 0;
        };
        let input = match self.log.write(write) {
            Ok(durable) => Input::Durable(durable),
            Err(error) => Input::WriteFailed(error),
        };
        self.hull.step(self.now, input);
        1
    }

    /// Proposes a command, if this node leads.
    fn propose(&mut self) -> u64 {
        if self.hull.role() != Role::Leader {
            return 0;
        }
        self.tickets += 1;
        let mut proposals = Proposals::new();
        let ticket = Ticket::new(self.tickets);
        if proposals
            .push_client(ticket, ClientHeader::default(), &[7; COMMAND_BYTES])
            .is_err()
        {
            return 0;
        }
        self.hull.step(self.now, Input::Propose(proposals));
        1
    }

    /// Lets time pass.
    fn wait(&mut self, span: Duration) -> u64 {
        self.now = self.now.after(span);
        if self.hull.deadline().is_none_or(|due| due > self.now) {
            return 0;
        }
        self.hull.step(self.now, Input::DeadlinePassed);
        1
    }

    /// Takes everything that the hull wants done.
    fn settle(&mut self, wire: &mut Vec<Message>, happened: &mut Happened) -> io::Result<()> {
        while let Some(write) = self.hull.next_write() {
            self.writes.push_back(write);
        }
        for lane in Lane::ALL {
            let mut after = None;
            while let Some(to) = self.hull.next_destination(after) {
                after = Some(to);
                while let Some(message) = self.hull.next_send(to, lane, usize::MAX) {
                    wire.push(message);
                }
            }
        }
        while self.hull.next_resolved().is_some() {}
        while let Some(apply) = self.hull.next_apply(usize::MAX) {
            happened.applied += apply
                .chunks
                .iter()
                .map(|chunk| chunk.len() as u64)
                .sum::<u64>();
            happened.events += 1;
            self.hull.step(self.now, Input::Applied(apply.last_index()));
        }
        while let Some(load) = self.hull.next_load() {
            let result = self.log.read(load.range, load.max_bytes);
            let number = load.number;
            happened.events += 1;
            self.hull
                .step(self.now, Input::Loaded(Loaded { number, result }));
        }
        while self.hull.next_event().is_some() {}
        let leads = self.hull.role() == Role::Leader;
        happened.elections += u64::from(leads && !self.led);
        self.led = leads;
        match self.hull.fault() {
            Some(fault) => Err(io::Error::other(fault.to_string())),
            None => Ok(()),
        }
    }
}

fn incarnation(id: u64) -> Incarnation {
    Incarnation::new(u128::from(id))
}

/// How far one node's clock moves at a time.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(120);

/// Bytes of each command.
const COMMAND_BYTES: usize = 32;

/// More messages under way than this are lost.
const MOST_UNDER_WAY: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hulls_elect_and_apply_the_same_way_each_time() {
        let run = || Hulls::new(3, 1).and_then(|hulls| hulls.run(5_000));
        let (first, second) = (run().expect("runs"), run().expect("runs"));
        assert!(first.elections > 0 && first.applied > 0, "{first:?}");
        assert_eq!(format!("{first:?}"), format!("{second:?}"));
    }
}
