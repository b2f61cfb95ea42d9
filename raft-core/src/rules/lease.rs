//! Leases: for how long a leader may answer reads on the strength of what followers promised
//! (thesis 6.4.1).
//!
//! ```text
//! leader's clock    begins a round ─────────────── counts the promise until here │ margin │
//! follower's clock            takes it in, promises ──────────────────── gives no vote until here
//! ```

use core::time::Duration;

use crate::time::Time;

/// For how long a promise of this length counts on another node's clock, where no clock gains more
/// than this many thousandths on any other.
pub fn counts_for(promise: Duration, max_drift_per_mille: u16) -> Duration {
    // [T6.4.1.9] The one who promised may have the faster clock: its time is over sooner.
    let nanos = promise.as_nanos().saturating_mul(PER_MILLE);
    let slowest = PER_MILLE.saturating_add(u128::from(max_drift_per_mille));
    let nanos = nanos.checked_div(slowest).unwrap_or_default();
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Until when a promise counts that was given in answer to a heartbeat of a round begun at `begun`.
pub fn counts_until(begun: Time, promise: Duration, max_drift_per_mille: u16) -> Time {
    // [T6.4.1.6] From when the heartbeat was sent on: nobody can have promised before, and how long
    // the answer took is not known.
    begun.after(counts_for(promise, max_drift_per_mille))
}

const PER_MILLE: u128 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// [T6.4.1.9] However the two clocks run within the bound, the leader is done first.
    #[test]
    fn no_clock_within_the_bound_ends_the_promise_before_the_lease() {
        for drift in [1_u16, 7, 106, 500, 1_000] {
            for promise in [1, 2, 999, 1_000, 86_400_000] {
                let promise = Duration::from_millis(promise);
                let counted = counts_for(promise, drift);
                // While the slow clock shows what is counted, the fast one shows this.
                let fast = counted.as_nanos() * (1_000 + u128::from(drift));
                assert!(fast <= promise.as_nanos() * 1_000, "{promise:?} {drift}");
                let margin = fast + 1_000 + u128::from(drift) > promise.as_nanos() * 1_000;
                assert!(margin, "and no sooner than it must be: {promise:?} {drift}");
            }
        }
        assert_eq!(counts_for(Duration::MAX, 1), Duration::from_nanos(u64::MAX));
    }

    /// [T6.4.1.6]
    #[test]
    fn a_promise_counts_from_when_the_round_began() {
        let begun = Time::from_millis(5_000);
        let promise = Duration::from_millis(1_100);
        let until = counts_until(begun, promise, 100);
        assert_eq!(until, Time::from_millis(6_000));
        assert_eq!(counts_until(begun, Duration::ZERO, 100), begun);
    }
}
