//! Our write-ahead log, over files.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use raft_core::chunk::ChunkBuilder;
use raft_core::configuration::Configuration;
use raft_core::ids::{Boot, EntryId, LogIndex, NodeId, Term};
use raft_core::log::{Durable, HardState, Log as _, Receipt, SnapshotMark, Write};
use raft_core::record::ClientHeader;
use raft_core::time::LogTime;
use raft_log::{FsSettings, RunOn, StdFs, Wal, WalSettings};

use super::Appender;
use crate::clusters::Failure;

pub(crate) struct Log {
    wal: Wal<StdFs>,
    last: u64,
    /// What the next append lets go of.
    compact: Option<u64>,
    number: u64,
    durable: u64,
    /// So many appends may be under way when one returns.
    left: u64,
    waker: Waker,
}

impl Log {
    /// Opens a log with as many groups in flight as there are threads, and so many appends under way.
    pub(crate) fn open(folder: &Path, run_on: RunOn) -> Result<Self, Failure> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let settings = FsSettings {
            run_on,
            ..FsSettings::default()
        };
        let fs = StdFs::open_with(folder, settings)?;
        let groups = match run_on {
            RunOn::OwnThreads(threads) => u32::from(threads.get()),
            RunOn::CallersThread => 1,
        };
        let settings = WalSettings {
            groups_in_flight: groups,
            ..WalSettings::default()
        };
        let wal = wait(Wal::open(fs, settings))?.0;
        Ok(Self {
            wal,
            last: 0,
            compact: None,
            number: 0,
            durable: 0,
            left: u64::from(groups) - 1,
            waker,
        })
    }

    /// Waits until no more than so many appends are under way.
    fn wait_for(&mut self, left: u64) -> Result<(), Failure> {
        while self.durable + left < self.number {
            match self.wal.poll_durable(&mut Context::from_waker(&self.waker)) {
                Poll::Pending => thread::park(),
                Poll::Ready(found) => self.durable = self.number_of(found?)?,
            }
        }
        Ok(())
    }

    fn number_of(&self, durable: Durable) -> Result<u64, Failure> {
        let is_it = |number: &u64| Receipt::of_no_hull(*number).synced() == durable;
        let mut under_way = self.durable + 1..=self.number;
        Ok(under_way.find(is_it).ok_or("a proof of nothing")?)
    }
}

impl Appender for Log {
    fn append(&mut self, payload: &[u8], count: usize) -> Result<(), Failure> {
        let mut builder = ChunkBuilder::with_capacity(count, count * payload.len());
        for _ in 0..count {
            builder.push_client(ClientHeader::default(), payload)?;
        }
        let (term, first) = (Term::new(1), LogIndex::new(self.last + 1));
        let chunk = builder.seal(term, first, LogTime::from_millis(1), crc32c::crc32c_append);
        let chunk = chunk.ok_or("an append of no entries")?;
        let hard = HardState {
            boot: Boot::new(1),
            term,
            vote: Some(NodeId::new(1)),
            ..HardState::default()
        };
        self.number += 1;
        let receipt = Receipt::of_no_hull(self.number);
        let mut write = Write::of_identity(hard, bytes::Bytes::new());
        (write.identity, write.append, write.receipt) = (None, chunk.into(), receipt);
        if let Some(last) = self.compact.take() {
            let mark = SnapshotMark {
                last: EntryId::new(term, LogIndex::new(last)),
                configuration: Configuration::default(),
            };
            write.snapshot = Some(Box::new(mark));
            write.drop_before = LogIndex::new(last + 1);
        }
        self.wal.begin(write);
        self.wait_for(self.left)?;
        self.last += count as u64;
        Ok(())
    }

    fn settle(&mut self) -> Result<(), Failure> {
        self.wait_for(0)
    }

    fn compact(&mut self, last: u64) -> Result<(), Failure> {
        self.compact = Some(last);
        Ok(())
    }

    fn writes(&self) -> Option<String> {
        Some(self.wal.fs().writes().to_string())
    }

    fn last(&mut self) -> Result<u64, Failure> {
        let last = LogIndex::new(self.last)..LogIndex::new(u64::MAX);
        let found = wait(self.wal.load(last, 1))?;
        Ok(found.last().map_or(0, |one| one.last_index().get()))
    }
}

/// Waits on this thread.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
