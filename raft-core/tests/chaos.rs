//! Bare hulls under random schedules: messages lost, doubled and reordered, writes held back,
//! nodes crashed, snapshots taken and sent meanwhile. A first net under the simulator's, small and fast.

mod support;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use raft_core::configuration::{Configuration, Member, MemberRole, Members};
use raft_core::explain::NoLeader;
use raft_core::hull::{Input, Setup};
use raft_core::ids::{EntryId, NodeId, Peer};
use raft_core::message::{Lane, Message};
use raft_core::settings::{Settings, SnapshotPolicy};
use raft_core::states::Role;
use raft_core::trace::EventKind;
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
    wire: Vec<Message>,
    dice: Dice,
    /// Who led which term: Election Safety.
    leaders: BTreeMap<u64, NodeId>,
    /// What was applied at each index, by whomever: State Machine Safety.
    applied: BTreeMap<u64, (EntryId, Vec<u8>)>,
    proposed: u64,
    /// Whether the members change.
    changes: bool,
    /// How often a log lost entries, where that happens.
    losses: Option<u64>,
    /// The node that is gone for good.
    lost: Option<usize>,
    /// Whether messages are lost, but no connections.
    is_well: bool,
    /// Configurations that were in force on a leader: what the schedules went through.
    shapes: BTreeSet<&'static str>,
}

impl World {
    fn new(seed: u64, size: u64) -> Self {
        Self::founded_by(seed, size, size, &support::settings())
    }

    fn with_settings(seed: u64, size: u64, settings: &Settings) -> Self {
        Self::founded_by(seed, size, size, settings)
    }

    /// A world in which logs lose what was durable.
    fn losing(seed: u64, size: u64, settings: &Settings) -> Self {
        let mut world = Self::with_settings(seed, size, settings);
        world.losses = Some(0);
        for node in &mut world.nodes {
            node.past = Some(VecDeque::new());
        }
        world
    }

    /// A world of which the first nodes are members from the start, and all may come to be.
    fn changing(seed: u64, settings: &Settings) -> Self {
        Self {
            changes: true,
            ..Self::founded_by(seed, 3, 5, settings)
        }
    }

    fn founded_by(seed: u64, founders: u64, size: u64, settings: &Settings) -> Self {
        Self::set_up(seed, size, |me| {
            let members = if me <= founders { founders } else { 0 };
            let mut setup = support::setup(me, members);
            setup.settings = Arc::new(*settings);
            if founders < size {
                Arc::make_mut(&mut setup.settings).catch_up_timeout = Duration::from_secs(3);
            }
            setup
        })
    }

    /// A world of so many members that keep payloads, and then witnesses.
    fn with_witnesses(seed: u64, full: u64, witnesses: u64, settings: &Settings) -> Self {
        Self::set_up(seed, full + witnesses, |me| {
            let mut setup = support::setup(me, full + witnesses);
            setup.settings = Arc::new(*settings);
            setup.witness = me > full;
            for (id, member) in &mut setup.founding.members {
                if id.get() > full {
                    member.role = MemberRole::Witness;
                }
            }
            setup
        })
    }

    fn set_up(seed: u64, size: u64, setup: impl Fn(u64) -> Setup) -> Self {
        let mut dice = Dice(seed);
        let nodes = (1..=size)
            .map(|me| {
                let mut setup = setup(me);
                setup.seed = dice.roll(u64::MAX);
                let settings = Arc::clone(&setup.settings);
                let mut node = Node::with_setup(setup, Default::default());
                node.auto_sync = false;
                node.auto_store = settings.snapshots.is_none();
                node.settle();
                node
            })
            .collect();
        let (leaders, applied) = (BTreeMap::new(), BTreeMap::new());
        Self {
            nodes,
            wire: Vec::new(),
            dice,
            leaders,
            applied,
            proposed: 0,
            changes: false,
            losses: None,
            lost: None,
            is_well: false,
            shapes: BTreeSet::new(),
        }
    }

    /// Asks somebody for other members, or to give that up.
    fn change(&mut self, who: usize) {
        if self.dice.roll(6) == 0 {
            self.nodes[who].cancel();
            return;
        }
        let mut target = Members::new();
        for node in &self.nodes {
            let me = node.hull.me();
            let mut member = Member::voter(me.incarnation);
            match self.dice.roll(5) {
                0 => continue,
                _ if node.hull.is_witness() => member.role = MemberRole::Witness,
                1 => member.role = MemberRole::Learner,
                _ => {}
            }
            target.insert(me.id, member);
        }
        self.nodes[who].reconfigure(target);
    }

    /// Goes on for a while without faults until `is_so`. Whoever is sent a snapshot a few bytes at a
    /// time may need that.
    fn comes_to(&mut self, is_so: impl Fn(&Self) -> bool) -> bool {
        for _ in 0..4_000 {
            if is_so(self) {
                break;
            }
            self.act(false);
        }
        is_so(self)
    }

    fn act(&mut self, faults: bool) {
        let who = self.dice.roll(self.nodes.len() as u64) as usize;
        if self.changes && self.dice.roll(25) == 0 {
            self.change(who);
        }
        match self.dice.roll(100) {
            0..=49 => self.deliver(faults || self.is_well),
            _ if self.lost == Some(who) => {}
            50..=69 => {
                self.nodes[who].sync();
                self.nodes[who].store_one();
            }
            70..=84 => self.nodes[who].wait(Duration::from_millis(120)),
            85..=95 => {
                self.proposed += 1;
                let payload = self.proposed.to_le_bytes();
                self.nodes[who].propose(&payload);
            }
            96 if faults && self.dice.roll(4) == 0 => self.restart(who),
            97 if faults => {
                self.wire.clear();
            }
            98 if !self.is_well => {
                let lost = self.dice.roll(self.nodes.len() as u64) + 1;
                self.nodes[who].step(Input::ConnectionLost(NodeId::new(lost)));
            }
            99 => {
                let to = self.dice.roll(self.nodes.len() as u64 + 1);
                self.nodes[who].hand_over((to > 0).then_some(to));
            }
            _ => {}
        }
        self.gather();
    }

    /// Starts a node again, now and then without the end of its log, while a majority is whole.
    fn restart(&mut self, who: usize) {
        let in_repair = |node: &&Node| node.hull.lost_through().is_some();
        let others = self.nodes.iter().enumerate().filter(|(at, _)| *at != who);
        let damaged = others.filter(|(_, node)| in_repair(node)).count();
        if self.losses.is_none() || damaged >= (self.nodes.len() - 1) / 2 {
            self.nodes[who].restart();
            return;
        }
        let writes = self.dice.roll(12) as usize;
        self.nodes[who].restart_without(writes);
        let lost = self.nodes[who].hull.lost_through().is_some();
        self.losses = self.losses.map(|losses| losses + u64::from(lost));
    }

    fn deliver(&mut self, faults: bool) {
        if self.wire.is_empty() {
            return;
        }
        let at = if faults {
            self.dice.roll(self.wire.len() as u64) as usize
        } else {
            0
        };
        let message = self.wire.remove(at);
        if faults && self.dice.roll(20) == 0 {
            return;
        }
        if faults && self.dice.roll(20) == 0 {
            self.wire.push(message.clone());
        }
        let to = message.to.id.get() as usize - 1;
        if self.lost == Some(to) {
            return;
        }
        self.nodes[to].step(Input::Message(message));
    }

    fn gather(&mut self) {
        for (at, node) in self.nodes.iter_mut().enumerate() {
            if self.lost == Some(at) {
                continue;
            }
            node.settle();
            // Any order of pulling is safe, also one that leaves what is said for later.
            if self.dice.roll(3) > 0 {
                silent_to_all_but_destinations(node);
                self.wire.extend(node.sent());
            }
            if node.hull.role() == Role::Leader {
                let (term, me) = (node.term(), node.hull.me().id);
                assert_eq!(
                    *self.leaders.entry(term).or_insert(me),
                    me,
                    "two leaders in {term}"
                );
                self.shapes
                    .insert(shape(node.hull.configuration(), node.hull.me()));
            }
            for (id, payload) in node.applied.drain(..) {
                let known = self
                    .applied
                    .entry(id.index.get())
                    .or_insert((id, payload.clone()));
                assert_eq!(*known, (id, payload), "two entries applied at one index");
            }
        }
        let excess = self.wire.len().saturating_sub(500);
        self.wire.drain(..excess);
    }
}

fn shape(configuration: &Configuration, leader: Peer) -> &'static str {
    match (&configuration.outgoing, &configuration.target) {
        (Some(_), _) => "joint",
        (None, Some(_)) => "catching up",
        (None, None) if !configuration.may_lead(leader) => "without its leader",
        (None, None) => "settled",
    }
}

/// Who is not named as a destination has nothing coming: drivers look at no others.
fn silent_to_all_but_destinations(node: &mut Node) {
    let destinations = node.destinations();
    for id in node.hull.configuration().ids() {
        for lane in Lane::ALL {
            if !destinations.contains(&id) {
                assert_eq!(node.hull.next_send(id, lane, usize::MAX), None);
            }
        }
    }
}

/// Whenever something is missing a reason is given, and none when nothing is; and the reasons are
/// what can be seen from outside.
#[test]
fn explanations_are_given_when_something_is_missing_and_only_then() {
    for seed in 100..106 {
        let mut world = World::new(seed, 3 + 2 * (seed % 2));
        for _ in 0..1_500 {
            world.act(true);
            for node in &world.nodes {
                look_at_explanations(node, &world.leaders);
            }
        }
    }
}

fn look_at_explanations(node: &Node, leaders: &BTreeMap<u64, NodeId>) {
    let (hull, now) = (&node.hull, node.now);
    let why = hull.why_no_leader(now);
    assert!(!why.is_empty() || hull.leader().is_some(), "nothing said");
    for reason in &why {
        let seen = match reason {
            NoLeader::LeaderSilent { leader, silent, .. } => {
                hull.leader() == Some(*leader) && *silent >= hull.settings().election_timeout
            }
            NoLeader::ConnectionLost { leader, .. } => hull.leader() == Some(*leader),
            NoLeader::GaveUp { term } => leaders.get(&term.get()) == Some(&hull.me().id),
            NoLeader::NoneHeard { term } => hull.term() == *term && hull.leader().is_none(),
            NoLeader::VoteGiven { candidate, .. } => hull.vote() == Some(*candidate),
            NoLeader::BootNotDurable(_) => !hull.is_boot_durable(),
            NoLeader::Waits { after } => hull.deadline().map(|at| at.since(now)) == Some(*after),
            NoLeader::OwnVoteNotDurable { .. } => hull.role() == Role::Candidate,
            NoLeader::VotesMissing { granted, .. } => {
                hull.role() != Role::Follower
                    && granted.len() * 2 <= hull.configuration().ids().len()
            }
            NoLeader::Refused { .. } => hull.role() == Role::Follower,
            NoLeader::NotDriven { .. } => hull.deadline().is_some_and(|at| at <= now),
            NoLeader::DiskStalled { .. } => !node.writes.is_empty(),
            NoLeader::Stopped(_)
            | NoLeader::MayNotLead { .. }
            | NoLeader::InRepair { .. }
            | NoLeader::RefusedByWitness { .. }
            | NoLeader::Removed { .. }
            | NoLeader::Promised { .. } => false,
        };
        assert!(seen, "{reason}: {:?}", hull.status(now));
    }
    let (commit, last) = (hull.commit_index(), hull.last().index);
    for index in [commit, commit.next(), last, last.next()] {
        let why = hull.why_not_committed(index, now);
        assert_eq!(why.is_empty(), index <= commit, "{index}: {why:?}");
    }
}

#[test]
fn random_schedules_keep_the_log_safe_and_end_in_progress() {
    for seed in 0..60 {
        let mut world = World::new(seed, 3 + 2 * (seed % 2));
        for _ in 0..1_500 {
            world.act(true);
        }
        let before = world.applied.len();
        for _ in 0..4_000 {
            world.act(false);
        }
        assert!(
            world.applied.len() > before + 10,
            "seed {seed}: no progress after healing"
        );
    }
}

/// The same with witnesses, while members come and go in some. Whatever they hold, they lead nobody
/// and apply nothing.
#[test]
fn with_witnesses_the_log_is_safe_and_there_is_progress() {
    for seed in 0..60 {
        let settings = match seed % 3 {
            0 => forgetting(seed),
            _ => support::settings(),
        };
        let (full, witnesses) = [(2, 1), (3, 2), (3, 1)][seed as usize % 3];
        let mut world = World::with_witnesses(seed, full, witnesses, &settings);
        world.changes = seed % 4 == 3;
        for _ in 0..1_500 {
            world.act(true);
        }
        let before = world.applied.len();
        for _ in 0..4_000 {
            world.act(false);
        }
        let more = world.applied.len() - before;
        assert!(more > 10, "seed {seed}: no progress after healing");
        for node in world.nodes.iter().filter(|node| node.hull.is_witness()) {
            assert_eq!((node.hull.role(), node.machine.len()), (Role::Follower, 0));
        }
    }
}

/// What a witness is for: of two voters and a witness any one may fail, for good and at any moment,
/// with all that is on its way, if all were well until then. Messages are lost and overtake each
/// other.
#[test]
fn of_two_voters_and_a_witness_any_one_may_be_lost() {
    let mut settings = support::settings();
    settings.election_timeout *= 4;
    for seed in 0..24 {
        let mut world = World::with_witnesses(seed, 2, 1, &settings);
        world.is_well = true;
        for _ in 0..2_000 + 37 * (seed as usize % 7) {
            world.act(false);
        }
        let leads = |node: &Node| node.hull.role() == Role::Leader && node.commit() > 20;
        let leader = loop {
            world.act(false);
            if let Some(leader) = world.nodes.iter().position(leads) {
                break leader;
            }
        };
        world.lost = Some(match seed % 4 {
            3 => seed as usize / 4 % 3,
            _ => leader,
        });
        world.is_well = false;
        world.wire.clear();
        let before = world.applied.len();
        for _ in 0..8_000 {
            world.act(false);
        }
        let (more, lost) = (world.applied.len() - before, world.lost);
        assert!(more > 10, "seed {seed}: {lost:?} is lost, and all with it");
    }
}

/// The same while logs lose their newest writes, though these were durable and others count on them:
/// what was replaced may come back by that, terms and votes stay, and a majority of logs is whole at
/// any time. All are whole in the end. In some, snapshots stand for a part.
#[test]
fn lost_entries_are_fetched_again_and_nobody_wins_by_the_loss() {
    let mut losses = 0;
    for seed in 0..60 {
        let settings = match seed % 3 {
            // In parts as small as elsewhere a snapshot that grows would never be there in time.
            0 => Settings {
                max_append_bytes: 512,
                ..forgetting(seed)
            },
            _ => support::settings(),
        };
        let mut world = World::losing(seed, 3 + 2 * (seed % 2), &settings);
        for _ in 0..1_500 {
            world.act(true);
            let led = world.nodes.iter().any(|node| {
                node.hull.lost_through().is_some() && node.hull.role() != Role::Follower
            });
            assert!(!led, "seed {seed}: who lost entries campaigns");
        }
        let before = world.applied.len();
        for _ in 0..4_000 {
            world.act(false);
        }
        assert!(
            world.applied.len() > before + 10,
            "seed {seed}: no progress after healing"
        );
        let whole = |node: &Node| node.hull.lost_through().is_none();
        assert!(
            world.comes_to(|world| world.nodes.iter().all(whole)),
            "seed {seed}: still in repair"
        );
        losses += world.losses.unwrap_or_default();
    }
    assert!(losses > 100, "only {losses}");
}

/// The same while the members change at random, over and over: voters and learners come and go,
/// all at once if need be, and whoever leads goes on with what is in the log.
#[test]
fn changes_of_members_keep_the_log_safe_and_come_to_an_end() {
    let mut shapes = BTreeSet::new();
    let mut outcomes = BTreeMap::new();
    for seed in 0..60 {
        // Every other world forgets its log as well.
        let settings = match seed % 2 {
            0 => support::settings(),
            _ => forgetting(seed),
        };
        let mut world = World::changing(seed, &settings);
        for _ in 0..2_500 {
            world.act(true);
        }
        world.changes = false;
        let before = world.applied.len();
        for _ in 0..6_000 {
            world.act(false);
        }
        assert!(
            world.applied.len() > before + 10,
            "seed {seed}: no progress after healing"
        );
        // Leadership is still being handed over now and then, and who is to vote may be sent one
        // snapshot after the other, for ten rounds: it need not be so at once.
        let rests = (0..10_000).any(|_| {
            world.act(false);
            world.nodes.iter().any(leads_what_was_wanted)
        });
        assert!(rests, "seed {seed}: a change does not come to its end");
        shapes.append(&mut world.shapes);
        for node in &world.nodes {
            node.count_outcomes(&mut outcomes);
        }
    }
    assert_eq!(shapes.len(), 4, "{shapes:?}");
    // What a change of members can come to, and did.
    for name in [
        "Committed",
        "Unknown",
        "Withdrawn",
        "ChangeUnderWay",
        "TermNotCommitted",
    ] {
        assert!(outcomes.contains_key(name), "{name}: {outcomes:?}");
    }
}

/// Whether a node leads, and is meant to, and no change is under way.
fn leads_what_was_wanted(node: &Node) -> bool {
    let (hull, members) = (&node.hull, node.hull.configuration());
    hull.role() == Role::Leader && members.is_settled() && members.may_lead(hull.me())
}

/// Settings under which entries go as soon as a snapshot stands for them, or soon after.
fn forgetting(seed: u64) -> Settings {
    Settings {
        snapshots: Some(SnapshotPolicy {
            after_entries: 2 + seed % 5,
            after_bytes: u64::MAX,
        }),
        snapshot_margin: seed % 3,
        max_append_bytes: 64 << (seed % 4),
        ..support::settings()
    }
}

/// Entries go as soon as a snapshot stands for them, and snapshots are sent a few bytes at a time:
/// who was away for a moment gets one, and crashes come in the middle of it.
#[test]
fn random_schedules_keep_the_log_safe_while_it_is_forgotten() {
    let (mut taken, mut installed) = (0, 0);
    for seed in 0..60 {
        let settings = forgetting(seed);
        let mut world = World::with_settings(seed, 3 + 2 * (seed % 2), &settings);
        for _ in 0..1_500 {
            world.act(true);
        }
        let before = world.applied.len();
        for _ in 0..4_000 {
            world.act(false);
        }
        assert!(
            world.applied.len() > before + 10,
            "seed {seed}: no progress after healing"
        );
        let events = world.nodes.iter().flat_map(|node| &node.events);
        for event in events {
            taken += u32::from(matches!(event.kind, EventKind::SnapshotTaken { .. }));
            installed += u32::from(matches!(event.kind, EventKind::SnapshotInstalled { .. }));
        }
        let forgets = |node: &Node| node.hull.forgotten().index.get() > 0;
        let all_forget = |world: &World| world.nodes.iter().all(forgets);
        assert!(world.comes_to(all_forget), "{seed}");
        for node in &mut world.nodes {
            while node.store_one() {
                node.settle();
            }
            assert!(node.store.stored.len() <= 3, "{seed}: old snapshots go");
        }
    }
    assert!(taken > 1_000 && installed > 20, "{taken} and {installed}");
}
