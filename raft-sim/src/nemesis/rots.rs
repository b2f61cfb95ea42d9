//! Disks that rot, one after the other, and what must not come of it: a few times in some worlds,
//! drawn so that the other worlds are as they would be without.
//!
//! A node without a part of its log is of no interest as long as the others go on without it. So it
//! comes back when its vote is needed: one that was cut off meanwhile stands against it, since the
//! leader dies. And it crashes again while it still lacks what it lost. Or what is lost is that
//! entries were removed, so that the others have replaced what stands there.

use std::time::Duration;

use super::{Fault, FaultPlan, Loss, Occasion, Shape, Target};
use crate::lot::Lot;
use crate::network::KINDS;
use crate::plan::Plan;

/// Draws the rotten disks of a plan, if it has any.
pub(super) fn draw(plan: &Plan, lot: &mut Lot, drawn: &mut Vec<FaultPlan>) {
    if !plan.families.damage {
        return;
    }
    for _ in 0..lot.between(1, 4) {
        let at = lot.span(Duration::ZERO, plan.duration);
        let draw = Draw { plan, at };
        match lot.below(10) {
            0..4 => draw.needed(lot, drawn),
            4..7 => draw.ghost(lot, drawn),
            7..9 => draw.lonely(lot, drawn),
            _ => draw.on_occasion(lot, drawn),
        }
        if lot.chance(600) {
            drawn.push(draw.again(lot));
        }
    }
}

/// What the faults around one rotten disk have in common.
#[derive(Clone, Copy)]
struct Draw<'a> {
    plan: &'a Plan,
    at: Duration,
}

impl Draw<'_> {
    /// One node is cut off, another one's disk rots meanwhile, and the leader dies when both are
    /// back.
    fn needed(self, lot: &mut Lot, drawn: &mut Vec<FaultPlan>) {
        let nodes = self.plan.nodes.len() as u64;
        let election = self.plan.tuning.election_timeout;
        let behind = lot.below(nodes) as u8;
        let rotten = ((u64::from(behind) + lot.between(1, nodes.max(2) - 1)) % nodes) as u8;
        let apart = lot.span(election, election * 6);
        drawn.push(self.after(
            Duration::ZERO,
            Fault::Cut {
                shape: Shape::Isolate(Target::Node(behind)),
                lasts: apart,
                held: false,
                flap: None,
            },
        ));
        drawn.push(self.after(
            lot.span(apart / 2, apart),
            self.crash(Target::Node(rotten), election / 2, true, lot),
        ));
        if lot.chance(800) {
            let crash = Fault::Crash {
                target: Target::Leader,
                loss: loss(lot),
                down: lot.span(election * 2, election * 8),
                rot: false,
            };
            drawn.push(self.after(apart, crash));
        }
    }

    /// A leader goes on alone for a while, and what it appended is replaced when it is back. Right
    /// after that its disk rots: what it had removed may stand there again. It hears of what is
    /// committed before it is sent anything, or the one who knows better dies.
    fn ghost(self, lot: &mut Lot, drawn: &mut Vec<FaultPlan>) {
        let election = self.plan.tuning.election_timeout;
        let alone = lot.span(election * 2, election * 6);
        drawn.push(FaultPlan {
            occasion: lot.pick(Occasion::Proposed, &[Occasion::None]),
            ..self.after(
                Duration::ZERO,
                Fault::Cut {
                    shape: Shape::Isolate(Target::Leader),
                    lasts: alone,
                    held: false,
                    flap: None,
                },
            )
        });
        let settles = lot.span_of_any_scale(election / 20, election);
        let on_replaced = |fault| FaultPlan {
            occasion: Occasion::Replaced,
            delay: settles,
            ..self.after(Duration::ZERO, fault)
        };
        drawn.push(on_replaced(self.crash(
            Target::Cause,
            election / 4,
            true,
            lot,
        )));
        match lot.below(3) {
            0 => drawn.push(on_replaced(Fault::Gag {
                target: None,
                kind: kind_of("AppendEntries"),
                lasts: lot.span(election / 2, election * 2),
            })),
            1 => {
                let down = lot.span(election * 2, election * 8);
                let crash = Fault::Crash {
                    target: Target::Leader,
                    loss: loss(lot),
                    down,
                    rot: false,
                };
                drawn.push(FaultPlan {
                    occasion: Occasion::Restarted,
                    delay: lot.span(Duration::ZERO, election / 4),
                    ..self.after(alone, crash)
                });
            }
            _ => {}
        }
    }

    /// A node that hears nobody starts time and again: so its disk rots where the last entries stand,
    /// and nothing behind them says more than for whom it voted.
    fn lonely(self, lot: &mut Lot, drawn: &mut Vec<FaultPlan>) {
        let nodes = self.plan.nodes.len() as u64;
        let election = self.plan.tuning.election_timeout;
        let node = Target::Node(lot.below(nodes) as u8);
        drawn.push(self.after(
            Duration::ZERO,
            Fault::Cut {
                shape: Shape::Isolate(node),
                lasts: election * 4,
                held: false,
                flap: None,
            },
        ));
        let gap = election * 3 / 4;
        for start in 0..lot.between(2, 3) as u32 {
            let again = self.crash(node, election / 8, false, lot);
            drawn.push(self.after(gap * (start + 1), again));
        }
        drawn.push(self.after(gap * 4, self.crash(node, election, true, lot)));
    }

    /// A disk rots at an interesting moment.
    fn on_occasion(self, lot: &mut Lot, drawn: &mut Vec<FaultPlan>) {
        let election = self.plan.tuning.election_timeout;
        let occasion = lot.pick(
            Occasion::Voted,
            &[
                Occasion::Elected,
                Occasion::Proposed,
                Occasion::Committed,
                Occasion::TermRaised,
            ],
        );
        let place = lot.below(self.plan.nodes.len() as u64) as u8;
        let target = lot.pick(Target::Cause, &[Target::Cause, Target::Follower(place)]);
        let way = self.plan.network.delay.draw(lot);
        drawn.push(FaultPlan {
            occasion,
            delay: lot.span(Duration::ZERO, way * 3),
            ..self.after(Duration::ZERO, self.crash(target, election * 8, true, lot))
        });
    }

    /// Who has just come back crashes again, or who is about to: what it finds is mended by a few
    /// writes, each of which may be the last.
    fn again(self, lot: &mut Lot) -> FaultPlan {
        let election = self.plan.tuning.election_timeout;
        let disk = &self.plan.disk;
        let (occasion, delay) = match lot.chance(500) {
            true => {
                let writes = disk.sync.draw(lot) * 8 + disk.other_most * 60;
                (
                    Occasion::Opening,
                    lot.span_of_any_scale(disk.other_most, writes),
                )
            }
            false => {
                let delay = lot.span_of_any_scale(Duration::from_micros(200), election);
                (Occasion::Restarted, delay)
            }
        };
        FaultPlan {
            occasion,
            delay,
            ..self.after(
                Duration::ZERO,
                self.crash(Target::Cause, election, false, lot),
            )
        }
    }

    fn crash(self, target: Target, down: Duration, rot: bool, lot: &mut Lot) -> Fault {
        Fault::Crash {
            target,
            loss: loss(lot),
            down: lot.span_of_any_scale(Duration::from_millis(1), down),
            rot,
        }
    }

    fn after(self, wait: Duration, fault: Fault) -> FaultPlan {
        FaultPlan {
            number: 0,
            at: self.at.saturating_add(wait),
            occasion: Occasion::None,
            delay: Duration::ZERO,
            fault,
        }
    }
}

fn loss(lot: &mut Lot) -> Loss {
    lot.pick(Loss::All, &[Loss::Process, Loss::Some, Loss::Torn])
}

/// The kind of messages of this name.
fn kind_of(name: &str) -> u8 {
    let place = KINDS.iter().position(|kind| *kind == name);
    place.map_or(0, |place| place as u8)
}
