//! fjall: one batch for each append, synced.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::Appender;
use crate::clusters::Failure;

pub(crate) struct Log {
    database: Database,
    entries: Keyspace,
    /// The first entry that is kept, and the last.
    first: u64,
    last: u64,
}

impl Log {
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        let database = Database::builder(folder).open()?;
        let entries = database.keyspace("entries", KeyspaceCreateOptions::default)?;
        Ok(Self {
            database,
            entries,
            first: 1,
            last: 0,
        })
    }
}

impl Appender for Log {
    fn append(&mut self, payload: &[u8], count: usize) -> Result<(), Failure> {
        let mut batch = self
            .database
            .batch()
            .durability(Some(PersistMode::SyncData));
        for _ in 0..count {
            self.last += 1;
            batch.insert(&self.entries, self.last.to_be_bytes(), payload);
        }
        batch.commit()?;
        Ok(())
    }

    fn compact(&mut self, last: u64) -> Result<(), Failure> {
        let mut batch = self.database.batch();
        for index in self.first..=last {
            batch.remove(&self.entries, index.to_be_bytes());
        }
        batch.commit()?;
        self.first = last + 1;
        Ok(())
    }

    fn last(&mut self) -> Result<u64, Failure> {
        let Some(last) = self.entries.last_key_value() else {
            return Ok(0);
        };
        let key: [u8; 8] = last.key()?.as_ref().try_into()?;
        Ok(u64::from_be_bytes(key))
    }
}
