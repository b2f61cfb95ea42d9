//! Priorities: whoever operates a cluster asks for the members that are there, each with its own. No
//! fault, but it comes at the times of faults.

use std::time::Duration;

use super::{Fault, FaultPlan, Occasion, Target};
use crate::lot::Lot;
use crate::plan::Plan;

/// Draws when a plan's members are asked for with their priorities. Where members change anyway,
/// they get them then.
pub(super) fn draw(plan: &Plan, lot: &mut Lot, drawn: &mut Vec<FaultPlan>) {
    if !plan.has_priorities() || plan.founders > 0 {
        return;
    }
    let voters = ((1_u16 << plan.nodes.len()) - 1) as u8;
    // A leader may be lost before it has answered.
    for _ in 0..lot.between(1, 4) {
        drawn.push(FaultPlan {
            number: 0,
            at: lot.span(Duration::ZERO, plan.duration / 2),
            occasion: lot.pick(Occasion::None, &[Occasion::Elected, Occasion::Committed]),
            delay: Duration::ZERO,
            fault: Fault::Reconfigure {
                target: Target::Leader,
                voters,
                learners: 0,
            },
        });
    }
}
