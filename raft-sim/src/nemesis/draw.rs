//! How a seed draws its faults: how many, when, against whom.

use std::time::Duration;

use super::{
    DiskFault, Fault, FaultPlan, Loss, Occasion, Shape, Target, builds, changes, handovers,
    hermits, namesakes, priorities, replacements, rots, wipes,
};
use crate::lot::{Key, Lot};
use crate::network::KINDS;
use crate::plan::{Families, Plan};

/// Draws the faults of a plan, in order of time.
pub(super) fn faults(plan: &Plan, lot: &mut Lot) -> Vec<FaultPlan> {
    let kinds = kinds(plan.families);
    let nothing = plan.founders == 0
        && !plan.has_priorities()
        && kinds.is_empty()
        && !plan.families.wipe
        && !plan.families.build
        && !plan.families.damage;
    if nothing {
        return Vec::new();
    }
    // Calm worlds show what only time shows; in wild ones everything happens at once. Most seeds
    // lie between: enough quiet for a leader to do some work between two faults.
    let election = plan.tuning.election_timeout;
    let gap = lot.span(election * 2, election * 12);
    let gap = gap.clamp(Duration::from_millis(400), Duration::from_secs(8));
    let mut drawn = Vec::new();
    let mut at = lot.span(Duration::ZERO, gap * 2);
    while at < plan.duration && !kinds.is_empty() && drawn.len() < MOST_FAULTS {
        let total = kinds.iter().map(|(_, weight)| weight).sum();
        let mut place = lot.below(total);
        for &(kind, weight) in &kinds {
            if place < weight {
                let draw = Draw { plan, election };
                match kind {
                    Kind::Cascade => draw.cascade(at, lot, &mut drawn),
                    Kind::Echo => draw.echo(at, lot, &mut drawn),
                    Kind::Strand => draw.strand(at, lot, &mut drawn),
                    kind => drawn.push(draw.fault(kind, at, lot)),
                }
                break;
            }
            place -= weight;
        }
        at += lot.long_tailed(gap);
        // Disasters come in clusters.
        if !lot.chance(200) {
            at += gap / 4;
        }
    }
    let mut lot = Key::WipeFaults.lot(plan.seed, &[]);
    wipes::draw(plan, &mut lot, &mut drawn);
    let mut lot = Key::Rots.lot(plan.seed, &[1]);
    rots::draw(plan, &mut lot, &mut drawn);
    let mut lot = Key::BuildFaults.lot(plan.seed, &[]);
    builds::draw(plan, &mut lot, &mut drawn);
    let mut lot = Key::Handovers.lot(plan.seed, &[]);
    handovers::draw(plan, &mut lot, &mut drawn);
    let mut lot = Key::Changes.lot(plan.seed, &[]);
    changes::draw(plan, &mut lot, &mut drawn);
    let mut lot = Key::Replacements.lot(plan.seed, &[1]);
    replacements::draw(plan, &mut lot, &mut drawn);
    let mut lot = Key::Priorities.lot(plan.seed, &[1]);
    priorities::draw(plan, &mut lot, &mut drawn);
    let mut lot = Key::Hermits.lot(plan.seed, &[]);
    hermits::draw(plan, &mut lot, &mut drawn);
    let mut lot = Key::Namesake.lot(plan.seed, &[]);
    namesakes::draw(plan, &mut lot, &mut drawn);
    drawn.retain(|fault| fault.at < plan.duration);
    drawn.sort_by_key(|fault| fault.at);
    for (number, fault) in drawn.iter_mut().enumerate() {
        fault.number = number as u32;
    }
    drawn
}

/// The kinds of faults a world may draw, with their weights.
fn kinds(families: Families) -> Vec<(Kind, u64)> {
    [
        (families.crash, Kind::Crash, 30),
        (families.crash, Kind::VoteCrash, 16),
        (families.crash && families.power_loss, Kind::Blackout, 4),
        (families.partition, Kind::Cut, 14),
        (families.partition, Kind::LeaderCut, 14),
        (families.crash || families.partition, Kind::Cascade, 12),
        (families.partition && families.hold, Kind::Echo, 10),
        (families.partition, Kind::Strand, 6),
        (families.partition, Kind::Lasting, 2),
        (families.drop, Kind::Gag, 6),
        (families.drift, Kind::Rate, 6),
        (families.hold, Kind::Hold, 12),
        (families.pause, Kind::Pause, 10),
        (families.slow_node, Kind::Slow, 8),
        (families.disk_stall, Kind::Stall, 10),
        (families.disk_error, Kind::DiskError, 10),
        (families.drop || families.straggle, Kind::Storm, 8),
        (families.drift, Kind::Jump, 5),
        (families.drop, Kind::FalseLoss, 4),
        (families.crash && families.rot, Kind::Rot, 8),
    ]
    .into_iter()
    .filter(|(on, ..)| *on)
    .map(|(_, kind, weight)| (kind, weight))
    .collect()
}

/// Kinds of draws: finer than kinds of faults, where a coincidence is worth a kind of its own.
#[derive(Clone, Copy)]
enum Kind {
    Crash,
    VoteCrash,
    Blackout,
    Cut,
    LeaderCut,
    Cascade,
    Echo,
    Strand,
    Lasting,
    Gag,
    Rate,
    Hold,
    Pause,
    Slow,
    Stall,
    DiskError,
    Storm,
    Jump,
    FalseLoss,
    Rot,
}

/// What draws of one plan have in common.
#[derive(Clone, Copy)]
pub(super) struct Draw<'a> {
    pub(super) plan: &'a Plan,
    pub(super) election: Duration,
}

impl Draw<'_> {
    fn fault(self, kind: Kind, at: Duration, lot: &mut Lot) -> FaultPlan {
        let occasion = match kind {
            Kind::VoteCrash => lot.pick(
                Occasion::TermRaised,
                &[
                    Occasion::Voted,
                    Occasion::Voted,
                    Occasion::Campaign,
                    Occasion::Elected,
                ],
            ),
            Kind::LeaderCut => lot.pick(
                Occasion::Proposed,
                &[
                    Occasion::Proposed,
                    Occasion::Elected,
                    Occasion::Committed,
                    Occasion::Campaign,
                    Occasion::TermRaised,
                ],
            ),
            Kind::Crash | Kind::Pause | Kind::Stall | Kind::DiskError | Kind::Hold => {
                self.any_occasion(lot)
            }
            Kind::Blackout
            | Kind::Cascade
            | Kind::Echo
            | Kind::Strand
            | Kind::Lasting
            | Kind::Gag
            | Kind::Rate
            | Kind::Cut
            | Kind::Slow
            | Kind::Storm
            | Kind::Jump
            | Kind::FalseLoss
            | Kind::Rot => Occasion::None,
        };
        let delay = match occasion {
            Occasion::None => Duration::ZERO,
            // Within the time that a sync, a message or a whole election takes.
            _ => match lot.below(10) {
                0..5 => {
                    let sync = self.plan.disk.sync.draw(lot);
                    lot.span(Duration::ZERO, sync)
                }
                5..8 => {
                    let way = self.plan.network.delay.draw(lot);
                    lot.span(Duration::ZERO, way * 3)
                }
                _ => lot.span(Duration::ZERO, self.election),
            },
        };
        FaultPlan {
            number: 0,
            at,
            occasion,
            delay,
            fault: self.what(kind, occasion, lot),
        }
    }

    fn any_occasion(self, lot: &mut Lot) -> Occasion {
        lot.pick(
            Occasion::None,
            &[
                Occasion::None,
                Occasion::TermRaised,
                Occasion::Voted,
                Occasion::Campaign,
                Occasion::Elected,
                Occasion::Proposed,
                Occasion::Proposed,
                Occasion::Committed,
                Occasion::Restarted,
            ],
        )
    }

    fn what(self, kind: Kind, occasion: Occasion, lot: &mut Lot) -> Fault {
        match kind {
            Kind::Crash | Kind::VoteCrash | Kind::Rot => self.crash(kind, occasion, lot),
            Kind::Blackout => Fault::Blackout {
                loss: self.loss(lot),
                down: self.down(lot),
            },
            Kind::Cut
            | Kind::LeaderCut
            | Kind::Cascade
            | Kind::Echo
            | Kind::Strand
            | Kind::Hold => self.cut(kind, occasion, lot),
            Kind::Lasting => self.lasting(lot),
            Kind::Gag => Fault::Gag {
                target: lot.chance(700).then(|| self.target(occasion, lot)),
                kind: lot.between(1, KINDS.len() as u64 - 1) as u8,
                lasts: self.lasts(lot),
            },
            Kind::Storm => self.storm(lot),
            Kind::FalseLoss => Fault::FalseLoss {
                target: self.target(occasion, lot),
            },
            Kind::Stall => Fault::Stall {
                target: self.target(occasion, lot),
                lasts: self.lasts(lot),
            },
            Kind::DiskError => Fault::DiskError {
                target: self.target(occasion, lot),
                kind: match lot.chance(600) {
                    true => lot.pick(
                        DiskFault::Sync,
                        &[DiskFault::Write, DiskFault::Full, DiskFault::Read],
                    ),
                    false => lot.pick(
                        DiskFault::Create,
                        &[
                            DiskFault::Remove,
                            DiskFault::Length,
                            DiskFault::Folder,
                            DiskFault::Folder,
                            DiskFault::List,
                            DiskFault::Lock,
                        ],
                    ),
                },
                down: self.down(lot),
            },
            Kind::Pause => self.pause(occasion, lot),
            Kind::Slow => Fault::Slow {
                target: self.target(occasion, lot),
                lasts: self.lasts(lot),
                by: lot.span_of_any_scale(self.election / 50, self.election),
            },
            Kind::Jump => self.jump(occasion, lot),
            Kind::Rate => Fault::Rate {
                target: self.target(occasion, lot),
                per_mille: lot.pick(100, &[300, 700, 2_000, 4_000]),
                lasts: self.lasts(lot),
            },
        }
    }

    fn crash(self, kind: Kind, occasion: Occasion, lot: &mut Lot) -> Fault {
        let of_voter = matches!(kind, Kind::VoteCrash);
        Fault::Crash {
            target: match of_voter && lot.chance(850) {
                true => Target::Cause,
                false => self.target(occasion, lot),
            },
            loss: self.loss(lot),
            down: match of_voter {
                // Back before the election is over.
                true => lot.span(Duration::ZERO, self.election / 2),
                false => self.down(lot),
            },
            rot: matches!(kind, Kind::Rot),
        }
    }

    fn pause(self, occasion: Occasion, lot: &mut Lot) -> Fault {
        Fault::Pause {
            target: self.target(occasion, lot),
            // Some processes are stopped for so long that everybody has given them up.
            lasts: match lot.chance(100) {
                true => lot.span(self.election * 12, self.election * 60),
                false => self.lasts(lot),
            },
        }
    }

    fn jump(self, occasion: Occasion, lot: &mut Lot) -> Fault {
        Fault::Jump {
            target: self.target(occasion, lot),
            by: match lot.chance(50) {
                true => lot.span_of_any_scale(HOUR, HOUR * 24 * 10),
                false => lot.span_of_any_scale(self.election / 4, self.election * 20),
            },
        }
    }

    fn storm(self, lot: &mut Lot) -> Fault {
        Fault::Storm {
            drop_per_mille: if self.plan.families.drop {
                lot.between(50, 600) as u32
            } else {
                0
            },
            late: if self.plan.families.straggle {
                lot.span(Duration::ZERO, self.election * 3)
            } else {
                Duration::ZERO
            },
            lasts: self.lasts(lot),
        }
    }

    fn cut(self, kind: Kind, occasion: Occasion, lot: &mut Lot) -> Fault {
        let nodes = self.plan.nodes.len() as u64;
        // Some nodes, but neither none nor all.
        let set = 1 + lot.below((1 << nodes) - 2) as u8;
        let cause = match occasion {
            Occasion::None => self.target(occasion, lot),
            _ if lot.chance(500) => Target::Leader,
            _ => Target::Cause,
        };
        let place = lot.below(nodes) as u8;
        let shape = match kind {
            Kind::LeaderCut => lot.pick(
                Shape::Isolate(cause),
                &[
                    Shape::With(cause, place),
                    Shape::With(cause, place),
                    Shape::Deafen(cause),
                    Shape::Mute(cause),
                    Shape::Bridge(set, cause),
                ],
            ),
            _ => lot.pick(
                Shape::Split(set),
                &[
                    Shape::Split(set),
                    Shape::OneWay(set),
                    Shape::Bridge(set, cause),
                    Shape::Isolate(cause),
                    Shape::Mute(cause),
                    Shape::Deafen(cause),
                    Shape::Link(cause),
                    Shape::Ring,
                    Shape::From(cause, place),
                    Shape::Chain,
                    Shape::Majorities,
                ],
            ),
        };
        let held = match kind {
            Kind::Hold => true,
            _ => self.plan.families.hold && lot.chance(300),
        };
        let lasts = self.lasts(lot);
        Fault::Cut {
            shape,
            lasts,
            held,
            flap: lot.chance(120).then(|| self.flap(lasts, lot)),
        }
    }

    /// A network that has a shape of its own for a long time, perhaps until the faults end.
    fn lasting(self, lot: &mut Lot) -> Fault {
        let nodes = self.plan.nodes.len() as u64;
        let set = 1 + lot.below((1 << nodes) - 2) as u8;
        let node = Target::Node(lot.below(nodes) as u8);
        let place = lot.below(nodes) as u8;
        let lasts = lot.span(
            self.election * 15,
            self.plan.duration.max(self.election * 16),
        );
        Fault::Cut {
            shape: lot.pick(
                Shape::Chain,
                &[
                    Shape::Ring,
                    Shape::Majorities,
                    Shape::Star(node),
                    Shape::Bridge(set, node),
                    Shape::Link(node),
                    Shape::From(node, place),
                ],
            ),
            lasts,
            held: false,
            flap: lot.chance(250).then(|| self.flap(lasts, lot)),
        }
    }

    /// For how long a flapping link is cut, and then is not.
    fn flap(self, lasts: Duration, lot: &mut Lot) -> Duration {
        lot.span_of_any_scale(self.election / 8, self.election * 2)
            .min(lasts / 2)
            .max(Duration::from_millis(1))
    }

    fn target(self, occasion: Occasion, lot: &mut Lot) -> Target {
        let place = lot.below(self.plan.nodes.len() as u64) as u8;
        match occasion {
            Occasion::None => lot.pick(
                Target::Leader,
                &[Target::Node(place), Target::Follower(place)],
            ),
            _ => lot.pick(
                Target::Cause,
                &[Target::Cause, Target::Leader, Target::Follower(place)],
            ),
        }
    }

    pub(super) fn loss(self, lot: &mut Lot) -> Loss {
        if self.plan.families.power_loss {
            lot.pick(
                Loss::All,
                &[Loss::All, Loss::Some, Loss::Torn, Loss::Torn, Loss::Process],
            )
        } else {
            Loss::Process
        }
    }

    /// How long a node is down: often so short that its old messages are still on their way.
    fn down(self, lot: &mut Lot) -> Duration {
        if lot.chance(600) {
            lot.span(Duration::ZERO, self.election)
        } else {
            lot.span(self.election, self.election * 10)
        }
    }

    /// How long a fault lasts: around the time that an election takes.
    fn lasts(self, lot: &mut Lot) -> Duration {
        lot.span_of_any_scale(self.election / 4, self.election * 12)
    }
}

/// The most faults of one plan.
const MOST_FAULTS: usize = 200;

const HOUR: Duration = Duration::from_secs(3_600);
