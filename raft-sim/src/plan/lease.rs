//! Leases in a world: whether nodes have them, and clocks that keep to what leases stand on.

use std::time::Duration;

use raft_core::settings::Lease;
use serde::{Deserialize, Serialize};

use super::{Plan, span};
use crate::lot::Lot;
use crate::nemesis::{Fault, FaultPlan};

/// [`Settings::lease`](raft_core::settings::Settings::lease).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeasePlan {
    /// For how long followers promise to give no vote.
    #[serde(with = "span")]
    pub duration: Duration,
    /// By how many thousandths a clock may gain on another.
    pub max_drift_per_mille: u16,
}

impl LeasePlan {
    /// As a hull takes it.
    pub(super) const fn settings(self) -> Lease {
        Lease {
            duration: self.duration,
            max_drift_per_mille: self.max_drift_per_mille,
        }
    }

    /// By how many millionths each clock may be fast or slow, so that of any two neither gains more
    /// than it may on the other.
    pub(super) fn most_drift(self) -> i32 {
        let drift = i64::from(self.max_drift_per_mille);
        (drift * 1_000_000 / (2_000 + drift)) as i32
    }
}

impl Plan {
    /// Gives the nodes leases, as long as there is anything that keeps votes from being given.
    pub(super) fn lease(&mut self, lot: &mut Lot) {
        let tuning = &mut self.tuning;
        if !lot.chance(350) || !tuning.pre_vote {
            return;
        }
        let max_drift_per_mille = lot.pick(106, &[1, 20, 106, 300]);
        let share = lot.pick(1_000, &[1_000, 1_000, 900]);
        let lease = LeasePlan {
            duration: Duration::from_millis(
                (tuning.election_timeout * share / 1_000).as_millis() as u64
            ),
            max_drift_per_mille,
        };
        tuning.lease = Some(lease);
        if !tuning.settings().validate().is_empty() {
            tuning.lease = None;
            return;
        }
        let most = lease.most_drift();
        if self.families.drift {
            // Half of the clocks run as differently as they may.
            for node in &mut self.nodes {
                let apart = lot.pick(0, &[0, most, -most]);
                let scaled = i64::from(node.clock_drift) * i64::from(most) / 50_000;
                node.clock_drift = match apart {
                    0 => scaled.clamp(i64::from(-most), i64::from(most)) as i32,
                    apart => apart,
                };
            }
        }
    }

    /// Takes out of the faults what no lease survives: clocks that jump, and those that run further
    /// apart than leases allow for.
    pub(super) fn steady_clocks(&mut self) {
        let Some(lease) = self.tuning.lease else {
            return;
        };
        let most = lease.most_drift().unsigned_abs() / 1_000;
        let steady = |planned: &mut FaultPlan| match &mut planned.fault {
            Fault::Jump { .. } => false,
            Fault::Rate { per_mille, .. } => {
                *per_mille = (*per_mille).clamp(1_000 - most, 1_000 + most);
                most > 0
            }
            _ => true,
        };
        self.faults.retain_mut(steady);
    }

    /// Whether all clocks, faults included, run as steadily as leases need it; if not, how far one is
    /// off, in millionths.
    pub(super) fn is_too_unsteady(&self) -> Option<u64> {
        let most = u64::from(self.tuning.lease?.most_drift().unsigned_abs());
        let nodes = self.nodes.iter();
        let drifts = nodes.map(|node| u64::from(node.clock_drift.unsigned_abs()));
        let faults = self.faults.iter().map(|planned| match planned.fault {
            Fault::Jump { .. } => u64::MAX,
            Fault::Rate { per_mille, .. } => u64::from(per_mille.abs_diff(1_000)) * 1_000,
            _ => 0,
        });
        drifts.chain(faults).find(|drift| *drift > most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Swarm;

    #[test]
    fn two_clocks_that_are_off_as_far_as_they_may_gain_no_more_than_that() {
        for max_drift_per_mille in [1, 20, 106, 300, 1_000] {
            let lease = LeasePlan {
                duration: Duration::from_secs(1),
                max_drift_per_mille,
            };
            let most = i64::from(lease.most_drift());
            let gain = (1_000_000 + most) * 1_000 - (1_000_000 - most) * 1_000;
            assert!(gain <= i64::from(max_drift_per_mille) * (1_000_000 - most));
            let next = most + 1;
            let beyond = (1_000_000 + next) * 1_000 - (1_000_000 - next) * 1_000;
            assert!(beyond > i64::from(max_drift_per_mille) * (1_000_000 - next));
        }
    }

    #[test]
    fn worlds_with_leases_have_clocks_that_leases_can_stand_on() {
        let plans = (0..2_000).map(|seed| Plan::draw(seed, &Swarm::default()));
        let leased: Vec<Plan> = plans.filter(|plan| plan.tuning.lease.is_some()).collect();
        assert!((300..700).contains(&leased.len()), "{}", leased.len());
        for plan in &leased {
            assert_eq!(plan.is_too_unsteady(), None, "seed {}", plan.seed);
        }
        let apart = |plan: &&Plan| {
            let most = plan.tuning.lease.map_or(0, LeasePlan::most_drift);
            let drift = |wanted: i32| plan.nodes.iter().any(|node| node.clock_drift == wanted);
            drift(most) && drift(-most)
        };
        let apart = leased.iter().filter(apart).count();
        assert!(apart * 8 > leased.len(), "only {apart} at both ends");
    }
}
