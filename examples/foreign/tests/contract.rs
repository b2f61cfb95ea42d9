//! The log held to the contract by the kit.

use job_queue::log::FileLog;
use quorate::raft_core::log::{Log, LogError, Recovered};
use quorate::raft_sim::conformance::{TestDisk, wait};
use quorate::raft_sim::log_conformance;

fn open(disk: TestDisk) -> Result<(impl Log, Recovered), LogError> {
    wait(FileLog::open(disk))
}

log_conformance!(open);
