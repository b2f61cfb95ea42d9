//! The bytes of one file.
//!
//! A log prewrites its segments with zeros, most of which stay zeros until a world ends: they are
//! not kept. Of all that worlds spent on copying and clearing memory, this was more than half.

use std::ops::Range;

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

    /// Makes a change. What takes it back.
    pub(super) fn make(&mut self, change: &Change) -> Undo {
        let (written, length) = (self.written.len(), self.length);
        let (place, replaced) = match change {
            Change::Length(length) => {
                let cut = self.written.get(*length..).unwrap_or_default().to_vec();
                self.set_length(*length);
                (Place::Length(*length), cut)
            }
            Change::Bytes(start, parts) => {
                let bytes: usize = parts.iter().map(Bytes::len).sum();
                let place = *start..start.saturating_add(bytes);
                let over = self.written.get(*start..place.end.min(written));
                let replaced = over.unwrap_or_default().to_vec();
                let mut at = *start;
                for part in parts {
                    self.put(at, part);
                    at = at.saturating_add(part.len());
                }
                (Place::Bytes(place), replaced)
            }
        };
        Undo {
            place,
            replaced,
            written,
            length,
        }
    }

    /// Takes back the newest change that was not taken back yet, and tells what it was.
    pub(super) fn take_back(&mut self, undo: &Undo) -> Change {
        let change = match &undo.place {
            Place::Length(length) => {
                self.written.extend_from_slice(&undo.replaced);
                Change::Length(*length)
            }
            Place::Bytes(place) => {
                let bytes = self.read(place.start, place.end - place.start);
                if !undo.replaced.is_empty() {
                    self.put(place.start, &undo.replaced);
                }
                Change::Bytes(place.start, vec![bytes])
            }
        };
        self.written.truncate(undo.written);
        self.length = undo.length;
        change
    }

    /// Cuts what is beyond `length`, or adds zeros up to it.
    fn set_length(&mut self, length: usize) {
        self.written.truncate(length);
        self.length = length;
    }

    /// Puts bytes where they belong; the file grows as needed.
    pub(super) fn put(&mut self, start: usize, bytes: &[u8]) {
        let end = start.saturating_add(bytes.len());
        self.length = self.length.max(end);
        if self.written.capacity() == 0 {
            self.written.reserve(LEAST_CAPACITY.max(end));
        }
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

/// A change of a file's content.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// Cuts the file there, or adds zeros up to there.
    Length(usize),
    /// Puts these parts there, one after the other.
    Bytes(usize, Vec<Bytes>),
}

/// What takes a change back, as long as those after it are taken back first.
#[derive(Debug)]
pub(super) struct Undo {
    place: Place,
    /// The bytes that were there, as far as any had been written.
    replaced: Vec<u8>,
    /// How much had been written, and how long the file was.
    written: usize,
    length: usize,
}

/// What a change was about.
#[derive(Debug)]
enum Place {
    Length(usize),
    Bytes(Range<usize>),
}

impl Undo {
    /// The range that was written, unless the change was one of length.
    pub(super) fn range(&self) -> Option<Range<usize>> {
        match &self.place {
            Place::Length(_) => None,
            Place::Bytes(range) => Some(range.clone()),
        }
    }
}

/// What the first bytes of a file get room for: most files grow.
const LEAST_CAPACITY: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    /// Beside a plain vector of bytes, whatever is done to both; now and then some of the newest
    /// changes are taken back.
    #[test]
    fn is_what_a_vector_with_all_its_zeros_would_be() {
        let mut lot = crate::lot::Lot::of(7, &[]);
        let mut content = Content::default();
        let mut plain = Vec::new();
        let mut past = Vec::new();
        for round in 0..4_000_u32 {
            let start = lot.below(60) as usize;
            match lot.below(5) {
                0 => {
                    past.push((plain.clone(), content.make(&Change::Length(start))));
                    plain.resize(start, 0);
                }
                1 => {
                    for _ in 0..lot.below(4) {
                        let Some((before, undo)) = past.pop() else {
                            break;
                        };
                        let change = content.take_back(&undo);
                        // Made again it leads to where it led before.
                        let again = content.make(&change);
                        assert_eq!(content.read(0, 90), plain, "round {round}");
                        content.take_back(&again);
                        plain = before;
                    }
                }
                2 => {
                    past.clear();
                    content.flip(start, 4);
                    if let Some(byte) = plain.get_mut(start) {
                        *byte ^= 4;
                    }
                }
                _ => {
                    let bytes = vec![round as u8; lot.below(9) as usize];
                    let (one, other) = bytes.split_at(bytes.len() / 2);
                    let parts = [one, other].map(Bytes::copy_from_slice);
                    let change = Change::Bytes(start, parts.to_vec());
                    past.push((plain.clone(), content.make(&change)));
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
