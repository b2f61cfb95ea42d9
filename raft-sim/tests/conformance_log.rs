//! The kit for logs, on logs that must pass.

/// The write-ahead log, with small segments, so that a life meets many.
mod write_ahead_log {
    use raft_core::log::{Log, Recovered};
    use raft_log::{Wal, WalError, WalSettings};
    use raft_sim::conformance::{TestDisk, wait};

    fn open(disk: TestDisk) -> Result<(impl Log, Recovered), WalError> {
        let settings = WalSettings {
            segment_bytes: 8_192,
            spare_segments: 1,
            groups_in_flight: 2,
            block_bytes: 1_024,
            log_id: 7,
        };
        wait(Wal::open(disk, settings))
    }

    raft_sim::log_conformance!(open);
}

/// The log of tests, and of examples that need no disk: it keeps each clause while it is open, and the kit
/// sees that nothing is left of it then.
mod in_memory {
    use std::convert::Infallible;

    use raft_core::log::Recovered;
    use raft_core::log::memory::MemoryLog;
    use raft_sim::conformance::{Broken, Clause, LogKit, TestDisk};

    #[expect(clippy::unnecessary_wraps, reason = "opening a log may fail")]
    fn open(_: TestDisk) -> Result<(MemoryLog, Recovered), Infallible> {
        Ok((MemoryLog::new(), Recovered::default()))
    }

    #[test]
    fn clauses() -> Result<(), Broken> {
        let report = LogKit::new(open).in_memory().clauses()?;
        assert!(report.points > 5 && report.openings == 0, "{report}");
        Ok(())
    }

    #[test]
    fn nothing_is_left_of_it() {
        let lost = |found: Result<_, Broken>| found.unwrap_err().clause == Some(Clause::Durable);
        assert!(lost(LogKit::new(open).clauses()));
        assert!(lost(LogKit::new(open).late_answers()));
    }
}
