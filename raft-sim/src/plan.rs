//! The plan of one world: everything that is drawn from a seed, made explicit before the world
//! starts, so that it can be printed, edited, replayed and shrunk.
//!
//! Running a world takes a plan and never the seed, except as the key of [`crate::lot::Lot`]s.
//! What is drawn, and how often, is in [`crate::nemesis`] (faults), [`crate::workload`] (what
//! clients do) and here (everything else). A plan has no behaviour of its own.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::lot::{Lot, nanos};
use crate::nemesis::{self, FaultPlan};
use crate::network::KINDS;
use crate::workload::{self, ClientPlan, OperationPlan};

mod tuning;

pub use tuning::Tuning;

/// Everything that will happen in one world, as far as it is decided before the world starts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The key of all lots (of messages, of writes) that the plan does not spell out.
    pub seed: u64,
    /// How long faults and clients go on, in virtual time. Then the world heals.
    pub duration: Duration,
    /// Which kinds of faults exist.
    pub families: Families,
    /// The nodes; node number i is `nodes[i]`, its id is i + 1.
    pub nodes: Vec<NodePlan>,
    /// The settings all nodes run with.
    pub tuning: Tuning,
    /// What the network does to messages when no fault is on.
    pub network: NetworkPlan,
    /// How fast disks are when no fault is on.
    pub disk: DiskPlan,
    /// The clients.
    pub clients: Vec<ClientPlan>,
    /// What clients do, by time.
    pub operations: Vec<OperationPlan>,
    /// The faults, by time.
    pub faults: Vec<FaultPlan>,
}

/// From what plans are drawn: what the caller fixes; the seed draws the rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Swarm {
    /// The number of nodes; `None` draws from 3 to 7.
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
}

/// One node's own properties.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NodePlan {
    /// What its clock shows at the world's beginning.
    pub clock_offset: Duration,
    /// How much faster its clock runs, in millionths; negative is slower.
    pub clock_drift: i32,
    /// When it is first started.
    pub start: Duration,
}

/// What the network does to messages when no fault is on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NetworkPlan {
    /// How long messages take.
    pub delay: Delay,
    /// Messages lost, in a thousand.
    pub drop_per_mille: u32,
    /// Messages that arrive twice, in a thousand.
    pub double_per_mille: u32,
    /// Messages that arrive late by up to [`Self::straggle_most`], in a thousand.
    pub straggle_per_mille: u32,
    /// The most that a straggler is late.
    pub straggle_most: Duration,
    /// A kind of message (by its place in [`KINDS`]) of which more arrive late, and how many of a
    /// thousand: what answers an
    /// earlier term or attempt is rare otherwise, and many mistakes need it.
    pub slow_kind: Option<(u8, u32)>,
    /// Bytes on their way that the lane of entries to one node has room for.
    pub lane_bytes: usize,
    /// How many of a thousand connections that are cut, or whose other end crashes, have no room
    /// for a while, because they have to be made anew.
    pub redial_per_mille: u32,
    /// Whether a crash tells the others that their connections are lost.
    pub loss_hints: bool,
}

/// How long messages take.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Delay {
    /// Evenly between the two.
    Even(Duration, Duration),
    /// Mostly short, sometimes long, around the mean.
    LongTailed(Duration),
    /// The first, but in so many of a thousand the second.
    Two(Duration, Duration, u32),
}

impl DiskPlan {
    /// How long a sync of this node (by number) takes.
    pub(crate) fn sync_of(&self, node: usize, lot: &mut Lot) -> Duration {
        let span = self.sync.draw(lot);
        match self.slow {
            Some((slow, times)) if usize::from(slow) == node => {
                (span * times).min(self.slow_most.max(span))
            }
            Some(_) | None => span,
        }
    }
}

impl Delay {
    /// Draws one.
    pub fn draw(self, lot: &mut Lot) -> Duration {
        match self {
            Self::Even(least, most) => lot.span(least, most),
            Self::LongTailed(mean) => lot.long_tailed(mean),
            Self::Two(common, rare, per_mille) => {
                let base = if lot.chance(per_mille) { rare } else { common };
                base + lot.span(Duration::ZERO, base / 8)
            }
        }
    }
}

/// How fast disks are when no fault is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DiskPlan {
    /// How long a sync takes.
    pub sync: Delay,
    /// How long any other operation takes at most.
    pub other_most: Duration,
    /// Bytes that are written whole or not at all.
    pub sector_bytes: usize,
    /// A node whose syncs take so many times as long.
    pub slow: Option<(u8, u32)>,
    /// The longest that its syncs take.
    pub slow_most: Duration,
}

impl Plan {
    /// Draws the plan of a seed.
    pub fn draw(seed: u64, swarm: &Swarm) -> Self {
        let mut lot = Lot::of(seed, &[PLAN]);
        let families = Families::draw(&mut lot, swarm.faults);
        let count = match swarm.nodes {
            Some(count) => count.clamp(1, MAX_NODES),
            // Small clusters have the shortest ways to a disaster.
            None => lot.pick(3, &[3, 3, 4, 5, 5, 6, 7]),
        };
        let tuning = Tuning::draw(&mut lot);
        let network = NetworkPlan::draw(&mut lot, families, tuning.election_timeout);
        let disk = DiskPlan::draw(&mut lot, families, tuning.election_timeout);
        let nodes = (0..count)
            .map(|_| NodePlan::draw(&mut lot, families))
            .collect::<Vec<_>>();
        let (clients, operations) = workload::draw(seed, swarm);
        let mut plan = Self {
            seed,
            duration: swarm.duration,
            families,
            nodes,
            tuning,
            network,
            disk,
            clients,
            operations,
            faults: Vec::new(),
        };
        if swarm.faults {
            plan.faults = nemesis::draw(&plan);
        }
        plan
    }

    /// How many nodes may be lost for good while a majority remains.
    pub fn minority(&self) -> usize {
        self.nodes.len().saturating_sub(1) / 2
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
        }
    }
}

impl NodePlan {
    fn draw(lot: &mut Lot, families: Families) -> Self {
        let clock_drift = if families.drift {
            lot.below(2 * MAX_DRIFT) as i32 - MAX_DRIFT as i32
        } else {
            0
        };
        Self {
            clock_offset: lot.span(Duration::ZERO, Duration::from_secs(100)),
            clock_drift,
            start: lot.span(Duration::ZERO, Duration::from_millis(200)),
        }
    }
}

impl NetworkPlan {
    fn draw(lot: &mut Lot, families: Families, election_timeout: Duration) -> Self {
        // From a quick network to one whose messages take as long as an election.
        let slowest = match families == Families::default() {
            true => 40,
            false => lot.pick(4, &[4, 2]),
        };
        let scale = lot.span_of_any_scale(election_timeout / 200, election_timeout / slowest);
        let delay = match lot.below(3) {
            0 => Delay::Even(scale / 2, scale * 2),
            1 => Delay::LongTailed(scale),
            _ => Delay::Two(scale / 2, scale * 4, 150),
        };
        let rare = |on: bool, lot: &mut Lot, most: u64| {
            if on { 1 + lot.below(most) as u32 } else { 0 }
        };
        Self {
            delay,
            drop_per_mille: rare(families.drop, lot, 100),
            double_per_mille: match families.double && lot.chance(250) {
                true => lot.between(300, 1_000) as u32,
                false => rare(families.double, lot, 100),
            },
            straggle_per_mille: rare(families.straggle, lot, 40),
            straggle_most: election_timeout * lot.between(1, 12) as u32,
            slow_kind: (families.straggle && lot.chance(600)).then(|| {
                let kind = lot.between(1, KINDS.len() as u64 - 1) as u8;
                (kind, lot.between(50, 500) as u32)
            }),
            lane_bytes: lot.pick(1 << 20, &[1 << 12, 1 << 16, 1 << 20]),
            redial_per_mille: lot.pick(0, &[0, 300, 1_000]),
            loss_hints: lot.chance(500),
        }
    }
}

impl DiskPlan {
    fn draw(lot: &mut Lot, families: Families, election_timeout: Duration) -> Self {
        let calm = families == Families::default();
        let slowest = election_timeout / if calm { 60 } else { 6 };
        let scale = lot.span_of_any_scale(Duration::from_micros(60), slowest);
        let sync = match lot.below(3) {
            0 => Delay::Even(scale / 2, scale * 2),
            1 => Delay::LongTailed(scale),
            _ => Delay::Two(scale / 2, scale * 5, 100),
        };
        Self {
            sync,
            other_most: Duration::from_micros(lot.between(5, 200)),
            sector_bytes: lot.pick(512, &[512, 4096]),
            slow: lot.chance(400).then(|| {
                (
                    lot.below(u64::from(MAX_NODES)) as u8,
                    1 << lot.between(1, 6),
                )
            }),
            slow_most: election_timeout / 2,
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} for {:?}", self.seed, self.duration)?;
        writeln!(f, "{:?}", self.families)?;
        writeln!(f, "{:?}", self.tuning)?;
        writeln!(f, "{:?}", self.network)?;
        writeln!(f, "{:?}", self.disk)?;
        for (number, node) in self.nodes.iter().enumerate() {
            writeln!(f, "node {} {node:?}", number + 1)?;
        }
        for (number, client) in self.clients.iter().enumerate() {
            writeln!(f, "client {number} {client:?}")?;
        }
        for fault in &self.faults {
            writeln!(f, "{fault}")?;
        }
        for operation in &self.operations {
            writeln!(f, "{operation}")?;
        }
        Ok(())
    }
}

/// A time of a plan as the plan prints it: seconds with six places.
pub(crate) fn seconds(at: Duration) -> String {
    let micros = nanos(at) / 1_000;
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// The most nodes a world may have: link sets are bits of one number.
pub const MAX_NODES: u8 = 7;

/// The most a clock may run fast or slow, in millionths.
const MAX_DRIFT: u64 = 50_000;

/// What plans are called among lots.
const PLAN: u64 = 1;

#[cfg(test)]
mod tests {
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
            assert_eq!(plan.tuning.settings().validate(), Vec::new(), "seed {seed}");
            assert!((3..=7).contains(&plan.nodes.len()));
        }
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
