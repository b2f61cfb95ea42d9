//! Lost disks where members change: the node comes back as another one under its old name, and
//! whoever operates the cluster removes the old life, adds the new one as a learner, and has it
//! vote in the end. Each step may come too early, twice, or not at all.

use std::time::Duration;

use super::{Fault, FaultPlan, Occasion, Target};
use crate::lot::Lot;
use crate::plan::Plan;

/// Draws whose disks are lost in a plan, and how they are replaced, if any are.
pub(super) fn draw(plan: &Plan, lot: &mut Lot, drawn: &mut Vec<FaultPlan>) {
    if !plan.families.wipe || plan.founders == 0 {
        return;
    }
    let nodes = plan.nodes.len() as u64;
    // Other changes are under way as well, or these alone.
    if lot.chance(500) {
        drawn.retain(|planned| !matches!(planned.fault, Fault::Reconfigure { .. }));
    }
    let mut voters = match lot.chance(500) {
        true => ((1_u16 << nodes) - 1) as u8,
        false => ((1_u16 << plan.founders) - 1) as u8,
    };
    let mut at = lot.span(FOUNDING, plan.duration / 3);
    for _ in 0..lot.between(1, 3) {
        let node = lot.below(nodes) as u8;
        let draw = Draw { plan, node };
        if lot.chance(700) {
            // Everybody votes first.
            drawn.push(reconfigure(at, voters, 0));
        }
        at += draw.gap(lot);
        drawn.push(draw.wipe(at, lot));
        at = draw.replace(at, voters, lot, drawn);
        if lot.chance(150) {
            voters ^= 1 << lot.below(nodes);
            voters |= 1 << node;
        }
    }
}

/// The loss of one node's disk.
#[derive(Clone, Copy)]
struct Draw<'a> {
    plan: &'a Plan,
    node: u8,
}

impl Draw<'_> {
    fn wipe(self, at: Duration, lot: &mut Lot) -> FaultPlan {
        let occasion = lot.pick(
            Occasion::None,
            &[
                Occasion::None,
                Occasion::Voted,
                Occasion::Elected,
                Occasion::Proposed,
                Occasion::Committed,
            ],
        );
        let way = self.plan.network.delay.draw(lot);
        let election = self.plan.tuning.election_timeout;
        FaultPlan {
            number: 0,
            at,
            occasion,
            delay: match occasion {
                Occasion::None => Duration::ZERO,
                _ => lot.span(Duration::ZERO, way * 3),
            },
            fault: Fault::Wipe {
                target: Target::Node(self.node),
                down: lot.span_of_any_scale(Duration::from_millis(1), election * 4),
                beyond: false,
            },
        }
    }

    /// The steps that bring it back, from some time on; when the last of them is asked for.
    fn replace(
        self,
        mut at: Duration,
        voters: u8,
        lot: &mut Lot,
        drawn: &mut Vec<FaultPlan>,
    ) -> Duration {
        let own = 1_u8 << self.node;
        let without = voters & !own;
        let steps = [
            // Too early: its old life is a member yet.
            (lot.chance(250), (voters | own, 0)),
            (lot.chance(930), (without, 0)),
            (lot.chance(800), (without, own)),
            (lot.chance(930), (voters | own, 0)),
        ];
        for (_, (voters, learners)) in steps.into_iter().filter(|(asked, _)| *asked) {
            // Who asks does not know whether somebody leads: most ask again.
            for _ in 0..lot.between(1, 3) {
                at += self.gap(lot);
                drawn.push(reconfigure(at, voters, learners));
            }
        }
        at
    }

    /// How long whoever operates a cluster waits before the next step.
    fn gap(self, lot: &mut Lot) -> Duration {
        let election = self.plan.tuning.election_timeout;
        lot.span_of_any_scale(election / 2, election * 8)
    }
}

fn reconfigure(at: Duration, voters: u8, learners: u8) -> FaultPlan {
    FaultPlan {
        number: 0,
        at,
        occasion: Occasion::None,
        delay: Duration::ZERO,
        fault: Fault::Reconfigure {
            target: Target::Leader,
            voters,
            learners,
        },
    }
}

/// Before that a cluster is hardly founded.
const FOUNDING: Duration = Duration::from_millis(800);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Swarm;

    /// Whether a change after this fault asks for this node's vote, and one before that does not.
    fn is_replaced(plan: &Plan, node: u8, at: Duration) -> bool {
        let asked = |wanted: bool, from: Duration| {
            plan.faults.iter().find_map(|planned| match planned.fault {
                Fault::Reconfigure { voters, .. } if planned.at > from => {
                    let votes = voters & (1 << node) != 0;
                    (votes == wanted).then_some(planned.at)
                }
                _ => None,
            })
        };
        asked(false, at)
            .and_then(|removed| asked(true, removed))
            .is_some()
    }

    #[test]
    fn who_loses_its_disk_where_members_change_is_mostly_removed_and_added_again() {
        let (mut lost, mut replaced) = (0, 0);
        for seed in 0..400 {
            let plan = Plan::draw(seed, &Swarm::default());
            if plan.founders == 0 {
                continue;
            }
            for planned in &plan.faults {
                if let Fault::Wipe {
                    target: Target::Node(node),
                    beyond,
                    ..
                } = planned.fault
                {
                    assert!(!beyond, "seed {seed}");
                    lost += 1;
                    replaced += u32::from(is_replaced(&plan, node, planned.at));
                }
            }
        }
        assert!(lost > 20 && replaced * 2 > lost, "{replaced} of {lost}");
    }
}
