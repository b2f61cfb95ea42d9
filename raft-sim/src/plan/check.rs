//! What a plan must keep to, so that whatever somebody has edited into it ends in an error here
//! or in a world that ends: never in a panic, never in a run without end.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use raft_node::settings::SettingsProblem;

use super::span::MOST_SPAN;
use super::{Delay, Fate, MAX_NODES, Plan, PlanError, RareSite, are_few_witnesses};
use crate::nemesis::{Fault, FaultPlan, Target};

impl Plan {
    /// Whether a world can have this plan.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with the item of the plan that has it.
    pub fn validate(&self) -> Result<(), PlanError> {
        at_most(Spot::field("seed"), "seed", self.seed, u64::MAX - 1)?;
        self.check_counts()?;
        self.check_numbers()?;
        self.check_nodes()?;
        self.check_surroundings()?;
        self.check_rates()?;
        self.check_tuning()?;
        self.check_beats()?;
        for (item, client) in self.clients.iter().enumerate() {
            let spot = Spot::item("clients", item);
            within(spot, "patience", client.patience, MOST_PATIENCE)?;
            if client.patience < LEAST_PATIENCE {
                return Err(spot.has(Flaw::SpanTooShort {
                    name: "patience",
                    span: client.patience,
                    least: LEAST_PATIENCE,
                }));
            }
        }
        for (item, operation) in self.operations.iter().enumerate() {
            let spot = Spot::item("operations", item);
            within(spot, "at", operation.at, MOST_SPAN)?;
            if operation.client as usize >= self.clients.len() {
                return Err(spot.has(Flaw::NoSuchClient {
                    client: operation.client,
                    clients: self.clients.len(),
                }));
            }
        }
        for (item, one) in self.fates.iter().enumerate() {
            let spans = match one.fate {
                Fate::Lost => [Duration::ZERO; 2],
                Fate::Takes(delay) => [delay, delay],
                Fate::Twice(delay, again) => [delay, again],
            };
            for span in spans {
                within(Spot::item("fates", item), "the delay", span, MOST_SPAN)?;
            }
        }
        for (item, fault) in self.faults.iter().enumerate() {
            self.check_fault(Spot::item("faults", item), *fault)?;
        }
        Ok(())
    }

    fn check_counts(&self) -> Result<(), PlanError> {
        if self.nodes.is_empty() {
            return Err(Spot::field("nodes").has(Flaw::NoNodes));
        }
        for (field, count, most) in [
            ("nodes", self.nodes.len(), usize::from(MAX_NODES)),
            ("clients", self.clients.len(), MOST_CLIENTS),
            ("operations", self.operations.len(), MOST_OPERATIONS),
            ("faults", self.faults.len(), MOST_FAULTS),
            ("fates", self.fates.len(), MOST_FATES),
            ("rare", self.rare.len(), RareSite::all().count()),
        ] {
            if count > most {
                return Err(Spot::field(field).has(Flaw::TooMany { count, most }));
            }
        }
        Ok(())
    }

    /// Numbers are keys of lots, and commands are told apart by them: no two are the same.
    fn check_numbers(&self) -> Result<(), PlanError> {
        let nodes = self.nodes.iter().map(|node| node.number);
        let operations = self.operations.iter().map(|operation| operation.number);
        let faults = self.faults.iter().map(|fault| fault.number);
        differ("nodes", nodes)?;
        differ("operations", operations)?;
        differ("faults", faults)
    }

    fn check_nodes(&self) -> Result<(), PlanError> {
        let founders = u64::from(self.founders);
        let nodes = self.nodes.len() as u64;
        at_most(Spot::field("founders"), "founders", founders, nodes)?;
        let witnesses = self.nodes.iter().filter(|node| node.witness).count();
        let founding = match self.founders {
            0 => self.nodes.len(),
            some => usize::from(some),
        };
        let few = [founding, self.nodes.len()].map(|first| are_few_witnesses(&self.nodes, first));
        if few != [true; 2] {
            return Err(Spot::field("nodes").has(Flaw::Witnesses { witnesses }));
        }
        for (item, node) in self.nodes.iter().enumerate() {
            let spot = Spot::item("nodes", item);
            within(spot, "clock_offset", node.clock_offset, MOST_SPAN)?;
            within(spot, "start", node.start, MOST_SPAN)?;
            let drift = u64::from(node.clock_drift.unsigned_abs());
            at_most(spot, "clock_drift", drift, u64::from(MOST_DRIFT))?;
        }
        Ok(())
    }

    fn check_surroundings(&self) -> Result<(), PlanError> {
        within(
            Spot::field("duration"),
            "duration",
            self.duration,
            MOST_DURATION,
        )?;
        let network = Spot::field("network");
        check_delay(network, "delay", self.network.delay)?;
        let late = self.network.straggle_most;
        within(network, "straggle_most", late, MOST_SPAN)?;
        let lane = self.network.lane_bytes as u64;
        at_least(network, "lane_bytes", lane, 1)?;
        at_most(network, "lane_bytes", lane, MOST_BYTES)?;
        let calm = self.network.calm.unwrap_or_default();
        within(network, "calm", calm, MOST_DELAY)?;
        let late = self.quirks.alarms_late;
        within(Spot::field("quirks"), "alarms_late", late, MOST_DELAY)?;
        let ending = Spot::field("ending");
        within(ending, "rest", self.ending.rest, MOST_DELAY)?;
        at_most(ending, "rests", u64::from(self.ending.rests), MOST_RESTS)?;
        let disk = Spot::field("disk");
        within(disk, "calm", self.disk.calm.unwrap_or_default(), MOST_DELAY)?;
        check_delay(disk, "sync", self.disk.sync)?;
        within(disk, "other_most", self.disk.other_most, MOST_SPAN)?;
        within(disk, "slow_most", self.disk.slow_most, MOST_SPAN)?;
        if let Some((_, times)) = self.disk.slow {
            at_most(disk, "slow", u64::from(times), MOST_TIMES)?;
        }
        let sector = self.disk.sector_bytes as u64;
        at_least(disk, "sector_bytes", sector, 1)?;
        at_most(disk, "sector_bytes", sector, MOST_BYTES)
    }

    /// No more than a thousand of a thousand. (Those of delays and faults are checked with them.)
    fn check_rates(&self) -> Result<(), PlanError> {
        let network = &self.network;
        let slow_kind = network.slow_kind.map_or(0, |(_, per_mille)| per_mille);
        for (name, per_mille) in [
            ("drop_per_mille", network.drop_per_mille),
            ("double_per_mille", network.double_per_mille),
            ("straggle_per_mille", network.straggle_per_mille),
            ("slow_kind", slow_kind),
            ("redial_per_mille", network.redial_per_mille),
        ] {
            check_rate(Spot::field("network"), name, per_mille)?;
        }
        let polls = self.quirks.spurious_polls_per_mille;
        check_rate(Spot::field("quirks"), "spurious_polls_per_mille", polls)?;
        for (item, planned) in self.rare.iter().enumerate() {
            let per_mille = u64::from(planned.per_mille);
            at_most(Spot::item("rare", item), "per_mille", per_mille, MOST_RARE)?;
        }
        Ok(())
    }

    fn check_tuning(&self) -> Result<(), PlanError> {
        let tuning = &self.tuning;
        let spot = Spot::field("tuning");
        for (name, span) in [
            ("election_timeout", tuning.election_timeout),
            ("resend_after", tuning.resend_after),
            ("stalled_write_after", tuning.stalled_write_after),
            ("request_timeout", tuning.request_timeout),
            (
                "hand_over_after",
                tuning.hand_over_after.unwrap_or_default(),
            ),
            (
                "quiescent_after",
                tuning.quiescent_after.unwrap_or_default(),
            ),
        ] {
            within(spot, name, span, MOST_TIMEOUT)?;
        }
        if let Some(drift) = self.is_too_unsteady() {
            return Err(spot.has(Flaw::UnsteadyClock { drift }));
        }
        let settings = tuning.node_settings();
        let problems = settings.validate();
        let frames = tuning.limits.frames().validate(&settings);
        if let Some(&problem) = problems.iter().chain(&frames).next() {
            return Err(spot.has(Flaw::Settings(problem)));
        }
        for (name, count) in [
            ("max_writes_in_flight", tuning.max_writes_in_flight),
            ("max_appends_in_flight", tuning.max_appends_in_flight),
            ("max_append_bytes", tuning.max_append_bytes),
            ("max_bytes_in_flight", tuning.max_bytes_in_flight),
            ("max_cached_bytes", tuning.max_cached_bytes),
            ("max_memory_bytes", tuning.max_memory_bytes),
            ("max_applying_bytes", tuning.max_applying_bytes),
        ] {
            at_most(spot, name, count as u64, MOST_BYTES)?;
        }
        check_block(spot, tuning.limits.block_bytes)?;
        at_least(spot, "max_append_bytes", tuning.max_append_bytes as u64, 1)?;
        at_least(spot, "segment_bytes", tuning.segment_bytes, LEAST_SEGMENT)?;
        at_most(spot, "segment_bytes", tuning.segment_bytes, MOST_BYTES)
    }

    /// Heartbeats alone must not fill the world: it would take minutes, and then be taken for one
    /// that never rests.
    fn check_beats(&self) -> Result<(), PlanError> {
        let rests = self
            .ending
            .rest
            .saturating_mul(u32::from(self.ending.rests));
        let lasts = self.duration.saturating_add(rests);
        let interval = self.tuning.heartbeat_interval;
        let rounds = lasts.as_nanos() / interval.as_nanos().max(1);
        let followers = self.nodes.len().saturating_sub(1) as u128;
        let events = rounds.saturating_mul(followers * EVENTS_OF_A_BEAT);
        match events <= u128::from(MOST_BEATS) {
            true => Ok(()),
            false => Err(Spot::field("duration").has(Flaw::TooManyBeats {
                lasts,
                interval,
                events: u64::try_from(events).unwrap_or(u64::MAX),
                most: MOST_BEATS,
            })),
        }
    }

    fn check_fault(&self, spot: Spot, mut planned: FaultPlan) -> Result<(), PlanError> {
        within(spot, "at", planned.at, MOST_SPAN)?;
        within(spot, "delay", planned.delay, MOST_SPAN)?;
        for span in planned.fault.spans_mut() {
            within(spot, "a span of the fault", *span, MOST_SPAN)?;
        }
        if let Fault::Rate { per_mille, .. } = planned.fault {
            at_least(spot, "per_mille", u64::from(per_mille), 1)?;
            at_most(spot, "per_mille", u64::from(per_mille), MOST_RATE)?;
        }
        if let Fault::Storm { drop_per_mille, .. } = planned.fault {
            check_rate(spot, "drop_per_mille", drop_per_mille)?;
        }
        if let Fault::Namesake { per_mille, .. } = planned.fault {
            check_rate(spot, "per_mille", per_mille)?;
        }
        let nodes = self.nodes.len();
        let no_such = |node: usize| spot.has(Flaw::NoSuchNode { node, nodes });
        match planned.fault.target_mut() {
            Some(Target::Node(node)) if usize::from(*node) >= nodes => {
                return Err(no_such(usize::from(*node)));
            }
            Some(_) | None => {}
        }
        let sets = planned.fault.sets_mut().into_iter();
        let beyond = sets
            .map(|set| *set)
            .find(|set| u32::from(*set) >> nodes != 0);
        beyond.map_or(Ok(()), |set| Err(no_such(set.ilog2() as usize)))
    }
}

fn check_block(spot: Spot, bytes: u32) -> Result<(), PlanError> {
    at_least(spot, "block_bytes", u64::from(bytes), LEAST_BLOCK)?;
    at_most(spot, "block_bytes", u64::from(bytes), MOST_BLOCK)?;
    match bytes.is_power_of_two() {
        true => Ok(()),
        false => Err(spot.has(Flaw::OddBlock { bytes })),
    }
}

fn check_delay(spot: Spot, name: &'static str, delay: Delay) -> Result<(), PlanError> {
    let spans = match delay {
        Delay::Even(least, most) => [least, most],
        Delay::LongTailed(mean) => [mean, mean],
        Delay::Two(common, rare, per_mille) => {
            check_rate(spot, name, per_mille)?;
            [common, rare]
        }
    };
    spans
        .into_iter()
        .try_for_each(|span| within(spot, name, span, MOST_DELAY))
}

fn check_rate(spot: Spot, name: &'static str, per_mille: u32) -> Result<(), PlanError> {
    at_most(spot, name, u64::from(per_mille), 1_000)
}

fn within(spot: Spot, name: &'static str, span: Duration, most: Duration) -> Result<(), PlanError> {
    match span <= most {
        true => Ok(()),
        false => Err(spot.has(Flaw::SpanTooLong { name, span, most })),
    }
}

fn at_most(spot: Spot, name: &'static str, value: u64, most: u64) -> Result<(), PlanError> {
    match value <= most {
        true => Ok(()),
        false => Err(spot.has(Flaw::TooGreat { name, value, most })),
    }
}

fn at_least(spot: Spot, name: &'static str, value: u64, least: u64) -> Result<(), PlanError> {
    match value >= least {
        true => Ok(()),
        false => Err(spot.has(Flaw::TooSmall { name, value, least })),
    }
}

fn differ(field: &'static str, numbers: impl Iterator<Item = u32>) -> Result<(), PlanError> {
    let mut seen = BTreeSet::new();
    for (item, number) in numbers.enumerate() {
        if !seen.insert(number) {
            return Err(Spot::item(field, item).has(Flaw::NumberTwice { number }));
        }
    }
    Ok(())
}

/// Which part of a plan an error is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Spot {
    /// The plan's field.
    pub(super) field: &'static str,
    /// The item of it, counted from 0, if the field is a list.
    pub(super) item: Option<usize>,
}

impl Spot {
    const fn field(field: &'static str) -> Self {
        Self { field, item: None }
    }

    const fn item(field: &'static str, item: usize) -> Self {
        let item = Some(item);
        Self { field, item }
    }

    fn has(self, flaw: Flaw) -> PlanError {
        PlanError {
            place: None,
            spot: Some(self),
            flaw: Box::new(flaw),
        }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.item {
            None => write!(f, "{}", self.field),
            Some(item) => write!(f, "{}, the {}. of them", self.field, item + 1),
        }
    }
}

/// What is wrong with a plan.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Flaw {
    /// The text is longer than any plan.
    #[error("{bytes} bytes are no plan: a plan has at most {most}")]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// The most.
        most: usize,
    },
    /// The text is not RON, or not a plan's.
    #[error("{0}; compare with what `raft-sim replay 1 --print-plan` prints")]
    Unreadable(ron::Error),
    /// Leases stand on clocks that run alike.
    #[error(
        "a clock is off by {drift} millionths, or jumps: tuning.lease allows for less; take that fault or the lease out"
    )]
    UnsteadyClock {
        /// By how many millionths.
        drift: u64,
    },
    /// Witnesses are fewer than other nodes, and in worlds whose members change there are none.
    #[error(
        "{witnesses} nodes are witnesses: there must be fewer than of the others, among the founders too"
    )]
    Witnesses {
        /// How many there are.
        witnesses: usize,
    },
    /// There are no nodes.
    #[error("there are no nodes: a world has at least one")]
    NoNodes,
    /// There are too many of something.
    #[error("there are {count}: take some out, a plan has at most {most}")]
    TooMany {
        /// How many there are.
        count: usize,
        /// The most.
        most: usize,
    },
    /// Two items have the same number.
    #[error("number {number} was there before: give each its own")]
    NumberTwice {
        /// The number.
        number: u32,
    },
    /// An operation's client does not exist.
    #[error("client {client} does not exist: there are {clients}, counted from 0")]
    NoSuchClient {
        /// The client.
        client: u32,
        /// How many there are.
        clients: usize,
    },
    /// A node does not exist that a fault names.
    #[error("node {node} does not exist: there are {nodes}, counted from 0")]
    NoSuchNode {
        /// The node.
        node: usize,
        /// How many there are.
        nodes: usize,
    },
    /// A span of time is too long.
    #[error("{name} is {span:?}: make it at most {most:?}")]
    SpanTooLong {
        /// What it is of.
        name: &'static str,
        /// How long it is.
        span: Duration,
        /// The most.
        most: Duration,
    },
    /// A span of time is too short.
    #[error("{name} is {span:?}: make it at least {least:?}")]
    SpanTooShort {
        /// What it is of.
        name: &'static str,
        /// How long it is.
        span: Duration,
        /// The least.
        least: Duration,
    },
    /// A number is too great.
    #[error("{name} is {value}: make it at most {most}")]
    TooGreat {
        /// What it is of.
        name: &'static str,
        /// The number.
        value: u64,
        /// The most.
        most: u64,
    },
    /// A number is too small.
    #[error("{name} is {value}: make it at least {least}")]
    TooSmall {
        /// What it is of.
        name: &'static str,
        /// The number.
        value: u64,
        /// The least.
        least: u64,
    },
    /// The world lasts so long, and heartbeats follow so fast, that nobody would wait for its end.
    #[error(
        "in {lasts:?} heartbeats every {interval:?} are some {events} events, of which a world may have {most}: shorten the duration, or lengthen heartbeat_interval"
    )]
    TooManyBeats {
        /// How long the world lasts.
        lasts: Duration,
        /// The interval of heartbeats.
        interval: Duration,
        /// About how many events the heartbeats are.
        events: u64,
        /// The most.
        most: u64,
    },
    /// Blocks of a log have a size that they can't have.
    #[error("block_bytes is {bytes}: make it a power of two")]
    OddBlock {
        /// The size given.
        bytes: u32,
    },
    /// Two settings can't both hold.
    #[error("{0}")]
    Settings(SettingsProblem),
}

/// The longest that faults and clients may go on: what the command line grants too.
pub const MOST_DURATION: Duration = Duration::from_secs(3_600);

/// Two arrivals and two alarms.
const EVENTS_OF_A_BEAT: u128 = 4;

/// The most events that heartbeats alone may come to.
const MOST_BEATS: u64 = 10_000_000;

/// How often something rare may happen, in a thousand: what always happens lets nothing go on.
const MOST_RARE: u64 = 900;

/// The sizes that blocks of a log may have.
const LEAST_BLOCK: u64 = 256;
const MOST_BLOCK: u64 = 1 << 16;

/// How often a world may rest at its end.
const MOST_RESTS: u64 = 20;

/// How much faster than the world's a clock may run for a while, in thousandths.
const MOST_RATE: u64 = 100_000;

/// The longest that a rest, a message or a sync may take.
const MOST_DELAY: Duration = Duration::from_secs(100);

/// The longest of the settings' spans. A healed world is given time for many elections.
const MOST_TIMEOUT: Duration = Duration::from_secs(60);

/// The shortest that a client waits at first: who waits for nothing is never answered.
const LEAST_PATIENCE: Duration = Duration::from_millis(100);

/// The longest that a client waits at first.
const MOST_PATIENCE: Duration = Duration::from_secs(3_600);

/// The most that a clock may run fast or slow, in millionths.
const MOST_DRIFT: u32 = 500_000;

/// How many times as long the syncs of a slow node may take.
const MOST_TIMES: u64 = 1_000_000;

/// The most bytes that any limit may be.
const MOST_BYTES: u64 = 1 << 30;

/// The fewest bytes of one file of the write-ahead log.
const LEAST_SEGMENT: u64 = 16 << 10;

const MOST_CLIENTS: usize = 100_000;
const MOST_OPERATIONS: usize = 2_000_000;
const MOST_FAULTS: usize = 10_000;
const MOST_FATES: usize = 1_000_000;
