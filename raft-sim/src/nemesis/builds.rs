//! Restarts with another build: a few in some worlds, drawn so that the other worlds are as they
//! would be without.

use std::time::Duration;

use super::{Fault, FaultPlan, Occasion, Target};
use crate::lot::Lot;
use crate::plan::Plan;

/// Draws the restarts with another build of a plan, if it has any: single ones, or an upgrade of
/// one node after the other that is taken back.
pub(super) fn draw(plan: &Plan, lot: &mut Lot, drawn: &mut Vec<FaultPlan>) {
    if !plan.families.build {
        return;
    }
    let election = plan.tuning.election_timeout;
    let nodes = plan.nodes.len() as u64;
    let rolling = lot.chance(300);
    let newer = lot.chance(700);
    let first = lot.span(Duration::ZERO, plan.duration);
    let count = match rolling {
        true => nodes,
        false => lot.between(1, 4),
    };
    for number in 0..count {
        let place = lot.below(nodes) as u8;
        let step = lot.span(election, election * 6);
        drawn.push(FaultPlan {
            number: 0,
            at: match rolling {
                true => first + step * number as u32,
                false => lot.span(Duration::ZERO, plan.duration),
            },
            occasion: Occasion::None,
            delay: Duration::ZERO,
            fault: Fault::OtherBuild {
                target: match rolling {
                    true => Target::Node(number as u8),
                    false => lot.pick(Target::Leader, &[Target::Follower(place)]),
                },
                newer,
                down: lot.span(Duration::ZERO, election / 2),
                lasts: lot.span_of_any_scale(election, election * 20),
            },
        });
    }
}
