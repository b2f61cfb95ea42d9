//! How long to wait before the next attempt: longer each time, and never in step with others.

use std::time::Duration;

/// Spans that double from the first to the longest, each shortened by up to half at random.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    next: Duration,
    first: Duration,
    longest: Duration,
    random: u64,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self {
            next: first,
            first,
            longest,
            // Nothing but the spread of reconnects hangs on this number.
            random: getrandom::u64().unwrap_or(0x9e37_79b9_7f4a_7c15) | 1,
        }
    }

    /// The next attempt begins from the first span again.
    pub(crate) const fn reset(&mut self) {
        self.next = self.first;
    }

    /// How long to wait now.
    pub(crate) fn next(&mut self) -> Duration {
        let span = self.next;
        self.next = span.saturating_mul(2).min(self.longest);
        // One step of xorshift64.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let thousandths = u32::try_from(self.random % 500).unwrap_or(0);
        span - span / 1_000 * thousandths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_the_longest_and_is_never_shorter_than_half_of_it() {
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(100));
        for expected in [10, 20, 40, 80, 100, 100] {
            let span = backoff.next();
            let expected = Duration::from_millis(expected);
            assert!(
                span <= expected && span >= expected / 2,
                "{span:?} of {expected:?}"
            );
        }
        backoff.reset();
        assert!(backoff.next() <= Duration::from_millis(10));
    }

    /// A setting that says "never again".
    #[test]
    fn the_longest_span_may_be_without_end() {
        let mut backoff = Backoff::new(Duration::MAX, Duration::MAX);
        for _ in 0..10 {
            assert!(backoff.next() >= Duration::MAX / 2);
        }
    }
}
