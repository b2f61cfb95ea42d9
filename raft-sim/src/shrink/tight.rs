//! Smaller limits: a bug that shows when a page, a window or a table is full shows with fewer
//! operations when there is less room.

use super::attempt::Attempts;
use crate::plan::Plan;

/// Tries smaller limits together with half of the operations, while these are many.
pub(super) fn tighten(attempts: &mut Attempts<'_>) {
    let count = attempts.plan().operations.len();
    if count < MANY {
        return;
    }
    for tight in TIGHT {
        let count = attempts.plan().operations.len();
        for half in [0..count / 2, count / 2..count] {
            attempts.change_with_luck(1, |plan| {
                tight(plan);
                plan.operations.drain(half);
            });
            if attempts.plan().operations.len() < count {
                break;
            }
        }
    }
}

/// What leaves less room.
const TIGHT: [fn(&mut Plan); 10] = [
    |plan| plan.tuning.max_applying_bytes = 1,
    |plan| plan.tuning.max_append_bytes = 64,
    |plan| plan.tuning.max_appends_in_flight = 1,
    |plan| plan.tuning.max_writes_in_flight = 1,
    |plan| plan.tuning.max_cached_bytes = 0,
    |plan| plan.tuning.max_sessions = 2,
    |plan| plan.tuning.max_answers = 1,
    |plan| plan.tuning.limits.chunk_entries = 1,
    |plan| plan.tuning.limits.max_apply_bytes_per_turn = 1,
    |plan| plan.tuning.limits.max_letters_per_turn = 1,
];

/// So many operations are worth an attempt to do with fewer.
const MANY: usize = 8;
