//! Worlds in which some members are preferred as leaders.

use super::Plan;
use crate::lot::Lot;

/// Gives nodes priorities in one world of eight, and leaders a reason to hand over by themselves.
pub(super) fn draw(plan: &mut Plan, lot: &mut Lot) {
    if !lot.chance(130) || plan.nodes.len() < 2 {
        return;
    }
    let usual = super::DEFAULT_PRIORITY;
    for node in &mut plan.nodes {
        node.priority = lot.pick(usual, &[usual, usual - 1, usual + 1, 0, 255]);
    }
    // A rest asks a leader to hand over, and three timeouts later at most its successor has answered a
    // client: which it could not while it hands back.
    let patience = lot.between(5, 10) as u32;
    plan.tuning.hand_over_after = Some(plan.tuning.election_timeout * patience);
}

impl Plan {
    /// Whether leaders hand over by themselves to members that are preferred to them.
    pub(crate) const fn has_priorities(&self) -> bool {
        self.tuning.hand_over_after.is_some()
    }

    /// The priority of a node (by its place in [`Self::nodes`]) as a member.
    pub(crate) fn priority_of(&self, node: usize) -> u8 {
        let usual = super::DEFAULT_PRIORITY;
        self.nodes.get(node).map_or(usual, |node| node.priority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nemesis::Fault;
    use crate::plan::Swarm;

    #[test]
    fn in_one_world_of_eight_or_so_members_with_priorities_are_asked_for() {
        let plans = (0..1_000).map(|seed| Plan::draw(seed, &Swarm::default()));
        let mut count = 0;
        for plan in plans {
            let priorities = plan.nodes.iter().map(|node| node.priority);
            let differ = priorities.clone().max() != priorities.min();
            assert!(plan.has_priorities() || !differ, "seed {}", plan.seed);
            count += u32::from(differ);
            let asks = |fault: &Fault| matches!(fault, Fault::Reconfigure { .. });
            let asked = plan.faults.iter().any(|planned| asks(&planned.fault));
            assert!(asked || !plan.has_priorities(), "seed {}", plan.seed);
            assert_eq!(plan.validate(), Ok(()), "seed {}", plan.seed);
        }
        assert!((60..160).contains(&count), "{count} of 1000");
    }
}
