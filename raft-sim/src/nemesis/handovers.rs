//! Leadership that is to be handed over: a few times in some worlds, drawn so that the other worlds
//! are as they would be without. No fault, but it comes at the times of faults.

use std::time::Duration;

use super::{Fault, FaultPlan, Occasion, Shape, Target};
use crate::lot::Lot;
use crate::plan::Plan;

/// Draws when leaders of a plan are asked to hand over, if any is.
pub(super) fn draw(plan: &Plan, lot: &mut Lot, drawn: &mut Vec<FaultPlan>) {
    let nodes = plan.nodes.len() as u64;
    if nodes < 2 || !lot.chance(300) {
        return;
    }
    let election = plan.tuning.election_timeout;
    let most = lot.pick(3, &[1, 12]);
    for _ in 0..lot.between(1, most) {
        let occasion = lot.pick(
            Occasion::None,
            &[Occasion::Proposed, Occasion::Proposed, Occasion::Elected],
        );
        let other = lot.below(nodes) as u8;
        drawn.push(FaultPlan {
            number: 0,
            at: lot.span(Duration::ZERO, plan.duration),
            occasion,
            delay: match occasion {
                Occasion::None => Duration::ZERO,
                _ => lot.span_of_any_scale(election / 100, election * 2),
            },
            fault: Fault::HandOver {
                // Who does not lead refuses, and says who does.
                target: match lot.chance(900) {
                    true => Target::Leader,
                    false => Target::Follower(other),
                },
                to: lot.chance(700).then_some(other),
            },
        });
    }
    let times = lot.below(4);
    if plan.families.hold && nodes > 2 && lot.chance(400) {
        for _ in 0..times {
            there_and_back(plan, lot, drawn);
        }
    }
}

/// A leader hands over and is handed back what it gave, while what one follower answers it is held:
/// answers of its earlier term arrive when it leads again and has not heard of that follower since.
fn there_and_back(plan: &Plan, lot: &mut Lot, drawn: &mut Vec<FaultPlan>) {
    let nodes = plan.nodes.len() as u64;
    let election = plan.tuning.election_timeout;
    let at = lot.span(Duration::ZERO, plan.duration);
    let to = lot.below(nodes - 1);
    let way = plan.network.delay.draw(lot);
    let mut push = |occasion, delay, fault| {
        drawn.push(FaultPlan {
            number: 0,
            at,
            occasion,
            delay,
            fault,
        });
    };
    let hold = Fault::Cut {
        shape: Shape::From(Target::Cause, lot.below(nodes) as u8),
        lasts: lot.span(election / 4, election * 3),
        held: true,
        flap: None,
    };
    push(Occasion::Proposed, Duration::ZERO, hold);
    // Whoever is meant is counted from the one who is asked.
    for (occasion, to) in [
        (Occasion::Proposed, to),
        (Occasion::Elected, nodes - 2 - to),
    ] {
        let hand_over = Fault::HandOver {
            target: Target::Cause,
            to: Some(to as u8),
        };
        push(occasion, lot.span(way, way * 8), hand_over);
    }
}
