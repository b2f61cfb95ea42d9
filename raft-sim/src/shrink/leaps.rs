//! The first steps, and the largest: most of a plan has nothing to do with its violation.

use std::time::Duration;

use super::attempt::Attempts;
use crate::plan::Plan;

/// Takes out what comes long before the violation.
pub(super) fn to_the_point(attempts: &mut Attempts<'_>) {
    let election = attempts.plan().tuning.election_timeout;
    for elections in WINDOWS {
        let window = election * elections;
        let time = attempts.time();
        if time < window + election * START || attempts.is_spent_to(30) {
            continue;
        }
        let early = time - window;
        let by = early.saturating_sub(election * START);
        if attempts.change_with_luck(SEEDS, |plan| begin_at(plan, early, by)) {
            return;
        }
    }
}

/// Takes out what comes before `early`, and lets all others come `by` so much sooner.
fn begin_at(plan: &mut Plan, early: Duration, by: Duration) {
    plan.operations.retain_mut(|operation| {
        let kept = operation.at >= early;
        operation.at = operation.at.saturating_sub(by);
        kept
    });
    plan.faults.retain_mut(|fault| {
        let kept = fault.at >= early;
        fault.at = fault.at.saturating_sub(by);
        kept
    });
    plan.duration = plan.duration.saturating_sub(by);
}

/// How many election timeouts before the violation are kept.
const WINDOWS: [u32; 4] = [6, 12, 25, 50];

/// How many election timeouts a cluster needs to begin with.
const START: u32 = 4;

/// How many other seeds are tried with each window.
const SEEDS: u64 = 24;
