//! raft-engine: the log that TiKV keeps its Raft groups in.

use std::path::Path;

use raft::eraftpb::Entry;
use raft_engine::{Config, Engine, LogBatch, MessageExt, ReadableSize};

use super::Appender;
use crate::clusters::Failure;

pub(crate) struct Log {
    engine: Engine,
    last: u64,
}

impl Log {
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        let config = Config {
            dir: folder.display().to_string(),
            batch_compression_threshold: ReadableSize(0),
            // Its own figures are for logs a hundred times as long; files of the same length as ours, and
            // recycled as soon as may be.
            target_file_size: ReadableSize::mb(16),
            purge_threshold: ReadableSize::mb(48),
            enable_log_recycle: true,
            ..Config::default()
        };
        Ok(Self {
            engine: Engine::open(config)?,
            last: 0,
        })
    }
}

impl Appender for Log {
    fn append(&mut self, payload: &[u8], count: usize) -> Result<(), Failure> {
        let entries = (1..=count as u64).map(|number| Entry {
            term: 1,
            index: self.last + number,
            data: payload.to_vec().into(),
            ..Entry::default()
        });
        let mut batch = LogBatch::with_capacity(1);
        batch.add_entries::<Indexed>(GROUP, &entries.collect::<Vec<_>>())?;
        self.engine.write(&mut batch, true)?;
        self.last += count as u64;
        Ok(())
    }

    fn compact(&mut self, last: u64) -> Result<(), Failure> {
        self.engine.compact_to(GROUP, last + 1);
        self.engine.purge_expired_files()?;
        Ok(())
    }

    fn last(&mut self) -> Result<u64, Failure> {
        Ok(self.engine.last_index(GROUP).unwrap_or(0))
    }
}

/// What an entry's index is.
#[derive(Clone)]
pub(crate) struct Indexed;

impl MessageExt for Indexed {
    type Entry = Entry;

    fn index(entry: &Entry) -> u64 {
        entry.index
    }
}

pub(crate) const GROUP: u64 = 1;
