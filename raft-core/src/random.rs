//! Randomness as an input: a seed and a counter.

use alloc::boxed::Box;
use core::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// The hull's source of randomness: the same seed gives the same numbers on every platform.
///
/// The generator and its block of numbers to come are larger than most of what a hull has, and can
/// be made again at any place: a hull at rest does without.
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
        let nanos = u64::try_from(base.as_nanos()).unwrap_or(u64::MAX);
        // The modulus favours small values by less than one in a billion: no matter here.
        let extra = self.next().checked_rem(nanos).unwrap_or(0);
        base.saturating_add(Duration::from_nanos(extra))
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
}
