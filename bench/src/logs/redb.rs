//! redb: one transaction for each append.

use std::path::Path;

use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};

use super::Appender;
use crate::clusters::Failure;

pub(crate) struct Log {
    database: Database,
    last: u64,
}

impl Log {
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        let database = Database::create(folder.join("log.redb"))?;
        Ok(Self { database, last: 0 })
    }
}

impl Appender for Log {
    fn append(&mut self, payload: &[u8], count: usize) -> Result<(), Failure> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        {
            let mut entries = transaction.open_table(ENTRIES)?;
            for _ in 0..count {
                self.last += 1;
                entries.insert(self.last, payload)?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn compact(&mut self, last: u64) -> Result<(), Failure> {
        let transaction = self.database.begin_write()?;
        let mut entries = transaction.open_table(ENTRIES)?;
        entries.retain_in(..=last, |_, _| false)?;
        drop(entries);
        transaction.commit()?;
        Ok(())
    }

    fn last(&mut self) -> Result<u64, Failure> {
        let entries = self.database.begin_read()?.open_table(ENTRIES)?;
        let last = entries.last()?;
        Ok(last.map_or(0, |(index, _)| index.value()))
    }
}

const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
