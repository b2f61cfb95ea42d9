//! Segment files: their names, and which of them the log still needs.

use std::collections::VecDeque;

use raft_core::ids::LogIndex;

/// The segments of a log, oldest first.
///
/// - Numbers are contiguous and ascending.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Segments {
    segments: VecDeque<Segment>,
}

/// A segment that nobody needs any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Unneeded {
    pub(super) number: u64,
    /// The length it was made with; not known of one of an earlier life.
    pub(super) length: Option<u64>,
}

/// What is known of one segment file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Segment {
    number: u64,
    /// The highest index of any entry ever written to it, also of one since truncated.
    highest: LogIndex,
    /// The length it was made with; not known of one of an earlier life.
    length: Option<u64>,
    /// Whether what it repeats of older ones stands in it twice.
    is_safe: bool,
}

impl Segments {
    /// Adds the next segment, and the length it was made with in this life.
    pub(super) fn push(&mut self, number: u64, length: Option<u64>) {
        self.segments.push_back(Segment {
            number,
            highest: LogIndex::ZERO,
            length,
            is_safe: false,
        });
    }

    /// Notes that the newest segment says twice what it repeats of older ones, or has nothing to
    /// repeat.
    pub(super) fn note_safe(&mut self) {
        if let Some(newest) = self.segments.back_mut() {
            newest.is_safe = true;
        }
    }

    /// Whether the log can lose any one frame and still say who the node is.
    pub(super) fn are_safe(&self) -> bool {
        self.segments.len() > 1 || self.segments.back().is_some_and(|newest| newest.is_safe)
    }

    /// Notes that entries up to `last` went to the newest segment.
    pub(super) fn note_entries(&mut self, last: LogIndex) {
        if let Some(newest) = self.segments.back_mut() {
            newest.highest = newest.highest.max(last);
        }
    }

    /// Takes the oldest segment off, if all its entries are before `first`, and what it says beside
    /// them is said twice in what is left: one damaged frame must not hide who the node is. Only the
    /// oldest, so that a crash never leaves a gap between segments.
    pub(super) fn pop_unneeded(&mut self, first: LogIndex) -> Option<Unneeded> {
        let oldest = self.segments.front()?;
        let newest_is_safe = self.segments.back().is_some_and(|newest| newest.is_safe);
        let said = match self.segments.len() {
            0 | 1 => false,
            2 => newest_is_safe,
            _ => true,
        };
        let unneeded = said && oldest.highest < first;
        if unneeded {
            self.segments.pop_front().map(|segment| Unneeded {
                number: segment.number,
                length: segment.length,
            })
        } else {
            None
        }
    }
}

/// The file name of a segment.
pub(super) fn name(number: u64) -> String {
    // By hand: a name is made for each operation, and formatting took longer than all else of it.
    let mut name = String::with_capacity(NAME_BYTES);
    for byte in number.to_be_bytes() {
        for digit in [byte >> 4, byte & 0xf] {
            name.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    name.push_str(SUFFIX);
    name
}

/// The number of the segment with this file name; `None` for other files.
pub(super) fn number(file: &str) -> Option<u64> {
    let digits = file.strip_suffix(SUFFIX)?;
    let number = u64::from_str_radix(digits, 16).ok()?;
    (name(number) == file).then_some(number)
}

pub(super) const SUFFIX: &str = ".wal";

/// How long a name is: the digits and the suffix.
const NAME_BYTES: usize = 16 + SUFFIX.len();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_no_others_are() {
        assert_eq!(number(&name(0xabc)), Some(0xabc));
        for other in [
            "LOCK",
            "0.wal",
            "+00000000000000a.wal",
            "000000000000000A.wal",
        ] {
            assert_eq!(number(other), None, "{other}");
        }
    }

    fn pop(segments: &mut Segments, first: LogIndex) -> Option<u64> {
        segments.pop_unneeded(first).map(|segment| segment.number)
    }

    #[test]
    fn only_the_oldest_segments_wholly_before_the_first_entry_go() {
        let mut segments = Segments::default();
        for (number, last) in [(1, 9), (2, 5), (3, 20), (4, 0)] {
            segments.push(number, Some(4096));
            segments.note_entries(LogIndex::new(last));
        }
        assert_eq!(pop(&mut segments, LogIndex::new(9)), None);
        assert_eq!(pop(&mut segments, LogIndex::new(10)), Some(1));
        assert_eq!(pop(&mut segments, LogIndex::new(10)), Some(2));
        assert_eq!(pop(&mut segments, LogIndex::new(10)), None);
        let last = LogIndex::new(21);
        assert_eq!(pop(&mut segments, last), None, "the next is not safe");
        segments.note_safe();
        assert_eq!(pop(&mut segments, last), Some(3));
        assert_eq!(pop(&mut segments, LogIndex::new(99)), None, "newest");
    }
}
