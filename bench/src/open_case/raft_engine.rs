//! raft-engine: the log that TiKV keeps its Raft groups in.

use std::path::Path;

use raft::eraftpb::Entry;
use raft_engine::{Config, Engine, LogBatch, ReadableSize};

use super::{Load, PORTION, Reader};
use crate::clusters::Failure;
use crate::logs::raft_engine::{GROUP, Indexed};

/// A log that was opened.
pub(super) struct Opened(Engine);

impl Opened {
    pub(super) fn open(folder: &Path) -> Result<Self, Failure> {
        let config = Config {
            dir: folder.display().to_string(),
            batch_compression_threshold: ReadableSize(0),
            ..Config::default()
        };
        Ok(Self(Engine::open(config)?))
    }
}

impl Reader for Opened {
    fn read_all(&mut self) -> Result<u64, Failure> {
        let last = self.0.last_index(GROUP).unwrap_or(0);
        let (mut next, mut bytes) = (1, 0);
        let mut entries = Vec::new();
        while next <= last {
            entries.clear();
            self.0.fetch_entries_to::<Indexed>(
                GROUP,
                next,
                last + 1,
                Some(PORTION),
                &mut entries,
            )?;
            next += entries.len() as u64;
            bytes += entries
                .iter()
                .map(|entry| entry.data.len() as u64)
                .sum::<u64>();
        }
        Ok(bytes)
    }
}

/// Writes a log, and syncs it in the end.
pub(super) fn fill(folder: &Path, load: &Load) -> Result<(), Failure> {
    let log = Opened::open(folder)?;
    let mut index = 0;
    for _ in 0..load.appends {
        let entries = (1..=load.at as u64).map(|number| Entry {
            term: 1,
            index: index + number,
            data: vec![7; load.payload].into(),
            ..Entry::default()
        });
        let mut batch = LogBatch::with_capacity(1);
        batch.add_entries::<Indexed>(GROUP, &entries.collect::<Vec<_>>())?;
        log.0.write(&mut batch, false)?;
        index += load.at as u64;
    }
    log.0.sync()?;
    Ok(())
}
