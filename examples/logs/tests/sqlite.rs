//! The log in SQLite held to the contract of `Log`, in real folders: its process is killed, but the power never
//! fails. And what is applied is applied with its index, or not at all.

use std::error::Error;
use std::fs;
use std::path::Path;

use database_logs::sqlite_log::{Applied, SqliteStore};
use database_logs::store::Threaded;
use quorate::LogIndex;
use quorate::raft_core::chunk::{Chunk, ChunkBuilder};
use quorate::raft_core::ids::Term;
use quorate::raft_core::log::Recovered;
use quorate::raft_core::record::{ClientHeader, Entry, Record};
use quorate::raft_core::time::LogTime;
use quorate::raft_sim::conformance::{Broken, LogKit, TestDisk};
use rusqlite::Transaction;
use tempfile::TempDir;

fn open(disk: TestDisk) -> Result<(Threaded, Recovered), Box<dyn Error>> {
    let (store, recovered) = SqliteStore::open(&disk.folder()?.join("log.sqlite"))?;
    Ok((Threaded::start(store, &recovered)?, recovered))
}

#[test]
fn clauses() -> Result<(), Broken> {
    LogKit::new(open)
        .clauses()
        .map(|report| println!("{report}"))
}

#[test]
fn kills() -> Result<(), Broken> {
    let report = LogKit::new(open).points(8).crash_points()?;
    println!("{report}");
    assert!(report.openings > 100, "nothing was tried");
    Ok(())
}

/// Writes are begun while others are under way. The disk is a real one: that its answers come late, which this
/// part of the kit is for where it has the disk, is not in it.
#[test]
fn kills_while_several_writes_are_under_way() -> Result<(), Broken> {
    let report = LogKit::new(open).points(2).late_answers()?;
    println!("{report}");
    assert!(report.openings > 20, "nothing was tried");
    Ok(())
}

/// Three commands at the beginning of the log.
fn commands() -> Vec<Chunk> {
    let mut builder = ChunkBuilder::new();
    for text in ["one", "two", "three"] {
        builder
            .push_client(ClientHeader::default(), text.as_bytes())
            .unwrap();
    }
    let (term, first, time) = (Term::new(1), LogIndex::new(1), LogTime::from_millis(1));
    vec![
        builder
            .seal(term, first, time, crc32c::crc32c_append)
            .unwrap(),
    ]
}

/// What a command does to the application's table.
fn remember(transaction: &Transaction<'_>, entry: Entry<'_>) -> rusqlite::Result<()> {
    if let Record::Client { payload, .. } = entry.record {
        transaction.execute("INSERT INTO words VALUES (?)", [payload])?;
    }
    Ok(())
}

const WORDS: &str = "CREATE TABLE IF NOT EXISTS words (word BLOB NOT NULL)";

/// What the process leaves if it is killed now, opened again: how many words there are, and the applied index.
fn after_a_kill(folder: &Path) -> (u64, u64) {
    let copy = TempDir::new().unwrap();
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    words(&Applied::open(&copy.path().join("log.sqlite"), WORDS).unwrap())
}

fn words(applied: &Applied) -> (u64, u64) {
    let count = "SELECT count(*) FROM words";
    let count: i64 = applied
        .connection()
        .query_row(count, [], |row| row.get(0))
        .unwrap();
    (count as u64, applied.index().get())
}

#[test]
fn a_kill_leaves_both_what_was_applied_and_how_far_or_neither() {
    let folder = TempDir::new().unwrap();
    let mut applied = Applied::open(&folder.path().join("log.sqlite"), WORDS).unwrap();
    let mut seen = Vec::new();
    let watched = |transaction: &Transaction<'_>, entry: Entry<'_>| {
        remember(transaction, entry)?;
        seen.push(after_a_kill(folder.path()));
        Ok(())
    };
    applied.apply(&commands(), watched).unwrap();
    seen.push(after_a_kill(folder.path()));
    assert_eq!(seen, [(0, 0), (0, 0), (0, 0), (3, 3)]);
}

#[test]
fn what_fails_half_way_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let mut applied = Applied::open(&folder.path().join("log.sqlite"), WORDS).unwrap();
    let fails = |transaction: &Transaction<'_>, entry: Entry<'_>| match entry.id.index.get() {
        3 => Err(rusqlite::Error::InvalidQuery),
        _ => remember(transaction, entry),
    };
    assert!(applied.apply(&commands(), fails).is_err());
    assert_eq!(words(&applied), (0, 0));
}

#[test]
fn what_was_applied_is_not_applied_again() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("log.sqlite");
    Applied::open(&file, WORDS)
        .unwrap()
        .apply(&commands(), remember)
        .unwrap();
    let mut again = Applied::open(&file, WORDS).unwrap();
    again.apply(&commands(), remember).unwrap();
    assert_eq!(words(&again), (3, 3));
}
