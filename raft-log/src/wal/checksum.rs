//! CRC-32C of what is put together from pieces whose own sums are known.
//!
//! A checksum is the remainder of the bytes, taken as a polynomial over two elements, by a fixed
//! one. That of two pieces after each other follows from theirs: the first one's, times x to the
//! number of bits behind it, plus the second one's. So a frame's checksum need not touch the payloads
//! that their chunk has summed already. It says what those bytes were when they were sealed: if they
//! are others now, the frame does not verify.

use raft_core::chunk::Chunk;

/// The checksum of what has the checksum `sum`, followed by a chunk in its encoding.
pub(super) fn append_chunk(sum: u32, chunk: &Chunk, encoded: &[u8]) -> u32 {
    let summed = chunk
        .sealed_payloads()
        .filter(|(place, _)| place.len() >= LEAST_BYTES);
    let pieces = summed.and_then(|(place, checksum)| {
        let (front, rest) = encoded.split_at_checked(place.start)?;
        let table = rest.get(place.len()..)?;
        let front = crc32c::crc32c_append(sum, front);
        let payloads = joined(front, checksum, u32::try_from(place.len()).ok()?);
        Some(crc32c::crc32c_append(payloads, table))
    });
    pieces.unwrap_or_else(|| crc32c::crc32c_append(sum, encoded))
}

/// The checksum of two pieces after each other, the second of which is so many bytes long.
fn joined(first: u32, second: u32, length: u32) -> u32 {
    let bytes = length.to_le_bytes();
    let moved = bytes
        .iter()
        .zip(&POWERS)
        .fold(first, |sum, (byte, powers)| {
            let power = powers.get(usize::from(*byte)).filter(|_| *byte > 0);
            power.map_or(sum, |power| times(sum, *power))
        });
    moved ^ second
}

/// The product of two remainders.
const fn times(factor: u32, mut other: u32) -> u32 {
    let mut product = 0;
    let mut bit = u32::BITS;
    while bit > 0 {
        bit = bit.saturating_sub(1);
        product ^= other & all_if(factor >> bit);
        // Times x: the highest power stands in the lowest bit.
        other = (other >> 1) ^ (POLYNOMIAL & all_if(other));
    }
    product
}

/// All bits, if the lowest one of these is set.
const fn all_if(bits: u32) -> u32 {
    0_u32.wrapping_sub(bits & 1)
}

/// The powers of x to move a remainder by so many bytes: a table for each byte of their number.
static POWERS: [[u32; 256]; 4] = powers();

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "evaluated by the compiler: an index out of bounds would not build"
)]
const fn powers() -> [[u32; 256]; 4] {
    let mut powers = [[ONE; 256]; 4];
    // x to the eighth: one byte.
    let mut step = ONE >> 8;
    let mut place = 0;
    while place < 4 {
        let mut byte = 1;
        while byte < 256 {
            powers[place][byte] = times(powers[place][byte - 1], step);
            byte += 1;
        }
        step = times(powers[place][255], step);
        place += 1;
    }
    powers
}

/// x to the power of zero.
const ONE: u32 = 1 << 31;
/// Without its highest power.
const POLYNOMIAL: u32 = 0x82f6_3b78;
/// Fewer bytes are summed sooner than joined.
const LEAST_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use raft_core::chunk::ChunkBuilder;
    use raft_core::ids::{LogIndex, Term};
    use raft_core::record::ClientHeader;
    use raft_core::time::LogTime;

    use super::*;

    fn chunk(payload: usize) -> Chunk {
        let mut builder = ChunkBuilder::new();
        for fill in 1..=3 {
            let payload = vec![fill; payload];
            builder
                .push_client(ClientHeader::default(), &payload)
                .unwrap();
        }
        let (term, first) = (Term::new(1), LogIndex::new(1));
        let sealed = builder.seal(term, first, LogTime::ZERO, crc32c::crc32c_append);
        sealed.unwrap()
    }

    #[test]
    fn pieces_have_the_sum_of_the_whole_wherever_it_is_cut() {
        let bytes: Vec<u8> = (0..70_000_u32)
            .map(|number| (number >> 2) as u8 ^ number as u8)
            .collect();
        let whole = crc32c::crc32c(&bytes);
        for at in [0, 1, 255, 256, 257, 4_463, 4_464, 65_536, 69_999, 70_000] {
            let (first, second) = bytes.split_at(at);
            let sums = (crc32c::crc32c(first), crc32c::crc32c(second));
            assert_eq!(
                joined(sums.0, sums.1, second.len() as u32),
                whole,
                "cut at {at}"
            );
        }
    }

    #[test]
    fn a_length_may_be_any_that_a_chunk_can_have() {
        let half = 1 << 31;
        let in_halves = joined(joined(0xabcd, 0, half), 0, half - 1);
        assert_eq!(joined(0xabcd, 0, u32::MAX), in_halves);
    }

    #[test]
    fn a_chunk_adds_what_its_bytes_do_whole_or_trimmed_long_or_short() {
        for payload in [0, 1, 1_341, 1_342, 100_000] {
            let whole = chunk(payload);
            let end = whole.slice(LogIndex::new(2)..LogIndex::new(9)).unwrap();
            for chunk in [end, whole.ids_only(crc32c::crc32c_append), whole] {
                let encoded = chunk.encode(crc32c::crc32c_append);
                let sum = crc32c::crc32c_append(77, &encoded);
                assert_eq!(
                    append_chunk(77, &chunk, &encoded),
                    sum,
                    "{chunk:?} of {payload}"
                );
            }
        }
    }

    #[test]
    fn payloads_that_are_not_those_sealed_do_not_get_their_own_sum() {
        let chunk = chunk(5_000);
        let whole = chunk.encode(crc32c::crc32c_append);
        let (payloads, _) = chunk.sealed_payloads().unwrap();
        for at in payloads {
            let mut changed = whole.to_vec();
            changed[at] ^= 1;
            let sum = append_chunk(0, &chunk, &changed);
            assert_ne!(sum, crc32c::crc32c(&changed), "byte {at}");
        }
    }
}
