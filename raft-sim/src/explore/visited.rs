//! Which states were met: 88 bits of each are kept, and nothing else.
//!
//! Two states of which these bits are the same are taken for one, and what could happen after the
//! second would be missed. That anything at all is missed has a chance of at most `n * n / 2^89`
//! for `n` states: for a thousand million, less than one in six hundred million.

use std::hash::Hasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// A set of fingerprints that several threads add to.
#[derive(Debug)]
pub(super) struct Visited {
    shards: Vec<Mutex<Shard>>,
    len: AtomicUsize,
    bytes: AtomicUsize,
}

/// What tells a state apart: eight bits that name the shard, and eighty that are kept in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Fingerprint {
    shard: u8,
    kept: Kept,
}

/// Never all zeros, which is a free place.
type Kept = [u16; 5];

/// Open addressing, with room that grows by a quarter: half empty tables would be too large.
#[derive(Debug)]
struct Shard {
    places: Vec<Kept>,
    len: usize,
}

impl Visited {
    pub(super) fn new() -> Self {
        let shard = || Shard {
            places: vec![FREE; LEAST_ROOM],
            len: 0,
        };
        let shards = (0..=u8::MAX).map(|_| Mutex::new(shard()));
        Self {
            shards: shards.collect(),
            len: AtomicUsize::new(0),
            bytes: AtomicUsize::new(256 * LEAST_ROOM * size_of::<Kept>()),
        }
    }

    /// Adds a state; answers whether it is new.
    pub(super) fn add(&self, state: Fingerprint) -> bool {
        let shard = &self.shards[usize::from(state.shard)];
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let (place, known) = shard.find(state.kept);
        if known {
            return false;
        }
        shard.places[place] = state.kept;
        shard.len += 1;
        if shard.len * 4 > shard.places.len() * 3 {
            let more = shard.grow();
            let more = more * size_of::<Kept>();
            self.bytes.fetch_add(more, Ordering::Relaxed);
        }
        self.len.fetch_add(1, Ordering::Relaxed);
        true
    }

    pub(super) fn contains(&self, state: Fingerprint) -> bool {
        let shard = &self.shards[usize::from(state.shard)];
        let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        shard.find(state.kept).1
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// How many bytes the set takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Fingerprint {
    /// The fingerprint of what a state is written down as.
    pub(super) fn of(words: &[u32]) -> Self {
        let (mut one, mut other) = (Mixed(FIRST_KEY), Mixed(SECOND_KEY));
        for word in words {
            one.write_u32(*word);
            other.write_u32(*word);
        }
        let (one, other) = (one.finish(), other.finish());
        let mut kept = [one >> 48, one >> 32, one >> 16, one, other >> 48].map(|bits| bits as u16);
        if kept == FREE {
            kept[0] = 1;
        }
        Self {
            shard: other as u8,
            kept,
        }
    }
}

impl Shard {
    /// Where a state stands, or would, and whether it does.
    fn find(&self, kept: Kept) -> (usize, bool) {
        let size = self.places.len();
        let mut place = home(kept, size);
        loop {
            let found = self.places[place];
            if found == kept || found == FREE {
                return (place, found == kept);
            }
            place = if place + 1 == size { 0 } else { place + 1 };
        }
    }

    fn grow(&mut self) -> usize {
        let size = self.places.len();
        let more = size / 4;
        let old = std::mem::replace(&mut self.places, vec![FREE; size + more]);
        for kept in old.into_iter().filter(|kept| *kept != FREE) {
            let (place, _) = self.find(kept);
            self.places[place] = kept;
        }
        more
    }
}

/// Where to look first: the first 32 of the bits, stretched over the room there is.
fn home(kept: Kept, size: usize) -> usize {
    let high = (u64::from(kept[0]) << 16) | u64::from(kept[1]);
    ((high * size as u64) >> 32) as usize
}

/// Mixes words into 64 bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mixed(pub(super) u64);

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * u128::from(FACTOR);
        self.0 = (product as u64 ^ (product >> 64) as u64).wrapping_add(STEP);
    }

    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(FACTOR);
        let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(STEP);
        mixed ^ (mixed >> 32)
    }
}

const FREE: Kept = [0; 5];
const LEAST_ROOM: usize = 64;
const FIRST_KEY: u64 = 0x243f_6a88_85a3_08d3;
const SECOND_KEY: u64 = 0x1319_8a2e_0370_7344;
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
const STEP: u64 = 0xd6e8_feb8_6659_fd93;

#[cfg(test)]
mod tests {
    use super::{Fingerprint, Visited};

    #[test]
    fn each_state_is_new_once_however_often_the_room_grows() {
        let visited = Visited::new();
        let state = |number: u32| Fingerprint::of(&[number / 3, number % 3, 7]);
        assert!((0..200_000).all(|number| !visited.contains(state(number))));
        assert!((0..200_000).all(|number| visited.add(state(number))));
        assert!((0..200_000).all(|number| !visited.add(state(number))));
        assert!((0..200_000).all(|number| visited.contains(state(number))));
        assert_eq!(visited.len(), 200_000);
    }

    /// Of any 32 bits of a good fingerprint some hundred thousand differ nearly always: that those
    /// of like states do not stand together is what the chance of taking two for one rests on.
    #[test]
    fn the_bits_of_states_that_are_nearly_alike_are_spread() {
        for part in 0..4 {
            let mut seen: Vec<[u16; 2]> = (0..100_000u32)
                .map(|number| {
                    let kept = Fingerprint::of(&[number & 255, number >> 8, 3, 3]).kept;
                    [kept[part], kept[part + 1]]
                })
                .collect();
            seen.sort_unstable();
            seen.dedup();
            // Two by two, 100,000 numbers of 32 bits are expected to meet once.
            assert!(seen.len() > 99_980, "{part}: {}", seen.len());
        }
    }
}
