//! Where each chunk of the log stands, in a few bytes of memory.
//!
//! A log has millions of chunks. All but the newest are kept in pages, where each number takes as many bytes
//! as it is above the least of its page, and each chunk can be told without the others.

use std::collections::VecDeque;

use raft_core::ids::{EntryId, LogIndex, Term};
use raft_core::time::LogTime;

/// A chunk in a file, and which of its entries count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Extent {
    pub(super) first: LogIndex,
    pub(super) last: LogIndex,
    pub(super) place: Place,
    time: LogTime,
}

/// A chunk as it was appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stored {
    pub(super) first: LogIndex,
    pub(super) term: Term,
    pub(super) time: LogTime,
    pub(super) place: Place,
    /// Whether it came without payloads.
    pub(super) is_ids_only: bool,
}

/// Where a chunk's bytes stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) length: usize,
}

/// The chunks of a log, oldest first, and which entries of them count.
///
/// - They are contiguous: each one's entries count up to the next one's first.
/// - `first` and `last` are the first entry that counts and the last one, if there are chunks. No chunk
///   begins behind `last`, and no page ends before `first`.
/// - What is in `newest` stands behind all `pages`, and fits one. It is empty only if there are no chunks.
#[derive(Debug, Default)]
pub(super) struct Extents {
    /// With the first entry of each, which are searched without touching the pages.
    pages: VecDeque<(LogIndex, Box<Page>)>,
    newest: Vec<Stored>,
    first: LogIndex,
    last: LogIndex,
}

impl Extents {
    /// Adds the next chunk, which ends at `last`.
    pub(super) fn push(&mut self, chunk: Stored, last: LogIndex) {
        match self.newest.first() {
            None => self.first = chunk.first,
            Some(one) if one.is_alike(&chunk) && self.newest.len() < MOST_CHUNKS => {}
            Some(one) => {
                let page = Page::of(*one, &self.newest);
                self.pages.push_back((one.first, Box::new(page)));
                self.newest.clear();
            }
        }
        self.newest.push(chunk);
        self.last = last;
    }

    /// Removes `from` and all entries after it.
    pub(super) fn truncate(&mut self, from: LogIndex) {
        self.last = self.last.min(from.previous());
        if self.last < self.first {
            self.clear();
        }
        self.newest.retain(|chunk| chunk.first < from);
        while self.newest.is_empty() {
            let Some((_, page)) = self.pages.pop_back() else {
                break;
            };
            let chunks = (0..page.count).map(|number| page.chunk(number));
            let stay = chunks.filter(|chunk| chunk.first < from);
            self.newest.extend(stay);
        }
    }

    /// Removes all entries up to `index`.
    pub(super) fn forget(&mut self, index: LogIndex) {
        self.first = self.first.max(index.next());
        if self.last < self.first {
            self.clear();
        }
        while self.second_begins().is_some_and(|at| at <= self.first) {
            self.pages.pop_front();
        }
    }

    fn clear(&mut self) {
        self.pages.clear();
        self.newest.clear();
    }

    /// Where what is behind the first page begins.
    fn second_begins(&self) -> Option<LogIndex> {
        self.pages.front()?;
        let newest = self.newest.first().map(|chunk| chunk.first);
        self.pages.get(1).map(|(first, _)| *first).or(newest)
    }

    /// The first entry and the last one, if there are any.
    pub(super) fn ends(&self) -> Option<(LogIndex, LogIndex)> {
        self.newest.last().map(|_| (self.first, self.last))
    }

    /// The last entry's id.
    pub(super) fn last_id(&self) -> Option<EntryId> {
        let newest = self.newest.last();
        newest.map(|newest| EntryId::new(newest.term, self.last))
    }

    /// The chunks that reach the index, or are behind it.
    pub(super) fn reaching(&self, index: LogIndex) -> impl Iterator<Item = Extent> + '_ {
        let (mut page, mut number) = self.holding(index.max(self.first));
        std::iter::from_fn(move || {
            let (chunk, count) = match self.pages.get(page) {
                _ if index > self.last || page > self.pages.len() => return None,
                Some((_, page)) => (page.chunk(number), page.count),
                None => (*self.newest.get(number)?, self.newest.len()),
            };
            number = number.saturating_add(1);
            if number == count {
                (page, number) = (page.saturating_add(1), 0);
            }
            Some(Extent {
                first: chunk.first.max(self.first),
                last: self
                    .begins(page, number)
                    .map_or(self.last, LogIndex::previous),
                place: chunk.place,
                time: chunk.time,
            })
        })
    }

    /// The last chunk that begins at the index or before it, by the number of its page and its own there. What
    /// is behind the pages counts as one.
    fn holding(&self, index: LogIndex) -> (usize, usize) {
        let newest = self.newest.partition_point(|chunk| chunk.first <= index);
        if let Some(number) = newest.checked_sub(1) {
            return (self.pages.len(), number);
        }
        let begun = self.pages.partition_point(|(first, _)| *first <= index);
        let number = begun.saturating_sub(1);
        let page = self.pages.get(number);
        (number, page.map_or(0, |(_, page)| page.holding(index)))
    }

    /// Where a chunk begins.
    fn begins(&self, page: usize, number: usize) -> Option<LogIndex> {
        match self.pages.get(page) {
            Some((first, _)) if number == 0 => Some(*first),
            Some((_, page)) => Some(page.begins(number)),
            None if page > self.pages.len() => None,
            None => self.newest.get(number).map(|chunk| chunk.first),
        }
    }

    /// Each run of entries of one term, by its first entry.
    pub(super) fn runs(&self) -> Vec<EntryId> {
        let mut runs: Vec<EntryId> = Vec::new();
        for head in self.heads() {
            if runs.last().is_none_or(|run| run.term != head.term) {
                runs.push(EntryId::new(head.term, head.first.max(self.first)));
            }
        }
        runs
    }

    /// The highest log time any entry carries.
    pub(super) fn time(&self) -> LogTime {
        // In front some may not count.
        let front = self.pages.front().map(|(_, page)| page.count);
        let front = self
            .reaching(self.first)
            .take(front.unwrap_or(self.newest.len()));
        let pages = self.pages.iter().skip(1).map(|(_, page)| page.latest);
        let newest = self.newest.iter().filter(|chunk| chunk.first >= self.first);
        let times = front.map(|extent| extent.time).chain(pages);
        let times = times.chain(newest.map(|chunk| chunk.time));
        times.max().unwrap_or_default()
    }

    /// Whether any of them came without payloads.
    pub(super) fn holds_ids_only(&self) -> bool {
        self.heads().any(|head| head.is_ids_only)
    }

    /// The first chunk of each page, and of those behind them.
    fn heads(&self) -> impl Iterator<Item = &Stored> {
        let pages = self.pages.iter().map(|(_, page)| &page.least);
        pages.chain(self.newest.first())
    }
}

impl Stored {
    /// Whether both can stand in one page.
    fn is_alike(&self, other: &Self) -> bool {
        let told_once = |one: &Self| (one.place.segment, one.term, one.is_ids_only);
        told_once(self) == told_once(other)
    }

    /// What differs from chunk to chunk.
    const fn numbers(&self) -> [u64; NUMBERS] {
        let length = self.place.length as u64;
        let time = self.time.as_millis();
        [self.first.get(), self.place.offset, length, time]
    }

    /// The chunk that is like this one but for the numbers.
    fn with(self, [first, offset, length, time]: [u64; NUMBERS]) -> Self {
        Self {
            first: LogIndex::new(first),
            time: LogTime::from_millis(time),
            place: Place {
                offset,
                // It was one.
                length: length as usize,
                ..self.place
            },
            ..self
        }
    }
}

/// Chunks that are alike, of each the numbers in one row.
#[derive(Debug)]
struct Page {
    /// The first of them, with the least of each of the numbers.
    least: Stored,
    /// The highest log time of any.
    latest: LogTime,
    count: usize,
    /// How many bytes each of the numbers takes.
    widths: [u8; NUMBERS],
    /// How far the numbers are above the least, the lowest byte first; and [`BEHIND`].
    rows: Box<[u8]>,
}

impl Page {
    /// The page of these chunks, the first of which is `head`.
    fn of(head: Stored, chunks: &[Stored]) -> Self {
        let (mut least, mut most) = (head.numbers(), head.numbers());
        for chunk in chunks {
            for ((least, most), number) in least.iter_mut().zip(&mut most).zip(chunk.numbers()) {
                (*least, *most) = ((*least).min(number), (*most).max(number));
            }
        }
        let mut widths = [0; NUMBERS];
        for ((width, least), most) in widths.iter_mut().zip(least).zip(most) {
            *width = bytes_of(most.saturating_sub(least));
        }
        let bytes = row_bytes(widths).saturating_mul(chunks.len());
        let mut rows = Vec::with_capacity(bytes.saturating_add(BEHIND.len()));
        for chunk in chunks {
            for ((number, least), width) in chunk.numbers().into_iter().zip(least).zip(widths) {
                // All eight, which are as quickly there as one, and off again.
                let end = rows.len().saturating_add(usize::from(width));
                rows.extend_from_slice(&number.saturating_sub(least).to_le_bytes());
                rows.truncate(end);
            }
        }
        rows.extend(BEHIND);
        Self {
            least: head.with(least),
            latest: head.with(most).time,
            count: chunks.len(),
            widths,
            rows: rows.into(),
        }
    }

    fn chunk(&self, number: usize) -> Stored {
        let mut numbers = self.least.numbers();
        let mut row = self.row(number);
        for (number, width) in numbers.iter_mut().zip(self.widths) {
            *number = number.saturating_add(value(row, width));
            row = row.get(usize::from(width)..).unwrap_or_default();
        }
        self.least.with(numbers)
    }

    /// The number of the last chunk that begins at the index or before it; of the first one, if none does.
    fn holding(&self, index: LogIndex) -> usize {
        let (mut start, mut end) = (0, self.count);
        while start < end {
            let middle = start.midpoint(end);
            if self.begins(middle) <= index {
                start = middle.saturating_add(1);
            } else {
                end = middle;
            }
        }
        start.saturating_sub(1)
    }

    /// Where the `number`th chunk begins.
    fn begins(&self, number: usize) -> LogIndex {
        let [width, ..] = self.widths;
        self.least.first.plus(value(self.row(number), width))
    }

    /// The row of the `number`th chunk, and those behind it.
    fn row(&self, number: usize) -> &[u8] {
        let at = row_bytes(self.widths).saturating_mul(number);
        self.rows.get(at..).unwrap_or_default()
    }
}

fn row_bytes(widths: [u8; NUMBERS]) -> usize {
    widths.into_iter().map(usize::from).sum()
}

/// How many bytes the number takes, without the zeros in front.
fn bytes_of(number: u64) -> u8 {
    let behind = number
        .to_be_bytes()
        .into_iter()
        .skip_while(|byte| *byte == 0);
    behind.fold(0, |bytes: u8, _| bytes.saturating_add(1))
}

/// The number that these begin with. All eight bytes are read, which takes one instruction.
fn value(bytes: &[u8], width: u8) -> u64 {
    let others = u64::BITS.saturating_sub(u32::from(width).saturating_mul(u8::BITS));
    let own = u64::MAX.checked_shr(others).unwrap_or(0);
    let read = bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    read.unwrap_or(0) & own
}

/// How many numbers of a chunk differ from those of others that are alike.
const NUMBERS: usize = 4;
/// Stands behind the rows, so that eight bytes can be read wherever a number begins.
const BEHIND: [u8; 8] = [0; 8];
/// So many chunks stand in a page: what is told of it once takes less than two bytes for each of them, and they
/// wait for it in little memory.
const MOST_CHUNKS: usize = 64;

#[cfg(test)]
mod tests;
