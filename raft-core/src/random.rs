//! Randomness as an input: a seed and a counter.

use alloc::boxed::Box;
use core::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::time::nanos_of;

/// The hull's source of randomness: the same seed gives the same numbers on every platform.
///
/// It is ChaCha with eight rounds. The generator and its block of numbers to come are larger than most
/// of what a hull has, and can be made again at any place: a hull at rest does without.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    seed: u64,
    drawn: u64,
    generator: Option<Box<ChaCha8Rng>>,
}

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self {
            seed,
            drawn: 0,
            generator: None,
        }
    }

    /// A span from `base` (inclusive) to twice `base` (exclusive).
    pub(crate) fn between_once_and_twice(&mut self, base: Duration) -> Duration {
        let nanos = nanos_of(base);
        // The upper half of the product is below `nanos`, and as good as evenly spread there.
        let product = u128::from(self.next()).saturating_mul(u128::from(nanos));
        let extra = u64::try_from(product >> u64::BITS).unwrap_or(nanos);
        Duration::from_nanos(nanos.saturating_add(extra))
    }

    /// Lets go of the generator. What is drawn next is what would have been.
    pub(crate) fn give_back(&mut self) {
        self.generator = None;
    }

    fn next(&mut self) -> u64 {
        let (seed, drawn) = (self.seed, self.drawn);
        let generator = self.generator.get_or_insert_with(|| {
            let mut generator = ChaCha8Rng::seed_from_u64(seed);
            generator.set_word_pos(u128::from(drawn).saturating_mul(WORDS_PER_NUMBER));
            Box::new(generator)
        });
        self.drawn = drawn.saturating_add(1);
        generator.next_u64()
    }
}

/// A number takes two of the generator's words of 32 bits.
const WORDS_PER_NUMBER: u128 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    use alloc::vec::Vec;

    #[test]
    fn who_was_at_rest_draws_what_it_would_have_drawn() {
        let mut generator = ChaCha8Rng::seed_from_u64(7);
        let expected: Vec<u64> = (0..200).map(|_| generator.next_u64()).collect();
        for rest_after in [1, 3, 31, 32, 33, 1_000] {
            let mut random = Random::new(7);
            for (number, expected) in (1..).zip(&expected) {
                assert_eq!(random.next(), *expected, "{number}, {rest_after}");
                if number % rest_after == 0 {
                    random.give_back();
                }
            }
        }
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
