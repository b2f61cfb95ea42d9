//! A leader that is left as the only voter, and is stopped again and again until others join it: nobody missed
//! it meanwhile, and whoever joins it must not find it gone.

use std::time::Duration;

use super::{Fault, FaultPlan, Occasion, Target};
use crate::lot::Lot;
use crate::plan::Plan;

/// Draws when members of a plan come down to one, and grow again.
pub(super) fn draw(plan: &Plan, lot: &mut Lot, drawn: &mut Vec<FaultPlan>) {
    let nodes = plan.nodes.len() as u64;
    let fits = plan.founders > 0 && nodes > 1 && plan.families.pause;
    if !fits || !lot.chance(250) {
        return;
    }
    let election = plan.tuning.election_timeout;
    let node = lot.below(nodes);
    let mut at = lot.span(Duration::ZERO, plan.duration / 2);
    let mut push = |at, fault| {
        drawn.push(FaultPlan {
            number: 0,
            at,
            occasion: Occasion::None,
            delay: Duration::ZERO,
            fault,
        });
    };
    let members = |voters: u64| Fault::Reconfigure {
        target: Target::Leader,
        voters: voters as u8,
        learners: 0,
    };
    let alone = 1 << node;
    // Who is not the leader takes a while to become it; it may be asked again.
    for _ in 0..2 {
        push(at, members(alone));
        at += lot.span(election, election * 5);
    }
    for _ in 0..lot.between(3, 6) {
        let lasts = lot.span(election, election * 2);
        push(
            at,
            Fault::Pause {
                target: Target::Leader,
                lasts,
            },
        );
        at += lasts + lot.span(election / 4, election);
    }
    let others = alone | 1 << lot.below(nodes) | 1 << lot.below(nodes);
    push(at, members(others));
    push(at + election, members(others));
}
