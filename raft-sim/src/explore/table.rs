//! What nodes do, looked up: each step of a hull is taken once, however many states it is part of.
//!
//! A hull is a function of its state and what is stepped, so what one node does in one state of its
//! own is the same whatever the others are about. There are few states of single nodes, and very
//! many of all nodes together.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use raft_core::error::OpenError;
use raft_core::message::{Body, Message};
use raft_core::settings::Settings;
use raft_core::states::Role;

use super::node::{Act, Done, Entry, Node};
use super::past::local_violation;
use super::slices::Slices;
use super::{Breach, Stop};

/// All states of single nodes met so far, all messages, and what the nodes do.
#[derive(Debug)]
pub(super) struct Table {
    locals: Vec<Local>,
    fingerprints: Slices,
    messages: Vec<Message>,
    /// The place of the node that each message is for.
    receivers: Vec<usize>,
    /// Numbers of messages by their hash; those of one hash are compared.
    by_hash: BTreeMap<u64, Vec<u32>>,
    /// Which node in which state, and what is done: as many as `taken`.
    steps: Slices,
    taken: Vec<Step>,
}

/// One node in one state.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) node: Node,
    pub(super) view: View,
}

/// What a state of a node looks like from outside.
#[derive(Debug)]
pub(super) struct View {
    pub(super) role: Role,
    pub(super) term: u64,
    /// The term that a crash leaves.
    pub(super) durable_term: u64,
    /// Whether it makes a difference when a leader last heard of its followers.
    pub(super) counts_contact: bool,
    pub(super) commit: usize,
    pub(super) log: Vec<Entry>,
    pub(super) durable: Vec<Entry>,
    pub(super) stalled: bool,
    pub(super) can_wait: bool,
}

/// What a node does when one thing is done to it.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) next: u32,
    /// The messages sent, ascending.
    pub(super) sends: Vec<u32>,
    /// Whether it makes no difference at all.
    pub(super) idle: bool,
    /// Whether the log, the disk, the commit index or the role changed.
    pub(super) notable: bool,
    pub(super) applied: Vec<Entry>,
    /// What is wrong with it, whatever the other nodes do.
    pub(super) breach: Option<Breach>,
}

/// What is done to a node: one of the first few, or a message by its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Deed {
    TimeOut,
    Wait,
    Propose,
    Stall,
    Sync,
    Crash,
    Receive(u32),
}

impl Table {
    /// The nodes at the very beginning, and what they send.
    pub(super) fn begin(nodes: u64, settings: Settings) -> Result<(Self, Vec<u32>), OpenError> {
        let mut table = Self {
            locals: Vec::new(),
            fingerprints: Slices::new(),
            messages: Vec::new(),
            receivers: Vec::new(),
            by_hash: BTreeMap::new(),
            steps: Slices::new(),
            taken: Vec::new(),
        };
        let mut locals = Vec::new();
        for id in 1..=nodes {
            let (node, _) = Node::new(id, nodes, settings)?;
            // Numbers can't have run out.
            locals.extend(table.intern(node));
        }
        Ok((table, locals))
    }

    pub(super) fn local(&self, number: u32) -> &Local {
        &self.locals[number as usize]
    }

    pub(super) fn message(&self, number: u32) -> &Message {
        &self.messages[number as usize]
    }

    /// The place of the node that a message is for.
    pub(super) fn receiver(&self, message: u32) -> usize {
        self.receivers[message as usize]
    }

    pub(super) fn is_heartbeat(&self, message: u32) -> bool {
        let body = &self.message(message).body;
        matches!(body, Body::Heartbeat(_) | Body::HeartbeatReply(_))
    }

    pub(super) fn step(&self, number: u32) -> &Step {
        &self.taken[number as usize]
    }

    /// The number of the step that a node takes; see [`Table::step`].
    pub(super) fn take(&mut self, local: u32, deed: Deed) -> Result<u32, Stop> {
        let key = [local, deed.number()];
        let (number, new) = self.steps.intern(&key).ok_or(Stop::Numbers)?;
        if !new {
            return Ok(number);
        }
        let mut node = self.local(local).node.clone();
        let done = node.act(self.act(deed));
        let breach = local_violation(&self.local(local).node, &node, &done);
        let step = self.keep(local, node, done, breach)?;
        self.taken.push(step);
        Ok(number)
    }

    /// What is done, as the node takes it.
    pub(super) fn act(&self, deed: Deed) -> Act<'_> {
        match deed {
            Deed::TimeOut => Act::TimeOut,
            Deed::Wait => Act::Wait,
            Deed::Propose => Act::Propose,
            Deed::Stall => Act::Stall,
            Deed::Sync => Act::Sync,
            Deed::Crash => Act::Crash,
            Deed::Receive(message) => Act::Receive(self.message(message)),
        }
    }

    /// Whether a message may be forgotten that is on its way to a node in this state. What hulls
    /// do about it is looked at in the end, by [`Table::confirm_forgotten`].
    pub(super) fn is_forgettable(&self, local: u32, message: u32) -> bool {
        self.local(local).view.has_no_use_for(self.message(message))
    }

    /// Whether all that was forgotten made no difference in any state that a node was in later:
    /// what may be forgotten in one state may be in those that follow it, and in each of them the
    /// hull does nothing about it.
    pub(super) fn confirm_forgotten(&self) -> bool {
        let ignored = |local: &Local| {
            let before = fingerprint(&local.node);
            self.messages_to(local).all(|message| {
                !local.view.has_no_use_for(message) || {
                    let mut node = local.node.clone();
                    let done = node.act(Act::Receive(message));
                    done.sent.is_empty() && fingerprint(&node) == before
                }
            })
        };
        let stays = |(number, step): (u32, &Step)| {
            let before = self.steps.get(number).first();
            let before = before.map(|local| self.local(*local));
            let after = &self.local(step.next).view;
            before.is_none_or(|before| {
                self.messages_to(before).all(|message| {
                    !before.view.has_no_use_for(message) || after.has_no_use_for(message)
                })
            })
        };
        self.locals.iter().all(ignored) && (0..).zip(&self.taken).all(stays)
    }

    fn messages_to(&self, local: &Local) -> impl Iterator<Item = &Message> {
        let me = local.node.hull().me();
        self.messages.iter().filter(move |message| message.to == me)
    }

    pub(super) fn locals(&self) -> usize {
        self.locals.len()
    }

    pub(super) fn steps(&self) -> usize {
        self.taken.len()
    }

    pub(super) fn messages(&self) -> usize {
        self.messages.len()
    }

    /// About how many bytes all of it takes.
    pub(super) fn bytes(&self) -> usize {
        self.locals.len() * BYTES_OF_LOCAL + self.taken.len() * BYTES_OF_STEP
    }

    fn keep(
        &mut self,
        local: u32,
        node: Node,
        done: Done,
        breach: Option<Breach>,
    ) -> Result<Step, Stop> {
        let mut sends: Vec<u32> = Vec::with_capacity(done.sent.len());
        for message in done.sent {
            sends.push(self.number_of(message));
        }
        sends.sort_unstable();
        let next = self.intern(node)?;
        let (before, after) = (&self.local(local).view, &self.local(next).view);
        let notable = before.log != after.log
            || before.durable != after.durable
            || before.commit != after.commit
            || before.role != after.role
            || before.term != after.term;
        Ok(Step {
            next,
            idle: next == local && sends.is_empty() && breach.is_none(),
            sends,
            notable,
            applied: done.applied,
            breach,
        })
    }

    fn number_of(&mut self, message: Message) -> u32 {
        let mut hasher = DefaultHasher::new();
        message.hash(&mut hasher);
        let alike = self.by_hash.entry(hasher.finish()).or_default();
        let known = alike
            .iter()
            .find(|number| self.messages[**number as usize] == message);
        if let Some(number) = known {
            return *number;
        }
        let number = u32::try_from(self.messages.len()).unwrap_or(u32::MAX);
        alike.push(number);
        let to = usize::try_from(message.to.id.get()).unwrap_or(usize::MAX);
        self.receivers.push(to.saturating_sub(1));
        self.messages.push(message);
        number
    }

    fn intern(&mut self, node: Node) -> Result<u32, Stop> {
        let fingerprint = self.fingerprints.intern(&fingerprint(&node));
        let (number, new) = fingerprint.ok_or(Stop::Numbers)?;
        if new {
            let view = View::of(&node);
            self.locals.push(Local { node, view });
        }
        Ok(number)
    }
}

impl View {
    fn of(node: &Node) -> Self {
        let hull = node.hull();
        Self {
            role: hull.role(),
            term: hull.term().get(),
            durable_term: node.disk().recovered().hard.term.get(),
            counts_contact: hull.settings().check_quorum,
            commit: usize::try_from(hull.commit_index().get()).unwrap_or(usize::MAX),
            log: node.entries(),
            durable: node.durable(),
            stalled: node.is_stalled(),
            can_wait: node.can_wait(),
        }
    }
}

impl View {
    /// Whether a message will never make a difference to this node again, as Raft has it: it
    /// answers what this node has given up for good. See [`Table::is_forgettable`].
    pub(super) fn has_no_use_for(&self, message: &Message) -> bool {
        let term = message.term.get();
        let is = |role| self.role == role && self.term == term;
        let may_lead = is(Role::Leader) || is(Role::Candidate);
        term <= self.durable_term
            && match message.body {
                Body::HeartbeatReply(_) => !(self.counts_contact && may_lead),
                Body::RequestVoteReply(_) => !is(Role::Candidate),
                Body::AppendEntriesReply(_) => !may_lead,
                Body::PreVote(_)
                | Body::PreVoteReply(_)
                | Body::RequestVote(_)
                | Body::AppendEntries(_)
                | Body::Heartbeat(_) => false,
            }
    }
}

impl Deed {
    fn number(self) -> u32 {
        match self {
            Self::TimeOut => 0,
            Self::Wait => 1,
            Self::Propose => 2,
            Self::Stall => 3,
            Self::Sync => 4,
            Self::Crash => 5,
            Self::Receive(message) => message.saturating_add(8),
        }
    }
}

/// Tells states of a node apart. With this many bits no two of some thousand are taken for one.
fn fingerprint(node: &Node) -> [u32; 4] {
    let [one, other] = [0u8, 1].map(|salt| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        node.fingerprint(&mut hasher);
        hasher.finish()
    });
    [one >> 32, one, other >> 32, other].map(|word| word as u32)
}

/// About what a node in one state takes, most of it its hull.
const BYTES_OF_LOCAL: usize = 6_000;
/// About what one step takes.
const BYTES_OF_STEP: usize = 200;
