//! What is kept in pages is what was put there.

use proptest::prelude::*;

use super::*;

fn stored(first: u64, segment: u64, offset: u64) -> Stored {
    Stored {
        first: LogIndex::new(first),
        term: Term::new(1),
        time: LogTime::ZERO,
        place: Place {
            segment,
            offset,
            length: 300,
        },
        is_ids_only: false,
    }
}

/// So many chunks of one entry, in segments of 4096.
fn alike(chunks: u64) -> Extents {
    let mut extents = Extents::default();
    for number in 0..chunks {
        let chunk = stored(number + 1, number / 4096 + 1, number % 4096 * 4096 + 128);
        extents.push(chunk, chunk.first);
    }
    extents
}

fn bytes(extents: &Extents) -> usize {
    let (pages, listed) = (&extents.pages, size_of::<(LogIndex, Box<Page>)>());
    let rows = pages.iter().map(|(_, page)| page.rows.len());
    pages.capacity() * listed + pages.len() * size_of::<Page>() + rows.sum::<usize>()
}

#[test]
fn chunks_that_are_alike_take_six_bytes_and_others_ten() {
    let chunks = 1_000_000;
    assert!(bytes(&alike(chunks)) < 6 * chunks as usize);
    let mut unlike = Extents::default();
    let (mut time, mut offset) = (0, 0);
    for number in 1..=chunks {
        let mut chunk = stored(number, offset >> 24, offset & 0xff_ffff);
        let length = 300 + number.wrapping_mul(0x9e37_79b9) % 16_000;
        chunk.place.length = length as usize;
        chunk.time = LogTime::from_millis(time);
        unlike.push(chunk, chunk.first);
        offset += (128 + length).next_multiple_of(4096);
        time += length % 1_000;
    }
    assert!(bytes(&unlike) < 10 * chunks as usize);
}

#[test]
fn each_of_many_chunks_is_found_where_it_is() {
    let extents = alike(10_000);
    for number in [0, 1, 62, 63, 64, 65, 4_095, 4_096, 4_097, 9_998, 9_999_u64] {
        let found = extents.reaching(LogIndex::new(number + 1)).next().unwrap();
        let expected = stored(number + 1, number / 4096 + 1, number % 4096 * 4096 + 128);
        assert_eq!((found.first, found.place), (expected.first, expected.place));
        assert_eq!(found.last, expected.first);
    }
    assert_eq!(extents.reaching(LogIndex::new(10_001)).next(), None);
}

/// The same, with nothing left out.
#[derive(Default)]
struct Plain(Vec<(Stored, LogIndex)>);

impl Plain {
    fn truncate(&mut self, from: LogIndex) {
        self.0.retain(|(chunk, _)| chunk.first < from);
        for (_, last) in &mut self.0 {
            *last = (*last).min(from.previous());
        }
    }

    fn forget(&mut self, index: LogIndex) {
        self.0.retain(|(_, last)| *last > index);
        for (chunk, _) in &mut self.0 {
            chunk.first = chunk.first.max(index.next());
        }
    }

    fn next(&self) -> u64 {
        self.0.last().map_or(1, |(_, last)| last.get() + 1)
    }

    fn check(&self, extents: &Extents) {
        let own = |(chunk, last): &(Stored, LogIndex)| Extent {
            first: chunk.first,
            last: *last,
            place: chunk.place,
            time: chunk.time,
        };
        let ends = self.0.first().zip(self.0.last());
        assert_eq!(
            extents.ends(),
            ends.map(|(first, last)| (first.0.first, last.1))
        );
        let last_id = |(chunk, last): &(Stored, LogIndex)| EntryId::new(chunk.term, *last);
        assert_eq!(extents.last_id(), self.0.last().map(last_id));
        let ends = ends.map_or(0..1, |(first, _)| first.0.first.get() - 1..self.next() + 2);
        let few = (ends.end - ends.start) / 16 + 1;
        for index in ends.step_by(few as usize).map(LogIndex::new) {
            let reaching = self.0.iter().filter(|(_, last)| *last >= index);
            let expected: Vec<Extent> = reaching.map(own).collect();
            assert_eq!(extents.reaching(index).collect::<Vec<_>>(), expected);
        }
        let chunks = || self.0.iter().map(|(chunk, _)| chunk);
        let mut runs: Vec<EntryId> = chunks()
            .map(|one| EntryId::new(one.term, one.first))
            .collect();
        runs.dedup_by_key(|run| run.term);
        assert_eq!(extents.runs(), runs);
        let time = chunks().map(|one| one.time).max();
        assert_eq!(extents.time(), time.unwrap_or_default());
        assert_eq!(
            extents.holds_ids_only(),
            chunks().any(|one| one.is_ids_only)
        );
    }
}

#[derive(Clone, Debug)]
enum Change {
    /// So many chunks of so many entries; segment, offset, length, time and term of each; and whether they
    /// have payloads.
    Push(u8, u64, [u64; 5], bool),
    /// So many entries from the end.
    Truncate(u64),
    /// So many entries beyond those forgotten.
    Forget(u64),
}

fn change() -> impl Strategy<Value = Change> {
    let number = || prop_oneof![8 => 0..3_u64, 2 => 0..1_000_u64, 1 => any::<u64>()];
    let numbers = prop::array::uniform5(number());
    let chunks = prop_oneof![2 => 1..4_u8, 1 => 60..140_u8];
    prop_oneof![
        6 => (chunks, 1..4_u64, numbers, prop::bool::weighted(0.1))
            .prop_map(|(chunks, entries, numbers, ids)| Change::Push(chunks, entries, numbers, ids)),
        2 => (0..150_u64).prop_map(Change::Truncate),
        1 => (0..150_u64).prop_map(Change::Forget),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn they_are_what_a_plain_list_is(changes in prop::collection::vec(change(), 1..12)) {
        let (mut extents, mut plain) = (Extents::default(), Plain::default());
        let mut forgotten = 0;
        for change in changes {
            match change {
                Change::Push(chunks, entries, [segment, offset, length, time, term], is_ids_only) => {
                    for number in 0..u64::from(chunks) {
                        let first = plain.next().max(forgotten + 1);
                        let mut chunk = stored(first, segment, offset.wrapping_add(number * 300));
                        chunk.place.length = length as usize;
                        chunk.time = LogTime::from_millis(time.wrapping_add(number / 7));
                        (chunk.term, chunk.is_ids_only) = (Term::new(term), is_ids_only);
                        let last = LogIndex::new(first + entries - 1);
                        extents.push(chunk, last);
                        plain.0.push((chunk, last));
                    }
                }
                Change::Truncate(entries) => {
                    let from = LogIndex::new(plain.next().saturating_sub(entries).max(forgotten + 1));
                    extents.truncate(from);
                    plain.truncate(from);
                }
                Change::Forget(entries) => {
                    forgotten += entries;
                    extents.forget(LogIndex::new(forgotten));
                    plain.forget(LogIndex::new(forgotten));
                }
            }
            plain.check(&extents);
        }
    }
}
