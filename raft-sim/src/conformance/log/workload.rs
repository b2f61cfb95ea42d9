//! What a log under test is asked to write.

use bytes::Bytes;
use raft_core::chunk::{Chunk, ChunkBuilder};
use raft_core::configuration::{Configuration, Member};
use raft_core::ids::{Boot, EntryId, Incarnation, LogIndex, NodeId, Term};
use raft_core::log::memory::MemoryLog;
use raft_core::log::{HardState, Receipt, SnapshotMark, Write};
use raft_core::record::{ClientHeader, Record};
use raft_core::time::LogTime;

use crate::lot::Lot;

/// A write that can be made more than once.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) hard: HardState,
    pub(super) truncate_from: Option<LogIndex>,
    pub(super) append: Vec<Chunk>,
    pub(super) snapshot: Option<SnapshotMark>,
    pub(super) drop_before: LogIndex,
    pub(super) identity: Option<Bytes>,
}

impl Draft {
    pub(super) fn truncate(mut self, from: u64) -> Self {
        self.truncate_from = Some(LogIndex::new(from));
        self
    }

    /// A snapshot stands for all entries up to this one, and the log need not keep them.
    pub(super) fn compact(mut self, term: u64, last: u64) -> Self {
        self.snapshot = Some(mark(term, last));
        self.drop_before = LogIndex::new(last + 1);
        self
    }

    fn identity(mut self, identity: &'static [u8]) -> Self {
        self.identity = Some(Bytes::from_static(identity));
        self
    }

    /// What is asked for, in words.
    pub(super) fn shown(&self) -> String {
        let truncate = self
            .truncate_from
            .map(|from| format!("a truncation from {from} on"));
        let append = match self.append.as_slice() {
            [] => None,
            entries => Some(format!("a write of {}", super::life::spans(entries))),
        };
        let parts: Vec<String> = truncate.into_iter().chain(append).collect();
        parts.join(" and ")
    }

    /// The write, as the `number`th of a log's life.
    pub(super) fn write(&self, number: usize) -> Write {
        let draft = self.clone();
        Write {
            hard: draft.hard,
            truncate_from: draft.truncate_from,
            append: draft.append.into(),
            snapshot: draft.snapshot.map(Box::new),
            drop_before: draft.drop_before,
            identity: draft.identity,
            receipt: Receipt::of_no_hull(number as u64),
        }
    }
}

/// Writes that meet every part of a write, and each part beside others: entries of all sizes, a configuration,
/// truncation with and without entries after it, of entries just begun and of all there are, entries without
/// payloads, compaction, votes in between.
pub(super) fn standard() -> Vec<Draft> {
    let ids_only = |chunk: &Chunk| chunk.ids_only(crc32c::crc32c_append);
    vec![
        plain(1, vec![]).identity(b"who this is"),
        plain(1, vec![no_op(1, 1)]),
        plain(1, vec![chunk(1, 2, &[10, 200, 30])]),
        plain(1, vec![chunk(1, 5, &[600]), configuration(1, 6, "there")]),
        plain(2, vec![chunk(2, 7, &[1, 2, 3])]),
        plain(3, vec![]),
        // The same index again, while what stood there may still be on its way to the disk.
        plain(3, vec![chunk(3, 8, &[500])]).truncate(8),
        plain(4, vec![chunk(4, 8, &[501, 0])]).truncate(8),
        plain(4, vec![chunk(4, 10, &[3_000])]),
        plain(4, vec![]).compact(2, 7),
        plain(4, vec![chunk(4, 11, &[100]), chunk(4, 12, &[100])]),
        plain(5, vec![]).truncate(11).identity(b"who this is now"),
        plain(6, vec![]),
        plain(6, vec![chunk(6, 11, &[700])]).compact(4, 9),
        plain(6, vec![chunk(6, 12, &[9; 40])]),
        plain(7, vec![]).truncate(10),
        plain(7, vec![chunk(7, 10, &[40; 2])]),
        plain(7, vec![chunk(7, 12, &[40])]),
        // A snapshot beyond all that there is, none of which is to be kept, and entries after it.
        plain(7, vec![]).compact(7, 20),
        plain(7, vec![ids_only(&chunk(7, 21, &[50])), chunk(7, 22, &[8])]),
        plain(8, vec![chunk(8, 23, &[20; 3])]),
    ]
}

/// A write of these entries, and of a vote in this term, or of none in every third one.
pub(super) fn plain(term: u64, append: Vec<Chunk>) -> Draft {
    let hard = hard(term, (term % 3 > 0).then_some(term % 3));
    Draft {
        hard,
        append,
        ..Draft::default()
    }
}

/// Another write, at the end of what this log holds.
pub(super) fn drawn(model: &MemoryLog, lot: &mut Lot) -> Draft {
    let before = model.recovered();
    let snapshot = before.snapshot.map_or(0, |mark| mark.last.index.get());
    let last = before.last.get();
    let term = before.hard.term.get() + lot.below(2).max(u64::from(before.hard.term == Term::ZERO));
    let truncate_from = lot
        .chance(250)
        .then(|| (last + 1).saturating_sub(lot.below(6)));
    let truncate_from = truncate_from.filter(|from| *from > snapshot);
    let mut next = truncate_from.map_or(last + 1, |from| from.min(last + 1));
    let mut append = Vec::new();
    for _ in 0..lot.below(3) {
        let length = lot.pick(40, &[0, 8, 300, 5_000]);
        let lengths = vec![length; lot.between(1, 4) as usize];
        append.push(chunk(term, next, &lengths));
        next += lengths.len() as u64;
    }
    if lot.chance(100) {
        append.push(configuration(term, next, "anywhere"));
        next += 1;
    }
    let mut draft = plain(term, append);
    draft.truncate_from = truncate_from.map(LogIndex::new);
    if lot.chance(50) {
        draft.identity = Some(Bytes::from(vec![7; lot.below(99) as usize]));
    }
    let through = next.saturating_sub(1 + lot.below(5));
    match lot.chance(150) && through > snapshot {
        true => draft.compact(term, through),
        false => draft,
    }
}

/// A write of a node that goes on in another boot: like this one, which was lost, but in a later term. What was
/// lost may still lie on the disk behind it.
pub(super) fn again(lost: &Draft, model: &MemoryLog) -> Draft {
    let term = model.recovered().hard.term.get().max(lost.hard.term.get()) + 1;
    let anew = |old: &Chunk| {
        let lengths = old.entries().map(|entry| match entry.record {
            Record::Client { payload, .. } => payload.len(),
            _ => 0,
        });
        chunk(term, old.first_index().get(), &lengths.collect::<Vec<_>>())
    };
    Draft {
        hard: HardState {
            boot: Boot::new(2),
            ..hard(term, Some(1))
        },
        append: lost.append.iter().map(anew).collect(),
        ..lost.clone()
    }
}

/// The write of a node that goes on in another boot: a vote, and an entry after all that it has.
pub(super) fn going_on(model: &MemoryLog) -> Draft {
    let found = model.recovered();
    let term = found.hard.term.get() + 1;
    Draft {
        hard: HardState {
            boot: Boot::new(2),
            ..hard(term, Some(1))
        },
        append: vec![chunk(term, found.last.get() + 1, &[300])],
        ..Draft::default()
    }
}

pub(super) fn hard(term: u64, vote: Option<u64>) -> HardState {
    HardState {
        boot: Boot::new(1),
        term: Term::new(term),
        vote: vote.map(NodeId::new),
        ..HardState::default()
    }
}

/// Commands of these lengths, which differ by term and index.
pub(super) fn chunk(term: u64, first: u64, lengths: &[usize]) -> Chunk {
    let mut builder = ChunkBuilder::new();
    for (length, index) in lengths.iter().zip(first..) {
        let mut lot = Lot::of(term, &[index]);
        let payload: Vec<u8> = (0..*length).map(|_| lot.number() as u8).collect();
        let header = ClientHeader {
            serial: index,
            ..ClientHeader::default()
        };
        // Far below what a chunk takes.
        let _ = builder.push_client(header, &payload);
    }
    sealed(builder, term, first)
}

fn no_op(term: u64, first: u64) -> Chunk {
    let mut builder = ChunkBuilder::new();
    let _ = builder.push_no_op();
    sealed(builder, term, first)
}

fn configuration(term: u64, first: u64, address: &str) -> Chunk {
    let mut builder = ChunkBuilder::new();
    let _ = builder.push_config(&members(address));
    sealed(builder, term, first)
}

fn members(address: &str) -> Configuration {
    let voter = Member {
        address: address.to_owned(),
        ..Member::voter(Incarnation::new(0xabcd))
    };
    Configuration::new([(NodeId::new(1), voter)])
}

/// A snapshot's mark.
pub(super) fn mark(term: u64, last: u64) -> SnapshotMark {
    SnapshotMark {
        last: EntryId::new(Term::new(term), LogIndex::new(last)),
        configuration: members("somewhere"),
    }
}

#[expect(
    clippy::expect_used,
    reason = "each of these has a record, and few bytes"
)]
fn sealed(builder: ChunkBuilder, term: u64, first: u64) -> Chunk {
    let time = LogTime::from_millis(first * 7);
    builder
        .seal(
            Term::new(term),
            LogIndex::new(first),
            time,
            crc32c::crc32c_append,
        )
        .expect("a chunk that holds something")
}
