//! Three hulls in one loop: the core alone, driven by hand as docs/driving-the-hull.md says.
//!
//! No threads, sockets or files: the logs are in memory, the wire is a queue, and time is a number. An
//! embedder puts its own in their place, and keeps the loop.
use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;

use quorate::raft_core::checksum::crc32c;
use quorate::raft_core::chunk::Chunk;
use quorate::raft_core::configuration::Configuration;
use quorate::raft_core::hull::{Hull, Input, Loaded, Proposals, Setup};
use quorate::raft_core::ids::{Incarnation, Peer, Ticket};
use quorate::raft_core::log::memory::MemoryLog;
use quorate::raft_core::message::{Lane, Message};
use quorate::raft_core::record::{ClientHeader, Record};
use quorate::raft_core::time::Time;
use quorate::{NodeId, Role, Settings};

struct Node {
    hull: Hull,
    log: MemoryLog,
    /// The state machine: what was applied, in order.
    applied: Vec<String>,
}

impl Node {
    /// Node `id` of these founders, with an empty log. A log that is not empty says by its own
    /// `recovered` where the hull goes on.
    fn open(id: u64, founders: &[Peer], now: Time) -> Result<Self, Box<dyn Error>> {
        let log = MemoryLog::new();
        let setup = Setup {
            me: peer(id),
            founding: Configuration::of_voters(founders.iter().copied()),
            settings: Arc::new(Settings::default()),
            seed: id, // another one on each node, and at each start
            checksum: crc32c,
            witness: false,
        };
        let hull = Hull::open(setup, log.recovered(), now)?;
        let applied = Vec::new();
        Ok(Self { hull, log, applied })
    }

    /// Takes one input in, then pulls what is to be done until nothing is left. What is done at
    /// once, as a log in memory can, is the next input.
    fn take(
        &mut self,
        now: Time,
        input: Input,
        wire: &mut VecDeque<Message>,
    ) -> Result<(), Box<dyn Error>> {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.hull.step(now, input);
            while let Some(write) = self.hull.next_write() {
                inputs.push_back(Input::Durable(self.log.write(write)?));
            }
            let mut after = None;
            while let Some(to) = self.hull.next_destination(after) {
                after = Some(to);
                for lane in Lane::ALL {
                    while let Some(message) = self.hull.next_send(to, lane, ROOM) {
                        wire.push_back(message);
                    }
                }
            }
            while let Some(load) = self.hull.next_load() {
                let result = self.log.read(load.range, load.max_bytes);
                let number = load.number;
                inputs.push_back(Input::Loaded(Loaded { number, result }));
            }
            while let Some(resolved) = self.hull.next_resolved() {
                println!(
                    "{now:?}  {} answers {}: {:?}",
                    self.hull.me(),
                    resolved.ticket,
                    resolved.outcome
                );
            }
            while let Some(apply) = self.hull.next_apply(ROOM) {
                for entry in apply.chunks.iter().flat_map(Chunk::entries) {
                    if let Record::Client { payload, .. } = entry.record {
                        self.applied.push(String::from_utf8_lossy(payload).into());
                    }
                }
                inputs.push_back(Input::Applied(apply.last_index()));
            }
            while self.hull.next_event().is_some() {
                // For tracing.
            }
            if let Some(fault) = self.hull.fault() {
                return Err(fault.clone().into());
            }
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut now = Time::ZERO;
    let founders: Vec<Peer> = (1..=3).map(peer).collect();
    let open = |id| Node::open(id, &founders, now);
    let mut nodes = vec![open(1)?, open(2)?, open(3)?];
    let mut wire: VecDeque<Message> = VecDeque::new();
    let mut proposed = false;
    while nodes.iter().any(|node| node.applied.is_empty()) {
        // The next thing that happens: a message arrives, or else somebody's time comes.
        if let Some(message) = wire.pop_front() {
            let to = nodes.iter_mut().find(|node| node.hull.me() == message.to);
            let to = to.ok_or("a message for nobody")?;
            to.take(now, Input::Message(message), &mut wire)?;
        } else {
            let times = nodes.iter().filter_map(|node| node.hull.deadline());
            now = now.max(times.min().ok_or("nobody waits for anything")?);
            let due = |node: &&mut Node| node.hull.deadline().is_some_and(|at| at <= now);
            for node in nodes.iter_mut().filter(due) {
                node.take(now, Input::DeadlinePassed, &mut wire)?;
            }
        }
        let leader = nodes
            .iter_mut()
            .find(|node| node.hull.role() == Role::Leader);
        if let (Some(leader), false) = (leader, proposed) {
            println!("{now:?}  {} leads {}", leader.hull.me(), leader.hull.term());
            let mut proposals = Proposals::new();
            proposals.push_client(Ticket::new(1), ClientHeader::default(), b"hello")?;
            leader.take(now, Input::Propose(proposals), &mut wire)?;
            proposed = true;
        }
    }
    for node in &nodes {
        println!("{now:?}  {} has applied {:?}", node.hull.me(), node.applied);
    }
    Ok(())
}

/// A node in the only life that its log in memory has.
fn peer(id: u64) -> Peer {
    Peer::new(NodeId::new(id), Incarnation::new(u128::from(id)))
}

/// Bytes that the wire takes, and that are applied, at a time.
const ROOM: usize = 1 << 20;
