//! Changes of members: a few in some worlds, asked for at the times of faults, so that leaders are
//! lost between any two of their steps. Some nodes of such a world were not there at its founding.

use std::time::Duration;

use super::{Fault, FaultPlan, Occasion, Target};
use crate::lot::Lot;
use crate::plan::Plan;

/// Draws when the members of a plan are asked to change, and to what.
pub(super) fn draw(plan: &Plan, lot: &mut Lot, drawn: &mut Vec<FaultPlan>) {
    let nodes = plan.nodes.len() as u64;
    if plan.founders == 0 || nodes < 2 {
        return;
    }
    let election = plan.tuning.election_timeout;
    let most = lot.pick(6, &[2, 20]);
    let mut wanted = Wanted {
        voters: ((1_u16 << plan.founders) - 1) as u8,
        learners: 0,
    };
    for _ in 0..lot.between(1, most) {
        wanted = wanted.next(nodes, lot);
        let moment = Moment::draw(plan, lot);
        let target = match lot.chance(900) {
            true => Target::Leader,
            // Who does not lead refuses, and says who does.
            false => Target::Follower(lot.below(nodes) as u8),
        };
        let Wanted { voters, learners } = wanted;
        let change = Fault::Reconfigure {
            target,
            voters,
            learners,
        };
        drawn.push(moment.later(Duration::ZERO, change));
        // Some ask twice, some for something else, some regret it.
        let later = lot.span_of_any_scale(Duration::from_micros(100), election * 3);
        match lot.below(10) {
            0 => drawn.push(moment.later(later, change)),
            1 => {
                let Wanted { voters, learners } = wanted.next(nodes, lot);
                let other = Fault::Reconfigure {
                    target,
                    voters,
                    learners,
                };
                drawn.push(moment.later(later, other));
            }
            2 | 3 => drawn.push(moment.later(later, Fault::CancelChange { target })),
            _ => {}
        }
    }
}

/// When something is asked.
struct Moment {
    at: Duration,
    occasion: Occasion,
    delay: Duration,
}

impl Moment {
    fn draw(plan: &Plan, lot: &mut Lot) -> Self {
        let election = plan.tuning.election_timeout;
        let occasion = lot.pick(
            Occasion::None,
            &[
                Occasion::None,
                Occasion::Elected,
                Occasion::Proposed,
                Occasion::Committed,
            ],
        );
        let at = lot.span(Duration::ZERO, plan.duration);
        let delay = match occasion {
            Occasion::None => Duration::ZERO,
            _ => lot.span_of_any_scale(election / 100, election * 2),
        };
        Self {
            at,
            occasion,
            delay,
        }
    }

    fn later(&self, by: Duration, fault: Fault) -> FaultPlan {
        FaultPlan {
            number: 0,
            at: self.at + by,
            occasion: self.occasion,
            delay: self.delay,
            fault,
        }
    }
}

/// What members are wanted, as bits.
#[derive(Clone, Copy)]
struct Wanted {
    voters: u8,
    learners: u8,
}

impl Wanted {
    /// What is wanted next: mostly one node more or less, sometimes anything.
    fn next(self, nodes: u64, lot: &mut Lot) -> Self {
        let all = ((1_u16 << nodes) - 1) as u8;
        let bit = 1 << lot.below(nodes);
        let mut next = self;
        match lot.below(10) {
            // In, out, or another role.
            0..=3 => {
                next.voters ^= bit;
                next.learners &= !bit;
            }
            4 => {
                next.learners ^= bit;
                next.voters &= !bit;
            }
            // One comes and another goes.
            5 | 6 => {
                next.voters ^= bit | 1 << lot.below(nodes);
                next.learners &= !next.voters;
            }
            7 => next.voters = !self.voters & all,
            _ => {
                next.voters = lot.below(u64::from(all) + 1) as u8;
                next.learners = lot.below(u64::from(all) + 1) as u8 & !next.voters;
            }
        }
        if next.voters == 0 {
            next.voters = bit;
            next.learners &= !bit;
        }
        next
    }
}
