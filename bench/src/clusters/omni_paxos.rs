//! OmniPaxos 0.2: servers over its own `MemoryStorage`, driven by the loop its documentation
//! gives.

use std::collections::VecDeque;

use bytes::Bytes;
use omnipaxos::messages::Message;
use omnipaxos::storage::{Entry, NoSnapshot};
use omnipaxos::util::LogEntry;
use omnipaxos::{ClusterConfig, OmniPaxos, OmniPaxosConfig, ServerConfig};
use omnipaxos_storage::memory_storage::MemoryStorage;

use super::{Cluster, Digest, Failure, Shape};

/// The servers and the messages between them. With `BATCHING`, each lets all proposals of a batch
/// gather before it accepts them; without, each proposal is accepted as it comes.
pub(crate) struct Omni<const BATCHING: bool> {
    nodes: Vec<Node>,
    leader: usize,
    next_ticket: u64,
    answered: u64,
    messages: Vec<Message<Command>>,
}

/// What is replicated: clones share the payload, so that nobody copies it again.
#[derive(Clone, Debug)]
struct Command {
    payload: Bytes,
}

impl Entry for Command {
    type Snapshot = NoSnapshot;
}

struct Node {
    server: OmniPaxos<Command, MemoryStorage<Command>>,
    applied: usize,
    machine: Digest,
    /// Proposals whose entries are not applied yet, in order: index, ticket.
    proposed: VecDeque<(usize, u64)>,
}

impl<const BATCHING: bool> Cluster for Omni<BATCHING> {
    fn found(shape: Shape) -> Result<Self, Failure> {
        let batch = if BATCHING { shape.at } else { 1 };
        let nodes = (1..=shape.voters).map(|id| Node::open(id, shape.voters, batch));
        let nodes: Result<_, Failure> = nodes.collect();
        let mut cluster = Self {
            nodes: nodes?,
            leader: 0,
            next_ticket: 0,
            answered: 0,
            messages: Vec::new(),
        };
        for _ in 0..MOST_TICKS {
            for node in &mut cluster.nodes {
                node.server.tick();
            }
            cluster.drive();
            let leader = |node: &Node| node.server.get_current_leader();
            if let Some(Some((id, true))) = cluster.nodes.first().map(leader) {
                let agree = |node| leader(node) == Some((id, true));
                if cluster.nodes.iter().all(agree) {
                    cluster.leader = id as usize - 1;
                    return Ok(cluster);
                }
            }
        }
        Err("OmniPaxos elected nobody".into())
    }

    fn commit(&mut self, payload: &[u8], count: usize) -> Result<(), Failure> {
        let leader = &mut self.nodes[self.leader];
        for _ in 0..count {
            let payload = Bytes::copy_from_slice(payload);
            let command = Command { payload };
            let proposed = leader.server.append(command);
            proposed.map_err(|refusal| format!("{refusal:?}"))?;
        }
        for _ in 0..count {
            let index = self.next_ticket as usize;
            self.next_ticket += 1;
            leader.proposed.push_back((index, self.next_ticket));
        }
        self.drive();
        Ok(())
    }

    fn digests(&self) -> Vec<Digest> {
        self.nodes.iter().map(|node| node.machine).collect()
    }

    fn answered(&self) -> u64 {
        self.answered
    }
}

impl<const BATCHING: bool> Omni<BATCHING> {
    /// Goes on until no server has anything to send and no message is under way.
    fn drive(&mut self) {
        loop {
            for node in &mut self.nodes {
                node.server.take_outgoing_messages(&mut self.messages);
                self.answered += node.apply();
            }
            if self.messages.is_empty() {
                return;
            }
            for message in self.messages.drain(..) {
                let to = message.get_receiver() as usize - 1;
                self.nodes[to].server.handle_incoming(message);
            }
        }
    }
}

impl Node {
    fn open(id: u64, voters: u64, batch_size: usize) -> Result<Self, Failure> {
        let config = OmniPaxosConfig {
            cluster_config: ClusterConfig {
                configuration_id: 1,
                nodes: (1..=voters).collect(),
                ..ClusterConfig::default()
            },
            server_config: ServerConfig {
                pid: id,
                batch_size,
                ..ServerConfig::default()
            },
        };
        Ok(Self {
            server: config.build(MemoryStorage::default())?,
            applied: 0,
            machine: Digest::default(),
            proposed: VecDeque::new(),
        })
    }

    /// Applies what is decided, and answers what was proposed here. Returns how many were.
    fn apply(&mut self) -> u64 {
        let mut answered = 0;
        if self.server.get_decided_idx() == self.applied {
            return answered;
        }
        let decided = self.server.read_decided_suffix(self.applied);
        for entry in decided.into_iter().flatten() {
            if let LogEntry::Decided(command) = entry {
                self.machine.apply(&command.payload);
                let mine = |(index, _): &(usize, u64)| *index == self.applied;
                if self.proposed.front().is_some_and(mine) {
                    self.proposed.pop_front();
                    answered += 1;
                }
                self.applied += 1;
            }
        }
        answered
    }
}

/// An election takes two timeouts of five ticks, or a few more.
const MOST_TICKS: usize = 1_000;
