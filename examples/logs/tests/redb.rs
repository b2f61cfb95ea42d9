//! The log in redb held to the contract of `Log`, on a disk that loses power.

use std::error::Error;
use std::io;

use database_logs::redb_log::RedbStore;
use database_logs::store::Threaded;
use quorate::raft_core::log::Recovered;
use quorate::raft_sim::conformance::{Broken, Clause, LogKit, TestDisk, TestFile, wait};
use redb::{Durability, StorageBackend};

/// The kit's file as a database's.
#[derive(Debug)]
struct File(TestFile);

impl StorageBackend for File {
    fn len(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_length(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write(offset, bytes)
    }
}

type Opened = (Threaded, Recovered);

fn open(disk: TestDisk, durability: Durability) -> Result<Opened, Box<dyn Error>> {
    let file = |name: &str| Ok(File(disk.file(name)));
    let (mut store, recovered) = wait(RedbStore::open(&disk, file))?;
    store.durability = durability;
    Ok((Threaded::start(store, &recovered)?, recovered))
}

/// A database does much more to its disk than a log in one file: not every moment is tried.
fn kit(durability: Durability) -> LogKit<impl Fn(TestDisk) -> Result<Opened, Box<dyn Error>>> {
    LogKit::new(move |disk| open(disk, durability))
        .samples(1)
        .points(24)
}

#[test]
fn clauses() -> Result<(), Broken> {
    kit(Durability::Immediate)
        .clauses()
        .map(|report| println!("{report}"))
}

#[test]
fn crash_points() -> Result<(), Broken> {
    kit(Durability::Immediate)
        .crash_points()
        .map(|report| println!("{report}"))
}

#[test]
fn late_answers() -> Result<(), Broken> {
    kit(Durability::Immediate)
        .late_answers()
        .map(|report| println!("{report}"))
}

#[test]
fn faults() -> Result<(), Broken> {
    kit(Durability::Immediate)
        .faults()
        .map(|report| println!("{report}"))
}

#[test]
fn a_commit_that_is_not_durable_breaks_the_third_clause() {
    let broken = kit(Durability::None)
        .crash_points()
        .expect_err("nothing is found");
    println!("{broken}");
    assert_eq!(broken.clause, Some(Clause::Durable));
}
