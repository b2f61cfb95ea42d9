//! What a snapshot's content hashes to.

/// A hash of 64 bits over content that comes in parts of any length. It tells damage and different
/// contents apart; it does not withstand who looks for two that are alike.
///
/// The content is taken as little-endian numbers of 8 bytes, the last one filled up with zeros. Each
/// is added to the state by exclusive or, and the state then goes through a function that no two
/// states share a value of; so a change within any 8 bytes always shows. At the end the length is
/// added in the same way.
#[derive(Clone, Debug)]
pub struct ContentDigest {
    state: u64,
    /// The bytes that do not fill 8 yet.
    pending: [u8; 8],
    length: u64,
}

impl ContentDigest {
    /// The digest of nothing yet.
    pub const fn new() -> Self {
        Self {
            state: START,
            pending: [0; 8],
            length: 0,
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        let filled = usize::from((self.length % 8) as u8);
        self.length = self.length.wrapping_add(bytes.len() as u64);
        if filled > 0 {
            let room = self.pending.iter_mut().skip(filled);
            let taken = room.zip(bytes).map(|(place, byte)| *place = *byte).count();
            bytes = bytes.get(taken..).unwrap_or_default();
            if filled.saturating_add(taken) < 8 {
                return;
            }
            self.absorb(u64::from_le_bytes(self.pending));
        }
        let mut words = bytes.chunks_exact(8);
        for word in words.by_ref() {
            if let Ok(word) = word.try_into() {
                self.absorb(u64::from_le_bytes(word));
            }
        }
        self.pending = [0; 8];
        for (place, byte) in self.pending.iter_mut().zip(words.remainder()) {
            *place = *byte;
        }
    }

    /// The bytes taken so far.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// What all that was taken hashes to.
    pub const fn finish(&self) -> u64 {
        let mut last = Self {
            state: self.state,
            pending: self.pending,
            length: self.length,
        };
        last.absorb(u64::from_le_bytes(self.pending));
        last.absorb(self.length);
        last.state
    }

    const fn absorb(&mut self, word: u64) {
        let mixed = (self.state ^ word).wrapping_mul(FACTOR);
        self.state = (mixed ^ (mixed >> 29)).rotate_left(17);
    }
}

impl Default for ContentDigest {
    fn default() -> Self {
        Self::new()
    }
}

const START: u64 = 0x51c6_4f9d_20b7_6e83;
/// Odd, so that the product tells all numbers apart.
const FACTOR: u64 = 0xd6e8_feb8_6659_fd93;

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    fn digest(content: &[u8]) -> u64 {
        let mut digest = ContentDigest::new();
        digest.update(content);
        digest.finish()
    }

    #[test]
    fn parts_hash_to_what_the_whole_does() {
        let content: Vec<u8> = (0..100).collect();
        for first in 0..=content.len() {
            for second in first..=content.len() {
                let mut parts = ContentDigest::new();
                parts.update(&content[..first]);
                parts.update(&content[first..second]);
                parts.update(&content[second..]);
                assert_eq!(parts.finish(), digest(&content), "cut at {first}, {second}");
                assert_eq!(parts.length(), 100);
            }
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_shows() {
        let content: Vec<u8> = (0..40_u8).map(|number| number.wrapping_mul(7)).collect();
        let whole = digest(&content);
        for bit in 0..content.len() * 8 {
            let mut other = content.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(digest(&other), whole, "bit {bit}");
        }
        for length in 0..content.len() {
            assert_ne!(digest(&content[..length]), whole, "cut to {length}");
        }
    }

    #[test]
    fn zeros_count() {
        let lengths: Vec<u64> = (0..20).map(|length| digest(&vec![0; length])).collect();
        let mut unlike = lengths.clone();
        unlike.sort_unstable();
        unlike.dedup();
        assert_eq!(unlike.len(), lengths.len());
    }

    #[test]
    fn it_is_what_it_was() {
        assert_eq!(digest(b""), GOLDEN[0]);
        assert_eq!(digest(b"a"), GOLDEN[1]);
        assert_eq!(digest(b"snapshots are compared"), GOLDEN[2]);
    }

    const GOLDEN: [u64; 3] = [
        0x4f7f_2c50_50af_85aa,
        0x3044_6517_2a8a_8a00,
        0x8eea_c53a_1431_d34a,
    ];
}
