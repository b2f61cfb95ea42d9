//! A plan out of any bytes, for fuzzers: the first few choose the surroundings from the lots, then
//! every four name one operation, one fault or the fate of one message, and when.
//!
//! All bytes have a plan, near bytes have near plans, and their worlds are short: a fuzzer that is
//! guided by coverage finds its own way from there.

use std::time::Duration;

use super::{Fate, FatePlan, Kind, MAX_NODES, Plan, Swarm};
use crate::nemesis::{DiskFault, Fault, FaultPlan, Loss, Occasion, Shape, Target};
use crate::network::KINDS;
use crate::workload::{Action, OperationPlan};

impl Plan {
    /// The plan of these bytes. It is valid whatever they are.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut bytes = Bytes(bytes.iter());
        let mut plan = surroundings(&mut bytes);
        let mut at = FIRST;
        for number in 0..MOST_RECORDS {
            let Some(record) = Record::next(&mut bytes, plan.nodes.len()) else {
                break;
            };
            at += Duration::from_millis(2) * u32::from(record.gap);
            match record.what % 16 {
                0..=5 => {
                    let client = u32::from(record.place) % plan.clients.len().max(1) as u32;
                    plan.operations.push(OperationPlan {
                        number,
                        at,
                        client,
                        action: record.action(),
                    });
                }
                6 | 7 => plan.fates.push(record.fate()),
                _ => plan.faults.push(FaultPlan {
                    number,
                    at,
                    occasion: record.occasion(),
                    delay: record.span() / 8,
                    fault: record.fault(),
                }),
            }
        }
        plan.duration = at + LAST;
        plan.steady_clocks();
        plan
    }
}

/// Nodes, settings, network and disks, without anything that happens in them.
fn surroundings(bytes: &mut Bytes<'_>) -> Plan {
    let [nodes, seed, more_seed, calm] = [bytes.next(), bytes.next(), bytes.next(), bytes.next()];
    let nodes = match nodes % 8 {
        0 => 1,
        1 => 2,
        2 | 3 => 5,
        4 => 4,
        _ => 3,
    };
    let swarm = Swarm {
        nodes: Some(nodes),
        duration: FIRST,
        faults: true,
        custom: false,
    };
    let seed = u64::from(seed) << 8 | u64::from(more_seed);
    let mut plan = Plan::draw(seed, &swarm);
    plan.operations.clear();
    plan.faults.clear();
    plan.clients.truncate(CLIENTS);
    if calm % 4 > 0 {
        // What is lost and late is then only what the bytes say.
        plan.network.drop_per_mille = 0;
        plan.network.double_per_mille = 0;
        plan.network.straggle_per_mille = 0;
        plan.network.slow_kind = None;
    }
    plan
}

/// Bytes, and zeros after the last one.
struct Bytes<'a>(std::slice::Iter<'a, u8>);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        self.0.next().copied().unwrap_or_default()
    }
}

/// Four bytes that say one thing.
#[derive(Clone, Copy)]
struct Record {
    nodes: u8,
    what: u8,
    gap: u8,
    place: u8,
    size: u8,
}

impl Record {
    fn next(bytes: &mut Bytes<'_>, nodes: usize) -> Option<Self> {
        let what = *bytes.0.next()?;
        Some(Self {
            nodes: (nodes as u8).clamp(1, MAX_NODES),
            what,
            gap: bytes.next(),
            place: bytes.next(),
            size: bytes.next(),
        })
    }

    fn action(self) -> Action {
        let key = self.size >> 4 & 3;
        match self.size % 5 {
            0 => Action::Put(key),
            1 => Action::Append(key),
            2 => Action::Swap(key),
            3 => Action::Get(key),
            _ => Action::Read(key),
        }
    }

    fn fate(self) -> FatePlan {
        let nodes = u32::from(self.nodes);
        let from = u32::from(self.place) % nodes;
        let to = (from + 1 + u32::from(self.place >> 4) % nodes.saturating_sub(1).max(1)) % nodes;
        let span = Duration::from_millis(1 << (self.gap % 12));
        FatePlan {
            from,
            to,
            kind: Kind(self.size % KINDS.len() as u8),
            number: 1 + u64::from(self.size) / KINDS.len() as u64,
            fate: match self.what >> 4 & 3 {
                0 | 1 => Fate::Lost,
                2 => Fate::Takes(span),
                _ => Fate::Twice(span / 8, span),
            },
        }
    }

    const fn occasion(self) -> Occasion {
        match self.what >> 4 {
            0 | 1 => Occasion::TermRaised,
            2 | 3 => Occasion::Voted,
            4 | 5 => Occasion::Campaign,
            6 | 7 => Occasion::Elected,
            8 | 9 => Occasion::Proposed,
            10 | 11 => Occasion::Committed,
            12 => Occasion::Restarted,
            13 => Occasion::Opening,
            _ => Occasion::None,
        }
    }

    fn fault(self) -> Fault {
        let (target, lasts) = (self.target(), self.span());
        match self.what % 16 {
            8..=10 => Fault::Crash {
                target,
                loss: self.loss(),
                down: lasts,
                rot: false,
            },
            11 | 12 => Fault::Cut {
                shape: self.shape(),
                lasts,
                held: self.size & 64 != 0,
                flap: None,
            },
            13 => Fault::Pause { target, lasts },
            14 => match self.size >> 6 {
                0 => Fault::Blackout {
                    loss: self.loss(),
                    down: lasts,
                },
                1 => Fault::Stall { target, lasts },
                _ => Fault::DiskError {
                    target,
                    kind: self.disk_fault(),
                    down: lasts,
                },
            },
            _ => match self.size >> 6 {
                0 => Fault::Slow {
                    target,
                    lasts,
                    by: Duration::from_millis(20),
                },
                1 => Fault::Jump { target, by: lasts },
                2 => Fault::FalseLoss { target },
                _ => Fault::Gag {
                    target: Some(target),
                    kind: self.place % KINDS.len() as u8,
                    lasts,
                },
            },
        }
    }

    const fn target(self) -> Target {
        let node = (self.place >> 2) % self.nodes;
        match self.place % 4 {
            0 => Target::Node(node),
            1 => Target::Leader,
            2 => Target::Follower(node),
            _ => Target::Cause,
        }
    }

    fn shape(self) -> Shape {
        let target = self.target();
        // Some nodes, but neither none nor all.
        let most = (1_u16 << self.nodes) - 2;
        let set = 1 + (u16::from(self.place >> 2) % most.max(1)) as u8;
        match self.size >> 3 & 7 {
            0 => Shape::Split(set),
            1 => Shape::OneWay(set),
            2 => Shape::Bridge(set, target),
            3 => Shape::With(target, self.size & 3),
            4 => Shape::Mute(target),
            5 => Shape::Deafen(target),
            6 => Shape::Link(target),
            _ => Shape::Isolate(target),
        }
    }

    const fn loss(self) -> Loss {
        match self.size >> 4 & 3 {
            0 => Loss::All,
            1 => Loss::Torn,
            2 => Loss::Some,
            _ => Loss::Process,
        }
    }

    const fn disk_fault(self) -> DiskFault {
        match self.size >> 4 & 3 {
            0 => DiskFault::Sync,
            1 => DiskFault::Write,
            2 => DiskFault::Full,
            _ => DiskFault::Read,
        }
    }

    /// From a millisecond to two seconds.
    fn span(self) -> Duration {
        Duration::from_millis(1 << (self.size % 12))
    }
}

/// When the first thing happens at the earliest.
const FIRST: Duration = Duration::from_millis(100);

/// How long the world goes on after the last thing, before it heals.
const LAST: Duration = Duration::from_millis(400);

/// The most things that happen: worlds stay short.
const MOST_RECORDS: u32 = 64;

/// The most clients.
const CLIENTS: usize = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sim::run_plan;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn any_bytes_have_a_plan_that_can_be_kept(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let plan = Plan::from_bytes(&bytes);
            prop_assert_eq!(plan.validate(), Ok(()));
            prop_assert!(plan.duration < Duration::from_secs(40));
            prop_assert_eq!(Plan::parse(&plan.to_text()), Ok(plan));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn a_world_of_bytes_violates_nothing(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(run_plan(Plan::from_bytes(&bytes)).violation, None);
        }
    }

    #[test]
    fn records_name_everything_that_can_happen() {
        let mut debug = String::new();
        for what in 0..=255 {
            for size in (0..=255).step_by(8) {
                // Some worlds have leases, and then no clocks that jump.
                let seed = what % 4;
                let plan = Plan::from_bytes(&[5, seed, 1, 1, what, 10, what, size | (what % 8)]);
                debug.push_str(&format!(
                    "{:?}{:?}{:?}",
                    plan.operations, plan.faults, plan.fates
                ));
            }
        }
        for name in [
            "Put",
            "Append",
            "Swap",
            "Get",
            "Read",
            "Lost",
            "Takes",
            "Twice",
            "Crash",
            "Cut",
            "Pause",
            "Blackout",
            "Stall",
            "DiskError",
            "Slow",
            "Jump",
            "FalseLoss",
            "Gag",
            "Voted",
            "Elected",
            "Restarted",
            "Opening",
            "Split",
            "Isolate",
            "Bridge",
            "Torn",
            "Cause",
            "Follower",
        ] {
            assert!(debug.contains(name), "no {name}");
        }
    }
}
