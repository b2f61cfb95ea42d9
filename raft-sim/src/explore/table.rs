//! What nodes do, looked up: each step of a hull is taken once, however many states it is part of.
//!
//! A hull is a function of its state and what is stepped, so what one node does in one state of its
//! own is the same whatever the others are about. There are few states of single nodes, and very
//! many of all nodes together.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use raft_core::error::OpenError;
use raft_core::ids::NodeId;
use raft_core::message::{Body, Message};
use raft_core::states::Role;

use super::alike::{Images, Renamings};
use super::members::{Sets, renamed};
use super::node::{Act, Entry, Node, Read};
use super::past::local_violation;
use super::slices::Slices;
use super::useless::Simpler;
use super::{Breach, Stop, World};

/// All states of single nodes met so far, all messages, and what the nodes do.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) renamings: Renamings,
    pub(super) simpler: Simpler,
    locals: Vec<Local>,
    local_images: Images,
    fingerprints: Slices,
    messages: Vec<Message>,
    message_images: Images,
    /// Of each message, the one that takes its place once it comes from an earlier term for good.
    late: Vec<u32>,
    /// Numbers of messages by their hash; those of one hash are compared.
    by_hash: BTreeMap<u64, Vec<u32>>,
    /// Which node in which state, and what is done: as many as `taken`.
    steps: Slices,
    taken: Vec<Step>,
    /// Whether everything was the same under every renaming so far.
    is_symmetric: bool,
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
    /// Whether it never leads.
    pub(super) witness: bool,
    pub(super) term: u64,
    /// The term that a crash leaves, and the vote.
    pub(super) durable_term: u64,
    pub(super) durable_vote: Option<NodeId>,
    /// Whether it makes a difference when a leader last heard of its followers.
    pub(super) counts_contact: bool,
    /// Whether it makes a difference to a leader who answers its heartbeats.
    pub(super) counts_answers: bool,
    pub(super) commit: usize,
    /// Who voted at the beginning, and who does by the configuration in force, if no change is
    /// under way.
    pub(super) founding: Sets,
    pub(super) settled: Option<u8>,
    /// Up to where a snapshot stands for the log.
    pub(super) base: usize,
    pub(super) log: Vec<Entry>,
    pub(super) durable: Vec<Entry>,
    /// What the disk held before it was damaged, until the log reaches as far again.
    pub(super) lost: Vec<Entry>,
    /// After how many writes it can be damaged.
    pub(super) writes: u8,
    pub(super) stalled: bool,
    /// Whether a client waits to read.
    pub(super) reading: bool,
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
    /// Whether the log, the disk, the commit index, the role, the term or who waits to read changed.
    pub(super) notable: bool,
    pub(super) applied: Vec<Entry>,
    /// What became of a read.
    pub(super) read: Option<Read>,
    /// What is wrong with it, whatever the other nodes do.
    pub(super) breach: Option<Breach>,
}

/// What is done to a node: one of the first few, or a message by its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Deed {
    TimeOut,
    Wait,
    Propose,
    Read,
    Snapshot,
    Stall,
    Sync,
    Crash,
    Change(u8),
    /// So many writes that changed entries are left.
    Damage(u8),
    Receive(u32),
}

impl Table {
    /// The nodes at the very beginning.
    pub(super) fn begin(
        world: &World,
        renamings: Renamings,
        simpler: Simpler,
    ) -> Result<(Self, Vec<u32>), OpenError> {
        let mut table = Self {
            renamings,
            simpler,
            locals: Vec::new(),
            local_images: Images::default(),
            fingerprints: Slices::new(),
            messages: Vec::new(),
            message_images: Images::default(),
            late: Vec::new(),
            by_hash: BTreeMap::new(),
            steps: Slices::new(),
            taken: Vec::new(),
            is_symmetric: true,
        };
        let nodes = usize::from(world.nodes);
        let mut locals = Vec::new();
        for place in 0..nodes {
            let (node, _) = Node::new(place, world)?;
            // Numbers can't have run out.
            locals.extend(table.intern(node));
        }
        for node in 0..nodes {
            let renamed = |renaming| locals[table.renamings.node(renaming, node)];
            let orbit: Vec<u32> = (0..table.renamings.count()).map(renamed).collect();
            table.is_symmetric &= table.local_images.note(&orbit, &table.renamings);
        }
        Ok((table, locals))
    }

    pub(super) fn local(&self, number: u32) -> &Local {
        &self.locals[number as usize]
    }

    /// What a renaming makes of a node's state.
    pub(super) fn local_image(&self, local: u32, renaming: usize) -> u32 {
        self.local_images.get(local, renaming, &self.renamings)
    }

    pub(super) fn message(&self, number: u32) -> &Message {
        &self.messages[number as usize]
    }

    pub(super) fn all_messages(&self) -> &[Message] {
        &self.messages
    }

    /// What a renaming makes of a message.
    pub(super) fn message_image(&self, message: u32, renaming: usize) -> u32 {
        self.message_images.get(message, renaming, &self.renamings)
    }

    /// What stands for a message once its receiver's term is later for good.
    pub(super) fn late(&self, message: u32) -> u32 {
        self.late[message as usize]
    }

    /// The place of the node that a message is for.
    pub(super) fn receiver(&self, message: u32) -> usize {
        place_of(self.message(message).to.id)
    }

    /// The place of the node that sent a message.
    pub(super) fn sender(&self, message: u32) -> usize {
        place_of(self.message(message).from.id)
    }

    pub(super) fn is_heartbeat(&self, message: u32) -> bool {
        let body = &self.message(message).body;
        matches!(body, Body::Heartbeat(_) | Body::HeartbeatReply(_))
    }

    pub(super) fn step(&self, number: u32) -> &Step {
        &self.taken[number as usize]
    }

    /// A step, and the state in which it was taken.
    pub(super) fn step_from(&self, number: u32) -> (&Local, &Step) {
        let local = self.steps.get(number)[0];
        (self.local(local), self.step(number))
    }

    /// What was done in a step.
    pub(super) fn deed_of(&self, number: u32) -> Deed {
        Deed::of(self.steps.get(number)[1])
    }

    /// Whether everything was the same under every renaming so far.
    pub(super) const fn is_symmetric(&self) -> bool {
        self.is_symmetric
    }

    /// The number of the step that a node takes, if it was taken before; see [`Table::step`].
    pub(super) fn known(&self, local: u32, deed: Deed) -> Option<u32> {
        self.steps.find(&[local, deed.number()])
    }

    /// The number of the step that a node takes. It is taken under all renamings at once.
    pub(super) fn take(&mut self, local: u32, deed: Deed) -> Result<u32, Stop> {
        if let Some(number) = self.known(local, deed) {
            return Ok(number);
        }
        let mut orbit = Vec::with_capacity(self.renamings.count());
        for renaming in 0..self.renamings.count() {
            let local = self.local_image(local, renaming);
            let deed = match deed {
                Deed::Receive(message) => Deed::Receive(self.message_image(message, renaming)),
                Deed::Change(voters) => {
                    let name = |place: u8| self.renamings.node(renaming, usize::from(place)) as u8;
                    Deed::Change(renamed(voters, name))
                }
                other => other,
            };
            let before = &self.local(local).node;
            let mut node = before.clone();
            let mut done = node.act(self.act(deed));
            let breach = local_violation(before, &node, &done);
            for message in &mut done.sent {
                self.simpler.simplify(message);
            }
            orbit.push((
                local,
                deed,
                (done.applied, done.read),
                breach,
                self.intern(node)?,
                done.sent,
            ));
        }
        let nexts: Vec<u32> = orbit.iter().map(|(.., next, _)| *next).collect();
        self.is_symmetric &= self.local_images.note(&nexts, &self.renamings);
        let sends: Vec<Vec<Message>> = orbit
            .iter_mut()
            .map(|(.., sent)| std::mem::take(sent))
            .collect();
        let sends = self.number_sends(sends);
        for ((local, deed, (applied, read), breach, next, _), sends) in orbit.into_iter().zip(sends)
        {
            let (_, new) = self
                .steps
                .intern(&[local, deed.number()])
                .ok_or(Stop::Numbers)?;
            if new {
                let step = Step {
                    next,
                    sends,
                    idle: false,
                    notable: false,
                    applied,
                    read,
                    breach,
                };
                let step = self.compare(local, step);
                self.taken.push(step);
            }
        }
        self.known(local, deed).ok_or(Stop::Numbers)
    }

    /// What is done, as the node takes it.
    pub(super) fn act(&self, deed: Deed) -> Act<'_> {
        match deed {
            Deed::TimeOut => Act::TimeOut,
            Deed::Wait => Act::Wait,
            Deed::Propose => Act::Propose,
            Deed::Read => Act::Read,
            Deed::Snapshot => Act::Snapshot,
            Deed::Stall => Act::Stall,
            Deed::Sync => Act::Sync,
            Deed::Crash => Act::Crash,
            Deed::Change(voters) => Act::Change(voters),
            Deed::Damage(writes) => Act::Damage(writes),
            Deed::Receive(message) => Act::Receive(self.message(message)),
        }
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

    /// Fills in what a step changes of a node in this state.
    fn compare(&self, local: u32, step: Step) -> Step {
        let (before, after) = (&self.local(local).view, &self.local(step.next).view);
        let notable = before.log != after.log
            || before.durable != after.durable
            || before.lost != after.lost
            || before.reading != after.reading
            || before.commit != after.commit
            || before.role != after.role
            || before.term != after.term
            || before.durable_term != after.durable_term;
        let idle = step.next == local && step.sends.is_empty() && step.breach.is_none();
        Step {
            idle,
            notable,
            ..step
        }
    }

    /// The numbers of what was sent, ascending, under each renaming. What goes to one node goes in
    /// the same order under each.
    fn number_sends(&mut self, sends: Vec<Vec<Message>>) -> Vec<Vec<u32>> {
        let sorted = sends.into_iter().enumerate().map(|(renaming, sent)| {
            let mut sent: Vec<(usize, Message)> = sent
                .into_iter()
                .map(|message| (place_of(message.to.id), message))
                .collect();
            let renamings = &self.renamings;
            let named = |name: usize| {
                (0..super::worlds::MAX_NODES)
                    .find(|node| renamings.node(renaming, *node) == name)
                    .unwrap_or(name)
            };
            sent.sort_by_key(|(receiver, _)| named(*receiver));
            sent.into_iter().map(|(_, message)| message).collect()
        });
        let sorted: Vec<Vec<Message>> = sorted.collect();
        let fewest = sorted.iter().map(Vec::len).min().unwrap_or(0);
        self.is_symmetric &= sorted.iter().all(|sent| sent.len() == fewest);
        let mut numbers = vec![Vec::new(); sorted.len()];
        let mut sorted: Vec<_> = sorted.into_iter().map(Vec::into_iter).collect();
        for _ in 0..fewest {
            let orbit: Vec<Message> = sorted.iter_mut().filter_map(Iterator::next).collect();
            for (number, numbers) in self.number_orbit(orbit).into_iter().zip(&mut numbers) {
                numbers.push(number);
            }
        }
        for numbers in &mut numbers {
            numbers.sort_unstable();
        }
        numbers
    }

    /// The numbers of a message under all renamings.
    fn number_orbit(&mut self, orbit: Vec<Message>) -> Vec<u32> {
        let late: Vec<Message> = orbit
            .iter()
            .filter_map(|message| self.simpler.late(message))
            .collect();
        let known = self.messages.len();
        let numbers: Vec<u32> = orbit.into_iter().map(|one| self.number_of(one)).collect();
        self.is_symmetric &= self.message_images.note(&numbers, &self.renamings);
        if self.messages.len() > known && late.len() == numbers.len() {
            let late: Vec<u32> = late.into_iter().map(|one| self.number_of(one)).collect();
            self.is_symmetric &= self.message_images.note(&late, &self.renamings);
            for (number, late) in numbers.iter().zip(late) {
                self.late[*number as usize] = late;
            }
        }
        numbers
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
        self.late.push(number);
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
            witness: node.is_witness(),
            term: hull.term().get(),
            durable_term: node.disk().recovered().hard.term.get(),
            durable_vote: node.disk().recovered().hard.vote,
            counts_contact: hull.settings().check_quorum,
            counts_answers: hull.settings().check_quorum || node.is_read(),
            commit: usize::try_from(hull.commit_index().get()).unwrap_or(usize::MAX),
            founding: node.founding(),
            settled: Sets::of(hull.configuration()).settled(),
            base: node.base(),
            log: node.entries(),
            durable: node.durable(),
            lost: node.lost(),
            writes: node.writes(),
            stalled: node.is_stalled(),
            reading: node.is_reading(),
            can_wait: node.can_wait(),
        }
    }
}

impl Deed {
    const fn of(number: u32) -> Self {
        match number {
            0 => Self::TimeOut,
            1 => Self::Wait,
            2 => Self::Propose,
            3 => Self::Stall,
            4 => Self::Sync,
            5 => Self::Crash,
            6 => Self::Read,
            7 => Self::Snapshot,
            8..FIRST_DAMAGE => Self::Change((number - 8) as u8),
            FIRST_DAMAGE..FIRST_MESSAGE => Self::Damage((number - FIRST_DAMAGE) as u8),
            message => Self::Receive(message.saturating_sub(FIRST_MESSAGE)),
        }
    }

    fn number(self) -> u32 {
        match self {
            Self::TimeOut => 0,
            Self::Wait => 1,
            Self::Propose => 2,
            Self::Stall => 3,
            Self::Sync => 4,
            Self::Crash => 5,
            Self::Read => 6,
            Self::Snapshot => 7,
            Self::Change(voters) => 8 + u32::from(voters),
            Self::Damage(writes) => FIRST_DAMAGE + u32::from(writes),
            Self::Receive(message) => message.saturating_add(FIRST_MESSAGE),
        }
    }
}

pub(super) fn place_of(id: NodeId) -> usize {
    usize::try_from(id.get().saturating_sub(1)).unwrap_or(usize::MAX)
}

/// Tells states of a node apart. With this many bits no two of some thousand are taken for one.
pub(super) fn fingerprint(node: &Node) -> [u32; 4] {
    let [one, other] = [0u8, 1].map(|salt| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        node.fingerprint(&mut hasher);
        hasher.finish()
    });
    [one >> 32, one, other >> 32, other].map(|word| word as u32)
}

/// Deeds that are damage have numbers from here on; before them are all sets of voters.
const FIRST_DAMAGE: u32 = 8 + (1 << super::worlds::MAX_NODES);
/// Deeds that are messages have numbers from here on.
const FIRST_MESSAGE: u32 = FIRST_DAMAGE + (1 << u8::BITS);
/// About what a node in one state takes, most of it its hull.
const BYTES_OF_LOCAL: usize = 6_000;
/// About what one step takes.
const BYTES_OF_STEP: usize = 200;
