//! Takes things out of a plan's lists: halves first, then smaller parts, at last one by one.

use super::attempt::Attempts;
use crate::plan::Plan;

/// Takes out faults, operations and clients. What is large is worth more luck.
pub(super) fn drop_things(attempts: &mut Attempts<'_>, luck: u64) {
    for _ in 0..2 {
        drop_items(attempts, luck, FAULTS);
        drop_items(attempts, luck, OPERATIONS);
    }
    drop_items(attempts, luck, RARE);
    drop_items(attempts, 0, CLIENTS);
    drop_fates(attempts);
}

/// Takes out messages with a fate of their own: they fare as all others then.
pub(super) fn drop_fates(attempts: &mut Attempts<'_>) {
    drop_items(attempts, 0, FATES);
}

/// A list of a plan: how long it is, and how to keep only some of its items.
type List = (fn(&Plan) -> usize, Keep);

type Keep = fn(&mut Plan, &dyn Fn(usize) -> bool);

const FAULTS: List = (
    |plan| plan.faults.len(),
    |plan, kept| retain(&mut plan.faults, kept),
);
const OPERATIONS: List = (
    |plan| plan.operations.len(),
    |plan, kept| retain(&mut plan.operations, kept),
);
const CLIENTS: List = (|plan| plan.clients.len(), keep_clients);
const RARE: List = (
    |plan| plan.rare.len(),
    |plan, kept| retain(&mut plan.rare, kept),
);
const FATES: List = (
    |plan| plan.fates.len(),
    |plan, kept| retain(&mut plan.fates, kept),
);

/// Takes parts out of a list, as large as possible, while the property stays violated.
fn drop_items(attempts: &mut Attempts<'_>, luck: u64, (count, keep): List) {
    let mut size = count(attempts.plan());
    while size > 0 && !attempts.is_spent() {
        let all = count(attempts.plan()).max(1);
        let tries = luck * size.min(all) as u64 / all as u64 + luck / 8;
        let mut dropped = false;
        // From the end: what comes last is the least likely to move what comes before.
        let mut end = all;
        while end > 0 && !attempts.is_spent() {
            let begin = end.saturating_sub(size);
            dropped |= attempts.change_with_luck(tries, |plan| {
                keep(plan, &|place| place < begin || place >= end);
            });
            end = begin.min(count(attempts.plan()));
        }
        size = match size {
            // Once one was dropped another may have become superfluous.
            1 if dropped && luck == 0 => 1,
            size => size / 2,
        };
    }
}

fn retain<T>(list: &mut Vec<T>, kept: &dyn Fn(usize) -> bool) {
    let mut place = 0;
    list.retain(|_| {
        place += 1;
        kept(place - 1)
    });
}

/// Takes clients out with what they do; the others move up.
fn keep_clients(plan: &mut Plan, kept: &dyn Fn(usize) -> bool) {
    let mut moved = Vec::new();
    let mut next = 0;
    for place in 0..plan.clients.len() {
        moved.push(kept(place).then_some(next));
        next += u32::from(kept(place));
    }
    retain(&mut plan.clients, kept);
    plan.operations.retain_mut(|operation| {
        match moved.get(operation.client as usize).copied().flatten() {
            Some(client) => {
                operation.client = client;
                true
            }
            None => false,
        }
    });
}
