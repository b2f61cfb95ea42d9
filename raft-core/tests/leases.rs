//! Leases of bare hulls under random schedules: clocks run apart as far as the settings allow for,
//! messages are lost, doubled, reordered and late, nodes are cut off, restarted, and asked to hand over.
//! Whoever says that it has a lease is the last that was elected, and what it lets read is all there is.

mod support;

use std::sync::Arc;
use std::time::Duration;

use raft_core::hull::{Hull, Outcome};
use raft_core::ids::NodeId;
use raft_core::message::Message;
use raft_core::settings::{Lease, Settings};
use raft_core::states::Role;
use support::Node;

/// A small generator of its own, so that a schedule depends on nothing but its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let mixed = (self.0 ^ (self.0 >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 32) % sides
    }
}

struct World {
    nodes: Vec<Node>,
    /// How many thousandths of a millisecond each clock shows in one: the fewest or the most.
    rates: Vec<u64>,
    wire: Vec<Message>,
    /// What takes much longer than the rest, and no cut keeps from arriving.
    late: Vec<Message>,
    dice: Dice,
    /// Who can be reached by nobody.
    cut_off: Option<usize>,
    /// The latest term in which anybody was elected.
    elected: u64,
    /// How many terms had a leader.
    elections: u64,
    /// How many reads were answered at once.
    read: u64,
    restarts: u64,
    /// Whether messages may be late, and followers are restarted when their leader is cut off: what is
    /// rare in all worlds is missing in some.
    is_late: bool,
    restarts_at_cuts: bool,
}

/// Clocks from nine to eleven tenths: one may gain 223 thousandths on another.
const SLOWEST: u64 = 900;
const FASTEST: u64 = 1_100;

fn settings() -> Settings {
    let usual = support::settings();
    Settings {
        lease: Some(Lease {
            duration: usual.election_timeout,
            max_drift_per_mille: 223,
        }),
        ..usual
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let size = 3 + 2 * (seed % 2);
        let node = |me| {
            let mut setup = support::setup(me, size);
            setup.seed = dice.roll(u64::MAX);
            setup.settings = Arc::new(settings());
            let mut node = Node::with_setup(setup, Default::default());
            node.auto_sync = false;
            node.settle();
            node
        };
        let nodes = (1..=size).map(node).collect();
        let rates = (0..size).map(|_| [SLOWEST, FASTEST][dice.roll(2) as usize]);
        let rates = rates.collect();
        Self {
            nodes,
            rates,
            wire: Vec::new(),
            late: Vec::new(),
            dice,
            cut_off: None,
            elected: 0,
            elections: 0,
            read: 0,
            restarts: 0,
            is_late: seed / 2 % 2 == 1,
            restarts_at_cuts: seed / 4 % 2 == 1,
        }
    }

    fn act(&mut self) {
        let who = self.dice.roll(self.nodes.len() as u64) as usize;
        match self.dice.roll(1_000) {
            0..=544 => self.deliver(),
            545..=549 => self.deliver_late(),
            550..=749 => self.nodes.iter_mut().for_each(Node::sync),
            750..=899 => self.pass_time(),
            900..=929 => {
                self.nodes[who].propose(b"x");
            }
            930..=959 => self.read(self.cut_off.unwrap_or(who)),
            960..=964 => self.restart(who),
            965..=969 => {
                let lost = self.dice.roll(self.nodes.len() as u64) + 1;
                self.nodes[who].step(raft_core::hull::Input::ConnectionLost(NodeId::new(lost)));
            }
            970..=974 => {
                self.nodes[who].hand_over(None);
            }
            975..=979 => {
                self.cut_off = self.leader();
                self.lose_connections();
            }
            980..=981 => self.cut_off = None,
            _ => {}
        }
        self.gather();
    }

    /// Some hear at once that whoever is cut off can't be reached.
    fn lose_connections(&mut self) {
        let Some(lost) = self.cut_off.filter(|_| self.dice.roll(2) == 0) else {
            return;
        };
        let lost = NodeId::new(lost as u64 + 1);
        for node in &mut self.nodes {
            if node.hull.me().id != lost {
                node.step(raft_core::hull::Input::ConnectionLost(lost));
            }
        }
        // One of them may be restarted for that very reason.
        let who = self.dice.roll(self.nodes.len() as u64) as usize;
        if self.restarts_at_cuts && Some(who) != self.cut_off {
            self.restart(who);
        }
    }

    fn leader(&self) -> Option<usize> {
        let leads = |node: &Node| node.hull.role() == Role::Leader;
        self.nodes.iter().position(leads)
    }

    /// The same time passes for all, and each clock shows its own. What is under way mostly arrives
    /// before much of it has passed.
    fn pass_time(&mut self) {
        let most = if self.wire.len() < 4 { 40_000 } else { 2_000 };
        let micros = 1 + self.dice.roll(most);
        for (node, rate) in self.nodes.iter_mut().zip(&self.rates) {
            node.wait(Duration::from_nanos(micros * rate));
        }
    }

    fn deliver(&mut self) {
        if self.wire.is_empty() {
            return;
        }
        let at = self.dice.roll(self.wire.len() as u64) as usize;
        if self.is_late && self.dice.roll(30) == 0 {
            let message = self.wire.remove(at);
            self.late.push(message);
            return;
        }
        let message = self.wire.remove(at);
        let to = message.to.id.get() as usize - 1;
        let from = message.from.id.get() as usize - 1;
        let cut = self.cut_off.is_some_and(|one| one == to || one == from);
        if cut || self.dice.roll(20) == 0 {
            return;
        }
        if self.dice.roll(20) == 0 {
            self.wire.push(message.clone());
        }
        self.nodes[to].step(raft_core::hull::Input::Message(message));
    }

    fn deliver_late(&mut self) {
        if !self.late.is_empty() {
            let at = self.dice.roll(self.late.len() as u64) as usize;
            let message = self.late.swap_remove(at);
            let to = message.to.id.get() as usize - 1;
            self.nodes[to].step(raft_core::hull::Input::Message(message));
        }
    }

    /// Starts a node again; its clock has run on.
    fn restart(&mut self, who: usize) {
        let node = &mut self.nodes[who];
        node.restart();
        let mut setup = support::setup(who as u64 + 1, self.rates.len() as u64);
        setup.seed = self.dice.roll(u64::MAX);
        setup.settings = Arc::new(settings());
        if let Ok(hull) = Hull::open(setup, node.log.recovered(), node.now) {
            node.hull = hull;
            self.restarts += 1;
        }
    }

    fn read(&mut self, who: usize) {
        let committed = self.nodes.iter().map(Node::commit).max();
        let read = self.nodes[who].read();
        if let Some(Outcome::ReadAt(at)) = self.nodes[who].outcome(read) {
            self.read += 1;
            let due = committed.unwrap_or_default();
            assert!(at.get() >= due, "{at} was read, and {due} is committed");
        }
    }

    fn gather(&mut self) {
        for node in &mut self.nodes {
            node.settle();
            if self.dice.roll(3) > 0 {
                self.wire.extend(node.sent());
            }
            if node.hull.role() == Role::Leader && node.term() > self.elected {
                self.elected = node.term();
                self.elections += 1;
            }
            node.applied.clear();
        }
        for node in &self.nodes {
            let holds = node.hull.lease_end().is_some_and(|end| node.now < end);
            assert!(
                !holds || self.elected <= node.term(),
                "{} has a lease in T{} until {:?}, and another was elected in T{}",
                node.hull.me().id,
                node.term(),
                node.hull.lease_end(),
                self.elected
            );
        }
        let excess = self.wire.len().saturating_sub(200);
        self.wire.drain(..excess);
    }
}

/// [T6.4.1.9]
#[test]
fn whoever_has_a_lease_is_the_last_that_was_elected() {
    let (mut elections, mut read, mut restarts) = (0, 0, 0);
    for seed in 0..120 {
        let mut world = World::new(seed);
        for _ in 0..6_000 {
            world.act();
        }
        elections += world.elections;
        read += world.read;
        restarts += world.restarts;
    }
    assert!(
        elections > 600 && read > 1_000 && restarts > 2_400,
        "{elections} elections, {read} reads at once, {restarts} restarts"
    );
}
