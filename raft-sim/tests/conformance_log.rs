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
