//! A log in an SQLite database, and what a state machine keeps beside it in the same file.
//!
//! Each write is one transaction ([`SqliteStore`]); so is what entries do to the application's tables together
//! with how far was applied ([`Applied`]).

use std::ops::Range;
use std::path::Path;

use bytes::Bytes;
use quorate::LogIndex;
use quorate::raft_core::chunk::Chunk;
use quorate::raft_core::log::{LogError, Recovered, Write};
use quorate::raft_core::record::Entry;
use quorate::raft_node::codec::{Codec, PostcardCodec};
use rusqlite::types::Type;
use rusqlite::{Connection, Error, ErrorCode, OptionalExtension, Transaction, TransactionBehavior};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::rows::{account, chunk_of, row_of};
use crate::store::{Bounds, Portion, Store};

/// A log in an SQLite database. [`Threaded`](crate::store::Threaded) makes a
/// [`Log`](quorate::raft_core::log::Log) of it.
pub struct SqliteStore {
    connection: Connection,
}

impl SqliteStore {
    /// Opens the database in this file, which may be new.
    ///
    /// # Errors
    ///
    /// The database failed, or what it holds is damaged.
    pub fn open(file: &Path) -> Result<(Self, Recovered), LogError> {
        let opened = connect(file).and_then(|connection| {
            let recovered = read_back(&connection)?;
            Ok((connection, recovered))
        });
        let (connection, recovered) = opened.map_err(failed("open the database"))?;
        Ok((Self { connection }, recovered))
    }

    fn transact(&mut self, write: &Write, after: Bounds) -> Result<(), Error> {
        let transaction = begin(&mut self.connection)?;
        keep_state(&transaction, write)?;
        if let Some(from) = write.truncate_from {
            truncate(&transaction, from)?;
        }
        for chunk in &write.append {
            insert(&transaction, chunk)?;
        }
        let through = [key(after.snapshot)];
        transaction.execute("DELETE FROM entries WHERE last <= ?", through)?;
        transaction.commit()
    }

    fn select(&self, range: Range<LogIndex>, max_bytes: usize) -> Result<Vec<Chunk>, Error> {
        let mut portion = Portion::new(max_bytes);
        let mut rows = self.connection.prepare_cached(ENTRIES_FROM)?;
        let mut rows = rows.query([key(range.start)])?;
        while let Some(row) = rows.next()? {
            let chunk = parsed(row.get_ref(0)?.as_blob()?)?;
            let wanted = chunk.slice(range.clone());
            if !wanted.is_some_and(|wanted| portion.take(&wanted)) {
                break;
            }
        }
        Ok(portion.found())
    }
}

impl Store for SqliteStore {
    fn commit(&mut self, write: &Write, after: Bounds) -> Result<(), LogError> {
        self.transact(write, after)
            .map_err(failed("commit a write"))
    }

    fn found(&self, range: Range<LogIndex>, max_bytes: usize) -> Result<Vec<Chunk>, LogError> {
        self.select(range, max_bytes)
            .map_err(failed("read entries"))
    }
}

/// What a state machine keeps in the log's database, on a connection of its own.
pub struct Applied {
    connection: Connection,
    index: LogIndex,
}

impl Applied {
    /// Opens the database once more, with the tables that `schema` makes if they are not there.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub fn open(file: &Path, schema: &str) -> Result<Self, Error> {
        let connection = connect(file)?;
        connection.execute_batch(schema)?;
        let index = value(&connection, "applied")?.unwrap_or_default();
        Ok(Self { connection, index })
    }

    /// Up to where entries were applied.
    pub const fn index(&self) -> LogIndex {
        self.index
    }

    /// For queries.
    pub const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Applies committed entries: what `work` does for each, and how far that is, are one transaction. Entries
    /// that were applied before, as those that come again after a start, are left out.
    ///
    /// # Errors
    ///
    /// The database failed, or `work` did: nothing has changed.
    pub fn apply(
        &mut self,
        chunks: &[Chunk],
        mut work: impl FnMut(&Transaction<'_>, Entry<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let transaction = begin(&mut self.connection)?;
        let mut index = self.index;
        for entry in chunks.iter().flat_map(Chunk::entries) {
            if entry.id.index > index {
                index = entry.id.index;
                work(&transaction, entry)?;
            }
        }
        keep(&transaction, "applied", &encoded(&index)?)?;
        transaction.commit()?;
        self.index = index;
        Ok(())
    }
}

/// Opens a database in which a commit lasts.
fn connect(file: &Path) -> Result<Connection, Error> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(PATIENCE)?;
    // With WAL alone a commit survives the process only. FULL syncs at each.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(SCHEMA)?;
    // A process that was killed may have left commits that were not synced, and SQLite takes them as they are.
    // A checkpoint syncs them.
    connection.query_row("PRAGMA wal_checkpoint(FULL)", [], |_| Ok(()))?;
    Ok(connection)
}

/// Everything that is in the database.
fn read_back(connection: &Connection) -> Result<Recovered, Error> {
    let mut recovered = Recovered {
        hard: value(connection, "hard")?.unwrap_or_default(),
        identity: kept(connection, "identity")?.map(Bytes::from),
        snapshot: value(connection, "snapshot")?,
        ..Recovered::default()
    };
    let mark = recovered.snapshot.as_ref();
    let snapshot = mark.map_or(LogIndex::ZERO, |mark| mark.last.index);
    recovered.last = snapshot;
    let first = snapshot.next();
    let mut rows = connection.prepare(ENTRIES_FROM)?;
    let mut rows = rows.query([key(first)])?;
    while let Some(row) = rows.next()? {
        let chunk = parsed(row.get_ref(0)?.as_blob()?)?;
        if let Some(kept) = chunk.slice(first..LogIndex::new(u64::MAX)) {
            account(&mut recovered, &kept);
        }
    }
    Ok(recovered)
}

/// What a write has to say beside its entries.
fn keep_state(transaction: &Transaction<'_>, write: &Write) -> Result<(), Error> {
    keep(transaction, "hard", &encoded(&write.hard)?)?;
    if let Some(identity) = &write.identity {
        keep(transaction, "identity", identity)?;
    }
    if let Some(mark) = &write.snapshot {
        keep(transaction, "snapshot", &encoded(mark)?)?;
    }
    Ok(())
}

/// Removes this index and all after it.
fn truncate(transaction: &Transaction<'_>, from: LogIndex) -> Result<(), Error> {
    let first = transaction.query_row(ENTRIES_FROM, [key(from)], |row| row.get(0));
    let Some(first) = first.optional()? else {
        return Ok(());
    };
    let first: Vec<u8> = first;
    transaction.execute("DELETE FROM entries WHERE last >= ?", [key(from)])?;
    match parsed(&first)?.slice(LogIndex::ZERO..from) {
        Some(kept) => insert(transaction, &kept),
        None => Ok(()),
    }
}

fn insert(transaction: &Transaction<'_>, chunk: &Chunk) -> Result<(), Error> {
    let mut insert = transaction.prepare_cached("INSERT INTO entries VALUES (?, ?)")?;
    insert.execute((key(chunk.last_index()), &*row_of(chunk)))?;
    Ok(())
}

/// Writers wait for each other at the beginning: one that has read before it writes would fail instead.
fn begin(connection: &mut Connection) -> Result<Transaction<'_>, Error> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

fn keep(connection: &Connection, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let mut replace = connection.prepare_cached("REPLACE INTO state VALUES (?, ?)")?;
    replace.execute((name, bytes))?;
    Ok(())
}

fn kept(connection: &Connection, name: &str) -> Result<Option<Vec<u8>>, Error> {
    let select = "SELECT value FROM state WHERE name = ?";
    let found = connection.query_row(select, [name], |row| row.get(0));
    found.optional()
}

fn value<T: DeserializeOwned>(connection: &Connection, name: &str) -> Result<Option<T>, Error> {
    let decoded = kept(connection, name)?.map(|bytes| PostcardCodec.decode(&bytes));
    decoded.transpose().map_err(damaged)
}

fn encoded(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let encoded = PostcardCodec.encode(value, &mut bytes);
    encoded.map_err(|error| Error::ToSqlConversionFailure(error.into()))?;
    Ok(bytes)
}

fn parsed(row: &[u8]) -> Result<Chunk, Error> {
    chunk_of(row).map_err(damaged)
}

fn damaged(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::FromSqlConversionFailure(0, Type::Blob, why.into())
}

/// SQLite counts to half as far.
fn key(index: LogIndex) -> i64 {
    i64::try_from(index.get()).unwrap_or(i64::MAX)
}

fn failed(action: &'static str) -> impl FnOnce(Error) -> LogError {
    move |error| {
        let detail = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => LogError::Full { detail },
            _ => LogError::Storage { action, detail },
        }
    }
}

/// By a chunk's last entry, so that the rows from an index on are just those that hold entries from there on.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS entries (last INTEGER PRIMARY KEY, chunk BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;";
const ENTRIES_FROM: &str = "SELECT chunk FROM entries WHERE last >= ? ORDER BY last";
/// How long a writer waits for another one.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
