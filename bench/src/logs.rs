//! The logs that are measured, each driven as its documentation has it.

pub(crate) mod fjall;
pub(crate) mod floor;
pub(crate) mod quorate;
pub(crate) mod raft_engine;
pub(crate) mod redb;

use crate::clusters::Failure;

/// Something that takes entries and makes them durable.
pub(crate) trait Appender {
    /// Appends so many entries of this payload, and returns when they are durable, or when no more appends
    /// are under way than the system was opened for.
    fn append(&mut self, payload: &[u8], count: usize) -> Result<(), Failure>;

    /// Waits until all is durable.
    fn settle(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// Lets go of the entries up to this one, as a node does that has taken a snapshot.
    fn compact(&mut self, last: u64) -> Result<(), Failure>;

    /// Which way its writes go to the disk, if it says so.
    fn writes(&self) -> Option<String> {
        None
    }

    /// The index of the last entry that it has.
    fn last(&mut self) -> Result<u64, Failure>;
}
