//! Letters of another cluster that goes by the same names: for a while in some worlds, drawn so that the other worlds
//! are as they would be without.

use std::time::Duration;

use super::{Fault, FaultPlan, Occasion};
use crate::lot::Lot;
use crate::plan::Plan;

/// Draws when such letters come, if any do.
pub(super) fn draw(plan: &Plan, lot: &mut Lot, drawn: &mut Vec<FaultPlan>) {
    if plan.nodes.len() < 2 || !lot.chance(60) {
        return;
    }
    let election = plan.tuning.election_timeout;
    let copied = lot.chance(700);
    for _ in 0..lot.between(1, 3) {
        drawn.push(FaultPlan {
            number: 0,
            at: lot.span(Duration::ZERO, plan.duration),
            occasion: lot.pick(
                Occasion::None,
                &[Occasion::None, Occasion::Campaign, Occasion::Proposed],
            ),
            delay: Duration::ZERO,
            fault: Fault::Namesake {
                per_mille: lot.pick(100, &[20, 500]),
                copied,
                lasts: lot.span_of_any_scale(election, election * 20),
            },
        });
    }
}
