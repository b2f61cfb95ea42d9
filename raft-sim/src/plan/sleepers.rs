//! Clients that have long pauses: some say meanwhile that they are there, others don't and are told
//! that their sessions are over. Only where sessions end soon for want of use.

use std::time::Duration;

use super::Plan;
use crate::lot::Lot;
use crate::workload::{Action, ClientPlan, Manner, OperationPlan};

/// Draws such clients, and what they do, if sessions end soon in this plan.
pub(super) fn draw(plan: &mut Plan, lot: &mut Lot) {
    let Some(idle_time) = plan.tuning.idle_time else {
        return;
    };
    // What a caller's own commands are is drawn by their numbers, which are the caller's.
    let known = plan.operations.iter().map(|operation| operation.action);
    let actions: Vec<Action> = known.take(ACTIONS).collect();
    let Some(&first) = actions.first() else {
        return;
    };
    for _ in 0..lot.between(1, 3) {
        let client = plan.clients.len() as u32;
        plan.clients.push(ClientPlan {
            home: lot.below(7) as u8,
            manner: Manner::Session,
            // No other has as many clients before it, and none shares a session with it.
            window: client + WINDOWS,
            patience: lot.span_of_any_scale(Duration::from_millis(150), Duration::from_secs(4)),
            lasting: lot.chance(500),
        });
        let keeps = lot.chance(700);
        let mut at = lot.span(Duration::ZERO, idle_time);
        while at < plan.duration {
            let action = lot.pick(first, &actions);
            add(plan, client, at, action);
            let wakes = at + lot.span(idle_time, idle_time * 4);
            while keeps && at < wakes {
                at += lot.span(idle_time / 5, idle_time / 2).max(LEAST_PAUSE);
                add(plan, client, at, Action::Keep);
            }
            at = wakes;
        }
    }
    plan.operations.sort_by_key(|operation| operation.at);
}

fn add(plan: &mut Plan, client: u32, at: Duration, action: Action) {
    if at < plan.duration {
        let number = plan.operations.len() as u32;
        plan.operations.push(OperationPlan {
            number,
            at,
            client,
            action,
        });
    }
}

/// As many actions of other clients as are drawn from.
const ACTIONS: usize = 20;

/// More windows than crowds and others have.
const WINDOWS: u32 = 10_000;

/// Whatever times are drawn, a client does not do nothing but say that it is there.
const LEAST_PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Swarm;

    #[test]
    fn where_sessions_end_soon_some_clients_say_that_they_are_there_and_some_do_not() {
        let (mut keeping, mut pausing) = (0, 0);
        for seed in 0..200 {
            let plan = Plan::draw(seed, &Swarm::default());
            assert_eq!(plan.validate(), Ok(()), "seed {seed}");
            let keeps = |client: u32| {
                let mut own = plan.operations.iter().filter(|one| one.client == client);
                own.any(|one| one.action == Action::Keep)
            };
            let Some(idle_time) = plan.tuning.idle_time else {
                assert!((0..plan.clients.len() as u32).all(|client| !keeps(client)));
                continue;
            };
            for client in (0..plan.clients.len() as u32).filter(|&client| {
                let window = plan.clients.get(client as usize).map(|one| one.window);
                window.is_some_and(|window| window >= WINDOWS)
            }) {
                let own = plan.operations.iter().filter(|one| one.client == client);
                let times: Vec<Duration> = own.map(|one| one.at).collect();
                let longest = times
                    .windows(2)
                    .filter_map(|pair| pair[1].checked_sub(pair[0]));
                let pauses = longest.max().is_some_and(|pause| pause > idle_time);
                keeping += u32::from(keeps(client) && !pauses);
                pausing += u32::from(!keeps(client) && pauses);
            }
        }
        assert!(keeping > 15 && pausing > 5, "{keeping} {pausing}");
    }

    #[test]
    fn operations_beyond_the_plan_ask_for_something() {
        let mut plan = Plan::draw(3, &Swarm::default());
        for operation in plan.operations.iter_mut().skip(1) {
            operation.action = Action::Keep;
        }
        let count = plan.operations.len();
        let first = plan.operations.first().map(|one| one.action);
        for place in count..3 * count {
            assert_eq!(Some(plan.operation(place).1.action), first);
        }
    }
}
