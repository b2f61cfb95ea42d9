//! Our write-ahead log, over files.

use std::future::poll_fn;
use std::path::Path;
use std::task::{Context, Waker};

use bytes::Bytes;
use raft_core::chunk::{Chunk, ChunkBuilder};
use raft_core::ids::{Boot, LogIndex, Term};
use raft_core::log::{Durable, HardState, Log as _, Receipt, Write};
use raft_core::record::{ClientHeader, Record};
use raft_core::time::LogTime;
use raft_log::{FsSettings, RunOn, StdFs, Wal, WalSettings};

use super::{Load, PORTION, Reader};
use crate::clusters::Failure;
use crate::logs::quorate::wait;

/// A log that was opened.
pub(crate) struct Opened {
    pub(crate) wal: Wal<StdFs>,
    pub(crate) last: LogIndex,
}

impl Opened {
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        Self::open_on(folder, RunOn::default())
    }

    pub(crate) fn open_on(folder: &Path, run_on: RunOn) -> Result<Self, Failure> {
        let settings = FsSettings {
            run_on,
            ..FsSettings::default()
        };
        let fs = StdFs::open_with(folder, settings)?;
        let opening = Wal::open(fs, WalSettings::default());
        let (wal, recovered) = wait(opening)?;
        if recovered.lost_through.is_some() {
            return Err("a log that is damaged".into());
        }
        Ok(Self {
            wal,
            last: recovered.last,
        })
    }

    /// Begins an append of so many entries, as the `number`th write.
    pub(crate) fn begin(
        &mut self,
        number: u64,
        count: usize,
        payload: &[u8],
    ) -> Result<(), Failure> {
        let mut builder = ChunkBuilder::with_capacity(count, count * payload.len());
        for _ in 0..count {
            builder.push_client(ClientHeader::default(), payload)?;
        }
        let (term, first) = (Term::new(1), self.last.next());
        let chunk = builder.seal(term, first, LogTime::from_millis(1), crc32c::crc32c_append);
        let chunk = chunk.ok_or("an append of no entries")?;
        self.last = chunk.last_index();
        let hard = HardState {
            boot: Boot::new(1),
            term,
            ..HardState::default()
        };
        let mut write = Write::of_identity(hard, Bytes::from_static(b"bench"));
        write.identity = write.identity.filter(|_| number == 1);
        (write.append, write.receipt) = (chunk.into(), Receipt::of_no_hull(number));
        self.wal.begin(write);
        Ok(())
    }

    /// Waits until the `number`th write is durable.
    pub(crate) fn finish(&mut self, number: u64) -> Result<(), Failure> {
        let wanted = durable(number);
        loop {
            if wait(poll_fn(|cx| self.wal.poll_durable(cx)))? == wanted {
                return Ok(());
            }
        }
    }

    /// The entries of one portion.
    pub(crate) fn load(&self, from: LogIndex, to: LogIndex) -> Result<Vec<Chunk>, Failure> {
        Ok(wait(self.wal.load(from..to, PORTION))?)
    }

    /// Reads this entry and all after it: their payloads' bytes.
    pub(crate) fn read_from(&mut self, mut next: LogIndex) -> Result<u64, Failure> {
        let mut bytes = 0;
        while next <= self.last {
            let chunks = self.load(next, self.last.next())?;
            let last = chunks.last().ok_or("entries that are not there")?;
            next = last.last_index().next();
            for entry in chunks.iter().flat_map(Chunk::entries) {
                if let Record::Client { payload, .. } = entry.record {
                    bytes += payload.len() as u64;
                }
            }
        }
        Ok(bytes)
    }
}

impl Reader for Opened {
    fn read_all(&mut self) -> Result<u64, Failure> {
        self.read_from(LogIndex::new(1))
    }
}

/// Writes a log. Many appends are under way at a time, and become durable together.
pub(super) fn fill(folder: &Path, load: &Load) -> Result<(), Failure> {
    let mut log = Opened::open(folder)?;
    let payload = vec![7; load.payload];
    let under_way = (UNDER_WAY / (load.at * load.payload)).max(1) as u64;
    for number in 1..=load.appends {
        log.begin(number, load.at, &payload)?;
        if number % under_way == 0 || number == load.appends {
            log.finish(number)?;
        }
    }
    // It falls idle, and says so.
    for _ in 0..64 {
        let _ = log
            .wal
            .poll_durable(&mut Context::from_waker(Waker::noop()));
    }
    Ok(())
}

fn durable(number: u64) -> Durable {
    Receipt::of_no_hull(number).synced()
}

/// About so many bytes are under way while a log is filled.
const UNDER_WAY: usize = 4 << 20;
