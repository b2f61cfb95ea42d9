//! The plan of one world: everything that is drawn from a seed, made explicit before the world
//! starts, so that it can be printed, edited, replayed and shrunk.
//!
//! Running a world takes a plan and never the seed, except as the key of [`crate::lot::Lot`]s.
//! What is drawn, and how often, is in [`crate::nemesis`] (faults), [`crate::workload`] (what
//! clients do) and here (everything else). A plan has no behaviour of its own.

use std::time::Duration;

use raft_core::configuration::DEFAULT_PRIORITY;
use serde::{Deserialize, Serialize};

use crate::lot::{Key, Lot};
use crate::nemesis::{self, FaultPlan, Loss};
use crate::workload::{self, Action, ClientPlan, OperationPlan};

mod bytes;
mod check;
mod codecs;
mod disk;
mod ending;
mod fate;
mod lease;
mod limits;
mod network;
mod priorities;
mod quiet;
mod quirks;
mod rare;
mod sleepers;
pub(crate) mod span;
mod text;
mod tuning;

pub use check::{Flaw, MOST_DURATION};
pub use codecs::{Codecs, Named};
pub use disk::DiskPlan;
pub use ending::Ending;
pub use fate::{Fate, FatePlan, Kind};
pub use lease::LeasePlan;
pub use limits::Limits;
pub use network::{Delay, NetworkPlan};
pub use quirks::Quirks;
pub use rare::{RarePlan, RareSite};
pub use text::{Place, PlanError};
pub use tuning::{Snapshots, Tuning};

/// Everything that will happen in one world, as far as it is decided before the world starts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The key of all lots (of messages, of writes) that the plan does not spell out.
    pub seed: u64,
    /// How long faults and clients go on, in virtual time. Then the world heals.
    #[serde(with = "span")]
    pub duration: Duration,
    /// Which kinds of faults exist.
    pub families: Families,
    /// The nodes; node number i is `nodes[i]`, its id is i + 1.
    pub nodes: Vec<NodePlan>,
    /// How many of them found the cluster, the first ones; the others join it when they are asked
    /// to be members. Zero is all.
    #[serde(default)]
    pub founders: u8,
    /// The settings all nodes run with.
    pub tuning: Tuning,
    /// Which codecs they speak.
    #[serde(default)]
    pub codecs: Codecs,
    /// What the network does to messages when no fault is on.
    pub network: NetworkPlan,
    /// How fast disks are when no fault is on.
    pub disk: DiskPlan,
    /// What runtimes do.
    #[serde(default)]
    pub quirks: Quirks,
    /// Where nodes and logs now and then do what they rarely do.
    #[serde(default)]
    pub rare: Vec<RarePlan>,
    /// The clients.
    pub clients: Vec<ClientPlan>,
    /// What clients do, by time.
    pub operations: Vec<OperationPlan>,
    /// The faults, by time.
    pub faults: Vec<FaultPlan>,
    /// What becomes of single messages, instead of what would be drawn for them.
    #[serde(default)]
    pub fates: Vec<FatePlan>,
    /// How it ends.
    #[serde(default)]
    pub ending: Ending,
}

/// From what plans are drawn: what the caller fixes; the seed draws the rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Swarm {
    /// The number of nodes; `None` draws from 3 to 7, seldom 1 or 2.
    pub nodes: Option<u8>,
    /// How long faults and clients go on.
    pub duration: Duration,
    /// Whether there are faults at all.
    pub faults: bool,
    /// Whether operations are the caller's own commands instead of a key-value workload.
    pub custom: bool,
}

impl Default for Swarm {
    fn default() -> Self {
        Self {
            nodes: None,
            duration: Duration::from_secs(60),
            faults: true,
            custom: false,
        }
    }
}

/// Which kinds of faults exist in a world. Each seed draws its own set: a bug that needs one kind
/// is often hidden by another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Families {
    /// Nodes crash and start again.
    pub crash: bool,
    /// Crashes lose, tear or reorder what was not synced.
    pub power_loss: bool,
    /// Links are cut, one way or both.
    pub partition: bool,
    /// Messages are held and released later.
    pub hold: bool,
    /// Processes stop for a while and go on.
    pub pause: bool,
    /// Processes react late.
    pub slow_node: bool,
    /// Messages are lost.
    pub drop: bool,
    /// Messages arrive twice.
    pub double: bool,
    /// Single messages arrive very late.
    pub straggle: bool,
    /// Clocks run at different rates and jump forward.
    pub drift: bool,
    /// Syncs stall.
    pub disk_stall: bool,
    /// Reads, writes and syncs fail; disks fill up.
    pub disk_error: bool,
    /// Bits flip on disks, where a quorum still has the data.
    pub rot: bool,
    /// Whole disks are lost, and their nodes come back with empty ones.
    #[serde(default)]
    pub wipe: bool,
    /// Nodes are started as another build, whose frames have another version.
    #[serde(default)]
    pub build: bool,
    /// Bits flip on one disk after the other, at bad moments.
    #[serde(default)]
    pub damage: bool,
}

/// One node's own properties.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodePlan {
    /// Its number in the plan as it was drawn: the key of its lots, which it keeps when other
    /// nodes are taken out of the plan.
    pub number: u32,
    /// What its clock shows at the world's beginning.
    #[serde(with = "span")]
    pub clock_offset: Duration,
    /// How much faster its clock runs, in millionths; negative is slower.
    pub clock_drift: i32,
    /// When it is first started.
    #[serde(with = "span")]
    pub start: Duration,
    /// Whether it is a witness: it votes, and keeps no payloads.
    #[serde(default)]
    pub witness: bool,
    /// Whether its log and its snapshots are in memory, where nothing is lost in a crash.
    #[serde(default)]
    pub in_memory: bool,
    /// Its priority, once somebody has asked for members.
    #[serde(default = "usual_priority")]
    pub priority: u8,
}

const fn usual_priority() -> u8 {
    DEFAULT_PRIORITY
}

impl Plan {
    /// Draws the plan of a seed.
    pub fn draw(seed: u64, swarm: &Swarm) -> Self {
        let mut lot = Key::Plan.lot(seed, &[]);
        let cast = Cast::draw(seed, swarm, &mut lot);
        let (families, count, changes) = (cast.families, cast.count, cast.changes);
        let tuning = Tuning::of_world(seed, swarm, &mut lot);
        let network = NetworkPlan::draw(&mut lot, families, tuning.election_timeout);
        let disk = DiskPlan::draw(&mut lot, families, tuning.election_timeout);
        let mut nodes = (0..count)
            .map(|number| NodePlan::draw(u32::from(number), families, &mut lot))
            .collect::<Vec<_>>();
        if cast.witnesses {
            appoint_witnesses(&mut nodes, &mut Key::Witnesses.lot(seed, &[1]));
        }
        let (clients, operations) = workload::draw(seed, swarm);
        let mut lot = Key::Quirks.lot(seed, &[]);
        let quirks = Quirks::draw(&mut lot, families, tuning.election_timeout);
        let codecs = Codecs::draw(&mut Key::Codecs.lot(seed, &[]), swarm.custom);
        let mut lot = Key::Ending.lot(seed, &[]);
        let mut ending = Ending::draw(&mut lot, families, tuning.election_timeout);
        ending.all |= changes;
        let founders = draw_founders(seed, changes, &nodes);
        let mut plan = Self {
            seed,
            duration: swarm.duration,
            families,
            nodes,
            founders,
            tuning,
            codecs,
            network,
            disk,
            quirks,
            rare: Vec::new(),
            clients,
            operations,
            faults: Vec::new(),
            ending,
            fates: Vec::new(),
        };
        if plan.removed_may_disturb() {
            plan.ending.rests = 0;
        }
        sleepers::draw(&mut plan, &mut Key::IdleSessions.lot(seed, &[1]));
        quiet::draw(&mut plan, &mut Key::Quiet.lot(seed, &[]));
        let mut lot = Key::Lockstep.lot(seed, &[]);
        if swarm.faults && lot.chance(60) {
            plan.march_in_step(&mut lot);
        }
        plan.lease(&mut Key::Leases.lot(seed, &[]));
        if swarm.faults {
            priorities::draw(&mut plan, &mut Key::Priorities.lot(seed, &[]));
            plan.faults = nemesis::draw(&plan);
            plan.steady_clocks();
            plan.rare = rare::draw(&mut Key::RareSites.lot(seed, &[]));
            keep_in_memory(&mut plan.nodes, &mut Key::InMemory.lot(seed, &[]));
        }
        plan
    }

    /// The operation at a place, and its number. Operations beyond the plan are like those in it,
    /// under numbers that no other has.
    pub(crate) fn operation(&self, place: usize) -> (u64, OperationPlan) {
        if let Some(&planned) = self.operations.get(place) {
            return (u64::from(planned.number), planned);
        }
        let count = self.operations.len();
        let mut like = self.operations.iter().copied().cycle();
        let asks = |operation: &OperationPlan| operation.action != Action::Keep;
        let like = like
            .by_ref()
            .skip(place % count.max(1))
            .take(count)
            .find(asks);
        let like = like.unwrap_or(OperationPlan {
            number: 0,
            at: Duration::ZERO,
            client: 0,
            action: Action::Custom,
        });
        let beyond = place.saturating_sub(count) as u64;
        let greatest = self.operations.iter().map(|operation| operation.number);
        let first = greatest.max().map_or(0, |number| u64::from(number) + 1);
        (first + beyond, like)
    }

    /// What a node (by its place in [`Self::nodes`]) is called among lots.
    pub(crate) fn key_of(&self, node: usize) -> u64 {
        let number = self.nodes.get(node).map(|node| node.number);
        number.map_or(node as u64, u64::from)
    }

    /// Makes all nodes, disks and ways alike: nothing but what nodes draw themselves sets them
    /// apart then.
    fn march_in_step(&mut self, lot: &mut Lot) {
        let delay = lot.span(Duration::from_micros(50), Duration::from_millis(2));
        let sync = lot.span(Duration::from_micros(100), Duration::from_millis(4));
        self.network.delay = Delay::Even(delay, delay);
        self.network.calm = Some(delay);
        self.disk.sync = Delay::Even(sync, sync);
        self.disk.calm = Some(sync);
        self.disk.other_most = Duration::from_micros(1);
        self.disk.slow = None;
        self.tuning.differ = false;
        for node in &mut self.nodes {
            *node = NodePlan {
                number: node.number,
                witness: node.witness,
                in_memory: node.in_memory,
                priority: node.priority,
                clock_offset: Duration::ZERO,
                clock_drift: 0,
                start: Duration::ZERO,
            };
        }
        self.quirks.alarms_late = Duration::ZERO;
        self.ending.blackout = self.families.crash.then_some(Loss::Process);
    }

    /// Whether a node (by its place in [`Self::nodes`]) was not there at the founding.
    pub fn joins(&self, node: usize) -> bool {
        self.founders > 0 && node >= usize::from(self.founders)
    }

    /// Whether somebody who was removed may campaign against those who stay, until it is told (thesis
    /// 4.2.3): no leader can go on undisturbed then.
    pub(crate) const fn removed_may_disturb(&self) -> bool {
        self.founders > 0 && !self.tuning.pre_vote
    }

    /// Whether a node (by its place in [`Self::nodes`]) is a witness.
    pub fn is_witness(&self, node: usize) -> bool {
        self.nodes.get(node).is_some_and(|node| node.witness)
    }

    /// Whether a node (by its place in [`Self::nodes`]) has its log and its snapshots in memory.
    pub fn keeps_in_memory(&self, node: usize) -> bool {
        self.nodes.get(node).is_some_and(|node| node.in_memory)
    }

    /// How many nodes may be lost for good while a majority remains.
    pub fn minority(&self) -> usize {
        self.nodes.len().saturating_sub(1) / 2
    }
}

/// What kind of world it is.
struct Cast {
    families: Families,
    count: u8,
    /// Whether members change.
    changes: bool,
    /// Whether some of them are witnesses.
    witnesses: bool,
}

impl Cast {
    fn draw(seed: u64, swarm: &Swarm, lot: &mut Lot) -> Self {
        let mut families = Families::draw(lot, swarm.faults);
        let changes = swarm.faults && Key::Founders.lot(seed, &[]).chance(250);
        let count = match swarm.nodes {
            Some(count) => count.clamp(1, MAX_NODES),
            None => draw_count(seed, lot),
        };
        let few = swarm.faults && Key::Witnesses.lot(seed, &[]).chance(220);
        let witnesses = few && count > 2;
        if swarm.faults {
            families.draw_apart(seed, changes);
        }
        Self {
            families,
            count,
            changes,
            witnesses,
        }
    }
}

/// Makes witnesses of some nodes, any of them, and fewer than of the others.
fn appoint_witnesses(nodes: &mut [NodePlan], lot: &mut Lot) {
    let most = (nodes.len() as u64).saturating_sub(1) / 2;
    let count = lot.between(1, most.max(1)) as usize;
    let first = lot.below(nodes.len() as u64) as usize;
    let all = nodes.len();
    for place in (first..first + count).map(|place| place % all) {
        nodes[place].witness = true;
    }
}

/// In one world of ten a node keeps in memory what others have on their disks, or all do.
fn keep_in_memory(nodes: &mut [NodePlan], lot: &mut Lot) {
    if !lot.chance(100) {
        return;
    }
    let one = lot.below(nodes.len() as u64) as usize;
    let all = lot.chance(250);
    for (place, node) in nodes.iter_mut().enumerate() {
        node.in_memory = all || place == one;
    }
}

/// How many nodes found the cluster of a world in which members change; zero in others. Where there
/// is no pre-vote, who was removed and does not know it may depose leaders: nothing changes there.
fn draw_founders(seed: u64, changes: bool, nodes: &[NodePlan]) -> u8 {
    if !changes {
        return 0;
    }
    let count = nodes.len() as u64;
    let drawn = Key::Founders.lot(seed, &[1]).between(1, count) as usize;
    // All together have few enough witnesses; the first ones need not.
    let enough = (drawn..nodes.len()).find(|&founders| are_few_witnesses(nodes, founders));
    enough.unwrap_or(nodes.len()) as u8
}

/// Whether fewer than half of the first so many nodes are witnesses.
fn are_few_witnesses(nodes: &[NodePlan], founders: usize) -> bool {
    let first = nodes.iter().take(founders);
    first.filter(|node| node.witness).count() * 2 < founders.max(1)
}

/// How many nodes a world has. Small clusters have the shortest ways to a disaster; some have nobody
/// to vote for them, or nobody to spare.
fn draw_count(seed: u64, lot: &mut Lot) -> u8 {
    let usual = lot.pick(3, &[3, 3, 3, 3, 3, 4, 4, 5, 5, 6, 7]);
    let mut lot = Key::Tiny.lot(seed, &[]);
    match lot.chance(50) {
        true => lot.pick(1, &[2]),
        false => usual,
    }
}

impl Families {
    fn draw(lot: &mut Lot, faults: bool) -> Self {
        if !faults {
            return Self::default();
        }
        Self {
            // A crash that loses unsynced data is the commonest root of disasters: most worlds
            // have it.
            crash: lot.chance(900),
            power_loss: lot.chance(900),
            partition: lot.chance(650),
            hold: lot.chance(400),
            pause: lot.chance(350),
            slow_node: lot.chance(200),
            drop: lot.chance(500),
            double: lot.chance(500),
            straggle: lot.chance(500),
            drift: lot.chance(500),
            disk_stall: lot.chance(300),
            disk_error: lot.chance(250),
            rot: lot.chance(250),
            wipe: false,
            build: false,
            damage: false,
        }
    }

    /// Draws those that have lots of their own. Where all disks are needed, none is lost.
    fn draw_apart(&mut self, seed: u64, changes: bool) {
        self.wipe = Key::Wipes.lot(seed, &[]).chance(130);
        self.build = Key::Builds.lot(seed, &[]).chance(70);
        self.damage = Key::Rots.lot(seed, &[]).chance(150);
        if changes {
            self.wipe = Key::Replacements.lot(seed, &[]).chance(400);
        }
    }
}

impl NodePlan {
    fn draw(number: u32, families: Families, lot: &mut Lot) -> Self {
        let clock_drift = if families.drift {
            lot.below(2 * MAX_DRIFT) as i32 - MAX_DRIFT as i32
        } else {
            0
        };
        Self {
            number,
            clock_offset: lot.span(Duration::ZERO, Duration::from_secs(100)),
            clock_drift,
            start: lot.span(Duration::ZERO, Duration::from_millis(200)),
            witness: false,
            in_memory: false,
            priority: DEFAULT_PRIORITY,
        }
    }
}

/// The most nodes a world may have: link sets are bits of one number.
pub const MAX_NODES: u8 = 7;

/// The most a clock may run fast or slow, in millionths.
const MAX_DRIFT: u64 = 50_000;

#[cfg(test)]
mod tests {
    use super::tuning::LEAST_PART;
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_plan_and_another_seed_another() {
        let swarm = Swarm::default();
        assert_eq!(Plan::draw(5, &swarm), Plan::draw(5, &swarm));
        assert_ne!(Plan::draw(5, &swarm), Plan::draw(6, &swarm));
    }

    #[test]
    fn every_plan_has_settings_that_can_be_used() {
        for seed in 0..500 {
            let plan = Plan::draw(seed, &Swarm::default());
            for start in 0..4 {
                let own = plan.tuning.of_start(seed, start % 2, start);
                let (settings, frames) = (own.node_settings(), own.limits.frames());
                let problems = [settings.validate(), frames.validate(&settings)].concat();
                assert_eq!(problems, Vec::new(), "seed {seed}");
            }
            assert!((1..=7).contains(&plan.nodes.len()));
        }
    }

    #[test]
    fn in_one_world_in_eight_each_start_has_settings_of_its_own() {
        let plans = (0..1_000).map(|seed| Plan::draw(seed, &Swarm::default()));
        let differs = |plan: &Plan| {
            let starts = (0..20).map(|start| plan.tuning.of_start(plan.seed, 1, start));
            let others: Vec<Tuning> = starts.filter(|own| *own != plan.tuning).collect();
            assert_eq!(plan.tuning.differ, !others.is_empty());
            others.len() > 10
        };
        let worlds = plans.filter(differs).count();
        assert!((80..170).contains(&worlds), "{worlds}");
    }

    /// Who takes none by itself may be sent one, and send it on.
    #[test]
    fn where_there_are_snapshots_nobody_sends_them_byte_by_byte() {
        let plans = (0..500).map(|seed| Plan::draw(seed, &Swarm::default()));
        for plan in plans.filter(|plan| plan.tuning.snapshots.is_some()) {
            for start in 0..4 {
                let own = plan.tuning.of_start(plan.seed, start % 2, start);
                assert!(own.max_append_bytes >= LEAST_PART, "seed {}", plan.seed);
            }
        }
    }

    #[test]
    fn one_world_in_ten_keeps_something_in_memory() {
        let plans = (0..1_000).map(|seed| Plan::draw(seed, &Swarm::default()));
        let count = |plan: &Plan| plan.nodes.iter().filter(|node| node.in_memory).count();
        let (mut some, mut all) = (0, 0);
        for plan in plans.filter(|plan| count(plan) > 0) {
            some += 1;
            all += usize::from(count(&plan) == plan.nodes.len());
            assert_eq!(plan.validate(), Ok(()), "seed {}", plan.seed);
        }
        assert!((60..160).contains(&some), "{some} of 1000");
        assert!((some / 8..some / 2).contains(&all), "{all} of {some}");
    }

    #[test]
    fn tiny_worlds_lose_disks_as_seldom_as_others() {
        let plans = (0..2_000).map(|seed| Plan::draw(seed, &Swarm::default()));
        let tiny: Vec<Plan> = plans.filter(|plan| plan.nodes.len() < 3).collect();
        let wipes = tiny.iter().filter(|plan| plan.families.wipe).count();
        assert!((50..200).contains(&tiny.len()), "{}", tiny.len());
        assert!(wipes * 4 < tiny.len(), "{wipes} of {}", tiny.len());
    }

    #[test]
    fn a_plan_without_faults_has_none() {
        let swarm = Swarm {
            faults: false,
            ..Swarm::default()
        };
        let plan = Plan::draw(1, &swarm);
        assert_eq!(plan.families, Families::default());
        assert!(plan.faults.is_empty());
    }
}
