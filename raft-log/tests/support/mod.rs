//! A disk in memory, a model, and short ways to write.
//!
//! Used by this crate's tests and by the fuzz targets of the log and the snapshots. The simulator has a disk of its
//! own; this one is here so that the log can be tested without a simulator.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "part of the tests, each of which includes the file and uses a part of it"
)]

pub mod crashes;
pub mod idle;
pub mod mem_fs;
pub mod modelled;
pub mod operations;
pub mod resting;
pub mod snapshots;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use bytes::Bytes;
use raft_core::chunk::{Chunk, ChunkBuilder};
use raft_core::configuration::{Configuration, Member};
use raft_core::ids::{Boot, EntryId, Incarnation, LogIndex, NodeId, Term};
use raft_core::log::{Durable, HardState, Log, LogError, Recovered, SnapshotMark, Write};
use raft_core::record::ClientHeader;
use raft_core::time::LogTime;
use raft_log::{Wal, WalError, WalSettings};

pub use mem_fs::{Crash, MemFs, mix};

/// Small segments and blocks, so that a test meets many.
pub const SETTINGS: WalSettings = WalSettings {
    segment_bytes: 2048,
    spare_segments: 0,
    groups_in_flight: 1,
    block_bytes: 256,
    log_id: 0x1234_5678_9abc_def0,
};

/// The same, with segments that are written anew and made ahead.
pub const WITH_SPARES: WalSettings = WalSettings {
    spare_segments: 2,
    ..SETTINGS
};

/// The same, with several groups under way.
pub const WITH_GROUPS: WalSettings = WalSettings {
    groups_in_flight: 3,
    ..WITH_SPARES
};

/// Runs a future that only ever waits for a disk in memory.
pub fn run<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..1000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
    }
    None
}

/// Runs a future that waits for real files: parks the thread until the disk thread wakes it.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

pub fn open(fs: &MemFs) -> (Wal<MemFs>, Recovered) {
    try_open(fs).unwrap()
}

pub fn open_with(fs: &MemFs, settings: WalSettings) -> (Wal<MemFs>, Recovered) {
    let opened = run(Wal::open(fs.clone(), settings));
    opened.expect("opening hangs").unwrap()
}

pub fn try_open(fs: &MemFs) -> Result<(Wal<MemFs>, Recovered), WalError> {
    run(Wal::open(fs.clone(), SETTINGS)).expect("opening hangs")
}

/// One poll for an acknowledgement.
pub fn poll<L: Log>(log: &mut L) -> Poll<Result<Durable, LogError>> {
    log.poll_durable(&mut Context::from_waker(Waker::noop()))
}

/// Begins a write and polls until it is durable.
pub fn write<L: Log>(log: &mut L, write: Write) {
    log.begin(write);
    finish(log).unwrap();
}

/// Polls until the log answers, which takes a disk in memory a few polls.
pub fn finish<L: Log>(log: &mut L) -> Result<Durable, LogError> {
    for _ in 0..1_000 {
        if let Poll::Ready(answer) = poll(log) {
            return answer;
        }
    }
    panic!("the log never answers");
}

/// Polls until nothing comes any more.
pub fn settle<L: Log>(log: &mut L) -> Option<Durable> {
    let mut newest = None;
    for _ in 0..20 {
        if let Poll::Ready(durable) = poll(log) {
            newest = Some(durable.unwrap());
        }
    }
    newest
}

/// All entries from the first one on.
pub fn load_all<L: Log>(log: &L, recovered: &Recovered) -> Vec<Chunk> {
    let mut first = recovered
        .snapshot
        .as_ref()
        .map_or(LogIndex::ZERO, |mark| mark.last.index)
        .next();
    let mut found = Vec::new();
    for _ in 0..1_000 {
        let range = first..LogIndex::new(u64::MAX);
        let part = run(log.load(range, 1000)).expect("loading hangs").unwrap();
        let Some(last) = part.last() else {
            return found;
        };
        first = last.last_index().next();
        found.extend(part);
    }
    panic!("loading never comes to an end");
}

/// Entries as plain values: term, index, record.
pub type Entries = Vec<(Term, u64, String)>;

/// The entries of chunks as plain values.
pub fn entries(chunks: &[Chunk]) -> Entries {
    let entry = |entry: raft_core::record::Entry<'_>| {
        (
            entry.id.term,
            entry.id.index.get(),
            format!("{:?}", entry.record),
        )
    };
    chunks
        .iter()
        .flat_map(|chunk| chunk.entries().map(entry).collect::<Vec<_>>())
        .collect()
}

pub fn hard(boot: u64, term: u64, vote: Option<u64>) -> HardState {
    HardState {
        boot: Boot::new(boot),
        term: Term::new(term),
        vote: vote.map(NodeId::new),
        ..HardState::default()
    }
}

/// A write of a hard state in term 1 and nothing else, whose proof is `proof(number)`.
pub fn empty(number: u64) -> Write {
    Write {
        identity: None,
        hard: hard(1, 1, None),
        ..Write::of_identity(hard(number, 0, None), Bytes::new())
    }
}

/// The proof of the write made by `empty(number)`.
pub fn proof(number: u64) -> Durable {
    empty(number).receipt.synced()
}

/// A write that appends chunks.
pub fn append(number: u64, chunks: Vec<Chunk>) -> Write {
    Write {
        append: chunks.into(),
        ..empty(number)
    }
}

/// The same, by which the log knows whose it is.
pub fn append_as(who: &'static str, number: u64, chunks: Vec<Chunk>) -> Write {
    Write {
        identity: Some(Bytes::from(who)),
        ..append(number, chunks)
    }
}

/// A chunk of commands of these lengths.
pub fn chunk(term: u64, first: u64, lengths: &[usize]) -> Chunk {
    let mut builder = ChunkBuilder::new();
    for (length, index) in lengths.iter().zip(first..) {
        let header = ClientHeader {
            serial: index,
            ..ClientHeader::default()
        };
        let payload: Vec<u8> = (0..*length)
            .map(|at| (mix(term ^ mix(index)) as u8).wrapping_add(at as u8))
            .collect();
        builder.push_client(header, &payload).unwrap();
    }
    builder
        .seal(
            Term::new(term),
            LogIndex::new(first),
            LogTime::from_millis(7),
            crc32c::crc32c_append,
        )
        .unwrap()
}

/// A chunk of one configuration, whose member has this address.
pub fn configuration_chunk(term: u64, first: u64, address: &str) -> Chunk {
    let mut builder = ChunkBuilder::new();
    builder.push_config(&configuration(address)).unwrap();
    builder
        .seal(
            Term::new(term),
            LogIndex::new(first),
            LogTime::from_millis(first),
            crc32c::crc32c_append,
        )
        .unwrap()
}

/// A configuration of one voter with this address.
pub fn configuration(address: &str) -> Configuration {
    let member = Member {
        address: String::from(address),
        ..Member::voter(Incarnation::new(0xabcd))
    };
    Configuration::new([(NodeId::new(1), member)])
}

/// A snapshot mark.
pub fn mark(term: u64, last: u64) -> SnapshotMark {
    SnapshotMark {
        last: EntryId::new(Term::new(term), LogIndex::new(last)),
        configuration: configuration("somewhere"),
    }
}

/// The bytes of a golden file.
pub fn of_hex(text: &str) -> Vec<u8> {
    let digits = |line: &str| {
        line.chars()
            .skip(5)
            .filter(char::is_ascii_hexdigit)
            .collect()
    };
    let digits: Vec<u8> = text
        .lines()
        .map(digits)
        .collect::<Vec<String>>()
        .concat()
        .into();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
