//! Randomness that is a function, not a stream: what happens to one message or one write depends
//! on its name and the plan's seed, never on how many draws came before it.
//!
//! That is what makes shrinking work: removing one event from a plan leaves what becomes of all others
//! as it was. There is no floating point here, so that every platform draws the same.

use std::time::Duration;

mod key;

pub(crate) use key::Key;

/// The lot of one named thing: a short stream of numbers that depends on nothing but its name.
#[derive(Clone, Debug)]
pub struct Lot(u64);

impl Lot {
    /// The lot of the thing with this name under this seed.
    pub fn of(seed: u64, name: &[u64]) -> Self {
        Self::named(seed, name)
    }

    fn named<'a>(seed: u64, name: impl IntoIterator<Item = &'a u64>) -> Self {
        let mut state = mix(seed ^ 0x51_7c_c1_b7_27_22_0a_95);
        for part in name {
            state = mix(state.rotate_left(23) ^ part.wrapping_add(STEP));
        }
        Self(state)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number below `bound`; zero when `bound` is.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.number()) * u128::from(bound);
        (wide >> 64) as u64
    }

    /// A number from `least` to `most`, both possible.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most.saturating_sub(least).saturating_add(1))
    }

    /// True in `per_mille` of a thousand cases.
    pub fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1_000) < u64::from(per_mille)
    }

    /// A span from `least` to `most`.
    pub fn span(&mut self, least: Duration, most: Duration) -> Duration {
        Duration::from_nanos(self.between(nanos(least), nanos(most)))
    }

    /// A span whose logarithm is uniform: as likely between 1 and 2 ms as between 100 and 200 ms.
    pub fn span_of_any_scale(&mut self, least: Duration, most: Duration) -> Duration {
        let (least, most) = (nanos(least).max(1), nanos(most).max(1));
        let doublings = u64::from((most / least).max(1).ilog2()) + 1;
        let scale = least << self.below(doublings);
        let end = scale.saturating_mul(2).min(most.max(scale));
        Duration::from_nanos(self.between(scale, end))
    }

    /// A span that is mostly short and sometimes long: about exponential around `mean`.
    pub fn long_tailed(&mut self, mean: Duration) -> Duration {
        // The number of leading zeros of a uniform number is geometric: an exponential in steps of
        // ln 2; a uniform fraction smooths the steps.
        let steps = u64::from(self.number().leading_zeros().min(12));
        let fraction = self.below(1_000);
        let parts = (steps * 1_000 + fraction) * 693 / 1_000;
        Duration::from_nanos(nanos(mean).saturating_mul(parts) / 1_000)
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, first: T, others: &[T]) -> T {
        let place = self.below(others.len() as u64 + 1);
        match place.checked_sub(1) {
            None => first,
            Some(other) => others.get(other as usize).copied().unwrap_or(first),
        }
    }
}

/// Mixes a number so that each bit of it moves about half of the result's.
pub(crate) const fn mix(number: u64) -> u64 {
    let mut mixed = number;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A span in nanoseconds, as long as 64 bits can say.
pub(crate) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// An odd number without pattern, to walk through all states (2^64 by the golden ratio).
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fate_depends_on_every_part_of_the_name_and_on_the_seed() {
        let base = Lot::of(1, &[2, 3]).number();
        assert_eq!(base, Lot::of(1, &[2, 3]).number());
        for other in [
            Lot::of(2, &[2, 3]),
            Lot::of(1, &[3, 2]),
            Lot::of(1, &[2]),
            Lot::of(1, &[2, 3, 0]),
        ] {
            assert_ne!(base, other.clone().number());
        }
    }

    #[test]
    fn draws_stay_within_their_bounds() {
        let (least, most) = (Duration::from_micros(50), Duration::from_millis(80));
        for name in 0..2_000 {
            let mut lot = Lot::of(7, &[name]);
            assert!(lot.below(10) < 10);
            assert!((3..=5).contains(&lot.between(3, 5)));
            let span = lot.span_of_any_scale(least, most);
            assert!(span >= least && span <= most, "{span:?}");
        }
        assert_eq!(Lot::of(1, &[]).below(0), 0);
    }

    #[test]
    fn a_long_tailed_span_has_about_its_mean() {
        let mean = Duration::from_millis(10);
        let total: Duration = (0..4_000)
            .map(|name| Lot::of(3, &[name]).long_tailed(mean))
            .sum();
        let average = total / 4_000;
        assert!((7..14).contains(&average.as_millis()), "{average:?}");
    }
}
