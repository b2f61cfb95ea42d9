//! From rates to names: instead of losing and delaying messages by chance, a plan can list those
//! whose fate matters, and most of them turn out not to.

use std::time::Duration;

use super::attempt::Attempts;
use super::calm::even;
use crate::plan::{Delay, Fate};

/// Lists what becomes of single messages, if the plan can't do without chance.
pub(super) fn spell_out(attempts: &mut Attempts<'_>) {
    if attempts.size().is_spelled_out || attempts.is_spent() {
        return;
    }
    let Delay::Even(usual, _) = even(attempts.plan().network.delay) else {
        return;
    };
    let mut fates = attempts.fates(usual);
    if fates.len() > MOST_FATES {
        return;
    }
    let spelled = |plan: &mut crate::plan::Plan, fates| {
        plan.network.delay = Delay::Even(usual, usual);
        plan.network.drop_per_mille = 0;
        plan.network.double_per_mille = 0;
        plan.network.straggle_per_mille = 0;
        plan.network.slow_kind = None;
        plan.fates = fates;
    };
    // Perhaps only those matter that are lost, doubled or very late.
    let grave = fates
        .iter()
        .copied()
        .filter(|one| is_grave(one.fate, usual));
    let grave: Vec<_> = grave.collect();
    if attempts.change(|plan| spelled(plan, grave)) {
        return;
    }
    fates.sort_by_key(|one| std::cmp::Reverse(is_grave(one.fate, usual)));
    attempts.change(|plan| spelled(plan, fates));
}

fn is_grave(fate: Fate, usual: Duration) -> bool {
    match fate {
        Fate::Lost | Fate::Twice(..) => true,
        Fate::Takes(delay) => delay > usual * 4,
    }
}

/// More fates than can be told from each other within any budget.
const MOST_FATES: usize = 5_000;
