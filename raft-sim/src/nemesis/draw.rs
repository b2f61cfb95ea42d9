//! How a seed draws its faults: how many, when, against whom.

use std::time::Duration;

use super::{DiskFault, Fault, FaultPlan, Loss, Occasion, Shape, Target};
use crate::lot::Lot;
use crate::plan::{Families, Plan};

/// Draws the faults of a plan, in order of time.
pub(super) fn faults(plan: &Plan, lot: &mut Lot) -> Vec<FaultPlan> {
    let kinds = kinds(plan.families);
    if kinds.is_empty() {
        return Vec::new();
    }
    // Calm worlds show what only time shows; in wild ones everything happens at once. Most seeds
    // lie between: enough quiet for a leader to do some work between two faults.
    let election = plan.tuning.election_timeout;
    let gap = lot.span(election * 2, election * 12);
    let gap = gap.clamp(Duration::from_millis(400), Duration::from_secs(8));
    let mut drawn = Vec::new();
    let mut at = lot.span(Duration::ZERO, gap * 2);
    while at < plan.duration && drawn.len() < MOST_FAULTS {
        let total = kinds.iter().map(|(_, weight)| weight).sum();
        let mut place = lot.below(total);
        for &(kind, weight) in &kinds {
            if place < weight {
                let draw = Draw { plan, election };
                match kind {
                    Kind::Cascade => draw.cascade(at, lot, &mut drawn),
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
struct Draw<'a> {
    plan: &'a Plan,
    election: Duration,
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

    /// One leader after the other is cut off or crashes when it has just begun: what each has
    /// proposed is left on some nodes and overtaken by what the next one does. The worst
    /// histories (Figure 8's) are made of this.
    fn cascade(self, from: Duration, lot: &mut Lot, drawn: &mut Vec<FaultPlan>) {
        let mut at = from;
        for _ in 0..lot.between(2, 6) {
            let occasion = lot.pick(
                Occasion::Elected,
                &[Occasion::Elected, Occasion::Proposed, Occasion::Committed],
            );
            let lasts = lot.span(self.election, self.election * 5);
            let place = lot.below(self.plan.nodes.len() as u64) as u8;
            let cut = |shape| Fault::Cut {
                shape,
                lasts,
                held: false,
            };
            let crash = Fault::Crash {
                target: Target::Cause,
                loss: self.loss(lot),
                down: lasts / 2,
                rot: false,
            };
            let isolate = cut(Shape::Isolate(Target::Cause));
            let with = cut(Shape::With(Target::Cause, place));
            let families = self.plan.families;
            let fault = match (families.crash, families.partition) {
                (true, true) => lot.pick(crash, &[isolate, with, with]),
                (true, false) => crash,
                (false, _) => lot.pick(isolate, &[with]),
            };
            let way = self.plan.network.delay.draw(lot);
            drawn.push(FaultPlan {
                number: 0,
                at,
                occasion,
                delay: lot.span(Duration::ZERO, way * 3),
                fault,
            });
            at += lot.span(self.election / 2, self.election * 3);
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
            Kind::Crash => Fault::Crash {
                target: self.target(occasion, lot),
                loss: self.loss(lot),
                down: self.down(lot),
                rot: false,
            },
            Kind::VoteCrash => Fault::Crash {
                target: if lot.chance(850) {
                    Target::Cause
                } else {
                    self.target(occasion, lot)
                },
                loss: self.loss(lot),
                // Back before the election is over.
                down: lot.span(Duration::ZERO, self.election / 2),
                rot: false,
            },
            Kind::Rot => Fault::Crash {
                target: self.target(occasion, lot),
                loss: self.loss(lot),
                down: self.down(lot),
                rot: true,
            },
            Kind::Blackout => Fault::Blackout {
                loss: self.loss(lot),
                down: self.down(lot),
            },
            Kind::Cut | Kind::LeaderCut | Kind::Cascade | Kind::Hold => {
                self.cut(kind, occasion, lot)
            }
            Kind::Pause => Fault::Pause {
                target: self.target(occasion, lot),
                lasts: self.lasts(lot),
            },
            Kind::Slow => Fault::Slow {
                target: self.target(occasion, lot),
                lasts: self.lasts(lot),
                by: lot.span_of_any_scale(self.election / 50, self.election),
            },
            Kind::Stall => Fault::Stall {
                target: self.target(occasion, lot),
                lasts: self.lasts(lot),
            },
            Kind::DiskError => Fault::DiskError {
                target: self.target(occasion, lot),
                kind: lot.pick(
                    DiskFault::Sync,
                    &[DiskFault::Write, DiskFault::Full, DiskFault::Read],
                ),
                down: self.down(lot),
            },
            Kind::Storm => self.storm(lot),
            Kind::Jump => Fault::Jump {
                target: self.target(occasion, lot),
                by: lot.span_of_any_scale(self.election / 4, self.election * 20),
            },
            Kind::FalseLoss => Fault::FalseLoss {
                target: self.target(occasion, lot),
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
                ],
            ),
        };
        let held = match kind {
            Kind::Hold => true,
            _ => self.plan.families.hold && lot.chance(300),
        };
        Fault::Cut {
            shape,
            lasts: self.lasts(lot),
            held,
        }
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

    fn loss(self, lot: &mut Lot) -> Loss {
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
