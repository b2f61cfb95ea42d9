//! A log in a [redb](https://www.redb.org) database: each write is one transaction.
//!
//! | table | key | value |
//! |---|---|---|
//! | `entries` | the index of a chunk's last entry | the chunk's bytes |
//! | `state` | `hard`, `identity`, `snapshot` | what the write carried, encoded |
//!
//! By its last entry, so that the rows from an index on are just those that hold entries from there on: the
//! first may begin before it.

use std::io::{self, ErrorKind};
use std::ops::Range;

use bytes::Bytes;
use quorate::LogIndex;
use quorate::raft_core::chunk::Chunk;
use quorate::raft_core::log::{LogError, Recovered, Write};
use quorate::raft_log::fs::{Answer, Fs, Operation};
use quorate::raft_node::codec::{Codec, PostcardCodec};
use redb::{
    Database, Durability, Error, ReadableDatabase, ReadableTable, StorageBackend, Table,
    TableDefinition, WriteTransaction,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::rows::{account, chunk_of, row_of};
use crate::store::{Bounds, Portion, Store};

/// A log in a redb database, which has it for itself. [`Threaded`](crate::store::Threaded) makes a
/// [`Log`](quorate::raft_core::log::Log) of it.
pub struct RedbStore {
    database: Database,
    /// How durable a write is when it is acknowledged. Anything but [`Durability::Immediate`] breaks the
    /// contract: a test shows that this is noticed.
    pub durability: Durability,
}

impl RedbStore {
    /// Opens the log in a folder. `fs` is the folder, for the names in it; `file` gives the file of a name
    /// to redb, which writes it by itself.
    ///
    /// # Errors
    ///
    /// The disk or the database failed, or what the database holds is damaged.
    pub async fn open<F: Fs, B: StorageBackend>(
        fs: &F,
        file: impl Fn(&str) -> io::Result<B>,
    ) -> Result<(Self, Recovered), LogError> {
        let open = |name: &str| Ok(Database::builder().create_with_backend(file(name)?)?);
        if !is_there(fs, NAME).await? {
            // A power failure while redb creates a file leaves one that does not open again, ever.
            if is_there(fs, UNFINISHED).await? {
                let name = UNFINISHED.to_owned();
                ask(fs, Operation::Remove { name }).await?;
            }
            let created = open(UNFINISHED).and_then(|database| Ok(database.close()?));
            created.map_err(failed("create the database"))?;
            let (from, to) = (UNFINISHED.to_owned(), NAME.to_owned());
            ask(fs, Operation::Rename { from, to }).await?;
        }
        ask(fs, Operation::SyncFolder).await?;
        let database = open(NAME).map_err(failed("open the database"))?;
        let recovered = read_back(&database).map_err(failed("read the log"))?;
        let durability = Durability::Immediate;
        Ok((
            Self {
                database,
                durability,
            },
            recovered,
        ))
    }

    fn transact(&self, write: &Write, after: Bounds) -> Result<(), Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(self.durability)?;
        keep_state(&transaction, write)?;
        {
            let mut entries = transaction.open_table(ENTRIES)?;
            if let Some(from) = write.truncate_from {
                truncate(&mut entries, from)?;
            }
            for chunk in &write.append {
                entries.insert(chunk.last_index().get(), &*row_of(chunk))?;
            }
            entries.retain_in(..=after.snapshot.get(), |_, _| false)?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn select(&self, range: Range<LogIndex>, max_bytes: usize) -> Result<Vec<Chunk>, Error> {
        let mut portion = Portion::new(max_bytes);
        let entries = self.database.begin_read()?.open_table(ENTRIES)?;
        for row in entries.range(range.start.get()..)? {
            let chunk = parsed(row?.1.value())?;
            let wanted = chunk.slice(range.clone());
            if !wanted.is_some_and(|wanted| portion.take(&wanted)) {
                break;
            }
        }
        Ok(portion.found())
    }
}

impl Store for RedbStore {
    fn commit(&mut self, write: &Write, after: Bounds) -> Result<(), LogError> {
        self.transact(write, after)
            .map_err(failed("commit a write"))
    }

    fn found(&self, range: Range<LogIndex>, max_bytes: usize) -> Result<Vec<Chunk>, LogError> {
        self.select(range, max_bytes)
            .map_err(failed("read entries"))
    }
}

async fn is_there<F: Fs>(fs: &F, name: &str) -> Result<bool, LogError> {
    match ask(fs, Operation::List).await? {
        Answer::Names(names) => Ok(names.iter().any(|(known, _)| known == name)),
        _ => Ok(false),
    }
}

async fn ask<F: Fs>(fs: &F, operation: Operation) -> Result<Answer, LogError> {
    let answer = fs.start(operation).await;
    answer.map_err(|error| failed("prepare the folder")(Error::Io(io::Error::other(error))))
}

/// Everything that is in the database; the tables are there from now on.
fn read_back(database: &Database) -> Result<Recovered, Error> {
    let transaction = database.begin_write()?;
    let mut recovered = Recovered::default();
    {
        let state = transaction.open_table(STATE)?;
        recovered.hard = value(&state, "hard")?.unwrap_or_default();
        recovered.snapshot = value(&state, "snapshot")?;
        recovered.identity = state
            .get("identity")?
            .map(|row| Bytes::copy_from_slice(row.value()));
        let mark = recovered.snapshot.as_ref();
        let snapshot = mark.map_or(LogIndex::ZERO, |mark| mark.last.index);
        recovered.last = snapshot;
        let first = snapshot.next();
        for row in transaction.open_table(ENTRIES)?.range(first.get()..)? {
            let chunk = parsed(row?.1.value())?;
            if let Some(kept) = chunk.slice(first..LogIndex::new(u64::MAX)) {
                account(&mut recovered, &kept);
            }
        }
    }
    // A commit with all that was found before it: a process that was killed may not have synced that.
    transaction.commit()?;
    Ok(recovered)
}

/// What a write has to say beside its entries.
fn keep_state(transaction: &WriteTransaction, write: &Write) -> Result<(), Error> {
    let mut state = transaction.open_table(STATE)?;
    state.insert("hard", &*encoded(&write.hard)?)?;
    if let Some(identity) = &write.identity {
        state.insert("identity", &**identity)?;
    }
    if let Some(mark) = &write.snapshot {
        state.insert("snapshot", &*encoded(mark)?)?;
    }
    Ok(())
}

/// Removes this index and all after it.
fn truncate(entries: &mut Table<'_, u64, &[u8]>, from: LogIndex) -> Result<(), Error> {
    let first = match entries.range(from.get()..)?.next() {
        Some(row) => parsed(row?.1.value())?,
        None => return Ok(()),
    };
    entries.retain_in(from.get().., |_, _| false)?;
    if let Some(kept) = first.slice(LogIndex::ZERO..from) {
        entries.insert(kept.last_index().get(), &*row_of(&kept))?;
    }
    Ok(())
}

fn value<T: DeserializeOwned>(
    state: &impl ReadableTable<&'static str, &'static [u8]>,
    name: &str,
) -> Result<Option<T>, Error> {
    let Some(row) = state.get(name)? else {
        return Ok(None);
    };
    let decoded = PostcardCodec.decode(row.value());
    decoded
        .map(Some)
        .map_err(|error| Error::Corrupted(format!("`{name}` is damaged: {error}")))
}

fn encoded(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let encoded = PostcardCodec.encode(value, &mut bytes);
    encoded.map_err(|error| Error::Corrupted(error.to_string()))?;
    Ok(bytes)
}

fn parsed(row: &[u8]) -> Result<Chunk, Error> {
    chunk_of(row).map_err(Error::Corrupted)
}

fn failed(action: &'static str) -> impl FnOnce(Error) -> LogError {
    move |error| {
        let detail = error.to_string();
        match error {
            Error::Io(cause) if cause.kind() == ErrorKind::StorageFull => LogError::Full { detail },
            _ => LogError::Storage { action, detail },
        }
    }
}

/// The database's file, and its name until it is one.
const NAME: &str = "log.redb";
const UNFINISHED: &str = "log.redb.new";
const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
const STATE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("state");
