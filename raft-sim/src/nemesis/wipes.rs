//! Disks that are lost as a whole: when, and whose. A few in some worlds, and never by the way, so
//! that worlds without them are as they would be if there were no such fault.

use std::time::Duration;

use super::{Fault, FaultPlan, Occasion, Shape, Target};
use crate::lot::Lot;
use crate::plan::Plan;

/// Draws the lost disks of a plan, if it has any.
///
/// Most plans keep to where progress is owed all the same. The others strike anyone at any time:
/// while the founders agree, which takes a moment, or one node after the other.
pub(super) fn draw(plan: &Plan, lot: &mut Lot, drawn: &mut Vec<FaultPlan>) {
    // Where members change, whoever lost its disk is added again: see the replacements.
    if !plan.families.wipe || plan.founders > 0 {
        return;
    }
    let nodes = plan.nodes.len() as u64;
    let beyond = lot.chance(450);
    let early = beyond && lot.chance(700);
    let count = match beyond {
        true => lot.between(1, nodes),
        false => lot.between(1, 3),
    };
    if early && plan.families.partition && lot.chance(700) {
        drawn.push(apart(plan, lot));
    }
    for _ in 0..count {
        let place = lot.below(nodes) as u8;
        let occasion = match early {
            true => Occasion::None,
            false => occasion(lot),
        };
        let target = match occasion {
            _ if early => Target::Node(place),
            Occasion::None => lot.pick(Target::Leader, &[Target::Node(place), Target::Node(place)]),
            _ => lot.pick(Target::Cause, &[Target::Cause, Target::Follower(place)]),
        };
        let way = plan.network.delay.draw(lot);
        drawn.push(FaultPlan {
            number: 0,
            at: match early {
                true => lot.span(Duration::ZERO, FOUNDING),
                false => lot.span(Duration::ZERO, plan.duration),
            },
            occasion,
            delay: match occasion {
                Occasion::None => Duration::ZERO,
                _ => lot.span(Duration::ZERO, way * 3),
            },
            fault: Fault::Wipe {
                target,
                // Often back before anyone has missed it.
                down: lot
                    .span_of_any_scale(Duration::from_millis(1), plan.tuning.election_timeout * 8),
                beyond,
            },
        });
    }
}

/// Founders that can't hear each other while a disk is lost: some know by then what others don't.
fn apart(plan: &Plan, lot: &mut Lot) -> FaultPlan {
    let nodes = plan.nodes.len() as u64;
    let node = Target::Node(lot.below(nodes) as u8);
    let place = lot.below(nodes) as u8;
    // Some nodes, but neither none nor all.
    let set = 1 + lot.below(((1 << nodes) - 2).max(1)) as u8;
    FaultPlan {
        number: 0,
        at: lot.span(Duration::ZERO, FOUNDING),
        occasion: Occasion::None,
        delay: Duration::ZERO,
        fault: Fault::Cut {
            shape: lot.pick(
                Shape::Isolate(node),
                &[
                    Shape::Deafen(node),
                    Shape::Mute(node),
                    Shape::Split(set),
                    Shape::OneWay(set),
                    Shape::From(node, place),
                ],
            ),
            lasts: lot.span_of_any_scale(FOUNDING / 4, FOUNDING * 20),
            held: plan.families.hold && lot.chance(300),
            flap: None,
        },
    }
}

fn occasion(lot: &mut Lot) -> Occasion {
    lot.pick(
        Occasion::None,
        &[
            Occasion::Voted,
            Occasion::Voted,
            Occasion::Elected,
            Occasion::Proposed,
            Occasion::Committed,
            Occasion::Restarted,
        ],
    )
}

/// About as long as founding a cluster takes when nothing is in its way.
const FOUNDING: Duration = Duration::from_millis(600);
