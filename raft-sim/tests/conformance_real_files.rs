//! The write-ahead log over real files, held to the contract of logs in each way of using them. Its process is
//! killed, but the power never fails: what a disk makes of that is for the simulated ones.
#![cfg(unix)]

use std::num::NonZeroU8;

use raft_core::log::Recovered;
use raft_log::{FsSettings, RunOn, StdFs, Wal, WalSettings, Writes};
use raft_sim::conformance::{Broken, LogKit, TestDisk, wait};

/// Direct where the system's temporary folder has it.
const WAYS: [FsSettings; 5] = [
    way(Writes::Auto, RunOn::OWN_THREAD),
    way(Writes::Auto, RunOn::OwnThreads(NonZeroU8::new(3).unwrap())),
    way(Writes::Auto, RunOn::CallersThread),
    way(Writes::Buffered, RunOn::OWN_THREAD),
    way(Writes::Buffered, RunOn::CallersThread),
];

const fn way(writes: Writes, run_on: RunOn) -> FsSettings {
    FsSettings { writes, run_on }
}

/// Segments are small, so that a life meets many, and hold several frames, so that some follow one that was
/// synced, and can go to the disk directly.
fn opens(
    settings: FsSettings,
) -> impl Fn(TestDisk) -> Result<(Wal<StdFs>, Recovered), Box<dyn std::error::Error>> {
    move |disk| {
        let fs = StdFs::open_with(disk.folder()?, settings)?;
        let settings = WalSettings {
            segment_bytes: 32_768,
            groups_in_flight: 3,
            ..WalSettings::default()
        };
        Ok(wait(Wal::open(fs, settings))?)
    }
}

#[test]
fn clauses() -> Result<(), Broken> {
    WAYS.into_iter().try_for_each(|settings| {
        let report = LogKit::new(opens(settings)).clauses()?;
        println!("{settings:?}: {report}");
        Ok(())
    })
}

#[test]
fn kills() -> Result<(), Broken> {
    WAYS.into_iter().try_for_each(|settings| {
        let report = LogKit::new(opens(settings)).points(2).crash_points()?;
        println!("{settings:?}: {report}");
        assert!(report.openings > 50, "{report}: nothing was tried");
        Ok(())
    })
}
