//! Randomness as an input: a seed and a counter.

use core::time::Duration;

use crate::time::nanos_of;

/// The hull's source of randomness: the same seed gives the same numbers on every platform.
///
/// It is SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). Numbers are drawn with every word of a
/// leader, and nobody gains by guessing them: they need to differ between nodes, and no more.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A span from `base` (inclusive) to twice `base` (exclusive).
    pub(crate) fn between_once_and_twice(&mut self, base: Duration) -> Duration {
        let nanos = nanos_of(base);
        // The upper half of the product is below `nanos`, and as good as evenly spread there.
        let product = u128::from(self.next()).saturating_mul(u128::from(nanos));
        let extra = u64::try_from(product >> u64::BITS).unwrap_or(nanos);
        Duration::from_nanos(nanos.saturating_add(extra))
    }

    const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN_GAMMA);
        let mixed = self.state;
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

/// How far apart the states lie: the golden ratio's fraction of all numbers.
const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

#[cfg(test)]
mod tests {
    use super::*;

    use alloc::vec::Vec;

    #[test]
    fn draws_the_numbers_that_the_generator_is_known_by() {
        let mut random = Random::new(1_234_567);
        let drawn: Vec<u64> = (0..5).map(|_| random.next()).collect();
        let known = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(drawn, known);
    }

    #[test]
    fn spans_fill_the_interval_evenly() {
        let mut random = Random::new(7);
        let base = Duration::from_millis(10);
        let mut tenths = [0; 10];
        for _ in 0..10_000 {
            let span = random.between_once_and_twice(base);
            let extra = span.checked_sub(base).unwrap();
            tenths[usize::try_from(extra.as_millis()).unwrap()] += 1;
        }
        assert!(
            tenths.iter().all(|count| (900..1_100).contains(count)),
            "{tenths:?}"
        );
        assert_eq!(
            random.between_once_and_twice(Duration::ZERO),
            Duration::ZERO
        );
        let longest = random.between_once_and_twice(Duration::MAX);
        assert_eq!(longest, Duration::from_nanos(u64::MAX));
    }
}
