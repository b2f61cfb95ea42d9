//! Randomness as an input: a seed and a counter.

use core::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// The hull's source of randomness: the same seed gives the same numbers on every platform.
#[derive(Clone, Debug)]
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A span from `base` (inclusive) to twice `base` (exclusive).
    pub(crate) fn between_once_and_twice(&mut self, base: Duration) -> Duration {
        let nanos = u64::try_from(base.as_nanos()).unwrap_or(u64::MAX);
        // The modulus favours small values by less than one in a billion: no matter here.
        let extra = self.0.next_u64().checked_rem(nanos).unwrap_or(0);
        base.saturating_add(Duration::from_nanos(extra))
    }
}
