//! The nodes, what is under way between them, and what must hold of all together.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use raft_core::hull::Input;
use raft_core::ids::{EntryId, LogIndex, NodeId, Term};
use raft_core::message::Message;
use raft_core::states::Role;

use crate::act::{Act, Plan};
use crate::lie::message_of;
use crate::node::Node;
use crate::setup::{Cast, has_lease};
use crate::shelf::State;

/// All there is.
pub(crate) struct World {
    nodes: Vec<Node>,
    cast: Cast,
    lies: bool,
    /// Whether all clocks go alike.
    one_clock: bool,
    wire: VecDeque<Message>,
    /// Who led which term.
    leaders: BTreeMap<Term, NodeId>,
    /// What was applied at each index, on whichever node was first.
    applied: BTreeMap<LogIndex, (EntryId, State)>,
    /// The highest index that any node ever knew to be committed.
    committed: LogIndex,
}

impl World {
    pub(crate) fn new(plan: &Plan) -> Self {
        let cast = Cast::of(plan);
        let mut world = Self {
            nodes: (1..=cast.hulls)
                .map(|id| Node::new(id, &cast, plan))
                .collect(),
            cast,
            lies: plan.lies,
            one_clock: has_lease(plan),
            wire: VecDeque::new(),
            leaders: BTreeMap::new(),
            applied: BTreeMap::new(),
            committed: LogIndex::ZERO,
        };
        world.pull();
        if plan.changing {
            world.begin_change();
        }
        world
    }

    pub(crate) fn run(&mut self, acts: &[Act]) {
        for act in acts.iter().take(MAX_ACTS) {
            self.act(act);
            self.pull();
        }
    }

    /// The first node is elected, and begins to make everybody a member.
    fn begin_change(&mut self) {
        self.settle(100);
        self.wait(0, Duration::from_secs(3));
        self.pull();
        self.settle(100);
        let target = self.cast.everybody().collect();
        let wish = self.nodes[0].change(target);
        self.nodes[0].step(wish);
        self.pull();
    }

    /// Message after message arrives, and what was begun is done, until nothing is left.
    fn settle(&mut self, rounds: u8) {
        for _ in 0..rounds {
            if self.wire.is_empty() && self.nodes.iter().all(Node::is_idle) {
                break;
            }
            self.nodes.iter_mut().for_each(Node::complete_oldest);
            self.deliver(0, false);
            self.pull();
        }
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Deliver { which, again } => self.deliver(*which, *again),
            Act::DeliverMany { count } => {
                for _ in 0..*count % 32 {
                    self.deliver(0, false);
                    self.pull();
                }
            }
            Act::Settle { rounds } => self.settle(*rounds % 64),
            Act::Lose { which } => {
                let _ = self.take(*which);
            }
            Act::Lie { node, lie } if self.lies => {
                let node = self.node(*node);
                let message = message_of(lie, node);
                node.step(Input::Message(message));
            }
            Act::Lie { .. } => {}
            Act::Wait { node, milliseconds } => {
                let milliseconds = u64::from(*milliseconds) % 3_000;
                self.wait(*node, Duration::from_millis(milliseconds));
            }
            Act::DeadlinePassed { node } => self.node(*node).step(Input::DeadlinePassed),
            Act::Ask { node, wish } => {
                let (committed, at) = (self.committed, usize::from(*node) % self.nodes.len());
                self.nodes[at].ask(wish, committed, &self.cast);
            }
            Act::Complete { node, what } => self.node(*node).complete(what),
            Act::ConnectionLost { node, other } => {
                let other = NodeId::new(u64::from(*other % 7));
                self.node(*node).step(Input::ConnectionLost(other));
            }
            Act::Restart { node, kept, lost } => self.node(*node).restart(*kept % 4, *lost),
        }
    }

    fn node(&mut self, node: u8) -> &mut Node {
        let count = self.nodes.len();
        &mut self.nodes[usize::from(node) % count]
    }

    fn take(&mut self, which: u8) -> Option<Message> {
        let which = usize::from(which).checked_rem(self.wire.len())?;
        self.wire.remove(which)
    }

    fn deliver(&mut self, which: u8, again: bool) {
        let Some(message) = self.take(which) else {
            return;
        };
        if again {
            self.wire.push_back(message.clone());
        }
        let mut nodes = self.nodes.iter_mut();
        if let Some(node) = nodes.find(|node| node.hull.me() == message.to) {
            node.step(Input::Message(message));
        }
    }

    /// Time passes for a node. Where clocks go alike it does for all; who is not told of its deadline
    /// then hears of it late.
    fn wait(&mut self, node: u8, span: Duration) {
        let one_clock = self.one_clock;
        let node = self.node(node);
        let until = node.now.after(span);
        for round in 0.. {
            assert!(round < 10_000, "the deadline does not move on");
            let Some(deadline) = node.hull.deadline().filter(|deadline| *deadline <= until) else {
                break;
            };
            node.now = node.now.max(deadline);
            node.step(Input::DeadlinePassed);
        }
        node.now = until;
        if one_clock {
            self.nodes.iter_mut().for_each(|node| node.now = until);
        }
    }

    fn pull(&mut self) {
        for node in &mut self.nodes {
            node.pull(&mut self.wire);
            if !self.lies {
                self.committed = self.committed.max(node.hull.commit_index());
            }
        }
        if !self.lies {
            self.agree();
        }
    }

    /// What holds among nodes that do not lie.
    fn agree(&mut self) {
        for node in &mut self.nodes {
            let (term, me) = (node.hull.term(), node.hull.me().id);
            if node.hull.role() == Role::Leader {
                let leader = *self.leaders.entry(term).or_insert(me);
                assert_eq!(leader, me, "two leaders in {term}");
            }
            for applied in node.applied.drain(..) {
                let (id, _) = applied;
                let first = *self.applied.entry(id.index).or_insert(applied);
                assert_eq!(first, applied, "two states after {}", id.index);
            }
        }
    }
}

/// Acts looked at in one run.
const MAX_ACTS: usize = 500;
