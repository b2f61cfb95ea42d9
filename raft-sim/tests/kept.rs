//! Shrunk worlds that once violated a property, each with the bug that it showed. The plans in
//! `kept/` are what `raft-sim shrink --out FILE` writes.

use raft_sim::plan::Plan;
use raft_sim::sim::run_plan;

#[track_caller]
fn holds(plan: &str) {
    let violation = Plan::parse(plan).map(|plan| run_plan(plan).violation);
    assert_eq!(violation, Ok(None));
}

/// Violated leader_completeness when leaders committed entries of earlier terms by counting (C01):
/// one leader after the other is cut off (Figure 8).
#[test]
fn leader_completeness_holds_in_a_world_of_seed_181220471() {
    holds(include_str!("kept/seed-181220471.plan"));
}

/// Violated idle when a rest was held to its bounds although a node had started in it.
#[test]
fn idle_holds_in_a_world_of_seed_12336() {
    holds(include_str!("kept/seed-12336.plan"));
}
