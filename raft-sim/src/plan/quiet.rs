//! Worlds whose leaders may fall silent: with pauses in which no client asks for anything, so that
//! they do, and so that what fails meanwhile is found out by the next one who asks.

use std::ops::Range;
use std::time::Duration;

use super::Plan;
use crate::lot::Lot;

/// Lets a plan's leaders fall silent in one world of seven, as far as their settings allow it.
pub(super) fn draw(plan: &mut Plan, lot: &mut Lot) {
    if !lot.chance(150) || !plan.tuning.pre_vote {
        return;
    }
    let election = plan.tuning.election_timeout;
    let quiescent_after = election * lot.between(1, 3) as u32;
    plan.tuning.quiescent_after = Some(quiescent_after);
    let pauses: Vec<Range<Duration>> = (0..lot.between(2, 6))
        .map(|_| {
            let start = lot.span(Duration::ZERO, plan.duration);
            let rest = lot.span_of_any_scale(election * 2, election * 30);
            start..start + quiescent_after + election + rest
        })
        .collect();
    // The last one stays, whatever it is: a world without a wish would tell nothing.
    let last = plan.operations.last().copied();
    let in_pause = |at: Duration| pauses.iter().any(|pause| pause.contains(&at));
    plan.operations.retain(|operation| !in_pause(operation.at));
    if plan.operations.is_empty() {
        plan.operations.extend(last);
    }
    plan.ending.rests = plan.ending.rests.max(1);
    plan.ending.rest = plan.ending.rest.max(quiescent_after + election * 4);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Swarm;

    #[test]
    fn one_world_in_ten_or_so_may_fall_silent_and_pauses_for_it() {
        let swarm = Swarm::default();
        let (mut count, mut pausing) = (0, 0);
        for seed in 0..300 {
            let plan = Plan::draw(seed, &swarm);
            let Some(after) = plan.tuning.quiescent_after else {
                continue;
            };
            let times = plan.operations.iter().map(|operation| operation.at);
            let pauses = times.clone().zip(times.skip(1));
            let longest = pauses.map(|(at, next)| next.saturating_sub(at)).max();
            pausing += u32::from(longest.is_some_and(|longest| longest > after));
            count += 1;
            assert_eq!(plan.validate(), Ok(()), "seed {seed}");
        }
        assert!((15..=60).contains(&count), "{count} of 300");
        assert!(pausing * 4 >= count * 3, "{pausing} of {count}");
    }
}
