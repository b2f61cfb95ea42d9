//! raft-rs 0.7: `RawNode`s over `MemStorage`, driven by the loop its documentation gives.

use std::collections::VecDeque;

use raft::eraftpb::{ConfState, Entry, EntryType, Message, MessageType};
use raft::storage::MemStorage;
use raft::{Config, RawNode, StateRole};
use slog::{Discard, Logger, o};

use super::{Cluster, Digest, Failure, Shape};

/// The raw nodes and the messages between them. Proposals go in one by one through
/// `RawNode::propose`, or, with `TOGETHER`, as the entries of one `MsgPropose`.
pub(crate) struct RaftRs<const TOGETHER: bool> {
    nodes: Vec<Node>,
    next_ticket: u64,
    answered: u64,
    messages: VecDeque<Message>,
}

struct Node {
    raw: RawNode<MemStorage>,
    machine: Digest,
    /// Proposals whose entries are not applied yet, in order: index, ticket.
    proposed: VecDeque<(u64, u64)>,
}

impl<const TOGETHER: bool> Cluster for RaftRs<TOGETHER> {
    fn found(shape: Shape) -> Result<Self, Failure> {
        let nodes = (1..=shape.voters).map(|id| Node::open(id, shape.voters));
        let nodes: Result<_, Failure> = nodes.collect();
        let mut cluster = Self {
            nodes: nodes?,
            next_ticket: 0,
            answered: 0,
            messages: VecDeque::new(),
        };
        cluster.nodes[LEADER].raw.campaign()?;
        cluster.drive()?;
        if cluster.nodes[LEADER].raw.raft.state != StateRole::Leader {
            return Err("raft-rs elected nobody".into());
        }
        Ok(cluster)
    }

    fn commit(&mut self, payload: &[u8], count: usize) -> Result<(), Failure> {
        let raw = &mut self.nodes[LEADER].raw;
        let first = raw.raft.raft_log.last_index() + 1;
        if TOGETHER {
            raw.step(proposal_of(payload, count))?;
        } else {
            for _ in 0..count {
                raw.propose(Vec::new(), payload.to_vec())?;
            }
        }
        // Nothing is refused: what is uncommitted is unlimited unless one asks for a limit.
        let proposed = &mut self.nodes[LEADER].proposed;
        for index in (first..).take(count) {
            self.next_ticket += 1;
            proposed.push_back((index, self.next_ticket));
        }
        self.drive()
    }

    fn digests(&self) -> Vec<Digest> {
        self.nodes.iter().map(|node| node.machine).collect()
    }

    fn answered(&self) -> u64 {
        self.answered
    }
}

impl<const TOGETHER: bool> RaftRs<TOGETHER> {
    /// Goes on until no node is ready for anything and no message is under way.
    fn drive(&mut self) -> Result<(), Failure> {
        for node in &mut self.nodes {
            self.answered += node.work(&mut self.messages)?;
        }
        while !self.messages.is_empty() {
            // All that is under way is handed over before anybody looks whether it is ready:
            // that batches, as raft-rs wants it.
            while let Some(message) = self.messages.pop_front() {
                let to = message.to as usize - 1;
                self.nodes[to].raw.step(message)?;
            }
            for node in &mut self.nodes {
                self.answered += node.work(&mut self.messages)?;
            }
        }
        Ok(())
    }
}

impl Node {
    fn open(id: u64, voters: u64) -> Result<Self, Failure> {
        let config = Config {
            id,
            election_tick: 10,
            heartbeat_tick: 1,
            max_size_per_msg: 1 << 20,
            max_inflight_msgs: 256,
            check_quorum: true,
            pre_vote: true,
            batch_append: true,
            ..Config::default()
        };
        let voters: Vec<u64> = (1..=voters).collect();
        let storage = MemStorage::new_with_conf_state(ConfState::from((voters, vec![])));
        Ok(Self {
            raw: RawNode::new(&config, storage, &Logger::root(Discard, o!()))?,
            machine: Digest::default(),
            proposed: VecDeque::new(),
        })
    }

    /// Handles all that is ready. Returns how many proposals were answered.
    fn work(&mut self, messages: &mut VecDeque<Message>) -> Result<u64, Failure> {
        let mut answered = 0;
        while self.raw.has_ready() {
            let mut ready = self.raw.ready();
            messages.extend(ready.take_messages());
            answered += self.apply(&ready.take_committed_entries());
            if !ready.entries().is_empty() {
                self.raw.mut_store().wl().append(ready.entries())?;
            }
            if let Some(hard) = ready.hs() {
                self.raw.mut_store().wl().set_hardstate(hard.clone());
            }
            messages.extend(ready.take_persisted_messages());
            let mut light = self.raw.advance(ready);
            if let Some(commit) = light.commit_index() {
                self.raw
                    .mut_store()
                    .wl()
                    .mut_hard_state()
                    .set_commit(commit);
            }
            messages.extend(light.take_messages());
            answered += self.apply(&light.take_committed_entries());
            self.raw.advance_apply();
        }
        Ok(answered)
    }

    /// Applies entries, and answers those that were proposed here.
    fn apply(&mut self, entries: &[Entry]) -> u64 {
        let mut answered = 0;
        for entry in entries {
            if entry.data.is_empty() || entry.get_entry_type() != EntryType::EntryNormal {
                continue;
            }
            self.machine.apply(&entry.data);
            let mine = |(index, _): &(u64, u64)| *index == entry.index;
            if self.proposed.front().is_some_and(mine) {
                self.proposed.pop_front();
                answered += 1;
            }
        }
        answered
    }
}

/// One message that proposes `count` copies of the payload.
fn proposal_of(payload: &[u8], count: usize) -> Message {
    let entry = || Entry {
        data: payload.to_vec().into(),
        ..Entry::default()
    };
    let mut message = Message::default();
    message.set_msg_type(MessageType::MsgPropose);
    message.from = LEADER as u64 + 1;
    message.entries = (0..count).map(|_| entry()).collect();
    message
}

/// Which node is made to lead.
const LEADER: usize = 0;
