//! The kit for logs on an `AsyncLog`: the write-ahead log, asked for one thing after the other.

use std::future::poll_fn;
use std::ops::Range;

use async_trait::async_trait;
use raft_core::chunk::Chunk;
use raft_core::ids::LogIndex;
use raft_core::log::{Durable, Log, LogError, Recovered, Write};
use raft_log::{Adapted, AsyncLog, Wal, WalError, WalSettings};
use raft_sim::conformance::{TestDisk, wait};

struct OneByOne(Wal<TestDisk>);

#[async_trait]
impl AsyncLog for OneByOne {
    async fn write(&mut self, write: Write) -> Result<Durable, LogError> {
        self.0.begin(write);
        poll_fn(|cx| self.0.poll_durable(cx)).await
    }

    async fn load(&mut self, range: Range<LogIndex>, max: usize) -> Result<Vec<Chunk>, LogError> {
        self.0.load(range, max).await
    }
}

fn open(disk: TestDisk) -> Result<(Adapted<OneByOne>, Recovered), WalError> {
    let settings = WalSettings {
        segment_bytes: 8_192,
        spare_segments: 0,
        groups_in_flight: 1,
        block_bytes: 1_024,
        log_id: 7,
    };
    let (wal, recovered) = wait(Wal::open(disk, settings))?;
    Ok((Adapted::new(OneByOne(wal)), recovered))
}

raft_sim::log_conformance!(open);
