//! A job queue on three machines, with a log of its own: what a user of Quorate might write.
//!
//! [`queue`] is the state machine, bytes in and bytes out; [`log`] keeps what must survive a crash
//! in one file. `tests/contract.rs` holds the log to the contract of `Log`; `tests/simulated.rs` runs
//! both under simulated crashes, partitions and lost writes. Plausible mistakes are found by each.

pub mod log;
pub mod queue;
