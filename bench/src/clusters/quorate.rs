//! Quorate: hulls over logs in memory, driven by the loop that stands on `Hull`.

use std::collections::VecDeque;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use raft_core::chunk::Chunk;
use raft_core::configuration::Configuration;
use raft_core::hull::{Hull, Input, Loaded, Outcome, Proposals, Setup};
use raft_core::ids::{Incarnation, LogIndex, NodeId, Peer, Ticket};
use raft_core::log::memory::MemoryLog;
use raft_core::message::{Lane, Message};
use raft_core::record::{ClientHeader, Record};
use raft_core::settings::Settings;
use raft_core::states::Role;
use raft_core::time::Time;

use super::{Cluster, Digest, Failure, Shape};
use crate::idle_case::Memory;
use crate::meter::freed_by_dropping;

/// The hulls and the messages between them.
pub(crate) struct Quorate {
    nodes: Vec<Node>,
    leader: usize,
    now: Time,
    next_ticket: u64,
    answered: u64,
    messages: Vec<Message>,
    /// The messages that are being handed over.
    handed_over: Vec<Message>,
    stepped: Vec<Rest>,
}

/// What all hulls of a process may share.
pub(crate) struct Shared {
    settings: Arc<Settings>,
    founding: Configuration,
}

impl Shared {
    pub(crate) fn new(shape: Shape, settings: Arc<Settings>) -> Self {
        Self {
            settings,
            founding: Configuration::of_voters((1..=shape.voters).map(peer)),
        }
    }

    /// What the members take, once for all that share them.
    pub(crate) fn bytes_of_members(self) -> usize {
        freed_by_dropping(self.founding)
    }
}

struct Node {
    hull: Hull,
    log: MemoryLog,
    machine: Digest,
    /// Whether something has happened since it was last asked what there is to do.
    stepped: bool,
    /// Committed proposals whose entries are not applied yet, in order.
    committed: VecDeque<(LogIndex, Ticket)>,
}

impl Cluster for Quorate {
    fn found(shape: Shape) -> Result<Self, Failure> {
        Self::found_with(&Shared::new(shape, Arc::default()))
    }

    fn commit(&mut self, payload: &[u8], count: usize) -> Result<(), Failure> {
        let mut proposals = Proposals::with_capacity(count, count * payload.len());
        for _ in 0..count {
            self.next_ticket += 1;
            let header = ClientHeader::default();
            proposals.push_client(Ticket::new(self.next_ticket), header, payload)?;
        }
        let leader = &mut self.nodes[self.leader].hull;
        leader.step(self.now, Input::Propose(proposals));
        self.drive()
    }

    fn digests(&self) -> Vec<Digest> {
        self.nodes.iter().map(|node| node.machine).collect()
    }

    fn answered(&self) -> u64 {
        self.answered
    }
}

/// How often a hull was stepped while nobody wanted anything.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Rest {
    /// Because its deadline had passed.
    pub(crate) timers: u64,
    /// Because a message had arrived.
    pub(crate) messages: u64,
}

impl Quorate {
    /// Founds a cluster of these members with these settings, and elects a leader.
    pub(crate) fn found_with(shared: &Shared) -> Result<Self, Failure> {
        let now = Time::from_millis(1_000);
        let ids = shared.founding.members.keys();
        let nodes = ids.map(|id| Node::open(id.get(), shared, now));
        let nodes: Result<Vec<_>, Failure> = nodes.collect();
        let nodes = nodes?;
        let stepped = vec![Rest::default(); nodes.len()];
        let mut cluster = Self {
            nodes,
            leader: 0,
            now,
            next_ticket: 0,
            answered: 0,
            messages: Vec::new(),
            handed_over: Vec::new(),
            stepped,
        };
        for node in &mut cluster.nodes {
            node.work(now, &mut cluster.messages)?;
        }
        while cluster.nodes[cluster.leader].hull.role() != Role::Leader {
            let hull = &mut cluster.nodes[cluster.leader].hull;
            cluster.now = hull.deadline().ok_or("the hull has stopped")?;
            hull.step(cluster.now, Input::DeadlinePassed);
            cluster.drive()?;
        }
        Ok(cluster)
    }

    /// Lets time pass in which nobody proposes anything.
    pub(crate) fn rest(&mut self, span: Duration) -> Result<Vec<Rest>, Failure> {
        let end = self.now.after(span);
        let before = self.stepped.clone();
        loop {
            let deadlines = self.nodes.iter().zip(0..);
            let deadlines =
                deadlines.filter_map(|(node, number)| Some((node.hull.deadline()?, number)));
            let Some((at, number)) = deadlines.min().filter(|(at, _)| *at <= end) else {
                break;
            };
            self.now = self.now.max(at);
            self.stepped[number].timers += 1;
            let node = &mut self.nodes[number];
            node.hull.step(self.now, Input::DeadlinePassed);
            node.work(self.now, &mut self.messages)?;
            self.drive()?;
        }
        let since = |(now, before): (&Rest, Rest)| Rest {
            timers: now.timers - before.timers,
            messages: now.messages - before.messages,
        };
        Ok(self.stepped.iter().zip(before).map(since).collect())
    }

    /// Which of the nodes leads.
    pub(crate) const fn leader(&self) -> usize {
        self.leader
    }

    /// What each hull takes. The logs stay until the end, and keep what they share with the hulls.
    pub(crate) fn memory(self) -> Vec<Memory> {
        let logs: Vec<MemoryLog> = self.nodes.iter().map(|node| node.log.clone()).collect();
        let memory = self.nodes.into_iter().map(|node| Memory {
            own: size_of::<Hull>(),
            heap: freed_by_dropping(node.hull),
        });
        let memory = memory.collect();
        drop(logs);
        memory
    }

    /// After something happened to the leader: goes on until no hull has anything left to do and no
    /// message is under way.
    fn drive(&mut self) -> Result<(), Failure> {
        let leader = &mut self.nodes[self.leader];
        self.answered += leader.work(self.now, &mut self.messages)?;
        while !self.messages.is_empty() {
            // All that is under way is handed over before anybody is asked what there is to do.
            std::mem::swap(&mut self.messages, &mut self.handed_over);
            self.handed_over.drain(..).for_each(|message| {
                let to = message.to.id.get() as usize - 1;
                let node = &mut self.nodes[to];
                self.stepped[to].messages += 1;
                node.hull.step(self.now, Input::Message(message));
                node.stepped = true;
            });
            for node in self.nodes.iter_mut().filter(|node| node.stepped) {
                node.stepped = false;
                self.answered += node.work(self.now, &mut self.messages)?;
            }
        }
        Ok(())
    }
}

impl Node {
    fn open(id: u64, shared: &Shared, now: Time) -> Result<Self, Failure> {
        let log = MemoryLog::new();
        let setup = Setup {
            me: peer(id),
            founding: shared.founding.clone(),
            settings: Arc::clone(&shared.settings),
            seed: id,
            checksum: crc32c::crc32c_append,
            witness: false,
        };
        Ok(Self {
            hull: Hull::open(setup, log.recovered(), now)?,
            log,
            machine: Digest::default(),
            stepped: false,
            committed: VecDeque::new(),
        })
    }

    /// Does all the hull wants done. Returns how many proposals were answered.
    fn work(&mut self, now: Time, messages: &mut Vec<Message>) -> Result<u64, Failure> {
        let mut answered = 0;
        // Each of these may give those below it something to do, and itself; what is read from the
        // log, all of them.
        loop {
            while let Some(write) = self.hull.next_write() {
                let durable = self.log.write(write)?;
                self.hull.step(now, Input::Durable(durable));
            }
            while let Some(resolved) = self.hull.next_resolved() {
                let Outcome::Committed(id) = resolved.outcome else {
                    return Err(format!("a proposal was not committed: {resolved:?}").into());
                };
                self.committed.push_back((id.index, resolved.ticket));
            }
            while let Some(apply) = self.hull.next_apply(usize::MAX) {
                answered += self.apply(&apply.chunks);
                self.hull.step(now, Input::Applied(apply.last_index()));
            }
            let mut after = None;
            while let Some(to) = self.hull.next_destination(after) {
                after = Some(to);
                for lane in [Lane::Control, Lane::Entries] {
                    let sent = || self.hull.next_send(to, lane, usize::MAX);
                    messages.extend(iter::from_fn(sent));
                }
            }
            while self.hull.next_event().is_some() {}
            if let Some(fault) = self.hull.fault() {
                return Err(fault.to_string().into());
            }
            let Some(load) = self.hull.next_load() else {
                return Ok(answered);
            };
            let (number, result) = (load.number, self.log.read(load.range, load.max_bytes));
            let loaded = Loaded { number, result };
            self.hull.step(now, Input::Loaded(loaded));
        }
    }

    /// Applies entries, and answers those that were proposed here.
    fn apply(&mut self, chunks: &[Chunk]) -> u64 {
        let mut answered = 0;
        for chunk in chunks {
            for entry in chunk.entries() {
                if let Record::Client { payload, .. } = entry.record {
                    self.machine.apply(payload);
                }
                let mine = |(index, _): &(LogIndex, Ticket)| *index == entry.id.index;
                if self.committed.front().is_some_and(mine) {
                    self.committed.pop_front();
                    answered += 1;
                }
            }
        }
        answered
    }
}

fn peer(id: u64) -> Peer {
    Peer::new(NodeId::new(id), Incarnation::new(u128::from(id)))
}
