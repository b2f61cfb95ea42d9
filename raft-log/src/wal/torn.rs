//! What stands behind the last frame of a log and is dropped by opening it.
//!
//! A crash leaves such, and nobody was promised it. A file that was cut short or copied badly looks the same
//! where no later frame says that more was durable ([`super::scan`]), so it is told each time.

use std::fmt;

use raft_core::ids::LogIndex;

use super::recover::{End, ReadChain};
use super::{scan, segment};

/// What an opening dropped behind the last frame: most likely the writes that a crash interrupted. Nothing on
/// the disk tells them from ones that somebody was promised, if files were cut short since, or copied badly.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TornTail {
    /// The segment in which the frames end.
    pub file: String,
    /// Where the last frame ends in it.
    pub offset: u64,
    /// How many bytes stood there, up to the last one that is not zero.
    pub bytes: u64,
    /// What stood there in place of a frame.
    pub found: String,
    /// Segments behind that one, which hold nothing that follows.
    pub behind: Vec<String>,
    /// The last index that is left; what was dropped came after it, or took the place of entries.
    pub last: LogIndex,
}

impl TornTail {
    /// What stands behind this end of a log that is not damaged.
    pub(super) fn of(chain: &ReadChain, end: &End) -> Option<Self> {
        let offset = end.broken.offset;
        let behind = end.part.from(offset);
        let bytes = match scan::is_left_over(behind, end.file) {
            true => 0,
            false => without_zeros(behind),
        };
        (bytes > 0 || !chain.rest.is_empty()).then(|| Self {
            file: segment::name(end.file),
            offset: offset as u64,
            bytes: bytes as u64,
            found: end.broken.found.clone(),
            behind: chain
                .rest
                .iter()
                .map(|file| segment::name(file.number))
                .collect(),
            last: chain.replay.end().1.index,
        })
    }
}

impl fmt::Display for TornTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            offset,
            bytes,
            found,
            behind,
            last,
        } = self;
        write!(
            f,
            "{file} at offset {offset} has {found} after the last frame, {bytes} bytes"
        )?;
        if !behind.is_empty() {
            write!(f, ", and nothing that follows is in {}", behind.join(", "))?;
        }
        let last = last.get();
        write!(
            f,
            "; the last index before it is {last}; a crash leaves such, promised to nobody, and so does who \
             cuts a file short or copies it badly"
        )
    }
}

/// How long these bytes are without the zeros at their end.
fn without_zeros(bytes: &[u8]) -> usize {
    let blocks = bytes.rchunks(ZEROS.len());
    let zeros = blocks.take_while(|block| ZEROS.get(..block.len()) == Some(block));
    let zeros: usize = zeros.map(<[u8]>::len).sum();
    let left = bytes.get(..bytes.len().saturating_sub(zeros));
    left.and_then(|left| left.iter().rposition(|byte| *byte != 0))
        .map_or(0, |last| last.saturating_add(1))
}

const ZEROS: [u8; 4_096] = [0; 4_096];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_byte_that_is_not_zero_is_found_wherever_it_is() {
        for length in [0, 1, 4_095, 4_096, 4_097, 10_000] {
            let mut bytes = vec![0; length];
            assert_eq!(without_zeros(&bytes), 0);
            for at in [0, 1, 904, 1_808, 4_096, 9_999] {
                if at < length {
                    bytes.fill(0);
                    bytes[at] = 1;
                    assert_eq!(without_zeros(&bytes), at + 1, "{at} of {length}");
                }
            }
        }
    }
}
