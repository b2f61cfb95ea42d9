//! What the core knows of its own log: every entry's term, and the latest payloads.
//!
//! Terms are kept as runs, so that every question about an old entry is answered without a read;
//! payloads are kept only while something needs them, then as a bounded cache.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::aside::Aside;
use crate::chunk::Chunk;
use crate::few::Few;
use crate::ids::{EntryId, LogIndex, Term};
use crate::log::Recovered;
use crate::message::MAX_CHUNKS;
use crate::time::LogTime;

/// The log as the core sees it.
///
/// - `since` is the first entry of the last one's term, after the snapshot; one past the end where
///   there are no entries, and then `last` is `snapshot`.
/// - `earlier` ascends in index and term; each is the first entry of its term, and all lie in
///   `snapshot.index < index < since`.
/// - `chunks` is contiguous and, when not empty, ends at `last`.
/// - `cached_bytes` is the sum of what `chunks` pins.
#[derive(Clone, Hash, Debug)]
pub(crate) struct Entries {
    snapshot: EntryId,
    last: EntryId,
    since: LogIndex,
    /// The runs before the last one: mostly none, as long as one leader leads.
    earlier: Aside<Vec<EntryId>>,
    /// The highest log time seen: what the next leader's stamps continue from.
    time: LogTime,
    chunks: VecDeque<Chunk>,
    cached_bytes: usize,
}

impl Entries {
    pub(crate) fn new(recovered: Recovered) -> Self {
        let snapshot = recovered.snapshot.map_or(EntryId::ORIGIN, |mark| mark.last);
        let mut new = Self {
            snapshot,
            last: snapshot,
            since: snapshot.index.next(),
            earlier: Aside::new(),
            time: recovered.time,
            chunks: VecDeque::new(),
            cached_bytes: 0,
        };
        for run in recovered.runs {
            new.begin_run(run);
            new.last.index = recovered.last;
        }
        new
    }

    /// Adds entries right after the last one.
    pub(crate) fn append(&mut self, chunk: Chunk) {
        // [F2.STATE.3] Entries are numbered from one, each with the term its leader took it in.
        let last = chunk.last_id();
        if self.last.term != last.term {
            self.begin_run(EntryId::new(last.term, chunk.first_index()));
        }
        self.last = last;
        self.time = self.time.max(chunk.time());
        self.cached_bytes = self.cached_bytes.saturating_add(chunk.pinned_bytes());
        self.chunks.push_back(chunk);
    }

    /// This is the first entry of a later term.
    fn begin_run(&mut self, run: EntryId) {
        if self.since <= self.last.index {
            let before = EntryId::new(self.last.term, self.since);
            self.earlier.needed().push(before);
        }
        (self.last, self.since) = (run, run.index);
    }

    /// Removes `from` and all entries after it.
    pub(crate) fn truncate(&mut self, from: LogIndex) {
        while let Some(chunk) = self.chunks.pop_back() {
            if chunk.last_index() < from {
                self.chunks.push_back(chunk);
                break;
            }
            self.cached_bytes = self.cached_bytes.saturating_sub(chunk.pinned_bytes());
            if let Some(kept) = chunk.slice(LogIndex::ZERO..from) {
                self.cached_bytes = self.cached_bytes.saturating_add(kept.pinned_bytes());
                self.chunks.push_back(kept);
                break;
            }
        }
        let last = self.last.index.min(from.previous());
        while self.since >= from {
            let Some(run) = self.earlier.there_mut().and_then(Vec::pop) else {
                self.last = self.snapshot;
                self.since = self.snapshot.index.next();
                return;
            };
            (self.last.term, self.since) = (run.term, run.index);
        }
        self.last.index = last;
    }

    /// Forgets the oldest payloads that lie wholly before `needed`, down to `max_bytes` cached.
    pub(crate) fn trim_cache(&mut self, needed: LogIndex, max_bytes: usize) {
        while self.cached_bytes > max_bytes {
            let Some(front) = self.chunks.front() else {
                break;
            };
            if front.last_index() >= needed {
                break;
            }
            self.cached_bytes = self.cached_bytes.saturating_sub(front.pinned_bytes());
            self.chunks.pop_front();
        }
    }

    /// Gives back the memory that is kept for more entries than there are.
    pub(crate) fn give_back(&mut self) {
        self.chunks.shrink_to_fit();
        self.earlier.give_back(Vec::is_empty);
        if let Some(earlier) = self.earlier.there_mut() {
            earlier.shrink_to_fit();
        }
    }

    /// Whether the entries after `durable`, which can't be let go of, fit into `max_bytes` together
    /// with `more`. What comes alone always does, or nothing large could ever be written.
    pub(crate) fn has_room(&self, durable: LogIndex, more: usize, max_bytes: usize) -> bool {
        if self.cached_bytes.saturating_add(more) <= max_bytes {
            return true;
        }
        let unstable = self.chunks.iter().rev();
        let unstable = unstable.take_while(|chunk| chunk.last_index() > durable);
        let bytes = unstable
            .map(Chunk::pinned_bytes)
            .fold(0, usize::saturating_add);
        bytes == 0 || bytes.saturating_add(more) <= max_bytes
    }

    /// Forgets all entries up to `last`, which the log holds: a snapshot stands for them.
    pub(crate) fn forget_through(&mut self, last: EntryId) {
        let next = last.index.next();
        let first = self.id_at(next).filter(|_| next < self.since);
        self.since = self.since.max(next);
        if let Some(earlier) = self.earlier.there_mut() {
            earlier.retain(|run| run.index > next);
            first.into_iter().for_each(|first| earlier.insert(0, first));
        }
        self.snapshot = last;
        while let Some(front) = self.chunks.front() {
            if front.last_index() > last.index {
                break;
            }
            self.cached_bytes = self.cached_bytes.saturating_sub(front.pinned_bytes());
            self.chunks.pop_front();
        }
    }

    /// Forgets all entries: a snapshot stands for all there were up to `last`, whose log time
    /// was at most `time`.
    pub(crate) fn begin_after(&mut self, last: EntryId, time: LogTime) {
        self.earlier = Aside::new();
        self.chunks.clear();
        self.cached_bytes = 0;
        self.snapshot = last;
        self.last = last;
        self.since = last.index.next();
        self.note_time(time);
    }

    /// Log time has come to this.
    pub(crate) fn note_time(&mut self, time: LogTime) {
        self.time = self.time.max(time);
    }

    /// The last entry's id; the snapshot's when there is none.
    pub(crate) const fn last(&self) -> EntryId {
        self.last
    }

    /// Whether what is known of terms fits together, as it stands on [`Entries`].
    #[cfg_attr(no_invariants, expect(dead_code, reason = "nothing is checked"))]
    pub(crate) fn is_in_order(&self) -> bool {
        let ends = self.since == self.last.index.next() && self.last == self.snapshot;
        let holds = self.snapshot.index < self.since && self.since <= self.last.index;
        let before = self.earlier().last();
        let follows = before.is_none_or(|run| {
            self.snapshot.index < run.index && run.index < self.since && run.term < self.last.term
        });
        (ends || holds) && follows
    }

    /// Whether what is in memory is counted right, unless it is so much that to count it anew would cost more
    /// than all else: a mistake stays until there is less.
    #[cfg_attr(no_invariants, expect(dead_code, reason = "nothing is checked"))]
    pub(crate) fn is_counted_right(&self) -> bool {
        let pinned = self.chunks.iter().map(Chunk::pinned_bytes);
        self.chunks.len() > RECENT_CHUNKS
            || pinned.fold(0, usize::saturating_add) == self.cached_bytes
    }

    /// Counts one byte more than there is.
    #[cfg(test)]
    pub(crate) const fn miscount(&mut self) {
        self.cached_bytes = self.cached_bytes.saturating_add(1);
    }

    /// The first entry of each term before the last one's.
    fn earlier(&self) -> &[EntryId] {
        self.earlier.there().map_or(&[], Vec::as_slice)
    }

    pub(crate) const fn time(&self) -> LogTime {
        self.time
    }

    pub(crate) const fn snapshot(&self) -> EntryId {
        self.snapshot
    }

    /// The term of the entry at `index`: also of the origin and of the snapshot's last entry.
    pub(crate) fn term_at(&self, index: LogIndex) -> Option<Term> {
        // [S7.16] The first entry after a snapshot has a predecessor to be checked against.
        if index == self.snapshot.index {
            return Some(self.snapshot.term);
        }
        if index > self.last.index {
            return None;
        }
        // Nearly everybody asks for the latest.
        if index >= self.since {
            return Some(self.last.term);
        }
        let runs = self.earlier();
        let after = runs.partition_point(|run| run.index <= index);
        runs.get(after.checked_sub(1)?).map(|run| run.term)
    }

    /// The first entry of `term`, if one is kept.
    pub(crate) fn first_of(&self, term: Term) -> Option<LogIndex> {
        if self.since <= self.last.index && self.last.term == term {
            return Some(self.since);
        }
        let run = self.earlier().iter().find(|run| run.term == term)?;
        Some(run.index)
    }

    /// The id of the entry at `index`, if there is one.
    pub(crate) fn id_at(&self, index: LogIndex) -> Option<EntryId> {
        self.term_at(index).map(|term| EntryId::new(term, index))
    }

    /// The entries from `from` up to `through` that are in memory, about `max_bytes` of payload
    /// but at least one entry; `None` when `from` is not in memory.
    pub(crate) fn collect(
        &self,
        from: LogIndex,
        through: LogIndex,
        max_bytes: usize,
    ) -> Option<Few<Chunk>> {
        // Mostly all that is asked for is the latest chunk, as it is.
        let latest = self.chunks.back().filter(|chunk| {
            chunk.first_index() == from
                && chunk.last_index() <= through
                && chunk.payload_bytes() <= max_bytes
        });
        if let Some(chunk) = latest {
            return Some(Few::from(chunk.clone()));
        }
        let start = self.place_of(from);
        let in_memory = self
            .chunks
            .get(start)
            .is_some_and(|chunk| chunk.first_index() <= from);
        in_memory.then(|| portion(self.chunks.range(start..), from, through, max_bytes))
    }

    /// Where in `chunks` the entry `from` stands, or would.
    fn place_of(&self, from: LogIndex) -> usize {
        // Nearly everybody asks for one of the latest: those are found without a search through
        // all, which would touch memory that nobody else does.
        if let Some(last) = self.chunks.back().filter(|last| last.first_index() <= from) {
            let after = usize::from(last.last_index() < from);
            return self.chunks.len().saturating_sub(1).saturating_add(after);
        }
        let recent = self.chunks.len().saturating_sub(RECENT_CHUNKS);
        let mut latest = self.chunks.range(recent..);
        if latest
            .clone()
            .next()
            .is_some_and(|chunk| chunk.first_index() <= from)
        {
            let offset = latest.position(|chunk| chunk.last_index() >= from);
            return offset.map_or(self.chunks.len(), |offset| recent.saturating_add(offset));
        }
        self.chunks
            .partition_point(|chunk| chunk.last_index() < from)
    }

    /// Whether these chunks, read back from the log, are what the log holds now: the log may have
    /// been truncated and written anew while they were on their way.
    pub(crate) fn confirms(&self, chunk: &Chunk) -> bool {
        let same = |index| self.term_at(index) == Some(chunk.term());
        same(chunk.first_index()) && same(chunk.last_index())
    }

    /// The chunks in memory, and what they pin by our books.
    pub(crate) fn cache(&self) -> (&VecDeque<Chunk>, usize) {
        (&self.chunks, self.cached_bytes)
    }
}

/// Views of [`MAX_CHUNKS`] of `chunks` from `from` up to `through`, about `max_bytes` of payload but
/// at least one entry. The chunks are contiguous and the first holds `from`.
pub(crate) fn portion<'a>(
    chunks: impl Iterator<Item = &'a Chunk>,
    from: LogIndex,
    through: LogIndex,
    max_bytes: usize,
) -> Few<Chunk> {
    let mut views = Few::new();
    let mut room = max_bytes;
    for chunk in chunks.take(MAX_CHUNKS) {
        let Some(view) = chunk.slice(from..through.next()) else {
            break;
        };
        let bytes = view.payload_bytes();
        if bytes > room {
            if views.is_empty() {
                views.push(view.prefix(room));
            }
            break;
        }
        room = room.saturating_sub(bytes);
        views.push(view);
    }
    views
}

/// How many of the latest chunks are looked through before all are searched.
const RECENT_CHUNKS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::crc32c;
    use crate::chunk::ChunkBuilder;
    use crate::configuration::Configuration;
    use crate::log::SnapshotMark;

    /// The terms of a log, of which a snapshot stands for the first ones.
    #[derive(Clone, Debug)]
    struct Model {
        terms: Vec<u64>,
        forgotten: usize,
    }

    impl Model {
        fn term_at(&self, index: u64) -> Option<Term> {
            if index < self.forgotten as u64 {
                return None;
            }
            if index == 0 {
                return Some(Term::ZERO);
            }
            self.terms.get(index as usize - 1).copied().map(Term::new)
        }

        fn check(&self, entries: &Entries) {
            let ends = self.terms.len() as u64 + 3;
            let id = |index| Some(EntryId::new(self.term_at(index)?, LogIndex::new(index)));
            assert!(entries.is_in_order(), "{entries:?}");
            assert_eq!(
                Some(entries.last()),
                id(self.terms.len() as u64),
                "{self:?}"
            );
            for index in 0..ends {
                let found = entries.id_at(LogIndex::new(index));
                assert_eq!(found, id(index), "{index} of {self:?}");
            }
            for term in 0..6 {
                let kept = self.forgotten as u64 + 1..ends;
                let mut of_term = kept.filter(|at| self.term_at(*at) == Some(Term::new(term)));
                let first = of_term.next().map(LogIndex::new);
                assert_eq!(
                    entries.first_of(Term::new(term)),
                    first,
                    "T{term} of {self:?}"
                );
            }
        }

        /// What a log recovers that holds this.
        fn recovered(&self) -> Recovered {
            let id =
                |at: usize| EntryId::new(Term::new(self.terms[at]), LogIndex::new(at as u64 + 1));
            let mark = self.forgotten.checked_sub(1).map(|at| SnapshotMark {
                last: id(at),
                configuration: Configuration::new([]),
            });
            let kept = self.forgotten..self.terms.len();
            let begins = |at: &usize| *at == self.forgotten || self.terms[at - 1] < self.terms[*at];
            Recovered {
                snapshot: mark,
                runs: kept.filter(begins).map(id).collect(),
                last: LogIndex::new(self.terms.len() as u64),
                ..Recovered::default()
            }
        }
    }

    /// Every log of four entries in terms that do not fall; of each, what is left after every cut at
    /// either end, and after what is appended then.
    #[test]
    fn terms_are_known_however_the_log_came_to_be() {
        let codes =
            (0..256).map(|code| [code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6].map(|t| t + 1));
        for terms in codes.filter(|terms| terms.is_sorted()) {
            let mut whole = Entries::new(Recovered::default());
            let mut model = Model {
                terms: Vec::new(),
                forgotten: 0,
            };
            for (term, index) in terms.into_iter().zip(1..) {
                whole.append(no_op(term, index));
                model.terms.push(term);
                model.check(&whole);
            }
            for (forgotten, from) in (0..=4).flat_map(|one| (1..=6).map(move |other| (one, other)))
            {
                let (mut entries, mut model) = (whole.clone(), model.clone());
                let id = entries.id_at(LogIndex::new(forgotten as u64)).unwrap();
                if forgotten > 0 {
                    entries.forget_through(id);
                    model.forgotten = forgotten;
                }
                model.check(&entries);
                model.check(&Entries::new(model.recovered()));
                if from <= forgotten {
                    continue;
                }
                entries.truncate(LogIndex::new(from as u64));
                model.terms.truncate(from - 1);
                model.check(&entries);
                for term in [4, 5] {
                    entries.append(no_op(term, model.terms.len() as u64 + 1));
                    model.terms.push(term);
                    model.check(&entries);
                }
                entries.begin_after(EntryId::new(Term::new(5), LogIndex::new(9)), LogTime::ZERO);
                assert!(entries.is_in_order());
                assert_eq!(entries.first_of(Term::new(4)), None);
            }
        }
    }

    /// A log after 2@T1, whose entries are 3@T1, 4@T2 and 5@T3; then one part of it changed.
    #[test]
    fn what_does_not_fit_together_is_out_of_order() {
        let id = |index, term| EntryId::new(Term::new(term), LogIndex::new(index));
        let mut whole = Entries::new(Recovered::default());
        for (index, term) in (1..).zip([1, 1, 1, 2, 3]) {
            whole.append(no_op(term, index));
        }
        whole.forget_through(id(2, 1));
        assert!(whole.is_in_order());
        let is_wrong = |change: &dyn Fn(&mut Entries)| {
            let mut changed = whole.clone();
            change(&mut changed);
            !changed.is_in_order()
        };
        let earlier = |at: usize, id| {
            move |entries: &mut Entries| entries.earlier.there_mut().unwrap()[at] = id
        };
        assert!(is_wrong(&|changed| changed.since = LogIndex::new(6)));
        assert!(is_wrong(&|changed| changed.since = LogIndex::new(4)));
        assert!(is_wrong(&|changed| changed.last = id(4, 3)));
        assert!(is_wrong(&|changed| changed.last = id(5, 2)));
        assert!(is_wrong(&|changed| changed.last = changed.snapshot));
        assert!(is_wrong(&|changed| changed.snapshot = id(4, 2)));
        assert!(is_wrong(&earlier(1, id(2, 2))));
        assert!(is_wrong(&earlier(1, id(5, 2))));
        let mut ended = whole.clone();
        ended.begin_after(id(9, 3), LogTime::ZERO);
        ended.since = LogIndex::new(9);
        assert!(!ended.is_in_order(), "an entry that a snapshot stands for");
    }

    fn no_op(term: u64, index: u64) -> Chunk {
        let mut builder = ChunkBuilder::new();
        builder.push_no_op().unwrap();
        let first = LogIndex::new(index);
        let chunk = builder.seal(Term::new(term), first, LogTime::ZERO, crc32c);
        chunk.unwrap()
    }

    /// Whoever holds many hulls at rest pays for each of them.
    #[test]
    fn what_was_forgotten_takes_no_memory_at_rest() {
        let mut entries = Entries::new(Recovered::default());
        let terms = (1..=50).chain([50; 50]);
        for (index, term) in (1..).zip(terms) {
            entries.append(no_op(term, index));
        }
        let earlier = |entries: &Entries| entries.earlier.there().map(Vec::capacity);
        entries.forget_through(EntryId::new(Term::new(48), LogIndex::new(48)));
        entries.give_back();
        assert_eq!(
            (entries.chunks.capacity(), earlier(&entries)),
            (52, Some(1))
        );
        entries.forget_through(entries.last());
        entries.give_back();
        assert_eq!((entries.chunks.capacity(), earlier(&entries)), (0, None));
    }

    #[test]
    fn finds_old_and_recent_entries_alike() {
        let mut entries = Entries::new(Recovered::default());
        let count = 3 * RECENT_CHUNKS as u64;
        for number in 0..count {
            let mut builder = ChunkBuilder::new();
            builder.push_no_op().unwrap();
            builder.push_no_op().unwrap();
            let first = LogIndex::new(2 * number + 1);
            let chunk = builder.seal(Term::new(1), first, LogTime::ZERO, crc32c);
            entries.append(chunk.unwrap());
        }
        let last = entries.last().index;
        for from in (1..=2 * count).map(LogIndex::new) {
            let found = entries.collect(from, last, usize::MAX).unwrap();
            assert_eq!(found[0].first_index(), from);
            assert_eq!(found.last().unwrap().last_index(), last);
        }
        assert_eq!(entries.collect(last.next(), last.next(), 1), None);
        entries.trim_cache(LogIndex::new(5), 0);
        assert_eq!(entries.collect(LogIndex::new(4), last, 1), None);
    }

    /// Each read writes an entry that weighs nothing, mostly in a chunk of its own.
    #[test]
    fn what_weighs_nothing_is_bounded_by_chunks() {
        let mut entries = Entries::new(Recovered::default());
        let count = 2 * MAX_CHUNKS as u64;
        for index in 1..=count {
            let mut builder = ChunkBuilder::new();
            builder.push_no_op().unwrap();
            let first = LogIndex::new(index);
            let chunk = builder.seal(Term::new(1), first, LogTime::ZERO, crc32c);
            entries.append(chunk.unwrap());
        }
        let last = entries.last().index;
        let found = entries.collect(LogIndex::new(1), last, 1).unwrap();
        assert_eq!(found.len(), MAX_CHUNKS);
    }

    #[test]
    fn a_portion_takes_what_just_fits_and_cuts_only_its_first_chunk() {
        let mut entries = Entries::new(Recovered::default());
        for first in [1, 3, 5] {
            let mut builder = ChunkBuilder::new();
            builder.push_raw(9, b"12345").unwrap();
            builder.push_raw(9, b"12345").unwrap();
            let first = LogIndex::new(first);
            let chunk = builder.seal(Term::new(1), first, LogTime::ZERO, crc32c);
            entries.append(chunk.unwrap());
        }
        let (first, last) = (LogIndex::new(1), entries.last().index);
        let through = |max_bytes| {
            let found = entries.collect(first, last, max_bytes).unwrap();
            found.last().unwrap().last_index().get()
        };
        let expected = [(0, 1), (9, 1), (10, 2), (19, 2), (20, 4), (29, 4), (30, 6)];
        for (max_bytes, index) in expected {
            assert_eq!(through(max_bytes), index, "{max_bytes} bytes");
        }
    }
}
