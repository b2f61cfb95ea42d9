//! The bytes of one file.
//!
//! A log prewrites its segments with zeros, most of which stay zeros until a world ends: they are
//! not kept. Of all that worlds spent on copying and clearing memory, this was more than half.

use bytes::Bytes;

/// Bytes that are followed by zeros up to a length.
///
/// - `written` is never longer than `length`.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    written: Vec<u8>,
    length: usize,
}

impl Content {
    pub(super) const fn of_zeros(length: usize) -> Self {
        Self {
            written: Vec::new(),
            length,
        }
    }

    pub(super) const fn length(&self) -> usize {
        self.length
    }

    /// The bytes from `start` on: `length` of them, or as many as there are.
    pub(super) fn read(&self, start: usize, length: usize) -> Bytes {
        let end = start.saturating_add(length).min(self.length);
        let length = end.saturating_sub(start);
        let tail = self.written.get(start..).unwrap_or_default();
        let mut bytes = Vec::with_capacity(length);
        bytes.extend_from_slice(tail.get(..length).unwrap_or(tail));
        bytes.resize(length, 0);
        bytes.into()
    }

    pub(super) fn byte(&self, at: usize) -> u8 {
        self.written.get(at).copied().unwrap_or_default()
    }

    /// Whether any byte from `start` on is more than a zero.
    pub(super) fn says_something_from(&self, start: usize) -> bool {
        let tail = self.written.get(start..).unwrap_or_default();
        tail.iter().any(|byte| *byte != 0)
    }

    /// Cuts what is beyond `length`, or adds zeros up to it.
    pub(super) fn set_length(&mut self, length: usize) {
        self.written.truncate(length);
        self.length = length;
    }

    /// Puts bytes where they belong; the file grows as needed.
    pub(super) fn put(&mut self, start: usize, bytes: &[u8]) {
        let end = start.saturating_add(bytes.len());
        self.length = self.length.max(end);
        if self.written.len() < start {
            self.written.resize(start, 0);
        }
        let (over, beyond) = bytes.split_at((self.written.len() - start).min(bytes.len()));
        if let Some(place) = self.written.get_mut(start..start + over.len()) {
            place.copy_from_slice(over);
        }
        self.written.extend_from_slice(beyond);
    }

    /// Flips bits of the byte at `at`, if the file has one there.
    pub(super) fn flip(&mut self, at: usize, mask: u8) {
        if at < self.length {
            self.put(at, &[self.byte(at) ^ mask]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beside a plain vector of bytes, whatever is done to both.
    #[test]
    fn is_what_a_vector_with_all_its_zeros_would_be() {
        let mut lot = crate::lot::Lot::of(7, &[]);
        let mut content = Content::of_zeros(40);
        let mut plain = vec![0_u8; 40];
        for round in 0..2_000_u32 {
            let start = lot.below(60) as usize;
            match lot.below(4) {
                0 => {
                    content.set_length(start);
                    plain.resize(start, 0);
                }
                1 => {
                    content.flip(start, 4);
                    if let Some(byte) = plain.get_mut(start) {
                        *byte ^= 4;
                    }
                }
                _ => {
                    let bytes = vec![round as u8; lot.below(9) as usize];
                    content.put(start, &bytes);
                    let end = start + bytes.len();
                    plain.resize(plain.len().max(end), 0);
                    plain[start..end].copy_from_slice(&bytes);
                }
            }
            let (from, most) = (lot.below(70) as usize, lot.below(70) as usize);
            let expected: Vec<u8> = plain.iter().skip(from).take(most).copied().collect();
            assert_eq!(content.read(from, most), expected, "round {round}");
            assert_eq!(content.length(), plain.len());
            assert_eq!(content.byte(from), plain.get(from).copied().unwrap_or(0));
            let says = plain.iter().skip(from).any(|byte| *byte != 0);
            assert_eq!(content.says_something_from(from), says);
        }
    }
}
